"""Idle connections that negotiated compression need no more memory than others."""

import contextlib
import random
import statistics

from deflate import RSV1, DeflateWire, deflate
from wire import BINARY, Wire, frame

COUNT = 2_000
ROUNDS = 3

WORDS = random.Random(1).randbytes(500).hex().encode()


def to_plain(server):
    return Wire.to(server, "/echo")


KINDS = {
    "plain": (to_plain, frame(BINARY, WORDS), 0),
    "agreed": (DeflateWire.to, frame(BINARY, deflate(WORDS), rsv=RSV1), RSV1),
}


def speak(wire, sent, rsv):
    wire.send(sent)
    assert wire.frame().rsv == rsv


def held(start, kind):
    """Returns the bytes that this many connections need on a new server: after the opening, and
    after an echo.
    """
    connect, *said = KINDS[kind]
    server = start("server.loops=1", args=["--tools"])
    server.takes_over = False
    with connect(server) as wire:  # everything that is allocated once
        speak(wire, *said)
    with contextlib.ExitStack() as stack:
        before = server.resident_bytes()
        wires = [stack.enter_context(connect(server)) for _ in range(COUNT)]
        opened = server.resident_bytes() - before
        for wire in wires:
            speak(wire, *said)
        return opened, server.resident_bytes() - before


def medians(start, kind):
    rounds = [held(start, kind) for _ in range(ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def test_idle_connections_with_compression_need_no_more_memory(start, record_property):
    plain, agreed = medians(start, "plain"), medians(start, "agreed")
    record_property("bytes", (plain, agreed))
    for state, without, those in zip(("opened", "after an echo"), plain, agreed, strict=True):
        assert those < 1.1 * without, f"{state}: {those >> 10} KiB instead of {without >> 10}"
