"""Servers that are measured: how each is told of, started, and ended."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cases import CASES, Case

# Seconds for a server to listen, for its other processes to start, and to end.
STARTING_S, SETTLING_S, ENDING_S = 20, 0.2, 3


@dataclass
class Server:
    """A server to measure, as its command line or `--servers-file` has it."""

    name: str
    cmd: str
    tags: list[str] = field(default_factory=lambda: ["any"])
    opts: str = ""
    fanopts: str = ""
    env: dict[str, str] = field(default_factory=dict)
    skip: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Server:
        """Reads `NAME=COMMAND` or `NAME@TAG+TAG=COMMAND`."""
        label, _, command = text.partition("=")
        name, _, tags = label.partition("@")
        return cls(name, command, tags.split("+") if tags else ["any"])

    def log(self, folder: str) -> Path:
        """The file for what it prints."""
        return Path(folder, f"{self.name}.log".replace("/", "_"))

    def takes(self, name: str) -> bool:
        return name not in self.skip and ("any" in self.tags or CASES[name].kind in self.tags)

    def arguments(self, case: Case, port: int) -> list[str]:
        compression = "deflate" if case.is_compressed else "none"
        return [
            part.format(port=port, mode=case.mode, comp=compression)
            for part in shlex.split(self.cmd)
        ]

    def path_and_options(self, case: Case) -> tuple[str, list[str]]:
        """Where the server is asked, and what is left of its options for `apus bench`."""
        options = shlex.split(self.opts)
        if case.mode == "fanout":
            options += shlex.split(self.fanopts)
        parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
        parser.add_argument("--path", default=case.path)
        known, others = parser.parse_known_args(options)
        return known.path, others


def two_cores() -> tuple[int, int]:
    """The server's core and the generator's: the first two that this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit(
            "two cores are needed, one for the server and one for the load generator; this "
            "process may use one only")
    return cores[0], cores[1]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def process_tree(root: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The second field is the command in parentheses, which may hold anything.
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def signal_tree(root: int, number: signal.Signals) -> None:
    for process in reversed(process_tree(root)):
        with suppress(OSError):
            os.kill(process, number)


def end(process: subprocess.Popen) -> None:
    """Ends a server with all its processes."""
    if process.poll() is None:
        signal_tree(process.pid, signal.SIGTERM)
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        signal_tree(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running(
    server: Server, case: Case, port: int, options: argparse.Namespace
) -> Iterator[subprocess.Popen | None]:
    """A server on its core, once it listens; None if it doesn't."""
    with server.log(options.logdir).open("ab") as file:
        process = subprocess.Popen(
            server.arguments(case, port), stdout=file, stderr=file,
            env={**os.environ, **server.env}, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {options.server_cpu}))
    try:
        deadline = time.monotonic() + STARTING_S
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                yield None
                return
            time.sleep(0.05)
        time.sleep(SETTLING_S)
        yield process
    finally:
        end(process)
