// Facts about a build that only C or the Makefile knows. The declarations don't depend on the
// commit, so a new commit recompiles one C file and no Swift.
#pragma once

// The commit that was built, such as "0123456789ab"; empty if make didn't build it.
const char *apus_commit(void);

// The version of the ISA-L headers, such as "2.30.0"; empty without ISA-L. The library itself has
// no function that returns its version.
const char *apus_isal_version(void);

// The version of the SQLite library that is loaded.
const char *apus_sqlite_version(void);
