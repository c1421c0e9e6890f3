"""Runs the console blocks of a page as a reader would: in order, in one shell and one folder.

A line that begins with `$ ` is a command. A trailing backslash continues it, and so does a here
document. All other lines are output, which is not compared. A foreground `apus serve` goes to the
background, as if the reader had opened another terminal, and ends when the next one starts.
"""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from apus import ROOT, binary, clean_environment, port_that_no_client_gets

PAGE_PORTS = ("8080", "8081", "9000")
PORTS = re.compile(rf"(?<![\d.,])({'|'.join(PAGE_PORTS)})(?![\d.,]*\d)")
HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
# What would change the machine, reach other machines, or take minutes.
NEEDS_A_MARK = {
    "apt", "apt-get", "docker", "git", "helm", "install", "kubectl", "make", "npm", "pip",
    "pip3", "service", "sudo", "swift", "systemctl",
}
SERVE = re.compile(r"^(?:\w+=\S*\s+)*apus\s+serve\b")
LISTENS = re.compile(r"(?:^|[\s/])(?:apus\s+serve|haproxy|nginx|redis-server|http\.server)\b")
SECONDS_A_COMMAND = 20
SECONDS_TO_LISTEN = 10


@dataclass(frozen=True)
class Command:
    line: int
    text: str

    @property
    def is_background(self):
        first, *document = self.text.split("\n", 1)
        end = without_comment(first).rstrip() if document else without_comment(self.text).rstrip()
        return end.endswith("&") and not end.endswith("&&")

    @property
    def is_server(self):
        """Whether it would keep a terminal to itself."""
        return bool(SERVE.match(self.text)) and not self.is_background and "--help" not in self.text

    @property
    def listens(self):
        return bool(LISTENS.search(self.text))

    @property
    def words_in_need_of_a_mark(self):
        words = re.findall(r"(?:^|[|&;(]\s*|\n)\s*(?:\w+=\S*\s+)*([\w-]+)", self.text)
        return sorted(NEEDS_A_MARK.intersection(words))


def without_comment(text):
    return re.sub(r"\s#\s.*$", "", text)


def commands(block):
    """The commands of a block, each with its line on the page."""
    lines = iter(enumerate(block.text.splitlines(), block.line + 1))
    for number, line in lines:
        if not line.startswith("$ "):
            continue
        text = [line[2:]]
        while text[-1].endswith("\\"):
            _, more = next(lines, (0, ""))
            text.append(more.removeprefix("> "))
        for _, word in HERE_DOCUMENT.findall("\n".join(text)):
            while text[-1] != word and (more := next(lines, None)):
                text.append(more[1])
        yield Command(number, "\n".join(text))


def command_faults(page):
    """What is wrong with a page's console blocks before anything runs."""
    for block in page.blocks:
        if block.language != "console":
            continue
        found = list(commands(block))
        if not found:
            yield page.at(block.line, "a console block has a line that begins with `$ `")
        for command in found if block.is_run else ():
            if words := command.words_in_need_of_a_mark:
                yield page.at(
                    command.line, f"a block with {', '.join(words)} needs a line "
                    "<!-- not run: REASON --> above it")


class Ports:
    """Free ports in the place of those that pages name."""

    def __init__(self):
        self._free = {}

    def __getitem__(self, port):
        if port not in self._free:
            while (free := port_that_no_client_gets()) in self._free.values():
                pass
            self._free[port] = free
        return self._free[port]

    def put_into(self, text):
        return PORTS.sub(lambda match: str(self[match[1]]), text)

    def named_in(self, output):
        """The output with the ports that the page names."""
        for port, free in self._free.items():
            output = output.replace(str(free), port)
        return output


# Replaces the port where it is not the page that names it, and cuts loads to half a second.
WRAPPER = """\
#!/usr/bin/env bash
has_port() {{ grep -qsE '^ *(port: |socket: *[^" ])' -- "${{@#--config=}}"; }}
case "$1 $*" in
    "config config defaults") {binary} "$@" | sed 's/port: 8080/port: {free}/'; exit ;;
    serve*--port*|serve*server.port*|serve*server.socket*) ;;
    serve*) has_port "$@" || export APUS_SERVER_PORT=${{APUS_SERVER_PORT-{free}}} ;;
    *--help*) ;;
    "bench bench compare"*) set -- "$@" --quick --duration 200ms --repeats 1 --sizes 1KiB ;;
    bench*) set -- "$@" --duration 500ms --warmup 100ms ;;
esac
exec {binary} "$@"
"""


def furnish(folder, ports):
    """Makes a folder in which a page's commands work; returns their environment."""
    programs = folder / ".build" / "bin"
    programs.mkdir(parents=True)
    (folder / "config").mkdir()
    for file in (ROOT / "config").iterdir():
        (folder / "config" / file.name).write_text(ports.put_into(file.read_text()))
    for name in ("Tests", "Benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    wrapper = programs / "apus"
    wrapper.write_text(WRAPPER.format(binary=binary(), free=ports["8080"]))
    wrapper.chmod(0o755)
    for build in ("release", "debug"):
        (folder / ".build" / build).mkdir()
        (folder / ".build" / build / "apus").symlink_to(wrapper)
    venv = pathlib.Path(sys.executable).parent
    (folder / ".build" / "venv").mkdir()
    (folder / ".build" / "venv" / "bin").symlink_to(venv)
    return clean_environment(
        PATH=os.pathsep.join([str(programs), str(venv), os.environ["PATH"]]), HOME=str(folder))


PRELUDE = """\
set -e -o pipefail
__say() { printf '%s\\n' "$*" >&3; read -r __answer <&4; }
__server=
__end_server() {
    [ -n "$__server" ] || return 0
    kill -KILL "$__server" && wait "$__server" 2>/dev/null || true
    __server=
}
"""


def script(found, ports):
    """A shell script of the commands, which says where it is and waits for an answer."""
    parts = [PRELUDE]
    for index, command in enumerate(found):
        text = ports.put_into(command.text)
        if command.is_server:
            parts.append("__end_server")
            first, *document = text.split("\n", 1)
            text = "\n".join([without_comment(first) + " &", *document]) if document else (
                without_comment(text) + " &")
        elif re.search(r"\bapus users add\b", text) and not re.search(r"[|<]", text):
            # The password is asked for at a terminal, and otherwise read.
            text = without_comment(text) + " <<<'correct horse'"
        parts += [f"__say run {index}", text]
        if command.is_server:
            parts.append("__server=$!")
        if (command.is_server or command.is_background) and command.listens:
            parts.append(f"__say listens {index} $!")
    parts.append("__say done 0")
    return "\n".join(parts) + "\n"


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
        """What came since the last command began, its last lines."""
        text = self._output.read_bytes()[self.since:].decode(errors="replace")
        return "\n".join(text.splitlines()[-15:])

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


def run_page(page, folder):
    """Runs the page's console blocks, and checks its configurations; returns the first fault."""
    ports = Ports()
    found = []
    for block in page.blocks:
        if not block.is_run:
            continue
        if block.language == "console":
            found += commands(block)
        elif block.language == "yaml":
            name = f"line-{block.line}.yaml"
            (folder / name).write_text(ports.put_into(block.text))
            found.append(Command(block.line, f"apus config check --config {name}"))
    if not found:
        return None
    environment = furnish(folder, ports)
    shell = Shell(script(found, ports), folder, environment)
    try:
        current, reason = follow(shell)
    finally:
        output = shell.output()
        shell.end()
    if reason is None:
        return None
    command = found[current]
    shown = "\n".join(f"    {line}" for line in ports.named_in(output).splitlines())
    return f"{page.at(command.line, reason)}\n  $ {command.text}\n{shown}"


def follow(shell):
    """Follows a script to its end: the index of the last command, and why it failed or `None`."""
    current = 0
    while True:
        try:
            said = shell.next_word(SECONDS_A_COMMAND)
        except TimeoutError:
            return current, f"still running after {SECONDS_A_COMMAND} s"
        if said is None:
            return current, f"exit status {shell.process.wait()}"
        word, index, pid = said
        current = index if word != "done" else current
        if word == "done":
            return current, None
        if word == "run":
            shell.begin()
        elif reason := wait_for_listener(pid):
            return current, reason
        shell.go_on()


def program_file(block, folder, node):
    """Where to write a Python or JavaScript block, and the command that runs it."""
    if block.language == "python":
        file = folder / f"line-{block.line}.py"
        return file, [sys.executable, str(file)]
    is_module = re.search(r"^(?:import|export|await|for await|const .*= await)\b", block.text, re.M)
    file = folder / f"line-{block.line}.{'mjs' if is_module else 'cjs'}"
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to("/usr/share/nodejs")
    return file, [node, str(file)]


def program_faults(page, block, command, folder):
    """Runs a program to its end; what is wrong with it."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_A_COMMAND)
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace")
        yield page.at(block.line, f"still running after {SECONDS_A_COMMAND} s\n{output}")
        return
    if done.returncode != 0:
        yield page.at(block.line, f"exit status {done.returncode}\n{done.stdout}")
