"""Several addresses, both families, and the access to Unix-domain sockets."""

import grp
import os
import socket
import stat

import pytest
from apus import Apus, port_that_no_client_gets, run
from test_listening import assert_refused, has_ipv6, wire_at
from wire import Wire, upgrade_request


def ipv6():
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")


def echoes_at(host, port):
    with socket.create_connection((host, port), timeout=5) as sock:
        wire = Wire(sock)
        wire.send(upgrade_request("/ws", f"localhost:{port}"))
        assert wire.response().status == 101
        wire.send_text("x")
        assert wire.text() == "Message received: x"


def places(server, count):
    """Returns the host and port of each `listening on` line."""
    server.addresses = server.wait_for_listeners(count)
    split = [address.rpartition(":") for address in server.addresses]
    return [(host.strip("[]"), int(port)) for host, _, port in split if host]


@pytest.mark.parametrize("loops", ["1", "2"])
def test_localhost_is_served_in_both_families_on_one_port(start, loops):
    ipv6()
    server = start(args=["--host", "LocalHost", "--loops", loops])
    found = places(server, 2)
    assert [host for host, _ in found] == ["127.0.0.1", "::1"]
    assert len({port for _, port in found}) == 1
    for place in found:
        echoes_at(*place)
    server.stop()
    assert len(server.stdout.lines) == 2


def test_localhost_without_the_second_family_is_the_first_alone(tmp_path):
    # A port that is in use in the other family only is an error, not a missing family.
    ipv6()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        assert_refused(run("serve", "--host", "localhost", "--port", str(port)), str(port))


def test_several_addresses_and_a_socket_are_served(start, tmp_path):
    ipv6()
    path = tmp_path / "apus.sock"
    server = start(f"server.host=127.0.0.1, 127.0.0.2, ::1, unix:{path}", "server.loops=2")
    found = places(server, 4)
    assert server.addresses[3] == str(path)
    for place in found:
        echoes_at(*place)
    with wire_at(path) as wire:
        wire.send_text("x")
        assert wire.text() == "Message received: x"
    server.stop()
    assert not path.exists()


def test_a_yaml_list_is_a_list(tmp_path):
    file = tmp_path / "apus.yaml"
    file.write_text(
        "server:\n  host: [127.0.0.1, 127.0.0.2]\n  port: 0\n"
        "  names:\n    - app.example.com\n    - '*.example.org'\n"
        "tasks: {database: ''}\n"
        "proxies: {trusted: [127.0.0.1, 10.0.0.0/8]}\n"
    )
    done = run("config", "check", "--config", str(file))
    assert done.returncode == 0, done
    for text in ("127.0.0.1, 127.0.0.2", "app.example.com, *.example.org", "10.0.0.0/8"):
        assert text in done.stdout
    server = Apus(args=["--config", str(file)])
    try:
        assert len(places(server, 2)) == 2
        server.stop()
    finally:
        server.kill()


@pytest.mark.parametrize(
    "value, told",
    [
        ("[127.0.0.1, {a: b}]", "takes a list of plain values"),
        ("['127.0.0.1,::1']", "without commas"),
        ("{a: b}", "takes a list"),
        ("[]", "not an address"),
        ("[127.0.0.1, 127.0.0.1]", "naming 127.0.0.1 twice"),
    ],
)
def test_a_list_that_is_none_is_an_error(tmp_path, value, told):
    file = tmp_path / "apus.yaml"
    file.write_text(f"server:\n  host: {value}\n")
    done = run("config", "check", "--config", str(file))
    assert done.returncode == 78 and f"{file}:2: server.host" in done.stderr, done
    assert told in done.stderr


def test_one_bad_address_means_that_none_is_served(tmp_path):
    path = tmp_path / "apus.sock"
    done = run("serve", "--set", f"server.host=unix:{path}, 192.0.2.1", "--port", "0")
    assert_refused(done, "192.0.2.1")
    assert not path.exists()


@pytest.mark.parametrize("loops", ["1", "2"])
def test_dual_stack_serves_both_families(start, loops):
    ipv6()
    server = start("server.dual_stack=true", args=["--host", "::", "--loops", loops])
    echoes_at("::1", server.port)
    echoes_at("127.0.0.1", server.port)
    with Wire(socket.create_connection(("127.0.0.1", server.port), 5)) as wire:
        wire.send(b"GET /nowhere HTTP/1.1\r\nHost: any.example\r\n\r\n")
        assert wire.response().status == 404


def test_without_dual_stack_both_families_have_the_same_port(start):
    ipv6()
    port = port_that_no_client_gets()
    server = start("server.host=::, 0.0.0.0", args=["--port", str(port)])
    places(server, 2)
    echoes_at("::1", port)
    echoes_at("127.0.0.1", port)


def test_dual_stack_finds_a_port_in_use_in_the_other_family():
    ipv6()
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = str(other.getsockname()[1])
        done = run("serve", "--host", "::", "--port", port, "--set", "server.dual_stack=true")
        assert_refused(done, port, "Choose another port")


def test_the_mode_of_a_socket(start, tmp_path):
    path = tmp_path / "apus.sock"
    for mode in ("0660", "0600", "0777"):
        server = start(f"server.socket={path}", f"server.socket_mode={mode}")
        assert stat.S_IMODE(os.stat(path).st_mode) == int(mode, 8)
        wire_at(path).close()
        server.stop()


def test_the_group_of_a_socket(start, tmp_path):
    path = tmp_path / "apus.sock"
    # A user may give files to the own groups only, root to any.
    group = grp.getgrgid(max(os.getgroups(), default=os.getgid()) if os.geteuid() else 1)
    for name in (group.gr_name, str(group.gr_gid)):
        server = start(f"server.socket={path}", f"server.socket_group={name}")
        assert os.stat(path).st_gid == group.gr_gid
        server.stop()


def test_an_unknown_group_is_an_error(tmp_path):
    path = tmp_path / "apus.sock"
    done = run("serve", "--set", f"server.socket={path}", "--set", "server.socket_group=nobody-has")
    assert_refused(done, "nobody-has", "server.socket_group")
    assert not path.exists()
