// Intel's ISA-L, whose igzip part permessage-deflate uses to deflate and inflate.
#pragma once
#include <stdbool.h>
#include <isa-l/igzip_lib.h>

// The size of a level's buffer: a macro of macros. "Small" holds 16 Ki tokens.
static inline unsigned apus_isal_level_buffer_size(unsigned level) {
    switch (level) {
    case 1: return ISAL_DEF_LVL1_SMALL;
    case 2: return ISAL_DEF_LVL2_SMALL;
    default: return ISAL_DEF_LVL3_SMALL;
    }
}

// Returns whether all input has been written out, including a sync flush, and none is only
// buffered. It is in C because Swift does not see the fields of structures that hold arrays of more
// than 4,096 elements.
static inline bool apus_isal_is_flushed(const struct isal_zstream *stream) {
    const struct isal_zstate *state = &stream->internal_state;
    return stream->avail_in == 0 && state->b_bytes_valid == state->b_bytes_processed
        && state->state == ZSTATE_NEW_HDR;
}

// Returns whether all has been written out and only the last four bytes of an empty stored block
// are missing, with which a sync flush ends. A block's header is kept until it is complete: here
// its first three bits and the padding of the byte.
static inline bool apus_isal_is_at_flush(const struct inflate_state *state) {
    int bits = state->read_in_length + 8 * state->tmp_in_size;
    if (state->block_state != ISAL_BLOCK_HDR || bits < 3 || bits > 10
        || state->tmp_out_valid != state->tmp_out_processed || state->write_overflow_len != 0
        || state->copy_overflow_length != 0)
        return false;
    uint64_t header = state->read_in;
    if (state->tmp_in_size > 0)
        header |= (uint64_t)state->tmp_in_buffer[0] << state->read_in_length;
    return (header & 6) == 0;
}

// Returns whether a final block has been read, or is being read.
static inline bool apus_isal_is_final(const struct inflate_state *state) {
    return state->bfinal != 0;
}
