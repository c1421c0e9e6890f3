"""A service manager such as systemd: sockets that it passes, and reports to it."""

import contextlib
import fcntl
import os
import socket

import pytest
from apus import run, wait_until
from channels import wait_logged
from wire import CLOSE, Wire, upgrade_request

# Replaces itself by the server, with the descriptors $FDS as 3, 4, …
PASS = """
next=3
for given in $FDS; do eval "exec $next<&$given"; next=$((next + 1)); done
export LISTEN_PID=${LISTEN_PID:-$$} LISTEN_FDS=${LISTEN_FDS:-$((next - 3))}
exec "$@"
"""


@pytest.fixture
def activated(start):
    """Starts a server with listening sockets: `activated([socket], "KEY=VALUE")`."""
    with contextlib.ExitStack() as stack:

        def start_one(sockets, *settings, environment=None, **options):
            # Above those that they become.
            copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, 100) for each in sockets]
            for copy in copies:
                stack.callback(os.close, copy)
            given = " ".join(map(str, copies))
            return start(
                *settings, prefix=["bash", "-c", PASS, "bash"], inherited=copies,
                environment={"FDS": given} | (environment or {}), **options,
            )

        yield start_one


def upgraded(family, address):
    sock = socket.socket(family)
    sock.settimeout(5)
    sock.connect(address)
    wire = Wire(sock)
    wire.send(upgrade_request())
    assert wire.response().status == 101
    wire.send_text("x")
    assert wire.text() == "Message received: x"
    return wire


@pytest.mark.parametrize("loops", [1, 3])
def test_sockets_of_all_families(activated, tmp_path, loops):
    path = tmp_path / "apus.sock"
    with contextlib.ExitStack() as stack:
        ipv4 = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ipv6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(path))
        unix.listen()
        # In the queue before there is a server.
        early = stack.enter_context(socket.create_connection(ipv4.getsockname(), timeout=5))
        server = activated([ipv4, ipv6, unix], args=["--port", "1", "--loops", str(loops)])
        server.addresses = server.wait_for_listeners(3)
        assert server.addresses == [
            f"127.0.0.1:{ipv4.getsockname()[1]}", f"[::1]:{ipv6.getsockname()[1]}", str(path),
        ]
        assert "server.port and server.socket have no effect" in server.stderr.text()
        wires = [Wire(early)]
        wires[0].send(upgrade_request())
        assert wires[0].response().status == 101
        for _ in range(2 * loops):
            wires.append(upgraded(socket.AF_INET, ipv4.getsockname()))
            wires.append(upgraded(socket.AF_INET6, ipv6.getsockname()))
            wires.append(upgraded(socket.AF_UNIX, str(path)))
        for wire in wires:
            wire.close()
        server.stop()
        assert path.exists(), "the file belongs to the service manager"
        # Clients wait in the queue for the next server.
        with socket.create_connection(ipv4.getsockname(), timeout=5) as waiting:
            activated([ipv4])
            wire = Wire(waiting)
            wire.send(upgrade_request())
            assert wire.response().status == 101


def test_sockets_for_another_process_are_left_alone(activated):
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = activated([other], environment={"LISTEN_PID": "1"})
        assert server.port != other.getsockname()[1]


def failing(activated, sockets, **environment):
    server = activated(sockets, environment=environment, ready=False)
    assert server.wait(10) == 1
    server.stderr.wait_for(lambda lines: False, 5)
    assert "listening on" not in server.stdout.text()
    return server.stderr.text()


def test_what_is_no_listening_socket_is_an_error(activated):
    with socket.socket() as silent, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for sockets in ([silent], [datagrams]):
            assert "listen on the inherited descriptor 3" in failing(activated, sockets)
    assert "inherited descriptor 3" in failing(activated, [], LISTEN_FDS="1")
    assert 'LISTEN_FDS is "many"' in failing(activated, [], LISTEN_FDS="many")


# Reports


class Manager:
    """Receives the datagrams of a server."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)

    def next(self):
        return self.socket.recv(4_096).decode().split("\n")

    def next_with(self, line):
        while line not in (message := self.next()):
            pass
        return message


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify.sock")
    address, text = (name, name) if request.param == "path" else ("\0" + name, "@" + name)
    manager = Manager(address)
    manager.environment = {"NOTIFY_SOCKET": text}
    with manager.socket:
        yield manager


def test_the_manager_hears_of_the_start_and_of_the_stop(start, manager):
    server = start("drain.deadline=10s", environment=manager.environment)
    assert manager.next() == ["READY=1", "STATUS=Connections: 0"]
    with Wire.to(server, "/ws") as wire:
        server.signal(15)
        assert manager.next_with("STOPPING=1")[1].startswith("STATUS=Draining connections: ")
        wire.send_frame(CLOSE, wire.close_frame().payload[:2])
        wire.ends()
    assert server.wait(5) == 0


def test_a_server_that_cannot_start_is_never_ready(manager):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run("serve", "--port", port, environment=manager.environment)
    assert done.returncode == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.next()


def test_the_watchdog_is_fed_and_the_status_follows(start, manager):
    server = start(environment=manager.environment | {"WATCHDOG_USEC": "100000"})
    with Wire.to(server, "/ws"):
        assert manager.next_with("STATUS=Connections: 1") == ["STATUS=Connections: 1"]
        for _ in range(3):
            assert manager.next_with("WATCHDOG=1") == ["WATCHDOG=1"]


def test_nobody_listens_to_the_reports(start, tmp_path):
    for address in (f"{tmp_path}/none", "@none-apus", "vsock:2:1234", "@" + "x" * 200):
        server = start(environment={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
        with Wire.to(server, "/ws") as wire:
            wire.send_text("x")
            assert wire.text() == "Message received: x"
        server.stop()


def test_sockets_of_the_manager_stay_through_a_hand_over(activated, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as given:
        setting = f"server.handover={tmp_path}/handover.sock"
        old = activated([given], setting)
        with Wire.to(old, "/ws") as wire:
            new = activated([given], setting)
            assert wire.close_frame().code == 1012
        wait_logged(new, "took over")
        assert old.wait(5) == 0
        assert new.port == old.port
        wait_until(lambda: "draining" in old.stderr.text(), "its log")
