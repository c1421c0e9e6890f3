"""Decompression bombs of a thousand peers at once: memory follows the limits."""

import collections
import contextlib
import itertools

import pytest
from apus import wait_until
from deflate import (
    EMPTY_DYNAMIC,
    EMPTY_FIXED,
    EMPTY_STORED,
    FLUSH,
    KIB,
    LONG,
    MIB,
    DeflateWire,
    bomb,
    brief,
    deflate,
    header,
)
from test_bombs import NOISE, TO_64_MIB
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

CROWD = {
    "a bomb": (TO_64_MIB, BINARY, 1009),
    "a smaller bomb": (bomb(16 * MIB), BINARY, 1009),
    "a text bomb": (deflate(b"a" * (MIB - 1) + b"\xff"), TEXT, 1007),
    "the cap": (bomb(MIB), BINARY, bytes(MIB)),
    "empty stored blocks": (EMPTY_STORED * 13_000 + FLUSH, BINARY, b""),
    "empty fixed blocks": (EMPTY_FIXED.times(8 * KIB).message(), BINARY, b""),
    "empty dynamic blocks": (EMPTY_DYNAMIC.times(8 * KIB).message(), BINARY, b""),
    "no type of block": (LONG + header(3).message(), BINARY, 1007),
    "cut short": (deflate(NOISE)[: 40 * KIB], BINARY, 1007),
    "honest": (deflate(NOISE[: 60 * KIB]), BINARY, NOISE[: 60 * KIB]),
}

ASSEMBLY = 8 * MIB
# What is partly received and inflating, and as much again that malloc doesn't give back; what
# each loop keeps of both for reuse (4 MiB), and an echo as it is deflated; the connections.
CROWD_BOUND = 2 * ASSEMBLY + 2 * 5 * MIB + 1_000 * 2 * KIB


def test_a_thousand_at_once(inflating, beside_honest, peak_within):
    """All but the last byte of each is held at once, then they go off, eight at a time."""
    server = inflating(f"limits.assembly.max={ASSEMBLY}", "server.loops=2")
    before = server.sockets()
    kinds = itertools.islice(itertools.cycle(CROWD), 1_000)
    assert sum(len(payload) for payload, _, _ in CROWD.values()) * 100 > 25 * MIB
    with contextlib.ExitStack() as stack:
        stack.enter_context(beside_honest(server))
        stack.enter_context(beside_honest(server))
        stack.enter_context(peak_within(server, CROWD_BOUND))
        wires = [(stack.enter_context(DeflateWire.to(server)), kind) for kind in kinds]
        for wire, kind in wires:
            payload, opcode, _ = CROWD[kind]
            wire.send_deflated(payload[:-1], opcode, fin=False)
            wire.send_frame(PING)
        held = [(wire, kind) for wire, kind in wires if is_held(wire)]
        assert 100 < len(held) < 900
        met = set()
        for start in range(0, len(held), 8):
            batch = held[start : start + 8]
            for wire, kind in batch:
                wire.send_frame(CONTINUATION, CROWD[kind][0][-1:])
            for wire, kind in batch:
                answer = wire.message()
                if answer != 1013:
                    assert brief(answer) == brief(CROWD[kind][2]), kind
                    met.add(kind)
        assert met == set(CROWD)
    wait_until(lambda: server.sockets() <= before, "every connection let go")
    server.stop()


@pytest.mark.parametrize("engine", ["auto", "zlib"])
@pytest.mark.parametrize("kind", CROWD)
def test_a_thousand_of_a_kind_at_once(start, beside_honest, peak_within, engine, kind):
    """All have sent theirs before anyone reads the answer, and beside them one is honest."""
    payload, opcode, expected = CROWD[kind]
    server = start(
        "server.loops=2", f"compression.engine={engine}", f"limits.assembly.max={ASSEMBLY}",
        args=["--tools"])
    server.takes_over = False
    before = server.sockets()
    with contextlib.ExitStack() as stack:
        stack.enter_context(beside_honest(server))
        stack.enter_context(peak_within(server, CROWD_BOUND))
        wires = [stack.enter_context(DeflateWire.to(server)) for _ in range(1_000)]
        for wire in wires:
            wire.socket.settimeout(30)
            wire.send_deflated(payload, opcode)
        answers = collections.Counter(wire.message() for wire in wires)
    # Where too much is being received at once, some are told so.
    assert set(answers) <= {expected, 1013}, {brief(answer) for answer in answers}
    assert answers[expected] > 500, answers[1013]
    wait_until(lambda: server.sockets() <= before, "every connection let go")
    server.stop()


def is_held(wire):
    """Whether what was sent is kept; else it was refused, as too much is being received."""
    answer = wire.frame()
    assert answer.opcode == PONG or answer.opcode == CLOSE and answer.code == 1013, answer
    return answer.opcode == PONG
