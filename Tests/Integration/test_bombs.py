"""Decompression bombs: memory follows the limits, not the decompressed size of a message.

Each with both engines, without and with the clients' context takeover.
"""

import itertools
import random
import time
import zlib

import pytest
from deflate import (
    EMPTY_DYNAMIC,
    EMPTY_FIXED,
    EMPTY_STORED,
    FLUSH,
    KIB,
    MIB,
    RSV1,
    TAIL,
    DeflateWire,
    bomb,
    deflate,
    stored,
)
from negotiation import NAME
from test_deflate_negotiation import offering
from test_inflating import judge
from tokens import KEYED, PATH, message, token
from wire import BINARY, CONTINUATION, TEXT, frame

NOISE = random.Random(2).randbytes(MIB)


def fragments(payload, count, opcode=BINARY, fin=True):
    """Returns a compressed message, or its beginning, in this many frames."""
    cuts = [len(payload) * index // count for index in range(count + 1)]
    return b"".join(
        frame(
            CONTINUATION if index else opcode, payload[start:end],
            rsv=0 if index else RSV1, fin=fin and index == count - 1,
        )
        for index, (start, end) in enumerate(itertools.pairwise(cuts))
    )


def expect(server, payload, expected, opcode=BINARY):
    """Returns the answer to this message on a new connection."""
    with DeflateWire.to(server) as wire:
        wire.send_deflated(payload, opcode)
        wire.expect(expected)


def expect_of_fragments(server, payload, count, expected):
    with DeflateWire.to(server) as wire:
        wire.send(fragments(payload, count))
        wire.expect(expected)


# A server without the limit would use the 64 MiB.

TO_64_MIB = bomb(64 * MIB)


def room(cap, compressed=len(TO_64_MIB)):
    """Returns the memory that one message may use: the output up to the limit, half of it again
    while it is moved to a larger buffer, and the received message in a buffer of up to twice its
    size.
    """
    return cap + cap // 2 + 2 * compressed


def test_64_kib_that_decompress_to_64_mib(inflating, beside_honest, peak_within):
    assert 60 * KIB < len(TO_64_MIB) < 64 * KIB
    server = inflating()
    with beside_honest(server), peak_within(server, room(MIB)):
        for _ in range(40):
            expect(server, TO_64_MIB, 1009)


@pytest.mark.parametrize("cap", [4 * KIB, 16 * MIB], ids=["4KiB", "16MiB"])
def test_memory_follows_the_limit(inflating, peak_within, cap):
    server = inflating(f"limits.message.max={cap}")
    with peak_within(server, room(cap)):
        expect(server, TO_64_MIB, 1009)
        # The compressed size is within the smaller limit, too.
        assert len(bomb(3 * MIB)) < 4 * KIB
        expect(server, bomb(3 * MIB), 1009 if cap < MIB else bytes(3 * MIB))
        expect(server, TO_64_MIB, 1009)


@pytest.mark.parametrize("cap", [MIB, 16 * MIB], ids=["1MiB", "16MiB"])
def test_truncated_bombs(inflating, peak_within, cap):
    """Beyond the limit, the missing end isn't detected any more; within it, it is reported."""
    server = inflating(f"limits.message.max={cap}")
    with peak_within(server, room(cap)):
        for missing in (1, 5, 9, 100, len(TO_64_MIB) // 2):
            expect(server, TO_64_MIB[:-missing], 1009)
    with peak_within(server, room(cap, len(bomb(cap)))):
        for missing in (1, 5, 9, 100):
            assert judge(bomb(cap)[:-missing]) == 1007
            expect(server, bomb(cap)[:-missing], 1007)
    expect(server, bomb(cap), bytes(cap))


def test_bombs_in_many_fragments(inflating, beside_honest, peak_within):
    server = inflating()
    with beside_honest(server), peak_within(server, room(MIB)):
        for _ in range(10):
            expect_of_fragments(server, TO_64_MIB, 1_000, 1009)
            expect_of_fragments(server, TO_64_MIB, 1_025, 1009)
    # Only the number of frames is invalid here.
    expect_of_fragments(server, deflate(b"honest"), 1_024, b"honest")
    expect_of_fragments(server, deflate(b"honest"), 1_025, 1009)


# Before a peer has authenticated

UNPROVED = ("auth.first_message=true", KEYED)


def unproved(server):
    """Returns a connection that has offered compression, before its peer sends a token."""
    wire, answer = offering(server, NAME, path=PATH)
    assert answer is None
    return wire


def test_bombs_before_authentication(start, beside_honest, peak_within):
    """No extension is negotiated there, so nothing is decompressed, even after a token."""
    server = start("server.loops=1", *UNPROVED)
    # The compressed size of one is within `limits.before_auth.message`, that of the other isn't.
    bombs = [
        fragments(payload, count) for payload in (bomb(MIB), TO_64_MIB) for count in (1, 1_000)
    ]

    def expect_failures(proofs):
        for proof, sent in itertools.product(proofs, bombs):
            with unproved(server) as wire:
                wire.send(proof + sent)
                wire.expect_failure(1002)

    proofs = b"", frame(TEXT, message(token()).encode())
    expect_failures(proofs)
    with beside_honest(server), peak_within(server, 0):
        expect_failures(proofs * 30)


# Messages without output: the input determines the cost

NOTHING = {
    "stored": EMPTY_STORED * (MIB // 5),
    "fixed": EMPTY_FIXED.times(MIB).message() + TAIL,
    "dynamic": EMPTY_DYNAMIC.times(MIB).message() + TAIL,
    "final": b"\x03\x00" * (MIB // 2),
}


def cpu_seconds_of(server, payload):
    """Returns the CPU time of the server for the message and one byte of content after it."""
    before = server.cpu_seconds()
    expect(server, payload + FLUSH, b"")
    expect(server, payload + stored(b"x") + FLUSH, b"x")
    return server.cpu_seconds() - before


def test_a_mebibyte_of_empty_blocks(inflating, peak_within):
    server = inflating()
    with peak_within(server, room(0, compressed=MIB)):
        for payload in NOTHING.values():
            assert cpu_seconds_of(server, payload) < 2


def test_empty_stored_blocks_keep_no_one_waiting(inflating, beside_honest, peak_within):
    server = inflating()
    with beside_honest(server), peak_within(server, room(0, compressed=MIB)):
        for _ in range(20):
            cpu_seconds_of(server, NOTHING["stored"])


@pytest.mark.parametrize("blocks", ["fixed", "dynamic"])
def test_empty_blocks_cost_about_as_much_as_in_zlib(inflating, record_property, blocks):
    """Otherwise one peer could occupy a loop, within every limit."""
    payload = NOTHING[blocks]
    server = inflating()
    spent = cpu_seconds_of(server, payload)
    begun = time.process_time()
    for _ in range(2):
        assert zlib.decompressobj(-15).decompress(payload) == b""
    by_zlib = time.process_time() - begun
    record_property("cpu_seconds", (spent, by_zlib))
    # CPU time is counted in whole ticks, and a message costs more than its decompression.
    assert spent < 3 * by_zlib + 0.05


# The limit, to the byte


def test_a_message_that_decompresses_to_one_byte_beyond_the_limit_is_1009(inflating, peak_within):
    server = inflating()
    words = NOISE[: MIB // 2].hex().encode()
    # The received, the decompressed, and the echoed message, which is compressed and queued.
    with peak_within(server, 4 * MIB):
        for level in (0, 1, 9):
            expect(server, deflate(words, level), words)
            expect(server, deflate(words + b"x", level), 1009)
    expect(server, bomb(MIB), bytes(MIB))
    expect(server, bomb(MIB + 1), 1009)


def test_a_message_that_grew_when_compressed_is_accepted(inflating):
    server = inflating()
    payload = stored(NOISE) + FLUSH
    assert len(payload) > MIB
    expect(server, payload, NOISE)
    expect_of_fragments(server, payload, 100, NOISE)
    # A compressor with the least memory, which writes only short blocks.
    for memory in range(1, 10):
        deflater = zlib.compressobj(6, zlib.DEFLATED, -15, memory)
        expect(server, deflater.compress(NOISE) + deflater.flush(zlib.Z_SYNC_FLUSH)[:-4], NOISE)
    expect(server, stored(NOISE + b"x") + FLUSH, 1009)
    # Beyond the overhead of valid blocks, it is refused unread.
    expect(server, EMPTY_STORED * (MIB // 16 // 5 + 64) + payload, 1009)


def test_text_bombs_with_invalid_utf8_at_the_end(inflating, peak_within):
    server = inflating()
    with peak_within(server, room(MIB, compressed=2 * KIB)):
        for end in (b"\xff", b"\xe2\x82", b"\xed\xa0\x80"):
            text = b"a" * (MIB - len(end)) + end
            expect(server, deflate(text), 1007, TEXT)
            expect(server, deflate(text), text)
    with peak_within(server, room(0, compressed=16 * KIB)):
        expect(server, deflate(bytes(16 * MIB) + b"\xff"), 1009, TEXT)
    good = "€".encode() * 300_000
    expect(server, deflate(good), good, TEXT)


def test_the_memory_of_a_bomb_is_freed(inflating):
    """Other connections may use it as soon as the bomb is refused, before its loop decompresses
    again.
    """
    server = inflating("limits.message.max=2MiB", "limits.assembly.max=3MiB")
    plain = NOISE + NOISE[: MIB // 2]
    with DeflateWire.to(server) as other:
        for payload, opcode, code in (
            (TO_64_MIB, BINARY, 1009),
            (bomb(2 * MIB)[:-9], BINARY, 1007),
            (deflate(b"a" * (2 * MIB - 1) + b"\xff"), TEXT, 1007),
        ):
            expect(server, payload, code, opcode)
            other.send_frame(BINARY, plain)
            other.expect(plain)


# Rates: 1 KiB that decompresses to 1 MiB


def test_small_bombs_beyond_the_byte_rate_are_slowed_down(inflating, beside_honest):
    server = inflating("limits.rate.bytes=8MiB", "limits.rate.policy=pause")
    with beside_honest(server), DeflateWire.to(server) as one, DeflateWire.to(server) as two:
        begun = time.monotonic()
        for _ in range(7):
            for wire in (one, two):
                wire.send(frame(BINARY, bomb(MIB), rsv=RSV1) * 2)
            for wire in (one, two):
                assert [len(wire.message()) for _ in range(2)] == [MIB] * 2
        # A burst of 8 MiB each, then 8 MiB per second. A message doesn't wait for its own size.
        assert time.monotonic() - begun > 0.4


def test_small_bombs_beyond_the_byte_rate_are_1008(inflating, beside_honest):
    server = inflating("limits.rate.bytes=64KiB", "limits.rate.policy=close")
    with beside_honest(server):
        for _ in range(20):
            with DeflateWire.to(server) as wire:
                wire.send_deflated(deflate(b"x"))
                assert wire.message() == b"x"
                wire.send_deflated(bomb(MIB))
                wire.expect(bytes(MIB))
                wire.expect(1008)


def test_small_bombs_in_one_read_are_subject_to_the_byte_rate_too(inflating):
    server = inflating("limits.rate.bytes=2MiB", "limits.rate.policy=close")
    with DeflateWire.to(server) as wire:
        wire.send(frame(BINARY, bomb(MIB), rsv=RSV1) * 60)
        echoes = 0
        while isinstance(answer := wire.message(), bytes):
            echoes += 1
        assert answer == 1008
        assert echoes < 10, f"{echoes} MiB at 2 MiB a second"
