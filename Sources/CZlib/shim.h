// zlib: raw deflate and inflate for permessage-deflate (RFC 7692).
#pragma once
#include <zlib.h>

// Wrappers of macros, which pass the header's version and the stream's size along.
static inline int apus_deflate_init(
    z_stream *stream, int level, int window_bits, int memory_level) {
    return deflateInit2(
        stream, level, Z_DEFLATED, -window_bits, memory_level, Z_DEFAULT_STRATEGY);
}
static inline int apus_inflate_init(z_stream *stream, int window_bits) {
    return inflateInit2(stream, -window_bits);
}
