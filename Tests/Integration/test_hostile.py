"""Malicious peers, each beside an honest client whose round trips must stay short.

Memory must stay limited while they are connected, and every descriptor is freed afterwards.
"""

import contextlib
import selectors
import signal
import socket
import subprocess
import time

import pytest
from apus import wait_until
from conftest import Honest
from deflate import RSV1, deflate
from wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Ended,
    Wire,
    close_payload,
    frame,
    upgrade_request,
)

pytestmark = pytest.mark.alone

MIB = 1 << 20


@pytest.fixture
def under_attack(beside_honest):
    """`with under_attack(server, rss_mib=16):` checks the server during an attack and after it."""

    @contextlib.contextmanager
    def attack(server, rss_mib):
        sockets = server.sockets()
        with Wire.to(server, "/ws") as wire:  # allocates what is allocated once
            wire.send_text("x")
            wire.text()
        baseline = server.resident_bytes()
        with contextlib.ExitStack() as stack:
            with beside_honest(server):
                yield stack
                grown = (server.resident_bytes() - baseline) / MIB
        assert grown < rss_mib, f"{grown:.1f} MiB more than before"
        wait_until(lambda: server.sockets() <= sockets, "every connection let go")

    return attack


def send_quietly(wire, data):
    """Sends data that the server may no longer read."""
    with contextlib.suppress(OSError):
        wire.send(data)


def open_many(stack, server, count, path="/ws", **options):
    return [stack.enter_context(Wire.to(server, path, **options)) for _ in range(count)]


def test_a_thousand_heads_that_arrive_slowly(start, under_attack):
    """One byte per second each, until the handshake timeout closes them."""
    server = start("limits.handshake.timeout=2s")
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: never ends"
    with under_attack(server, rss_mib=16) as stack, selectors.DefaultSelector() as selector:
        for _ in range(1_000):
            sock = stack.enter_context(server.connect())
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        begun = time.monotonic()
        turn = 0
        while selector.get_map() and time.monotonic() < begun + 8:
            if time.monotonic() >= begun + turn:
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(head[turn : turn + 1])
                turn += 1
            for key, _ in selector.select(0.1):
                with contextlib.suppress(BlockingIOError):
                    if not received(key.fileobj):
                        selector.unregister(key.fileobj)
        assert not selector.get_map(), "connections without a request were kept"
        assert 1 < time.monotonic() - begun < 5


def received(sock):
    try:
        return sock.recv(4_096)
    except ConnectionError:
        return b""


def test_a_frame_of_10_gib_is_announced(start, under_attack):
    server = start()
    with under_attack(server, rss_mib=16) as stack:
        for wire in open_many(stack, server, 100):
            wire.send(frame(BINARY, b"x" * 100, announced=10 << 30))
            wire.expect_failure(1009)


def test_frames_of_the_largest_size_are_announced_and_never_sent(start, under_attack):
    server = start()
    with under_attack(server, rss_mib=24) as stack:
        for wire in open_many(stack, server, 200):
            wire.send(frame(BINARY, b"x" * 100, announced=MIB))
            wire.send(b"y")


@pytest.mark.parametrize("fragments_max", [1_024, 1_000_000])
def test_100_000_empty_fragments(start, under_attack, fragments_max):
    server = start(f"limits.fragments.max={fragments_max}")
    flood = frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 99_999
    with under_attack(server, rss_mib=16) as stack:
        # So many that the honest client has more than a few round trips.
        for wire in open_many(stack, server, 60):
            send_quietly(wire, flood + frame(CONTINUATION, b"end"))
            if fragments_max > 100_000:
                assert wire.text() == "Message received: end"
            else:
                assert wire.close_frame().code == 1009


def test_a_flood_of_pings(start, under_attack):
    server = start()
    flood = frame(PING, b"x" * 125) * 2_000
    with under_attack(server, rss_mib=24) as stack:
        for wire in open_many(stack, server, 10, receive_buffer=4_096):
            flood_until_it_blocks(wire, flood)


def test_peers_that_never_read(start, under_attack):
    """Each floods the echo and reads nothing: reading pauses, and the queued data is limited."""
    server = start()
    flood = frame(BINARY, b"x" * 65_536) * 4
    with under_attack(server, rss_mib=64) as stack:
        for wire in open_many(stack, server, 20, receive_buffer=4_096):
            flood_until_it_blocks(wire, flood)


def flood_until_it_blocks(wire, flood):
    """Sends until the server accepts nothing for a while, or ends the connection."""
    wire.socket.settimeout(0.1)
    with contextlib.suppress(OSError):
        for _ in range(2_000):
            wire.send(flood)
        pytest.fail("the server took everything from a peer that never reads")


def test_peers_that_never_answer_a_close_frame(start, under_attack):
    server = start("limits.close.timeout=300ms")
    with under_attack(server, rss_mib=16) as stack:
        wires = open_many(stack, server, 100)
        for wire in wires:
            wire.send(frame(0x3))
        for wire in wires:
            assert wire.close_frame().code == 1002
        for wire in wires:
            wire.socket.settimeout(2)
            wire.ends()


def test_a_stopped_process_is_noticed(start, client, under_attack):
    """Its kernel still acknowledges data, but no ping is answered."""
    server = start(
        "heartbeat.interval=300ms", "heartbeat.timeout=300ms", "limits.close.timeout=300ms"
    )
    with under_attack(server, rss_mib=16):
        stopped = Honest(server, "/ws/7")
        try:
            watcher = client(server, "/ws/8")
            stopped.process.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + 3
            while watcher.recv(timeout=3) != "Client 7 left the chat":
                assert time.monotonic() < deadline
        finally:
            stopped.process.kill()
            stopped.process.communicate()
        watcher.close()


POST = b"POST /publish/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n"
DEFLATING = upgrade_request(Sec_WebSocket_Extensions="permessage-deflate")

STATES = {
    "with nothing sent": b"",
    "in the head": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpg",
    "in a request's body": POST + b"half",
    "after the upgrade": upgrade_request(),
    "in a frame's head": upgrade_request() + b"\x81",
    "in a frame": upgrade_request() + frame(TEXT, b"half", announced=1_000, length_form=16),
    "in a control frame": upgrade_request() + frame(PING, b"half", announced=125),
    "in a message": upgrade_request() + frame(TEXT, b"half", fin=False),
    "in a deflated message": DEFLATING
    + frame(TEXT, deflate(b"half" * 9_999), fin=False, rsv=RSV1),
    "with answers under way": upgrade_request() + frame(BINARY, b"x" * 60_000) * 4,
    "in closing, begun by us": upgrade_request() + frame(CLOSE, close_payload(1000)),
    "in closing, begun by the server": upgrade_request() + frame(0x3),
    "with an answer under way": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
}


@pytest.mark.parametrize("state", STATES)
def test_resets(start, under_attack, state):
    server = start()
    with under_attack(server, rss_mib=16):
        for turn in range(50):
            wire = Wire.to(server)
            wire.send(STATES[state])
            if turn % 2 and b"\r\n\r\n" in STATES[state]:
                with contextlib.suppress(Ended):
                    wire.response()  # so that every second one certainly is in that state
            wire.reset()


def test_resets_while_an_async_handler_sends(start, under_attack):
    """It sends more than the kernels accept: it waits for room, and gets none."""
    server = start(args=["--tools"])
    with under_attack(server, rss_mib=16):
        for _ in range(50):
            wire = Wire.to(server, "/echo/async", receive_buffer=4_096, segment=536)
            wire.send_frame(BINARY, b"x" * 500_000)
            wire.take(1)
            wire.reset()


def test_half_closed_peers(start, under_attack):
    """A peer that ends its sending side within a message is closed, and leaves."""
    server = start()
    with under_attack(server, rss_mib=16) as stack:
        for wire in open_many(stack, server, 50):
            wire.send(frame(TEXT, b"half", fin=False))
            wire.socket.shutdown(socket.SHUT_WR)
            wire.ends()


def test_descriptors_exhausted(start, under_attack):
    """Some connections are kept. The server neither spins nor ends, and still accepts others."""
    limit = 96
    server = start("limits.connections.max=1000", descriptors=limit)
    with under_attack(server, rss_mib=16) as stack:
        for _ in range(2 * limit):
            stack.enter_context(server.connect())
        wait_until(lambda: server.descriptors() <= limit * 3 // 4, "a quarter kept")
        # A connection that took the place of another may itself be closed for the next one.
        wait_until(lambda: accepts(server), "others are let in")
        spent, begun = server.cpu_seconds(), time.monotonic()
        assert_runs_on(server, seconds=1.5)
        spent = server.cpu_seconds() - spent
        assert spent < 0.2 * (time.monotonic() - begun), "it spins"
        log = server.stderr.text()
        assert "descriptor" in log.lower() or "EMFILE" in log
        assert log.count("\n") < 100, "it logs every try"
        stack.close()
        wait_until(lambda: accepts(server), "connections accepted again")


def assert_runs_on(server, seconds):
    with contextlib.suppress(subprocess.TimeoutExpired):
        pytest.fail(f"the server ended with status {server.process.wait(seconds)}")


def accepts(server):
    try:
        with Wire.to(server, "/ws") as wire:
            wire.send_text("x")
            return wire.text() == "Message received: x"
    except (AssertionError, Ended, OSError):
        return False
