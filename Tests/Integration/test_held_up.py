"""A process that is paused for a while (SIGSTOP), as by a debugger, a container's freezer or a live
migration. Data that clients sent in time is in the kernel, and none of them counts as late.
"""

import contextlib
import signal
import time

import pytest
from apus import wait_until
from tokens import KEYED, PATH, token
from wire import CLOSE, PING, PONG, TEXT, Wire, frame, upgrade_request

TIMEOUT = 1  # second


@contextlib.contextmanager
def held_up(server):
    """Pauses the server meanwhile, and until every deadline has passed."""
    server.signal(signal.SIGSTOP)
    try:
        with open(f"/proc/{server.pid}/stat") as file:
            wait_until(lambda: file.seek(0) or file.read().rpartition(") ")[2][0] == "T", "a stop")
        begun = time.monotonic()
        yield
        wait_until(lambda: time.monotonic() > begun + TIMEOUT + 0.2, "deadlines that pass")
    finally:
        server.signal(signal.SIGCONT)


BODY = b'{"title": "a task without an id"}'
HEAD = (
    b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
REQUESTS = {
    "a request": (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    "the rest of a head": (b"GET /healthz HTTP/1.1\r\nHo", b"st: localhost\r\n\r\n", 200),
    "content": (HEAD % len(BODY), BODY, 422),
    "the rest of content": (HEAD % len(BODY) + BODY[:5], BODY[5:], 422),
    "an upgrade": (b"", upgrade_request(), 101),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("loops", [1, 2])
def test_a_request_that_arrived_in_time_is_answered(start, name, loops):
    begun, rest, status = REQUESTS[name]
    server = start(f"limits.handshake.timeout={TIMEOUT}s", args=["--loops", str(loops)])
    wires = [Wire.to(server) for _ in range(4)]
    for wire in wires:
        # After the answer, the time of the next request begins.
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + begun)
        assert wire.response().status == 200
    with held_up(server):
        for wire in wires:
            wire.send(rest)
    for wire in wires:
        assert wire.response().status == status
        wire.close()


def test_a_pong_that_arrived_in_time_keeps_a_connection(start):
    server = start("heartbeat.interval=300ms", f"heartbeat.timeout={TIMEOUT}s")
    with Wire.to(server, "/ws") as wire:
        assert wire.frame().opcode == PING
        with held_up(server):
            wire.send(frame(PONG))
        wire.send_text("here")
        while (received := wire.frame()).opcode == PING:
            wire.send(frame(PONG))
        assert received.opcode == TEXT, received


def test_a_message_that_arrived_in_time_ends_idleness(start):
    server = start(f"limits.idle.timeout={TIMEOUT}s")
    with Wire.to(server, "/ws") as wire:
        wire.send_text("one")
        assert wire.text() == "Message received: one"
        with held_up(server):
            wire.send_text("two")
        assert wire.text() == "Message received: two"


def test_a_token_that_arrived_in_time_is_accepted(start):
    server = start(
        KEYED, "auth.first_message=true", "auth.required_for=echo",
        f"limits.before_auth.timeout={TIMEOUT}s")
    with Wire.to(server, "/ws") as wire:
        with held_up(server):
            wire.send_text(f'{{"token": "{token()}"}}')
        wire.send_text("in")
        assert wire.text() == "Message received: in"


def test_a_client_that_is_really_late_is_refused(start):
    server = start(f"limits.handshake.timeout={TIMEOUT}s", "limits.idle.timeout=1s")
    with Wire.to(server) as half, Wire.to(server, "/ws") as silent:
        half.send(b"GET /healthz HTTP/1.1\r\nHo")
        with held_up(server):
            pass
        assert half.response().status == 408
        received = silent.frame()
        assert (received.opcode, received.code) == (CLOSE, 1001)
