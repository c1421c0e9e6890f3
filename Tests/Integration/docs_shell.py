"""A shell that runs a page's commands, and the processes that it starts."""

import os
import pathlib
import select
import signal
import subprocess
import time

SECONDS_TO_LISTEN = 10


class Shell:
    """A running script, and what it says."""

    def __init__(self, text, folder, environment):
        file = folder / ".commands"
        file.write_text(text)
        said, says = os.pipe()
        answered, answers = os.pipe()
        self._said, self._answers = said, answers
        self._output = folder / ".output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", 'exec 3>&"$1" 4<&"$2"; . "$0"', str(file), str(says), str(answered)],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, pass_fds=(says, answered), start_new_session=True,
            )
        os.close(says)
        os.close(answered)
        self._ended = os.pidfd_open(self.process.pid)
        self._rest = b""
        self.since = 0

    def next_word(self, seconds):
        """What it says next; `None` if it ended, and a `TimeoutError` if it does neither."""
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._said, self._ended], [], [], seconds)
            if self._said in ready and (more := os.read(self._said, 4096)):
                self._rest += more
            elif ready:
                return None
            else:
                raise TimeoutError
        line, _, self._rest = self._rest.partition(b"\n")
        word, index, *pid = line.decode().split()
        return word, int(index), int(pid[0]) if pid else None

    def go_on(self):
        os.write(self._answers, b"\n")

    def begin(self):
        self.since = self._output.stat().st_size

    def output(self):
        """What came since the last command began."""
        return self._output.read_bytes()[self.since:].decode(errors="replace")

    def end(self):
        """Ends it with everything that it started."""
        deadline = time.monotonic() + 5
        while members(self.process.pid) and time.monotonic() < deadline:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            self.process.poll()
            time.sleep(0.002)
        self.process.wait()
        for descriptor in (self._said, self._answers, self._ended):
            os.close(descriptor)


def processes():
    """The state, parent and process group of each process, by its id."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            state, parent, group = stat.rpartition(")")[2].split()[:3]
            found[int(entry)] = state, int(parent), int(group)
    return found


def members(group):
    return [pid for pid, (state, _, of) in processes().items() if of == group and state != "Z"]


def is_listening(pid):
    """Whether a process, or one that it started, has a listening socket."""
    family = {pid}
    found = processes()
    while more := {child for child, (_, parent, _) in found.items() if parent in family} - family:
        family |= more
    listening = set()
    for table in ("tcp", "tcp6", "unix"):
        for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if table == "unix":
                # The flag of a socket that accepts connections.
                listening |= {fields[6]} if int(fields[3], 16) & 0x10000 else set()
            elif fields[3] == "0A":
                listening.add(fields[9])
    wanted = {f"socket:[{inode}]" for inode in listening}
    for member in family:
        folder = f"/proc/{member}/fd"
        try:
            if any(os.readlink(f"{folder}/{name}") in wanted for name in os.listdir(folder)):
                return True
        except OSError:
            continue
    return False


def wait_for_listener(pid):
    """Why the process doesn't listen; `None` once it does."""
    deadline = time.monotonic() + SECONDS_TO_LISTEN
    while not is_listening(pid):
        if processes().get(pid, ("Z",))[0] == "Z":
            return "the server ended before it listened"
        if time.monotonic() > deadline:
            return f"the server doesn't listen after {SECONDS_TO_LISTEN} s"
        time.sleep(0.01)
    return None
