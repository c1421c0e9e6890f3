// libuv, and the few C facilities its Swift side needs and Swift can't import.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <uv.h>
