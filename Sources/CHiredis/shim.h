// hiredis, of which the broker needs the reader of replies and the writer of commands.
//
// Not its connections: those resolve names on the caller's thread, and the asynchronous ones of
// 0.14 end the process by assert() when a server says what they don't expect.
#pragma once
#include <stdlib.h>
#include <hiredis/hiredis.h>
