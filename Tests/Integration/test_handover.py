"""A successor takes over the listening sockets of a running server, which then drains."""

import contextlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
from apus import port_that_no_client_gets, run, wait_until
from channels import wait_logged
from comers import SIZE, Crowd
from wire import CLOSE, TEXT, Wire, upgrade_request


@pytest.fixture
def path(tmp_path):
    return tmp_path / "handover.sock"


@pytest.fixture
def generations(start, path):
    """Starts servers that hand over to each other: `generations("KEY=VALUE")`."""

    def start_one(*settings, loops=2, **options):
        options = {"args": ["--port", "0", "--loops", str(loops)]} | options
        return start(f"server.handover={path}", *settings, **options)

    return start_one


def echoes(wire, text="x"):
    wire.send_text(text)
    assert wire.text() == f"Message received: {text}"


def is_told(wire):
    closing = wire.close_frame()
    assert closing.code == 1012, closing
    wire.send_frame(CLOSE, closing.payload[:2])
    wire.ends()
    wire.close()


def test_no_handshake_fails_and_every_client_gets_1012(generations):
    old = generations("drain.spread=1s", "drain.deadline=60s")
    with Crowd(old.host, old.port) as crowd:
        crowd.wait_for_answers()
        new = generations("drain.spread=1s", "drain.deadline=60s")
        assert new.port == old.port
        crowd.wait(lambda: old.process.poll() is not None, "the predecessor ends")
        crowd.wait(lambda: crowd.closes[1012] >= SIZE, "all are told")
        crowd.wait_for_answers()
        print(f"hand-over under {SIZE} connections: {crowd}")
        assert not crowd.failures, crowd
        # A visitor may be told as well.
        assert set(crowd.closes) == {1012} and crowd.closes[1012] <= SIZE + 4, crowd
    assert old.wait(1) == 0


@pytest.mark.parametrize("loops", [(1, 3), (3, 1), (3, 2)])
def test_a_successor_may_have_other_loops(generations, loops):
    before, after = loops
    servers = [generations(loops=before)]
    for count in (after, before):
        with Wire.to(servers[-1], "/ws") as wire:
            servers.append(generations(loops=count))
            is_told(wire)
        assert servers[-2].wait(5) == 0
        assert servers[-1].port == servers[0].port
        # Enough for each of the sockets.
        wires = [Wire.to(servers[-1], "/ws") for _ in range(24)]
        for wire in wires:
            echoes(wire)
            wire.close()


def test_a_client_that_connected_before_the_hand_over_is_served(generations):
    """It is in the hands of the predecessor, which answers its handshake before it goes."""
    old = generations()
    before = old.sockets()
    with Wire.to(old) as silent, Wire.to(old) as slow:
        slow.send(upgrade_request("/ws", old.authority)[:40])
        wait_until(lambda: old.sockets() == before + 2, "both accepted")
        new = generations()
        wait_logged(old, "[WebSocketServer] draining connections")
        silent.send(upgrade_request("/ws", old.authority))
        slow.send(upgrade_request("/ws", old.authority)[40:])
        for wire in (silent, slow):
            assert wire.response().status == 101
            is_told(wire)
    assert old.wait(5) == 0
    with Wire.to(new, "/ws") as wire:
        echoes(wire)


def test_a_client_that_says_nothing_does_not_delay_the_hand_over_for_long(generations):
    old = generations("drain.deadline=60s")
    before = old.sockets()
    with Wire.to(old) as silent:
        wait_until(lambda: old.sockets() == before + 1, "accepted")
        generations()
        assert silent.ends() == b""
    assert old.wait(5) == 0


def test_a_successor_that_fails_leaves_the_predecessor_serving(generations, tmp_path):
    old = generations()
    with Wire.to(old, "/ws") as wire:
        failing = generations(f"tasks.database={tmp_path}/none/tasks.sqlite", ready=False)
        assert failing.wait(10) == 78
        wait_logged(old, "serving on")
        echoes(wire)
        with Wire.to(old, "/ws") as another:
            echoes(another)
        new = generations()
        assert new.port == old.port
        is_told(wire)
    assert old.wait(5) == 0


def received_offer(path):
    """Connects as a successor does. Returns the connection, the text and the descriptors."""
    asking = socket.socket(socket.AF_UNIX)
    asking.settimeout(5)
    asking.connect(str(path))
    size = int.from_bytes(asking.recv(4, socket.MSG_WAITALL), "big")
    lines = asking.recv(size, socket.MSG_WAITALL).decode().split("\n")
    descriptors = [socket.recv_fds(asking, 1, 1)[1][0] for _ in lines[1:]]
    return asking, lines, descriptors


def test_a_successor_that_dies_before_it_is_ready(generations, path):
    old = generations()
    asking, lines, descriptors = received_offer(path)
    assert lines[0] == "apus handover 1"
    assert lines[1] == "handover" and lines[2].startswith("public "), lines
    # The socket of the hand-over itself, and one for each loop.
    assert len(descriptors) == 3
    for descriptor in descriptors[1:]:
        with socket.socket(fileno=descriptor) as listening:
            assert listening.getsockname()[1] == old.port
    os.close(descriptors[0])
    asking.close()
    wait_logged(old, "serving on")
    with Wire.to(old, "/ws") as wire:
        echoes(wire)
        old.signal(signal.SIGTERM)
        is_told(wire)
    assert old.wait(5) == 0
    assert not path.exists()


def test_a_stop_during_a_hand_over_loses_nobody(generations, path):
    """The sockets stay open in the successor, so clients wait in their queues."""
    old = generations()
    asking, _, descriptors = received_offer(path)
    old.signal(signal.SIGTERM)
    assert old.wait(5) == 0
    with asking, Wire.to(old) as waiting:
        waiting.send(upgrade_request("/ws", old.authority))
        accepted = None
        for descriptor in descriptors[1:]:
            with socket.socket(fileno=descriptor) as listening:
                listening.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    accepted = listening.accept()[0]
        assert accepted, "the connection was lost"
        accepted.close()
    os.close(descriptors[0])


def test_a_crash_of_the_successor_does_not_wait_for_the_predecessor(generations, path):
    """The predecessor, which still drains, must not seem to be one that hands over."""
    old = generations("drain.spread=60s", "drain.deadline=60s")
    with Wire.to(old, "/ws") as wire:
        successor = generations()
        wait_logged(old, "handed over the listening sockets")
        successor.process.kill()
        successor.process.wait()
        third = generations()
        with Wire.to(third, "/ws") as other:
            echoes(other)
        wire.close()


def test_a_unix_domain_socket_is_handed_over(generations, tmp_path):
    public = tmp_path / "apus.sock"
    old = generations(f"server.socket={public}")
    inode = public.stat().st_ino

    def wire():
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(str(public))
        made = Wire(sock)
        made.send(upgrade_request())
        assert made.response().status == 101
        return made

    with wire() as early:
        new = generations(f"server.socket={public}")
        is_told(early)
        assert old.wait(5) == 0
    assert public.stat().st_ino == inode, "the file stays"
    with wire() as late:
        echoes(late)
    new.stop()
    assert not public.exists()


def test_a_new_address_is_listened_on_and_the_old_one_closed(generations):
    old = generations()
    port = port_that_no_client_gets()
    new = generations(args=["--port", str(port)])
    assert old.wait(5) == 0
    assert new.port == port != old.port
    with Wire.to(new, "/ws") as wire:
        echoes(wire)
    with pytest.raises(OSError):
        old.connect()


def test_the_admin_listener_is_handed_over_too(generations):
    port = port_that_no_client_gets()

    def connections():
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            asking = Wire(plain)
            asking.send(b"GET /admin/connections HTTP/1.1\r\nHost: localhost\r\n\r\n")
            response = asking.response()
            assert response.status == 200
            return response.body

    old = generations(f"admin.listen=127.0.0.1:{port}", "drain.spread=0s", "drain.deadline=60s")
    with Wire.to(old, "/ws/42") as wire:
        assert b"{client_id" in connections()
        new = generations(f"admin.listen=127.0.0.1:{port}")
        closing = wire.close_frame()
        # The predecessor still has a connection, and leaves the admin listener to the successor.
        wait_logged(new, "took over")
        for _ in range(10):
            assert b"{client_id" not in connections()
        wire.send_frame(CLOSE, closing.payload[:2])
        wire.ends()
    assert old.wait(5) == 0
    assert b"{client_id" not in connections()
    new.stop()


def test_an_admin_listener_that_the_successor_does_not_have_is_closed(generations):
    admin = port_that_no_client_gets()
    old = generations(f"admin.listen=127.0.0.1:{admin}")
    wait_logged(old, "the admin listener is ready")
    generations()
    old.process.wait(timeout=30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", admin), timeout=5)


def test_the_delay_of_a_stop_is_skipped(generations):
    old = generations("drain.delay=1h")
    generations()
    assert old.wait(5) == 0


def test_the_socket_is_for_its_owner_alone(generations, path):
    generations()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_another_user_gets_nothing_even_if_the_socket_is_open_to_all(start):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "handover.sock")
        old = start(f"server.handover={path}")
        path.parent.chmod(0o755)
        path.chmod(0o666)
        ask_as_another_user(path)
        wait_logged(old, "refused a hand-over to a process of another user")
        new = start(f"server.handover={path}")
        assert new.port == old.port
        assert old.wait(5) == 0
        new.stop()


def ask_as_another_user(path):
    asking = """if True:
        import os, socket, sys
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(sys.argv[1])
            try:
                assert asking.recv(1) == b""
            except ConnectionResetError:
                pass
    """
    subprocess.run([sys.executable, "-c", asking, path], check=True, timeout=20)


def test_a_program_that_is_no_apus_is_an_error(path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        other.settimeout(10)
        command = ["serve", "--port", "0", "--set", f"server.handover={path}"]

        def answer():
            with other.accept()[0] as asking:
                asking.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                with contextlib.suppress(ConnectionResetError):
                    asking.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        done = run(*command)
        thread.join()
    assert done.returncode == 1, done
    assert "server.handover" in done.stderr and "Stop it first" in done.stderr, done.stderr
    assert "listening on" not in done.stdout


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    done = run("serve", "--port", "0", "--set", f"server.handover={tmp_path}/none/a.sock")
    assert done.returncode == 1, done
    assert "none/a.sock" in done.stderr, done.stderr


def test_a_stale_socket_is_replaced(generations, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = generations()
    with Wire.to(server, "/ws") as wire:
        wire.send_text("x")
        assert wire.frame().opcode == TEXT
