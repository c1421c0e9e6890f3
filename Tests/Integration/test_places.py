"""The places of connections: silent ones keep nobody out, and some descriptors are reserved."""

import contextlib
import selectors
import signal
import socket
import threading

import pytest
from apus import Apus, wait_until
from channels import publish, wait_not_ready, wait_ready
from redis_server import redis  # noqa: F401
from signing_in import sign_in, users
from task_client import CREATED, create, tasks
from tokens import KEYED
from wire import Wire, upgrade_request


def silent(stack, server, count, source="127.0.0.1"):
    """Opens connections that send nothing."""
    return [
        stack.enter_context(server.connect(source_address=(source, 0))) for _ in range(count)
    ]


def ended(socks, count):
    """Waits until this many of the connections are closed. Returns those."""
    closed = set()
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        while len(closed) < count:
            events = selector.select(10)
            assert events, f"{len(closed)} of {count} closed"
            for key, _ in events:
                selector.unregister(key.fileobj)
                with contextlib.suppress(ConnectionError):
                    assert key.fileobj.recv(1) == b""
                closed.add(key.fileobj)
    return closed


def assert_echoes(server, source):
    with Wire.to(server, "/ws", source=source) as wire:
        wire.send_text("x")
        assert wire.text() == "Message received: x"


@pytest.mark.parametrize("loops", [1, 2])
def test_silent_connections_of_one_address_are_closed_beyond_its_headroom(start, loops):
    server = start(
        "limits.connections.per_address=10", "limits.connections.max=100", f"server.loops={loops}"
    )
    before = server.sockets()
    with contextlib.ExitStack() as stack:
        # Ten, and twice a headroom of one.
        ended(silent(stack, server, 130), 118)
        wait_until(lambda: server.sockets() == before + 12, "no more than these are open")
        for number in range(2, 12):
            assert_echoes(server, f"127.0.0.{number}")


@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_without_a_limit_of_its_own_an_address_keeps_nobody_out_either(start, loops, source):
    server = start("limits.connections.max=80", f"server.loops={loops}")
    before = server.sockets()
    with contextlib.ExitStack() as stack:
        old = silent(stack, server, 300)
        # Eighty, and twice a headroom of ten.
        ended(old, 200)
        held = []
        for _ in range(80):
            held.append(stack.enter_context(Wire.to(server, "/ws", source=source)))
            silent(stack, server, 1)
        wait_until(lambda: server.sockets() == before + 100, "no more than these are open")
        for wire in held:
            wire.send_text("x")
            assert wire.text() == "Message received: x"


def test_connections_that_are_opened_again_and_again_keep_nobody_out(start):
    """As fast as possible. A client of another address only needs its own connection to count."""
    server = start("limits.connections.max=40")
    stopped = threading.Event()

    def come_again():
        with contextlib.ExitStack() as stack:
            socks = silent(stack, server, 100)
            while not stopped.is_set():
                for index in range(len(socks)):
                    socks[index].close()
                    with contextlib.suppress(OSError):
                        socks[index] = stack.enter_context(server.connect())

    attackers = [threading.Thread(target=come_again) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        for _ in range(50):
            with Wire.to(server, source="127.0.0.2") as wire:
                request = upgrade_request(host=server.authority)
                for part in (request[:20], request[20:40], request[40:]):
                    wire.send(part)
                    # A round trip to the server completes meanwhile.
                    assert_echoes(server, "127.0.0.3")
                assert wire.response().status == 101
    finally:
        stopped.set()
        for attacker in attackers:
            attacker.join()


def test_connections_of_a_trusted_proxy_stay(start):
    server = start("limits.connections.max=80", "proxies.trusted=127.0.0.9")
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(Wire.to(server, source="127.0.0.9")) for _ in range(60)]
        ended(silent(stack, server, 300), 260)
        for number, wire in enumerate(kept):
            for _ in range(2):
                request = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.{number}"
                wire.send(f"{request}\r\n\r\n".encode())
                assert wire.response().status == 200


def test_descriptors_are_reserved_for_everything_else(start, redis, tmp_path):
    """With silent connections up to the limit, Redis reconnects, files are read, and tasks are
    stored.
    """
    limit = 160
    file = str(tmp_path / "users")
    users("add", "ada", "--file", file, password="correct horse")
    broker = redis()
    server = start(
        f"broker.url={broker.url}", KEYED, f"auth.users={file}", "limits.connections.max=1000",
        "server.loops=2", descriptors=limit,
    )
    wait_ready(server)
    lowered = "connections.max is more than there are file descriptors for"
    assert server.stderr.text().count(lowered) == 1
    with contextlib.ExitStack() as stack:
        flood = silent(stack, server, 400)
        ended(flood, 400 - limit)
        # A quarter is reserved, and an eighth is for connections that are about to be closed.
        wait_until(lambda: server.descriptors() <= limit - 50, "what is kept")
        broker.kill()
        wait_not_ready(server)
        flood += silent(stack, server, 100)
        broker.start()
        wait_ready(server)
        publish(server, "hello")
        users("add", "bob", "--file", file, password="battery staple")
        wait_until(
            lambda: sign_in(server, "bob", "battery staple").status == 200, "a user added", 10
        )
        assert create(server, 1) == (200, CREATED)
        assert [task["id"] for task in tasks(server)] == [1]
        with Wire.to(server, "/ws") as wire:
            silent(stack, server, 200)
            wire.send_text("x")
            assert wire.text() == "Message received: x"
        assert "cannot accept connections" not in server.stderr.text()


# Unix-domain sockets


@pytest.fixture
def path(tmp_path):
    return tmp_path / "apus.sock"


def at(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(str(path))
    return Wire(sock)


def echoes_at(path):
    with at(path) as wire:
        wire.send(upgrade_request())
        assert wire.response().status == 101
        wire.send_text("x")
        assert wire.text() == "Message received: x"


def test_silent_connections_on_a_unix_socket_keep_nobody_out(start, path):
    server = start(f"server.socket={path}", "limits.connections.max=16", "server.loops=2")
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(at(path)) for _ in range(60)]
        ended([wire.socket for wire in flood], 40)
        echoes_at(path)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_successors_unix_socket_outlives_its_predecessor(start, path, second):
    old = start(f"server.socket={path}", "drain.spread=1h", "drain.deadline=1h")
    with at(path) as wire:
        wire.send(upgrade_request())
        assert wire.response().status == 101
        old.signal(signal.SIGTERM)
        wait_until(lambda: not path.exists(), "the file removed")
        new = start(f"server.socket={path}", ready=False)
        new.addresses = new.wait_for_listeners()
        old.signal(second)
        assert old.wait(5) == 0
        echoes_at(path)
    new.stop()
    assert not path.exists()


def test_a_file_that_has_replaced_a_unix_socket_is_kept(start, path):
    server = start(f"server.socket={path}")
    path.unlink()
    path.write_text("precious")
    server.stop()
    assert path.read_text() == "precious"


def test_of_servers_that_start_at_once_at_a_stale_unix_socket_one_serves(path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    servers = [Apus(f"server.socket={path}", ready=False) for _ in range(4)]
    try:
        listening = lambda server: "listening on" in server.stdout.text()  # noqa: E731
        wait_until(
            lambda: all(listening(one) or one.process.poll() is not None for one in servers),
            "each has started or not", 20,
        )
        [serving] = [one for one in servers if listening(one)]
        assert all(one.process.wait(5) != 0 for one in servers if one is not serving)
        echoes_at(path)
        serving.stop()
    finally:
        for one in servers:
            one.kill()
