"""Listening: addresses, ports in use, and Unix-domain sockets."""

import socket

import pytest
from apus import run
from tokens import KEYED
from wire import Wire, upgrade_request


def test_tools_are_served_only_if_enabled(start, client):
    server = start()
    with Wire.to(server) as wire:
        wire.send(upgrade_request("/echo", server.authority))
        assert wire.response().status == 404
    tools = start(args=["--tools"])
    echo = client(tools, "/echo")
    for message in ["text", b"\x00bytes", ""]:
        echo.send(message)
        assert echo.recv(timeout=5) == message
    rooms = [client(tools, "/broadcast") for _ in range(3)]
    for message in ["text", b"\x00bytes"]:
        rooms[0].send(message)
        assert [room.recv(timeout=5) for room in rooms] == [message] * 3


def test_ipv6(start, client):
    server = start(args=["--host", "::1"])
    assert server.authority.startswith("[::1]:")
    socket = client(server)
    socket.send("x")
    assert socket.recv(timeout=5) == "Message received: x"


def test_a_host_name_is_resolved(start, client):
    server = start(args=["--host", "localhost"])
    socket = client(server)
    socket.send("x")
    assert socket.recv(timeout=5) == "Message received: x"


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host, warns",
    [
        ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("127.0.0.2", False),
        ("::1", False), ("localhost", False),
    ],
)
def test_an_open_server_on_a_public_address_warns_once(start, host, warns):
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    warning = "listening beyond this machine with no token required"

    def warnings(*settings):
        server = start(*settings, args=["--host", host, "--port", "0"])
        server.stop()
        log = server.stderr.text()
        # No other line contains the key that it names.
        assert log.count(warning) == log.count("auth.required_for")
        return log.count(warning)

    # Keys alone don't require a token.
    assert warnings() == warnings(KEYED) == warns
    assert warnings(KEYED, "auth.required_for=echo") == 0


def assert_refused(done, *told):
    assert done.returncode not in (0, None) and done.returncode > 0, done
    assert "listening on" not in done.stdout
    for word in told:
        assert word in done.stderr, done.stderr
    assert "Fatal error" not in done.stderr


def test_a_port_in_use_is_an_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert_refused(run("serve", "--port", port), port, "Choose another port with --port")


def test_the_port_of_a_running_apus_is_in_use_too(start):
    port = str(start().port)
    assert_refused(run("serve", "--port", port), port)


def test_a_foreign_address_is_an_error():
    assert_refused(run("serve", "--host", "192.0.2.1", "--port", "0"), "192.0.2.1",
                   "Check server.host (--host)")


def test_an_unknown_host_name_is_an_error():
    assert_refused(run("serve", "--host", "nowhere.invalid", "--port", "0"),
                   "nowhere.invalid", "Check server.host (--host)")


# Unix-domain sockets


@pytest.fixture
def path(tmp_path):
    return tmp_path / "apus.sock"


def wire_at(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(str(path))
    wire = Wire(sock)
    wire.send(upgrade_request())
    assert wire.response().status == 101
    return wire


def test_a_unix_socket_is_served_and_removed_with_the_server(start, path):
    server = start(f"server.socket={path}")
    with wire_at(path) as wire:
        wire.send_text("x")
        assert wire.text() == "Message received: x"
    server.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(start, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    start(f"server.socket={path}")
    wire_at(path).close()


def test_a_file_in_the_place_of_a_unix_socket_is_kept(path):
    path.write_text("precious")
    assert_refused(run("serve", "--set", f"server.socket={path}"), str(path))
    assert path.read_text() == "precious"


def test_a_unix_socket_in_use_is_an_error(start, path):
    start(f"server.socket={path}")
    assert_refused(run("serve", "--set", f"server.socket={path}"), str(path))
    wire_at(path).close()


def test_an_open_server_at_a_path_does_not_warn(start, path):
    server = start(f"server.socket={path}", KEYED)
    server.stop()
    assert "beyond this machine" not in server.stderr.text()
