#include "build_info.h"

#include <sqlite3.h>

// Written by .ci/commit, which make runs before each build. Git ignores it, and a build without it
// works.
#if __has_include("commit.h")
#include "commit.h"
#else
#define APUS_COMMIT ""
#endif

#ifdef APUS_ISAL
#include <isa-l.h>
#define APUS_TEXT(number) #number
#define APUS_VERSION(major, minor, patch) \
    APUS_TEXT(major) "." APUS_TEXT(minor) "." APUS_TEXT(patch)
#define APUS_ISAL_VERSION APUS_VERSION(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION)
#else
#define APUS_ISAL_VERSION ""
#endif

const char *apus_commit(void) { return APUS_COMMIT; }

const char *apus_isal_version(void) { return APUS_ISAL_VERSION; }

const char *apus_sqlite_version(void) { return sqlite3_libversion(); }
