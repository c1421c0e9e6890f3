"""`server.names`: a page whose own name leads to this server (DNS rebinding) is refused."""

import json
import socket

import pytest
from apus import wait_until
from wire import Wire, upgrade_request


def status(server, host, path="/healthz", host_header=True, version="1.1", extra=""):
    """Returns the status of a request on a connection of its own."""
    with Wire(socket.create_connection(("127.0.0.1", server.port), 5)) as wire:
        line = f"Host: {host}\r\n" if host_header else ""
        wire.send(f"GET {path} HTTP/{version}\r\n{line}{extra}\r\n".encode())
        return wire.response().status


def test_a_page_that_rebinds_its_name_gets_nothing(start):
    server = start("auth.required_for=")
    evil = f"evil.example:{server.port}"
    # The browser takes the page for one of the server's own: `Host` and `Origin` agree.
    with Wire(socket.create_connection(("127.0.0.1", server.port), 5)) as wire:
        wire.send(upgrade_request("/ws", evil, Origin=f"http://{evil}"))
        response = wire.response()
        assert response.status == 421
        assert "server.names" in json.loads(response.body)["detail"]
        assert not any(name.startswith("access-control") for name in response.headers)
        # The connection is still good for the server's own name.
        wire.send(upgrade_request("/ws", f"localhost:{server.port}"))
        assert wire.response().status == 101
    for path in ("/", "/healthz", "/tasks", "/nowhere"):
        assert status(server, evil, path) == 421
    [line] = wait_until(
        lambda: [line for line in server.stderr.lines if "the name in Host isn't" in line], "a line")
    assert f"host={evil}" in line


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "app.localhost:8080", "127.0.0.1", "[::1]:80", "localhost."],
)
def test_loopback_names_are_answered_whatever_the_port(server, host):
    assert status(server, host) == 200


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "evil.example", "192.0.2.1", "127.0.0.1.evil.example", ""]
)
def test_other_names_are_refused(server, host):
    assert status(server, host) == 421


def test_headers_of_proxies_prove_nothing(server):
    for field in ("X-Forwarded-Host", "X-Host", "X-Original-Host"):
        assert status(server, "evil.example", extra=f"{field}: localhost\r\n") == 421
        assert status(server, "localhost", extra=f"{field}: evil.example\r\n") == 200
    assert status(server, "evil.example", extra="Forwarded: host=localhost\r\n") == 421


def test_the_name_in_the_target_counts(server):
    # RFC 9112 §3.2.2: it takes the place of `Host`.
    assert status(server, "localhost", "http://evil.example/healthz") == 421
    assert status(server, "evil.example", "http://localhost/healthz") == 200


def test_http_1_0_may_name_no_host(server):
    assert status(server, "", host_header=False, version="1.0") == 200


def test_listeners_beyond_this_machine_answer_to_any_name(start):
    server = start(args=["--host", "0.0.0.0"])
    assert status(server, "any.example") == 200


def test_a_trusted_proxy_may_name_any_host(start):
    server = start("proxies.trusted=127.0.0.1")
    assert status(server, "app.example.com") == 200
    listed = start("proxies.trusted=127.0.0.1", "server.names=app.example.com")
    assert status(listed, "app.example.com") == 200
    assert status(listed, "evil.example") == 421


def test_listed_names_are_answered_on_every_listener(start):
    for host in ("127.0.0.1", "0.0.0.0"):
        server = start("server.names=app.example.com, *.example.org", args=["--host", host])
        for name in ("app.example.com:80", "APP.EXAMPLE.COM", "a.b.example.org", "localhost"):
            assert status(server, name) == 200
        for name in ("evil.example", "example.org", "x.app.example.com"):
            assert status(server, name) == 421
        assert status(server, f"127.0.0.1:{server.port}") == 200
        assert status(server, "192.0.2.1") == (421 if host == "127.0.0.1" else 200)


def test_any_name_can_be_allowed(start):
    server = start("server.names=*")
    assert status(server, "evil.example") == 200


def test_hostile_names_cost_nothing_and_forge_no_line(start):
    server = start()
    for host in ("x" * 4_000, "a." * 2_000, "\xcc\x81" * 1_000, "[" * 100, "\x80"):
        assert status(server, host) in (400, 421)
    assert status(server, "localhost") == 200
    server.stop()
    assert all(len(line) < 8_192 for line in server.stderr.lines)
