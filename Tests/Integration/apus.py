"""The server under test: a real `apus serve` process, observed through its pipes and /proc."""

import contextlib
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTENING = re.compile(r"^listening on https?(?:\+unix:|://)(.+)$")
# Any of these in the log means an internal error, whatever the exit status is.
CRASH = re.compile(r"Fatal error|Sanitizer|\*\*\* (Program|Signal|Swift) ")

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def binary():
    path = pathlib.Path(os.environ.get("APUS_BIN") or ROOT / ".build/release/apus")
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(
            f"no server at {path}: build it with `swift build -c release --product apus`, "
            "or name one in APUS_BIN"
        )
    return str(path.absolute())


def is_debug_build():
    """A debug build takes several times as long."""
    return "debug" in pathlib.Path(binary()).resolve().parts


def clean_environment(**extra):
    """Returns this process's environment without settings that would affect the server."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("APUS_")}
    return kept | extra


def port_that_no_client_gets():
    """Returns a free port below the range that the kernel assigns to clients, any of which may take
    one.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def wait_until(condition, what, seconds=5.0):
    """Polls `condition` until it holds and returns its value. Fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.005)
    return value


class Lines:
    """The lines of a pipe, collected by a thread as they arrive."""

    def __init__(self, pipe):
        self.lines = []
        self.ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._gather, args=(pipe,), daemon=True)
        self._thread.start()

    def _gather(self, pipe):
        with pipe:
            for line in pipe:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait_for(self, condition, seconds):
        """Returns the first true value of `condition(lines)`; None at the deadline or at the pipe's
        end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.ended or condition(self.lines), seconds)
            return condition(self.lines) or None

    def text(self):
        with self._changed:
            return "\n".join(self.lines)


class Apus:
    """A running server. `settings` are `KEY=VALUE` for `--set`.

    It has its own tasks' database, which is removed with it, unless `settings` name one.
    """

    log_reader = Lines

    def __init__(
        self, *settings, args=(), environment=None, descriptors=None, ready=True, prefix=(),
        inherited=(),
    ):
        # `prefix` is a program that replaces itself by the server; it gets these descriptors.
        command = [*prefix, binary(), "serve", *args]
        if not any(arg in ("--port", "--config") for arg in args):
            command += ["--port", "0"]
        for setting in settings:
            command += ["--set", setting]
        limit = (descriptors, descriptors)
        self._folder = tempfile.TemporaryDirectory(prefix="apus-")
        own = {"APUS_TASKS_DATABASE": f"{self._folder.name}/tasks.sqlite"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=clean_environment(**own | (environment or {})),
            pass_fds=inherited,
            preexec_fn=descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)),
        )
        self.pid = self.process.pid
        self.stdout = Lines(self.process.stdout)
        self.stderr = self.log_reader(self.process.stderr)
        if ready:
            self.addresses = self.wait_for_listeners()

    def wait_for_listeners(self, count=1, seconds=10):
        def found(lines):
            addresses = [match[1] for line in lines if (match := LISTENING.match(line))]
            return addresses if len(addresses) >= count else None

        addresses = self.stdout.wait_for(found, seconds)
        if addresses is None:
            self.process.kill()
            raise AssertionError(
                f"no {count} `listening on` line(s) within {seconds} s.\n"
                f"stdout:\n{self.stdout.text()}\nstderr:\n{self.stderr.text()}"
            )
        return addresses

    # Addresses

    @property
    def authority(self):
        return self.addresses[0]

    @property
    def host(self):
        return self.authority.rpartition(":")[0].strip("[]")

    @property
    def port(self):
        return int(self.authority.rpartition(":")[2])

    def url(self, path, scheme="http"):
        return f"{scheme}://{self.authority}{path}"

    def ws(self, path):
        return self.url(path, "ws")

    def connect(self, **options):
        """Opens a plain TCP connection."""
        return socket.create_connection((self.host, self.port), timeout=5, **options)

    # Information from the kernel about the process

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def sockets(self):
        """Returns the open sockets. The first client may cause other descriptors."""
        folder = f"/proc/{self.pid}/fd"
        count = 0
        for descriptor in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(f"{folder}/{descriptor}").startswith("socket:")
        return count

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE_BYTES

    def forget_peak(self):
        """Restarts the count of `peak_bytes`, if the kernel allows it. A new server is near its
        peak.
        """
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def peak_bytes(self):
        """Returns the most resident memory so far."""
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) << 10

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    # The end

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds):
        """Returns the exit status. Kills the process and fails if it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"the server was still running after {seconds} s; its log:\n{self.stderr.text()}"
            ) from None

    def stop(self, seconds=5):
        """Stops by SIGTERM and asserts that this succeeds."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.wait(seconds)
        self.stderr.wait_for(lambda lines: False, 1)
        log = self.stderr.text()
        assert status == 0, f"exit status {status}; log:\n{log}"
        assert not CRASH.search(log), log
        assert "something was left open" not in log, log

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()


def run(*args, environment=None, seconds=10, prefix=()):
    """Runs `apus ARGS` to its end. A server has no tasks, unless ARGS name a database. `prefix` is a
    program that replaces itself by it.
    """
    own = ["--set", "tasks.database="] if args[0] == "serve" else []
    return subprocess.run(
        [*prefix, binary(), args[0], *own, *args[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        env=clean_environment(**(environment or {})),
    )
