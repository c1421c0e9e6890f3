"""Every limit: the largest value passes, one more doesn't, and the reason is reported."""

import concurrent.futures
import socket
import time

import pytest
from apus import wait_until
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Ended, Wire, frame, upgrade_request

PREFIX = b"Message received: "
PINGED = frame(PING, masked=False)


def message(*fragments):
    """Returns a binary message in these fragments."""
    last = len(fragments) - 1
    return b"".join(
        frame(CONTINUATION if index else BINARY, payload, fin=index == last)
        for index, payload in enumerate(fragments)
    )


def assert_passes(server, *fragments):
    with Wire.to(server, "/ws") as wire:
        wire.send(message(*fragments))
        received = wire.frame()
        assert (received.opcode, received.payload) == (BINARY, PREFIX + b"".join(fragments))


def assert_too_big(server, *fragments):
    with Wire.to(server, "/ws") as wire:
        wire.send(message(*fragments))
        wire.expect_failure(1009)


def test_a_message_one_byte_beyond_the_limit_is_1009(start):
    server = start("limits.message.max=1000")
    assert_passes(server, b"x" * 1_000)
    assert_passes(server, b"x" * 600, b"", b"x" * 400)
    assert_too_big(server, b"x" * 1_001)
    assert_too_big(server, b"x" * 600, b"x" * 401)
    assert_too_big(server, b"x" * 1_000, b"x", b"")


def test_a_frame_one_byte_beyond_the_limit_is_1009(start):
    server = start("limits.message.max=1000", "limits.frame.max=500")
    assert_passes(server, b"x" * 500, b"x" * 500)
    assert_too_big(server, b"x" * 501)
    assert_too_big(server, b"x", b"x" * 501)


def test_one_fragment_beyond_the_limit_is_1009(start):
    server = start("limits.fragments.max=4")
    assert_passes(server, b"a", b"", b"b", b"c")
    assert_too_big(server, b"a", b"", b"b", b"c", b"")


def test_partly_received_messages_have_a_limit_together(start):
    server = start("limits.message.max=64KiB", "limits.assembly.max=256KiB")
    part = b"x" * 60_000
    held = []
    while True:
        wire = Wire.to(server, "/ws")
        wire.send(frame(BINARY, part, fin=False) + frame(PING))
        if (answer := wire.frame()).opcode == CLOSE:
            break
        held.append(wire)
    assert answer.code in (1008, 1009, 1013)
    assert 1 < len(held) <= 4
    wire.close()
    for wire in held:
        wire.send(frame(CONTINUATION, b"y"))
        assert wire.frame().payload == PREFIX + part + b"y"
        wire.close()


def refusal(server):
    """Returns the refusal of a new connection: an HTTP status or a close code."""
    wire = Wire.to(server)
    try:
        wire.send(upgrade_request(host=server.authority))
        response = wire.response()
    except Ended:
        return wire, None
    return wire, wire.close_frame().code if response.status == 101 else response.status


def test_connections_beyond_the_limit_are_1008_and_far_beyond_it_503(start):
    server = start("limits.connections.max=16")
    held = [Wire.to(server, "/ws") for _ in range(16)]
    # Neither answers its Close frame, so both still count. The headroom is an eighth.
    for _ in range(2):
        wire, code = refusal(server)
        assert code == 1008
        held.append(wire)
    wire, status = refusal(server)
    assert status == 503
    held.append(wire)
    for wire in held[:16]:
        wire.send_text("x")
        assert wire.text() == "Message received: x"
    for wire in held:
        wire.close()
    wait_until(lambda: can_echo(server), "connections accepted again")


def can_echo(server):
    try:
        with Wire.to(server, "/ws") as wire:
            wire.send_text("x")
            return wire.text() == "Message received: x"
    except (AssertionError, Ended, OSError):
        return False


def test_connections_of_one_address_beyond_its_limit_are_1008(start):
    server = start("limits.connections.per_address=3")
    held = [Wire.to(server, "/ws") for _ in range(3)]
    wire, code = refusal(server)
    assert code == 1008
    # Another address of this machine isn't affected.
    with Wire(server.connect(source_address=("127.0.0.2", 0))) as other:
        other.send(upgrade_request(host=server.authority))
        assert other.response().status == 101
        other.send_text("x")
        assert other.text() == "Message received: x"
    wire.close()
    held.pop().close()
    wait_until(lambda: can_echo(server), "a place is free again")
    for wire in held:
        wire.close()


def test_a_connection_that_is_idle_too_long_is_1001(start):
    server = start("limits.idle.timeout=300ms")
    with Wire.to(server, "/ws") as wire:
        for _ in range(3):
            wire.send_text("x")
            assert wire.text() == "Message received: x"
        wire.expect_failure(1001)


# Heartbeat

QUICK_HEARTBEAT = ("heartbeat.interval=200ms", "heartbeat.timeout=200ms")


def test_a_peer_that_answers_pings_stays(start, client):
    server = start(*QUICK_HEARTBEAT)
    with Wire.to(server, "/ws") as wire:
        for _ in range(5):
            ping = wire.frame()
            assert ping.opcode == PING
            wire.send_frame(PONG, ping.payload)
        wire.send_text("x")
        assert wire.text() == "Message received: x"


def test_a_peer_that_sends_anything_is_alive(start):
    server = start(*QUICK_HEARTBEAT)
    with Wire.to(server, "/ws") as wire:
        for _ in range(4):
            while wire.frame().opcode != PING:
                pass
            wire.send_text("no pong, but here")


def test_a_peer_that_answers_no_ping_is_closed(start):
    server = start(*QUICK_HEARTBEAT)
    with Wire.to(server, "/ws") as wire:
        wire.socket.settimeout(2)
        assert wire.frame().opcode == PING
        try:
            wire.close_frame()
        except Ended:
            pass


# The size in bytes, the speed of reading, and who buffers: the ping waits in the outbox, or the
# kernel has everything.
SLOW = {
    "in the outbox": (16 << 20, 6e6, 65_536),
    "in the kernel": (400_000, 200_000, 4_096),
}


@pytest.mark.parametrize("where", SLOW)
def test_a_slow_reader_whose_pong_must_wait_is_alive(start, where):
    size, pace, buffer = SLOW[where]
    server = start(
        "heartbeat.interval=400ms", "heartbeat.timeout=400ms", "limits.message.max=16MiB",
        "limits.outbox.max=64MiB", args=["--tools"],
    )
    with (
        Wire.to(server, "/broadcast", receive_buffer=buffer) as reader,
        Wire.to(server, "/broadcast") as sender,
        Wire.to(server, "/ws") as honest,
    ):
        sender.send_frame(BINARY, bytes(size))
        # A ping may come before it, if much time passes until then.
        while (first := reader.socket.recv(2, socket.MSG_WAITALL)) == PINGED:
            reader.send_frame(PONG)
        begun, read, header = time.monotonic(), len(first), 10
        while read < header + size:
            # So slowly that the ping behind the data isn't read for several timeouts. Another
            # client's round trips determine the pace.
            while read > pace * (time.monotonic() - begun):
                honest.send_text("x")
                while honest.frame().opcode != TEXT:
                    honest.send_frame(PONG)
            data = reader.socket.recv(buffer)
            assert data, f"closed after {read} bytes"
            read += len(data)
        more = read - header - size
        reader.buffer = bytearray(data[len(data) - more :])
        reader.send_text("still here")
        while (received := reader.frame()).opcode != TEXT:
            assert received.opcode == PING, received
            reader.send_frame(PONG)
        assert received.payload == b"still here"


def test_a_hundred_silent_peers_are_all_closed(start):
    server = start(*QUICK_HEARTBEAT, "limits.close.timeout=200ms")
    before = server.sockets()
    wires = [Wire.to(server, "/ws", receive_buffer=4_096) for _ in range(100)]
    wait_until(lambda: server.sockets() <= before, "every dead peer let go", 3)
    for wire in wires:
        wire.close()


# Several limits at the same time


@pytest.mark.parametrize("loops", [1, 2])
def test_limits_apply_with_any_number_of_loops(start, loops):
    server = start("limits.connections.max=8", args=["--loops", str(loops)])
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(lambda _: attempt(server), range(32)))
    accepted = [wire for wire, code in outcomes if code == "open"]
    assert len(accepted) == 8
    assert {code for _, code in outcomes} <= {"open", 1008, 503, None}
    for wire, _ in outcomes:
        wire.close()


def attempt(server):
    """Returns a new connection and `open`, or how it was refused."""
    wire = Wire.to(server)
    try:
        wire.send(upgrade_request(host=server.authority) + frame(TEXT, b"x"))
        response = wire.response()
        if response.status != 101:
            return wire, response.status
        first = wire.frame()
        return wire, "open" if first.opcode == TEXT else first.code
    except Ended:
        return wire, None
