"""TLS clients that break the rules, beside others that don't."""

import contextlib
import random
import select
import socket
import ssl
import struct
import subprocess
import time

import apus
import pytest
from certificates import ManualClient, ask, connect, settings
from wire import TEXT, Wire, frame, upgrade_request


def still_serves(server, authority):
    with connect(server, authority.context()) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")


def ended(plain):
    """Returns what a peer sends until it ends the connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := plain.recv(65_536):
            data += piece
    return data


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_plain_http_gets_a_400_in_plain_text(secure, authority, method):
    server = secure()
    with server.connect() as plain:
        plain.sendall(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = ended(plain)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"text/plain" in head
    assert b"https://" in body
    still_serves(server, authority)


def test_a_large_plain_request_gets_its_answer(secure):
    """Its answer isn't lost by a reset, although the request isn't read as one."""
    with secure().connect() as plain:
        plain.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n")
        plain.sendall(bytes(200_000))
        plain.shutdown(socket.SHUT_WR)
        assert ended(plain).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "data",
    [
        # Not by chance: all processes of a run must name the test the same.
        b"\x80" + random.Random(1).randbytes(1_000), b"\0", b"\x16\x03\x01\xff\xff" + bytes(1_000),
        b"\x16\x03\x01\0\x01\x01" * 10, b"\x15\x03\x01\0\x02\x02\x28", b"\x80\x2e\x01\x03\x01",
        # A ClientHello of a megabyte.
        b"\x16\x03\x01\x40\x00\x01\x10\x00\x00" + bytes(16_000),
        # HTTP/2's preface, SSH, and a PROXY header.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\n\n\n", b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\n",
    ],
)
def test_garbage_ends_the_connection(secure, authority, data):
    server = secure()
    with server.connect() as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        ended(plain)
    still_serves(server, authority)


def test_a_handshake_in_tiny_records_is_limited(secure, authority):
    """With a record for each byte, an allowed ClientHello has more bytes than a handshake may."""
    server = secure()
    size = 16_000
    hello = b"\x01" + size.to_bytes(3, "big") + bytes(size)

    def record(piece):
        return b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece

    data = record(hello[:4]) + b"".join(record(bytes([byte])) for byte in hello[4:])
    with server.connect() as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        ended(plain)
    assert server.stderr.wait_for(
        lambda lines: any("the handshake is too big" in line for line in lines), 5)
    still_serves(server, authority)


@pytest.mark.parametrize("sent", ["nothing", "a byte", "half a hello", "a hello"])
def test_a_stalled_handshake_times_out(secure, authority, sent):
    server = secure("limits.handshake.timeout=300ms")
    hello = ManualClient(authority.context()).hello()
    data = {"nothing": b"", "a byte": hello[:1], "half a hello": hello[:100], "a hello": hello}[sent]
    with server.connect() as plain:
        plain.sendall(data)
        began = time.monotonic()
        ended(plain)
        assert time.monotonic() - began < 2
    still_serves(server, authority)


def test_the_oldest_handshake_makes_room(secure, authority):
    server = secure("limits.handshakes.max=10", "server.loops=1", "limits.handshake.timeout=30s")
    context = authority.context()
    stalled = []
    for _ in range(30):
        client, plain = ManualClient(context), server.connect()
        plain.sendall(client.hello())
        assert plain.recv(65_536), "the server answers the hello"
        stalled.append(plain)
    still_serves(server, authority)
    for plain in stalled[:20]:
        ended(plain)
        plain.close()
    for plain in stalled[21:]:
        plain.settimeout(0)
        with pytest.raises(BlockingIOError):
            while plain.recv(65_536):
                pass
        plain.close()


def test_renegotiation_is_refused(secure):
    """OpenSSL's client renegotiates when it reads a line with R."""
    server = secure()
    result = subprocess.run(
        ["openssl", "s_client", "-tls1_2", "-connect", f"{server.host}:{server.port}"],
        input="R\nGET / HTTP/1.1\n", capture_output=True, text=True, timeout=10,
    )
    assert "RENEGOTIATING" in result.stdout + result.stderr
    assert "HTTP/1.1" not in result.stdout
    assert result.returncode != 0
    assert server.stderr.wait_for(
        lambda lines: any("the peer renegotiates" in line for line in lines), 5)


@contextlib.contextmanager
def updating_client(server):
    """Runs OpenSSL's client. Yields it, and a function that updates the keys and demands the same of
    the server; it returns False once the connection is over.
    """
    with subprocess.Popen(
        ["openssl", "s_client", "-tls1_3", "-connect", f"{server.host}:{server.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:
        def update():
            # A line with K is the command, if it is read alone.
            try:
                process.stdin.write("K\n")
                process.stdin.flush()
            except BrokenPipeError:
                return False
            return any("KEYUPDATE" in line for line in process.stdout)

        try:
            yield process, update
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def test_updates_of_keys_are_limited(secure, authority):
    """Each makes the server compute."""
    server = secure("server.loops=1")
    with updating_client(server) as (_, update):
        updates = 0
        while updates < 100 and update():
            updates += 1
    assert 3 < updates < 100
    assert server.stderr.wait_for(
        lambda lines: any("updates its keys too often" in line for line in lines), 5)
    still_serves(server, authority)


def test_some_updates_of_keys_are_normal(secure):
    with updating_client(secure()) as (process, update):
        assert update() and update() and update()
        process.stdin.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        process.stdin.flush()
        assert any("200 OK" in line for line in process.stdout)


def test_a_huge_client_certificate_is_refused(start, authority, localhost):
    server = start(*settings(localhost), f"tls.client_ca={authority.path}")
    normal = authority.issue("client")
    huge = authority.issue("client", file="huge", padding=60_000)
    with pytest.raises((ssl.SSLError, ConnectionError)), connect(
        server, authority.context(client=huge)
    ) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not connection.recv(1)
    with connect(server, authority.context(client=normal)) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")


def test_a_damaged_record_ends_the_connection(secure, authority):
    server = secure()
    client = ManualClient(authority.context())
    with server.connect() as plain:
        client.shake_hands(plain)
        record = bytearray(client.encrypt(b"GET / HTTP/1.1\r\n\r\n"))
        record[-1] ^= 1
        plain.sendall(record)
        ended(plain)
    still_serves(server, authority)


def test_a_part_of_a_record_costs_no_time(secure, authority):
    """The loop sleeps until the rest of the record arrives."""
    server = secure("server.loops=1")
    client = ManualClient(authority.context())
    with server.connect() as plain:
        client.shake_hands(plain)
        assert plain.recv(65_536), "the session's ticket ends the handshake"
        record = client.encrypt(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        plain.sendall(record[:-1])
        before = server.cpu_seconds()
        readable, _, _ = select.select([plain], [], [], 1)
        assert not readable, "there is no answer before the last byte"
        assert server.cpu_seconds() - before < 0.3, "it spins"
        plain.sendall(record[-1:])
        assert ended(plain)


def test_a_crowd_of_tiny_records_takes_turns(secure, authority):
    """A client that sends records of one byte doesn't hold up others of its loop."""
    server = secure("server.loops=1", args=["--tools"])
    context = authority.context()
    client = ManualClient(context)
    with server.connect() as plain:
        client.shake_hands(plain)
        plain.sendall(client.encrypt(upgrade_request("/echo")))
        message = frame(TEXT, b"x" * 20_000)
        flood = b"".join(client.encrypt(bytes([byte])) for byte in message)
        honest = Wire(connect(server, context))
        honest.send(upgrade_request("/echo"))
        assert honest.response().status == 101
        plain.sendall(flood)
        slowest = 0
        for number in range(50):
            began = time.monotonic()
            honest.send(frame(TEXT, b"%d" % number))
            assert honest.frame().payload == b"%d" % number
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1
        honest.socket.close()


def test_reset_connections_leak_nothing(secure, authority):
    server = secure("server.loops=1")
    context = authority.context()
    before = server.sockets()
    for number in range(60):
        client, plain = ManualClient(context), server.connect()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        hello = client.hello()
        plain.sendall(hello[: len(hello) * (number % 4) // 3])
        if number % 4 == 3:
            plain.recv(65_536)
        plain.close()
    apus.wait_until(lambda: server.sockets() <= before, "all sockets closed")
    still_serves(server, authority)


def test_an_idle_connection_holds_no_buffers(secure, start, authority, record_property):
    """OpenSSL's own state has 13.5 KiB, and one of its buffers 16 KiB more."""
    count = 1_000

    def held(server, open_one):
        def speak(client):
            client.send(frame(TEXT, b"x" * 5_000))
            client.frame()

        first = [open_one() for _ in range(20)]
        for client in first:
            speak(client)
        before = server.resident_bytes()
        clients = [open_one() for _ in range(count)]
        for client in clients:
            speak(client)
        size = (server.resident_bytes() - before) / count
        for client in first + clients:
            client.socket.close()
        return size

    encrypted, plain = secure(args=["--tools"]), start(args=["--tools"])
    context = authority.context()

    def open_encrypted():
        client = Wire(connect(encrypted, context))
        client.send(upgrade_request("/echo", f"localhost:{encrypted.port}"))
        assert client.response().status == 101
        return client

    sizes = held(encrypted, open_encrypted), held(plain, lambda: Wire.to(plain, "/echo"))
    record_property("bytes", sizes)
    assert sizes[0] - sizes[1] < 15 << 10


def test_parts_of_records_count_for_the_memory(secure, authority):
    """A client that sends only a part of each record can't use up the memory."""
    server = secure("limits.memory.max=1MiB", "limits.message.max=64KiB",
                    "limits.assembly.max=64KiB", "server.loops=1", args=["--tools"])
    context = authority.context()
    plains = []
    for _ in range(150):
        client, plain = ManualClient(context), server.connect()
        client.shake_hands(plain)
        plain.sendall(client.encrypt(upgrade_request("/echo")))
        plains.append((client, plain))
    for client, plain in plains:
        with contextlib.suppress(ConnectionError):
            plain.sendall(client.encrypt(frame(TEXT, b"x" * 16_000))[:-1])
    assert server.stderr.wait_for(
        lambda lines: any("memory is spent" in line for line in lines), 5)
    for _, plain in plains:
        plain.close()
    still_serves(server, authority)
