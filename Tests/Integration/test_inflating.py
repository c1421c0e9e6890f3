"""Compressed messages that aren't complete deflate data: 1007, and never another client's bytes.

Each with both engines, without and with the clients' context takeover.
"""

import random
import zlib

from deflate import (
    ALL_LENGTHS,
    EMPTY_STORED,
    FLUSH,
    LONG,
    TAIL,
    WIDE,
    DeflateWire,
    codes,
    deflate,
    dynamic,
    header,
    inflate,
    match,
    stored,
    tables,
)

SEEDED = random.Random(3)
NOISE = SEEDED.randbytes(40_000)
WORDS = [NOISE[at : at + 3 + at % 5].hex().encode() for at in range(0, 3_000, 10)]
TEXT = b" ".join(SEEDED.choices(WORDS, k=400))


class Neighbour:
    """An honest client on the same loop, with a context if that is negotiated."""

    def __init__(self, server):
        self.wire = DeflateWire.to(server)
        self.takes_over = server.takes_over
        self.stream = zlib.compressobj(wbits=-15)

    def check(self, words=TEXT):
        if not self.takes_over:
            self.stream = zlib.compressobj(wbits=-15)
        payload = self.stream.compress(words) + self.stream.flush(zlib.Z_SYNC_FLUSH)
        self.wire.send_deflated(payload.removesuffix(TAIL))
        self.wire.expect(words)


def judge(payload, history=b""):
    """Returns zlib's outcome of a message: its bytes if it is complete, otherwise 1007."""
    stream = zlib.decompressobj(-15, zdict=history)
    try:
        inflated = stream.decompress(payload)
        # The tail must be that of a flush, not content, and a final block must fit after it.
        behind = stream.decompress(TAIL + b"\x03\x00")
    except zlib.error:
        return 1007
    is_whole = stream.eof and not stream.unused_data and not behind
    return inflated if is_whole else 1007


STREAMS = {
    "dynamic codes": deflate(TEXT),
    "fixed codes": deflate(TEXT[:1_500], strategy=zlib.Z_FIXED),
    "stored": stored(NOISE[:600]) + FLUSH,
    "far matches": deflate(NOISE[:300] * 40),
    "several blocks": deflate(TEXT[:600]) + TAIL + deflate(TEXT[600:1_200]) + TAIL + FLUSH,
}


def test_a_truncated_message_is_1007(inflating):
    server = inflating()
    neighbour = Neighbour(server)
    for name, payload in STREAMS.items():
        cuts = [*range(1, len(payload) - 12, 9), *range(len(payload) - 12, len(payload) + 1)]
        wires = [(DeflateWire.to(server), cut) for cut in cuts]
        for wire, cut in wires:
            wire.send_deflated(payload[:cut])
        for wire, cut in wires:
            with wire:
                wire.expect(judge(payload[:cut]), f"for {name}, cut at {cut}")
        neighbour.check()
        assert judge(payload) == inflate(payload)


# Neither a short nor a long block can have this type.

LETTER = (0x71, 8)  # with fixed codes
LAST_TWO = [0] * 255 + [1, 1]
CORRUPT = {
    "no type of block": header(3),
    "literal codes over-subscribed": dynamic([0] * 254 + [1, 1, 1], [0]),
    "distance codes over-subscribed": dynamic(LAST_TWO, [1, 1, 1]),
    "lengths' codes over-subscribed": tables(257, 1, [2] * 19),
    "lengths' codes incomplete": tables(257, 1, [5] * 19),
    "no code for the end of the block": dynamic([0] * 254 + [1, 1, 0], [0]),
    "too many literals": dynamic([*WIDE, 0], [0]),
    "too many distances": dynamic(LAST_TWO, [5] * 31),
    "a repeat of nothing": tables(257, 1).code(*codes(ALL_LENGTHS)[16]),
    "a repeat past the end": tables(257, 1).code(*codes(ALL_LENGTHS)[18]).number(127, 7)
    .code(*codes(ALL_LENGTHS)[18]).number(127, 7),
    "a literal that is none": header(1).code(*LETTER).code(0xC6, 8),
    "a distance that is none": header(1).code(*LETTER).code(1, 7).code(30, 5),
}


def test_invalid_codes_are_1007(inflating):
    server = inflating()
    neighbour = Neighbour(server)
    payloads = {name: bits.number(0, 64).message() for name, bits in CORRUPT.items()}
    payloads["a length unlike its complement"] = b"\x00\x05\x00\xfb\xffabcde" + FLUSH
    for name, payload in payloads.items():
        assert judge(payload) == 1007, name
        for start in (b"", LONG, stored(NOISE[:1_000])):
            for end in (b"", TAIL + LONG + FLUSH):
                with DeflateWire.to(server) as wire:
                    wire.send_deflated(start + payload + end)
                    wire.expect(1007, f"for {name}")
        neighbour.check()


def test_a_distance_too_far_back_is_1007(inflating):
    """It reaches neither the data of others, nor this peer's own data without a context."""
    server = inflating()
    neighbour = Neighbour(server)
    reaches = 0
    for known in (b"", NOISE[:300], NOISE[:30_000]):
        history = known if server.takes_over else b""
        for start in (b"", EMPTY_STORED * 200, *(stored(NOISE[:n]) for n in (9, 1_024, 40_000))):
            size = len(judge(start + FLUSH) + history)
            for distance in {1, size - 1, size, size + 1, size + 2, size + 999, 32_768}:
                if not 0 < distance <= 32_768:
                    continue
                neighbour.check()
                expected = judge(start + match(distance), history)
                assert (expected == 1007) == (distance > size)
                reaches += expected != 1007
                with DeflateWire.to(server) as wire:
                    wire.send_deflated(deflate(known))
                    wire.expect(known)
                    wire.send_deflated(start + match(distance))
                    wire.expect(expected, f"for {distance} back in {size}")
    assert reaches > 10
