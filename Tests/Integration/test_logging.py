"""The server while nobody reads its log or its standard output."""

import contextlib
import fcntl
import itertools
import os
import re
import signal
import subprocess
import tempfile
import time

import pytest
from apus import CRASH, Apus, Lines, binary, clean_environment, wait_until
from wire import TEXT, Wire, frame

PREFIX = b"Message received: "
LINE = re.compile(
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \w+ apus:"
    r"""( [\w.]+=("([^"\\]|\\.)*"|[^\s"=]+))* \[\w+\] [^\n]+$"""
)


class Unread:
    """Starts a server whose standard error is a pipe that nobody reads, or that is closed."""

    def __init__(self, *settings, full=True, output=None):
        self.reader, writer = os.pipe()
        self.filled = fill(writer) if full else 0
        self.folder = tempfile.TemporaryDirectory(prefix="apus-")
        command = [binary(), "serve", "--port", "0"]
        own = (f"tasks.database={self.folder.name}/tasks.sqlite", "drain.spread=0s",
               "drain.deadline=2s", "log.level=debug")
        for setting in (*own, *settings):
            command += ["--set", setting]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output or subprocess.PIPE, stderr=writer,
            text=True, env=clean_environment(),
        )
        os.close(writer)
        self.pid = self.process.pid
        if output is None:
            self.stdout = Lines(self.process.stdout)
            self.addresses = Apus.wait_for_listeners(self)

    authority, host, port = Apus.authority, Apus.host, Apus.port
    connect, url, ws = Apus.connect, Apus.url, Apus.ws

    @property
    def stderr(self):
        raise AssertionError("it isn't read")

    def drain(self):
        """Returns the log: from now on it is read, to its end."""
        left = self.filled
        while left:
            left -= len(os.read(self.reader, left))
        return Lines(os.fdopen(self.take(), errors="replace"))

    def take(self):
        reader, self.reader = self.reader, None
        return reader

    def close_reader(self):
        os.close(self.take())

    def stop(self, seconds):
        self.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert self.process.wait(60) == 0
        assert time.monotonic() - began < seconds

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.reader is not None:
            self.close_reader()
        self.folder.cleanup()


def fill(pipe):
    """Fills a pipe, so that the next write to it blocks. Returns the number of bytes."""
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.write(pipe, b"-" * 4_095 + b"\n")
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags)
    return count


@pytest.fixture
def unread():
    servers = []

    def start(*settings, **options):
        servers.append(Unread(*settings, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def assert_echoes(server, count=1):
    for _ in range(count):
        with Wire.to(server, "/ws") as wire:
            wire.send_text("x")
            assert wire.frame().payload == PREFIX + b"x"


def fail_often(server, count):
    """Causes this many lines of the log at level debug."""
    for number in range(count):
        with Wire.to(server, "/ws") as wire:
            wire.send(frame(TEXT, b"unmasked", masked=False))
            wire.expect_failure(1002)


def test_a_full_pipe_that_nobody_reads_stops_neither_service_nor_stop(unread):
    server = unread("server.loops=2")
    fail_often(server, 20)
    # On both loops.
    assert_echoes(server, 20)
    with Wire.to(server, "/ws") as wire:
        wire.send_text("x")
        wire.frame()
        server.process.send_signal(signal.SIGTERM)
        wire.expect_failure(1012)
    began = time.monotonic()
    assert server.process.wait(60) == 0
    # The deadline of two seconds, and one more second.
    assert time.monotonic() - began < 3


def test_chat_members_join_and_leave_while_nobody_reads_the_log(unread):
    server = unread("server.loops=2")
    staying = Wire.to(server, "/ws/0")
    with staying:
        for client in range(1, 801):
            with Wire.to(server, f"/ws/{client}") as wire:
                wire.send_text("x")
                while wire.frame().payload != b"Client %d: x" % client:
                    pass
        assert_echoes(server, 4)
    server.stop(seconds=3)


def refuse_often(server, count):
    """Causes this many lines of the log at level debug, each for an invalid token."""
    request = b"GET /tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n"
    with Wire.to(server) as wire:
        wire.send(request)
        assert wire.response().status == 401
        wire.send(request)
        head = wire.take_through(b"\r\n\r\n")
        size = len(head) + int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        wire.take(size - len(head))
        for _ in range(count // 100):
            wire.send(request * 100)
            assert wire.take(size * 100).count(b"HTTP/1.1 401 ") == 100


def test_lines_that_do_not_fit_are_counted_and_the_others_are_complete_and_in_order(unread):
    server = unread(
        "server.loops=1", "auth.jwt.secret=" + "s" * 32, "auth.required_for=tasks")
    fail_often(server, 3)
    refuse_often(server, 5_000)
    lines = server.drain()
    wait_until(lambda: any("dropped" in line for line in lines.lines), "the count", 30)
    fail_often(server, 3)
    server.stop(seconds=3)
    lines.wait_for(lambda found: False, 30)
    for line in lines.lines:
        assert LINE.match(line), line
    kinds = [re.sub(r".*\] ", "", line) for line in lines.lines]
    refused = kinds.count("token refused")
    [told] = [line for line in lines.lines if line.endswith(" log lines were dropped")]
    assert refused + int(re.search(r"\bcount=(\d+) ", told)[1]) == 5_002 and refused > 1_000
    interesting = {"connection failed", "token refused", "log lines were dropped"}
    assert [kind for kind, _ in itertools.groupby(filter(interesting.__contains__, kinds))] == [
        "connection failed", "token refused", "log lines were dropped", "connection failed",
    ]
    assert kinds.count("connection failed") == 6 and kinds[-1] == "stopped"


def test_a_reader_that_disappears_ends_nothing(unread):
    server = unread("server.loops=2", full=False)
    server.close_reader()
    fail_often(server, 20)
    assert_echoes(server, 20)
    with Wire.to(server, "/ws/7") as wire:
        wire.send_text("x")
        assert wire.frame().payload == b"Client 7: x"
        server.process.send_signal(signal.SIGTERM)
        wire.expect_failure(1012)
    assert server.process.wait(60) == 0


def test_a_reader_that_is_paused_and_continued_receives_the_log(unread):
    server = unread("server.loops=1", full=False)
    # As `apus serve 2>&1 | cat`, with Ctrl-Z for `cat` alone.
    with subprocess.Popen(
        ["cat"], stdin=server.take(), stdout=subprocess.PIPE, text=True
    ) as cat:
        os.kill(cat.pid, signal.SIGSTOP)
        fail_often(server, 100)
        assert_echoes(server, 4)
        os.kill(cat.pid, signal.SIGCONT)
        lines = Lines(cat.stdout)
        assert lines.wait_for(
            lambda found: sum("connection failed" in line for line in found) == 100, 30)
        server.stop(seconds=3)
        lines.wait_for(lambda found: False, 30)
    assert lines.lines[-1].endswith(" stopped")


@pytest.mark.parametrize("state", ["full", "gone"])
def test_unread_standard_output_stops_nothing(unread, state):
    reader, writer = os.pipe()
    os.close(reader) if state == "gone" else fill(writer)
    server = unread(full=False, output=writer)
    os.close(writer)
    log = server.drain()
    line = log.wait_for(
        lambda lines: next((line for line in lines if line.endswith(" listening")), None), 30
    )
    server.addresses = [re.search(r"addresses=(\S+)", line)[1]]
    assert_echoes(server)
    server.stop(seconds=3)
    assert not CRASH.search(log.text()), log.text()
    if state == "full":
        os.close(reader)


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_the_number_of_a_closed_stream_is_not_used(tmp_path, closed):
    # Otherwise the database, or a client's socket, would be descriptor 2, and receive the log.
    socket = tmp_path / "apus.sock"
    settings = f"log.level=trace tasks.database={tmp_path}/tasks.sqlite server.socket={socket}"
    options = " ".join(f"--set {setting}" for setting in settings.split())
    process = subprocess.Popen(
        ["sh", "-c", f"exec {binary()} serve {options} {closed}"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, env=clean_environment(),
    )
    try:
        wait_until(socket.exists, "listening", 30)
        for descriptor in range(3):
            assert os.readlink(f"/proc/{process.pid}/fd/{descriptor}") == "/dev/null"
    finally:
        process.kill()
        process.wait()
