"""What fails around a server: a full disk, files that can't be read, no descriptors, clocks that
jump. Nothing that was acknowledged is lost, and the log says what is wrong.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import time

import pytest
from apus import run, wait_until
from task_client import create, database, tasks
from tokens import KEYED, PATH, token
from wire import CLOSE, Wire, upgrade_request


def is_root():
    return os.geteuid() == 0


# A disk without room

# Replaces itself by the server, which alone sees the small disk.
ON_SMALL_DISK = 'mount -t tmpfs -o size=512k apus "$DISK" && exec "$@"'


def has_namespaces():
    made = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True)
    return made.returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="needs the right to mount")
def test_a_full_disk_is_503_and_loses_nothing(start, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    server = start(
        f"tasks.database={disk}/tasks.sqlite", environment={"DISK": str(disk)},
        prefix=["unshare", "--mount", "bash", "-c", ON_SMALL_DISK, "bash"],
    )
    seen = pathlib.Path(f"/proc/{server.pid}/root{disk}")
    assert (seen / "tasks.sqlite").exists() and not (disk / "tasks.sqlite").exists()
    (seen / "ballast").write_bytes(b"x" * (200 << 10))
    stored, refusals = [], 0
    with Wire.to(server, "/ws") as wire:
        for number in range(1, 4_000):
            more = {"title": "t" * 200, "description": "d" * 1_000}
            status, answer = create(server, number, **more)
            if status == 200:
                stored.append(number)
                continue
            assert status == 503, answer
            assert answer["detail"].startswith("The task was not stored: "), answer
            refusals += 1
            if refusals == 3:
                break
        assert refusals == 3 and len(stored) > 5
        # Everything else works.
        wire.send_text("x")
        assert wire.text() == "Message received: x"
        assert [task["id"] for task in tasks(server, "?limit=200")] == stored
        (seen / "ballast").unlink()
        assert create(server, 1_000)[0] == 200
        assert [task["id"] for task in tasks(server, "?limit=200")] == [*stored, 1_000]


# Files that can't be read


@pytest.mark.parametrize("key", ["tls.key", "tls.certificate"])
def test_an_unreadable_certificate_is_an_error_that_names_it(localhost, tmp_path, key):
    certificate, private = (pathlib.Path(path) for path in localhost)
    copies = {"tls.certificate": certificate, "tls.key": private}
    unreadable = tmp_path / "unreadable.pem"
    unreadable.write_bytes(copies[key].read_bytes())
    unreadable.chmod(0)
    copies[key] = unreadable
    command = ["serve", "--port", "0"]
    for name, path in copies.items():
        command += ["--set", f"{name}={path}"]
    if is_root():
        # Root may read all files by a capability that this process gives up.
        without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        done = run(*command, prefix=without)
    else:
        done = run(*command)
    assert done.returncode == 78, done
    assert re.search(rf"--set: {key}: .*unreadable.pem.* can't be read: Permission denied",
                     done.stderr), done.stderr
    assert "listening on" not in done.stdout


# No descriptors left


def test_tasks_and_messages_go_on_while_no_descriptor_is_left(start, tmp_path):
    limit = 64
    server = start("limits.connections.max=1000", database(tmp_path), descriptors=limit)
    post = b'{"id": %d, "title": "t"}'
    head = (
        b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n"
    )
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(Wire.to(server, "/ws"))
        stored = []

        def store(id):
            with Wire.to(server) as asking:
                body = post % id
                asking.send(head % len(body) + body)
                if asking.response().status == 200:
                    stored.append(id)

        store(1)
        hoard = []
        with contextlib.suppress(OSError):
            for _ in range(3 * limit):
                hoard.append(stack.enter_context(server.connect()))
        for id in range(2, 6):
            wire.send_text(f"{id}")
            assert wire.text() == f"Message received: {id}"
            with contextlib.suppress(Exception):
                store(id)
        for each in hoard:
            each.close()
        wait_until(lambda: accepts(server), "connections accepted again")
        store(6)
        assert stored[0] == 1 and stored[-1] == 6
    server.kill()
    again = start(database(tmp_path))
    assert set(stored) <= {task["id"] for task in tasks(again)}


def accepts(server):
    with contextlib.suppress(Exception), Wire.to(server, "/ws") as wire:
        wire.send_text("x")
        return wire.text() == "Message received: x"
    return False


# Clocks that jump

YEAR = 365 * 86_400


@pytest.fixture
def faked(program):
    """The variables that fake the time of a program, and not only those of its children.

    `faketime` makes memory for the library. If the library made it, it would move the environment,
    next to which Swift looks for the arguments.
    """
    shell = """printf '%s\n' "$LD_PRELOAD" "$FAKETIME_SHARED"; LD_PRELOAD= exec cat"""
    helper = subprocess.Popen(
        [program("faketime", package="faketime"), "-m", "2020-01-01 00:00:00", "sh", "-c", shell],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    with helper:
        library, shared = (helper.stdout.readline().strip() for _ in range(2))
        yield {"LD_PRELOAD": library, "FAKETIME_SHARED": shared}
        helper.stdin.close()


@pytest.fixture
def jumping(start, faked, tmp_path):
    """Starts a server whose wall clock the test moves: `server, move = jumping()`."""
    now = tmp_path / "now"

    def move(seconds):
        temporary = tmp_path / "next"
        temporary.write_text(f"{seconds:+d}\n")
        temporary.rename(now)

    def start_one(*settings):
        move(0)
        server = start(*settings, environment=faked | {
            "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        })
        return server, move

    return start_one


def date_of(server):
    with Wire.to(server) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        response = wire.response()
        assert response.status == 200
        return response.headers["date"]


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_connections_survive_a_jump_of_the_clock(jumping, tmp_path, jump):
    server, move = jumping(
        KEYED, database(tmp_path), "heartbeat.interval=300ms", "heartbeat.timeout=300ms",
        "limits.idle.timeout=1h", "limits.handshake.timeout=10s",
    )
    assert create(server, 1)[0] == 200
    with Wire.to(server, "/ws") as wire, Wire.to(server) as half:
        half.send(upgrade_request("/ws", server.authority)[:50])
        move(jump)
        year = str(time.gmtime(time.time() + jump).tm_year)
        wait_until(lambda: year in date_of(server), "the server sees the jump")
        # Heartbeats continue as before: pings come and are answered.
        for _ in range(3):
            ping = wire.frame()
            assert ping.opcode == 0x9, ping
            wire.send_frame(0xA, ping.payload)
        wire.send_text("x")
        while (received := wire.frame()).opcode == 0x9:
            wire.send_frame(0xA, received.payload)
        assert received.payload == b"Message received: x"
        half.send(upgrade_request("/ws", server.authority)[50:])
        assert half.response().status == 101
    assert create(server, 2)[0] == 200
    move(0)
    assert create(server, 3)[0] == 200
    assert [task["id"] for task in tasks(server)] == [1, 2, 3]
    assert "heartbeat" not in server.stderr.text().partition("listening\n")[2]


def test_tokens_are_judged_by_the_clock_after_a_jump(jumping):
    server, move = jumping(KEYED)
    ours, later = token(seconds=3_600), token(seconds=2 * YEAR)

    def status(given):
        with Wire.to(server) as wire:
            wire.send(upgrade_request(PATH, server.authority, Authorization=f"Bearer {given}"))
            return wire.response().status

    assert (status(ours), status(later)) == (101, 101)
    move(YEAR)
    wait_until(lambda: status(ours) == 401, "the token has expired")
    assert status(later) == 101
    move(0)
    wait_until(lambda: status(ours) == 101, "the token is valid again")


def test_a_stop_takes_its_time_whatever_the_clock_says(jumping):
    server, move = jumping("drain.spread=500ms", "drain.deadline=10s")
    wires = [Wire.to(server, "/ws") for _ in range(4)]
    move(-YEAR)
    begun = time.monotonic()
    server.signal(15)
    for wire in wires:
        with wire:
            closing = wire.close_frame()
            assert closing.code == 1012
            wire.send_frame(CLOSE, closing.payload[:2])
            wire.ends()
    assert server.wait(5) == 0
    assert time.monotonic() - begun < 5


def test_a_log_without_a_reader_or_room_does_not_stop_the_server(start):
    with open("/dev/full", "w") as full:
        server = start(
            "log.level=debug", prefix=["bash", "-c", f'exec 2>&{full.fileno()} "$@"', "bash"],
            inherited=[full.fileno()],
        )
        for _ in range(3):
            with Wire.to(server, "/ws") as wire:
                wire.send_text("x")
                assert wire.text() == "Message received: x"
        server.stop()
