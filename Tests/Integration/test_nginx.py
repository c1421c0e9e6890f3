"""nginx in front of a server for TLS, with the shipped configuration file."""

import contextlib
import pathlib
import random

import pytest
from apus import wait_until
from balancers import Keeping, Nginx, keep_alive_of_apus, seconds_in
from tokens import KEYED, PATH, token

TRUSTED = "proxies.trusted=127.0.0.1"


@pytest.fixture
def secured(start, program):
    """Starts a server behind nginx: `nginx, server = secured("KEY=VALUE")`."""
    path = program("nginx", "/usr/sbin/nginx", package="nginx-light")
    openssl = program("openssl", package="openssl")
    running = contextlib.ExitStack()

    def make(*settings, **options):
        server = start(TRUSTED, *settings, **options)
        nginx = Nginx(path, openssl, server)
        running.callback(nginx.kill)
        running.callback(nginx.stop)
        return nginx, server

    with running:
        yield make


def test_messages_of_all_sizes_pass_compressed_over_tls(secured):
    nginx, _ = secured("limits.message.max=16MiB", args=["--tools"])
    random.seed(7)
    words = " ".join(random.choices(["tick", "trade", "order", "quote", "é", "☃"], k=200_000))
    with nginx.connect("/echo", compression="deflate") as connection:
        agreed = [extension.name for extension in connection.protocol.extensions]
        assert agreed == ["permessage-deflate"]
        assert connection.socket.version() == "TLSv1.3"
        for message in ("", "x", words[:65_536], words, random.randbytes(8 << 20)):
            connection.send(message)
            assert connection.recv(timeout=30) == message


def test_an_address_is_the_clients_own_whatever_it_claims(secured):
    nginx, _ = secured("limits.connections.per_address=1", "limits.close.timeout=1h")
    attempts = [
        nginx.attempt(source=source, X_Forwarded_For=claimed, Forwarded=f"for={claimed}")
        for source, claimed in (
            ("127.0.0.2", "192.0.2.1"), ("127.0.0.2", "192.0.2.2"), ("127.0.0.3", "192.0.2.1"),
            ("127.0.0.2", "192.0.2.3"),
        )
    ]
    assert [outcome for _, outcome in attempts] == ["open", 1008, "open", 503]
    for wire, _ in attempts:
        wire.close()


def test_requests_and_refusals_pass_with_their_status(secured):
    nginx, _ = secured()
    with contextlib.closing(nginx.socket()) as tls:
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert tls.recv(65_536).startswith(b"HTTP/1.1 200 ")
    for path, headers, status in (
        ("/nowhere", {}, 404), ("/ws/seven", {}, 422), ("/ws", {"Upgrade": None}, 426),
        ("/ws", {"Sec_WebSocket_Version": "7"}, 426), ("/ws", {"Sec_WebSocket_Key": "x"}, 400),
    ):
        wire, outcome = nginx.attempt(path, **headers)
        assert outcome == status
        wire.close()


def test_the_servers_close_frame_reaches_the_client(secured):
    nginx, server = secured()
    wire, outcome = nginx.attempt()
    assert outcome == "open"
    server.process.terminate()
    wire.expect_failure(1012)
    wire.close()


def test_an_idle_connection_is_closed_before_the_server_closes_it(program):
    # A POST at the same moment would be answered with 502.
    assert seconds_in("config/nginx.conf", "keepalive_timeout") < keep_alive_of_apus()
    path = program("nginx", "/usr/sbin/nginx", package="nginx-light")
    openssl = program("openssl", package="openssl")
    with contextlib.closing(Keeping()) as server:
        nginx = Nginx(path, openssl, server, {"keepalive_timeout 5s;": "keepalive_timeout 1s;"})
        try:
            request = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
            assert [nginx.ask(request % number).status for number in (1, 2)] == [200, 200]
            wait_until(lambda: sum(map(len, server.ended)) == 2, "let go", 30)
            assert nginx.ask(request % 3).status == 200
            assert server.connections[-1] == [b"/3"]
        finally:
            nginx.kill()


def test_paths_are_logged_without_the_tokens_after_them(secured):
    nginx, server = secured(KEYED, "auth.query_token=true")
    text = token()
    wire, outcome = nginx.attempt(f"{PATH}?token={text}")
    assert outcome == "open"
    wire.close()
    server.stop()
    wire, outcome = nginx.attempt(f"/ws/secure/nobody?token={text}")
    assert outcome == 502
    wire.close()
    log = pathlib.Path(nginx.folder.name, "access.log")
    for logged in (f'"GET {PATH} HTTP/1.1" 101 ', '"GET /ws/secure/nobody HTTP/1.1" 502 '):
        wait_until(lambda: logged in log.read_text(), logged, 60)
    nginx.stop()
    for part in text.split("."):
        assert part not in log.read_text() + nginx.log.text()
