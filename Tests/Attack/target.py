"""The attacked server: its settings, its limits, and its log about itself."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import paths  # noqa: F401
from apus import CRASH, Apus, Lines, binary, clean_environment

MIB = 1 << 20
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

# Stops are fast, because each attack ends with one.
STOP = {"drain.spread": "0s", "drain.deadline": "500ms"}
DRAIN_SECONDS = 0.5
# Keys that older servers don't have are omitted there.
WANTED = {"log.slow_turn": "20ms", "limits.memory.max": "64MiB"}
# The memory that attacks may use if the server has no key for it.
FALLBACK = {"limits.memory.max": "64MiB"}


@functools.cache
def defaults():
    """Returns the default of each key that the server knows, as text."""
    output = subprocess.run(
        [binary(), "config", "defaults"], capture_output=True, text=True, check=True, timeout=10,
        env=clean_environment(),
    ).stdout
    path, found = [], {}
    for line in output.splitlines():
        if match := re.match(r"( *)([a-z0-9_]+):(?: (.*))?$", line):
            path[len(match[1]) // 2 :] = [match[2]]
            if match[3] is not None:
                found[".".join(path)] = match[3].strip('"')
    return found


def size(text):
    """Returns the bytes of a configured size."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(number) * UNITS[unit]


@functools.cache
def users_file():
    """Returns a file with one user, which exists until this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="apus-attack-")
    path = f"{folder.name}/users"
    subprocess.run(
        [binary(), "users", "add", "ada", "--file", path], input="correct horse\n", text=True,
        capture_output=True, check=True, timeout=60, env=clean_environment(),
    )
    users_file.folder = folder
    return path


class UnreadLines(Lines):
    """The lines of a pipe. Nothing is read before `begin`, so the pipe soon becomes full."""

    def __init__(self, pipe):
        self._wanted = threading.Event()
        super().__init__(pipe)

    def begin(self):
        self._wanted.set()

    def _gather(self, pipe):
        self._wanted.wait()
        super()._gather(pipe)


class Target(Apus):
    """A server with one loop, the tools' routes, and default limits except for `settings`."""

    def __init__(self, settings, reads_log=True):
        if not reads_log:
            self.log_reader = UnreadLines
        known = {key: value for key, value in WANTED.items() if key in defaults()}
        self.settings = known | STOP | settings
        for key, value in self.settings.items():
            self.settings[key] = users_file() if value == "{users}" else value
        super().__init__(
            *(f"{key}={value}" for key, value in self.settings.items()),
            args=["--tools", "--loops", "1"],
        )

    def budget(self, keys):
        """Returns the sum of the limits of these keys, in bytes."""
        values = FALLBACK | defaults() | self.settings
        return sum(size(values[key]) for key in keys)

    @property
    def database(self):
        return f"{self._folder.name}/tasks.sqlite"

    def logged_numbers(self, message, name):
        """Returns the numbers of a metadata field in all lines with a message."""
        field = re.compile(rf"\b{name}=\"?([0-9.]+)")
        lines = self.stderr.text().splitlines()
        return [float(field.search(line)[1]) for line in lines
                if message in line and field.search(line)]

    def longest_turn_ms(self):
        """Returns the CPU time of the loop's longest turn, or `None` if the server doesn't report
        it.
        """
        turns = self.logged_numbers("longest event loop turn", "cpu_ms")
        turns += self.logged_numbers("event loop turn was slow", "cpu_ms")
        return max(turns, default=None)

    def end(self, within):
        """Sends SIGTERM. Returns the seconds until the exit, and the error, if any.

        A server that is still running a second after `within` is killed.
        """
        begun = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        try:
            status = self.process.wait(within + 1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        seconds = time.monotonic() - begun
        if isinstance(self.stderr, UnreadLines):
            self.stderr.begin()
        self.stderr.wait_for(lambda lines: False, 2)
        log, faults = self.stderr.text(), []
        if status is None:
            faults.append("had to be killed")
        elif status != 0:
            faults.append(f"exit status {status}")
        if seconds > within:
            faults.append(f"stopped after {seconds:.1f} s")
        if CRASH.search(log):
            faults.append("crashed")
        if leaks := [line for line in log.splitlines() if "something was left open" in line]:
            faults.append(leaks[0])
        return seconds, faults
