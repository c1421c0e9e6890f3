"""Decompression bombs of a thousand peers at once: memory follows the limits."""

import collections
import contextlib
import itertools
from dataclasses import dataclass

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
from test_bombs import NOISE, TO_64_MIB, UNPROVED, fragments, unproved
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

pytestmark = pytest.mark.alone


@dataclass
class Kind:
    """Sends the message of one peer, and reads the answer."""

    payload: bytes
    expected: bytes | int
    opcode: int = BINARY
    frames: int = 1

    def sent(self):
        return fragments(self.payload, self.frames, self.opcode)

    def all_but_the_last_byte(self):
        return fragments(self.payload[:-1], self.frames, self.opcode, fin=False)


CROWD = {
    "a bomb": Kind(TO_64_MIB, 1009),
    "a bomb in fragments": Kind(TO_64_MIB, 1009, frames=1_000),
    "a smaller bomb": Kind(bomb(16 * MIB), 1009),
    "a text bomb": Kind(deflate(b"a" * (MIB - 1) + b"\xff"), 1007, TEXT),
    "the cap": Kind(bomb(MIB), bytes(MIB)),
    "empty stored blocks": Kind(EMPTY_STORED * 13_000 + FLUSH, b""),
    "empty fixed blocks": Kind(EMPTY_FIXED.times(8 * KIB).message(), b""),
    "empty dynamic blocks": Kind(EMPTY_DYNAMIC.times(8 * KIB).message(), b""),
    "no type of block": Kind(LONG + header(3).message(), 1007),
    "cut short": Kind(deflate(NOISE)[: 40 * KIB], 1007),
    "honest": Kind(deflate(NOISE[: 60 * KIB]), NOISE[: 60 * KIB]),
}

ASSEMBLY = 8 * MIB
# The memory for partly received and decompressing messages, and as much again that malloc doesn't
# return; on each loop, the buffers for reuse (4 MiB) and an echo during compression; connections.
CROWD_BOUND = 2 * ASSEMBLY + 2 * 5 * MIB + 1_000 * 2 * KIB


def test_a_thousand_at_once(inflating, beside_honest, peak_within):
    """All but the last byte of each is sent first. Then eight at a time are completed."""
    server = inflating(f"limits.assembly.max={ASSEMBLY}", "server.loops=2")
    before = server.sockets()
    names = itertools.islice(itertools.cycle(CROWD), 1_000)
    assert sum(len(kind.payload) for kind in CROWD.values()) * 90 > 25 * MIB
    beginnings = {name: kind.all_but_the_last_byte() for name, kind in CROWD.items()}
    with contextlib.ExitStack() as stack:
        stack.enter_context(beside_honest(server))
        stack.enter_context(beside_honest(server))
        stack.enter_context(peak_within(server, CROWD_BOUND))
        wires = [(stack.enter_context(DeflateWire.to(server)), name) for name in names]
        for wire, name in wires:
            wire.send(beginnings[name])
            wire.send_frame(PING)
        held = [(wire, name) for wire, name in wires if is_held(wire)]
        assert len(held) > 100
        met, refused = set(), len(wires) - len(held)
        for start in range(0, len(held), 8):
            batch = held[start : start + 8]
            for wire, name in batch:
                wire.send_frame(CONTINUATION, CROWD[name].payload[-1:])
            for wire, name in batch:
                answer = wire.message()
                if answer == 1013:
                    refused += 1
                else:
                    assert brief(answer) == brief(CROWD[name].expected), name
                    met.add(name)
        # The connections with the most memory are closed first.
        assert refused > 100
        assert met >= {name for name, kind in CROWD.items() if len(kind.payload) < 32 * KIB}
    wait_until(lambda: server.sockets() <= before, "every connection let go")
    server.stop()


@pytest.mark.parametrize("engine", ["auto", "zlib"])
@pytest.mark.parametrize("name", CROWD)
def test_a_thousand_of_the_same_kind_at_once(start, beside_honest, peak_within, engine, name):
    """All have sent theirs before any reads the answer. One other client is honest."""
    sent, expected = CROWD[name].sent(), CROWD[name].expected
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
            wire.send(sent)
        answers = collections.Counter(wire.message() for wire in wires)
    # If the memory is used up, some are refused with that reason.
    assert set(answers) <= {expected, 1013}, {brief(answer) for answer in answers}
    assert answers[expected] > 300, answers[1013]
    wait_until(lambda: server.sockets() <= before, "every connection let go")
    server.stop()


@pytest.mark.parametrize("name", ["a bomb", "a bomb in fragments", "the cap"])
def test_a_thousand_before_authentication(start, beside_honest, peak_within, name):
    """No extension is negotiated with them, so nothing is kept or decompressed."""
    sent = CROWD[name].sent()
    server = start("server.loops=2", *UNPROVED)
    before = server.sockets()
    with contextlib.ExitStack() as stack:
        stack.enter_context(beside_honest(server))
        stack.enter_context(peak_within(server, 1_000 * 2 * KIB))
        wires = [stack.enter_context(unproved(server)) for _ in range(1_000)]
        for wire in wires:
            wire.send(sent)
        for wire in wires:
            wire.expect_failure(1002)
    wait_until(lambda: server.sockets() <= before, "every connection let go")
    server.stop()


def is_held(wire):
    """Returns whether the sent data is kept. Otherwise it was refused because too much is being
    received.
    """
    answer = wire.frame()
    assert answer.opcode == PONG or answer.opcode == CLOSE and answer.code == 1013, answer
    return answer.opcode == PONG
