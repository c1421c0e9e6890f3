// What only C or the Makefile knows about a build. The declarations never change with the commit,
// so a new commit compiles one C file again and no Swift.
#pragma once

// The commit that was built, such as "0123456789ab"; empty if make didn't build it.
const char *apus_commit(void);

// The version of the ISA-L headers, such as "2.30.0"; empty without ISA-L. The library itself has
// no function that returns its version.
const char *apus_isal_version(void);

// The version of the SQLite library that is loaded.
const char *apus_sqlite_version(void);
