"""Peers that vanish silently, each beside an honest client whose round trips must stay short.

The server receives no FIN and no RST. Only its own timers and limits can close them, which they
must within a limited time, and free everything.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys

import pytest
from apus import wait_until
from conftest import HERE
from crowd import DEFLATE
from deflate import KIB, MIB, RSV1, deflate
from test_hostile import under_attack  # noqa: F401
from vanishing import Deafened, Unplugged, in_own_network, orphans
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, frame, upgrade_request

UNPLUGGED = "APUS_TESTS_UNPLUGGED"  # set if the test may create a network

COUNT = 50
# Three seconds until a dead peer is closed: one of silence, one for the pong, one for the Close
# frame.
HEARTBEAT = ("heartbeat.interval=1s", "heartbeat.timeout=1s")
QUICK = ("limits.handshake.timeout=1s", "limits.close.timeout=1s", "log.level=debug")
BOUND = 30


@pytest.fixture
def peers():
    with contextlib.closing(Unplugged() if UNPLUGGED in os.environ else Deafened()) as peers:
        yield peers


@pytest.fixture
def beside_vanished(peers, under_attack, record_property):  # noqa: F811
    """`with beside_vanished(server):` peers vanish. At its end, everything that they used is freed.

    They must not know that their connection is closed, or they would not have vanished.
    """

    @contextlib.contextmanager
    def beside(server, rss_mib=8):
        with under_attack(server, rss_mib):
            sockets, resident = server.sockets(), server.resident_bytes()
            yield
            peak = server.resident_bytes() - resident
            wait_until(lambda: server.sockets() <= sockets, "all who vanished let go", BOUND)
            assert not any(peers.has_ended(wire) for wire in peers.wires)
            left = server.resident_bytes() - resident
            record_property("kib", (peak >> 10, left >> 10))
            assert sum(orphans(server.port)) == 0, "the kernel still keeps what was queued"

    return beside


def logged(server, words, count):
    """Checks that there are exactly this many lines with these words."""
    wait_until(lambda: server.stderr.text().count(words) >= count, f"{count} × {words}", BOUND)
    assert server.stderr.text().count(words) == count


def test_idle(start, peers, beside_vanished):
    server = start(*HEARTBEAT, *QUICK, *peers.settings)
    with beside_vanished(server):
        for _ in range(COUNT):
            peers.connect(server, "/ws")
        peers.vanish()
        logged(server, "peer is dead", COUNT)


HALF_REQUESTS = {
    "nothing": b"",
    "half a head": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpg",
    "half a body": b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    "one request, and half of the next": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /",
    "requests, but no answer read": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
}


def test_in_the_handshake(start, peers, beside_vanished):
    """There is no heartbeat to detect them."""
    server = start("heartbeat.interval=0s", *QUICK, *peers.settings)
    with beside_vanished(server):
        sockets = server.sockets()
        for request in list(HALF_REQUESTS.values()) * (COUNT // len(HALF_REQUESTS)):
            peers.connect(server).send(request)
        wait_until(lambda: server.sockets() == sockets + COUNT, "all accepted")
        peers.vanish()


PART = 60_000
NOISE = random.Random(1).randbytes(PART)
HALF_MESSAGES = {
    "in a frame": frame(BINARY, NOISE, announced=PART + 1),
    "between fragments": frame(BINARY, NOISE, fin=False),
    "in a fragment's head": frame(BINARY, NOISE, fin=False) + b"\x80",
    "in a compressed frame": frame(BINARY, deflate(NOISE), announced=PART + 100, rsv=RSV1),
    "between compressed fragments": frame(BINARY, b"", fin=False, rsv=RSV1)
    + frame(CONTINUATION, deflate(NOISE), fin=False),
}


def fits(server, size):
    """Returns whether there is room for half a message of this size."""
    with Wire.to(server, "/ws") as wire:
        wire.send(frame(BINARY, bytes(size), fin=False) + frame(PING))
        answer = wire.frame()
        assert answer.opcode == PONG or (answer.opcode, answer.code) == (CLOSE, 1013)
        return answer.opcode == PONG


def test_in_a_message(start, peers, beside_vanished):
    """All halves together reach the limit: others have no room until the peers are closed.

    On one loop, the connection that asks for too much is also the one that holds the most, and is
    closed for it. On several, that could be peers of another loop.
    """
    server = start(
        *HEARTBEAT, *QUICK, *peers.settings, "server.loops=1", "limits.message.max=2MiB",
        f"limits.assembly.max={COUNT * PART + MIB}",
    )
    with beside_vanished(server):
        for half in list(HALF_MESSAGES.values()) * (COUNT // len(HALF_MESSAGES)):
            peers.connect(server, "/ws", **DEFLATE).send(half)
        peers.vanish()
        wait_until(lambda: not fits(server, 2 * MIB), "all halves received")
        logged(server, "peer is dead", COUNT)
    assert fits(server, 2 * MIB)


def test_right_after_the_upgrade(start, peers, beside_vanished):
    """Perhaps before its answer, and with a message on the way."""
    server = start(*HEARTBEAT, *QUICK, *peers.settings)
    with beside_vanished(server):
        for _ in range(COUNT):
            peers.connect(server).send(upgrade_request() + frame(TEXT, b"x"))
        peers.vanish()
        logged(server, "peer is dead", COUNT)


SIZE = 16 * KIB
TOPIC = "news"


@pytest.fixture
def publishing(start, peers, client, beside_vanished):
    """`with publishing(*settings) as (server, publish):` ten of eighteen subscribers vanish.

    `publish(count, size)` returns when the other eight have received all messages, in order and
    unchanged.
    """

    @contextlib.contextmanager
    def with_settings(*settings):
        server = start(*QUICK, *peers.settings, *settings, args=["--tools"])
        chosen = random.Random(2)
        publisher, *others = [
            client(server, "/topics", compression="deflate" if number % 2 else None, max_queue=None)
            for number in range(9)
        ]

        def publish(count, size=SIZE):
            for _ in range(count):
                content = chosen.randbytes(size // 2).hex()
                publisher.send(f"publish {TOPIC}\n{content}")
                for one in others:
                    assert one.recv(timeout=30) == content

        for one in others:
            subscribe(one.send, one.recv)
        publish(100)  # everything that is allocated once
        with beside_vanished(server, rss_mib=32):
            for number in range(10):
                one = peers.connect(server, "/topics", **(DEFLATE if number % 2 else {}))
                subscribe(one.send_text, one.text)
            peers.vanish()
            yield server, publish

    return with_settings


def subscribe(send, receive):
    send(f"subscribe {TOPIC}")
    assert receive() == f"subscribed {TOPIC}"


def more_than_the_kernel_takes():
    """This many messages, compressed to a half, don't fit into the buffer of a socket."""
    with open("/proc/sys/net/ipv4/tcp_wmem") as file:
        return 5 * int(file.read().split()[2]) // 2 // SIZE


def test_while_the_outbox_grows(publishing):
    """There is no heartbeat to detect them, but the outbox has a limit."""
    with publishing("heartbeat.interval=0s") as (server, publish):
        publish(more_than_the_kernel_takes())
        logged(server, "slow consumer disconnected", 10)
    assert orphans(server.port) == [], "the kernel still keeps what was queued"


def test_while_little_is_published(publishing):
    """The kernel accepts everything."""
    with publishing(*HEARTBEAT) as (server, publish):
        while "peer is dead" not in server.stderr.text():
            publish(1, size=100)
        logged(server, "peer is dead", 10)
        publish(10)


def test_with_much_queued(publishing):
    """The ping waits behind the data that the kernel doesn't accept."""
    settings = ("heartbeat.interval=1s", "heartbeat.timeout=3s", "limits.outbox.max=64MiB")
    with publishing(*settings) as (server, publish):
        publish(more_than_the_kernel_takes())
        logged(server, "peer is dead", 10)
        publish(10)


OTHERS = [name for name in globals() if name.startswith("test_")]


@pytest.mark.parametrize("name", OTHERS)
def test_unplugged(program, name):
    """The same with peers at an unplugged cable, in a network of the test's own."""
    program("ip", package="iproute2")
    own, refused = in_own_network(program("unshare", package="util-linux"))
    if not own:
        pytest.skip(f"no network of one's own is to be had here: {refused}")
    command = [*own, sys.executable, "-m", "pytest", "-q", f"{HERE}/test_vanished.py::{name}"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=os.environ | {UNPLUGGED: "1"}, start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=120)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0 and " passed" in output, output
