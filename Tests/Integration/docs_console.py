"""Runs the console blocks of a page as a reader would: in order, in one shell and one folder.

A line that begins with `$ ` is a command. A trailing backslash continues it, and so does a here
document. All other lines are output. Of these, only what stays the same is compared: the status of
an HTTP response, and the names and types in a line of JSON. A foreground `apus serve` goes to the
background, as if the reader had opened another terminal, and ends when the next one starts.
"""

import json
import re
from dataclasses import dataclass

from docs_folder import Ports, furnish
from docs_shell import Shell, wait_for_listener

HERE_DOCUMENT = re.compile(r"(?<!<)<<(?!<)-?\s*(['\"]?)(\w+)\1")
# What would change the machine, reach other machines, or take minutes.
NEEDS_A_MARK = {
    "apt", "apt-get", "docker", "git", "helm", "install", "kubectl", "make", "npm", "pip",
    "pip3", "service", "sudo", "swift", "systemctl",
}
SERVE = re.compile(r"^(?:\w+=\S*\s+)*apus\s+serve\b")
# At a terminal; otherwise it reads the password.
ASKS_FOR_A_PASSWORD = re.compile(r"\bapus users add\b")
LISTENS = re.compile(r"(?:^|[\s/])(?:apus\s+serve|haproxy|nginx|redis-server|http\.server)\b")
SECONDS_A_COMMAND = 20


@dataclass(frozen=True)
class Command:
    line: int
    text: str
    #: The lines of output below it.
    shown: tuple[str, ...] = ()

    @property
    def parts(self):
        """The command without the comment at its end, and its here document."""
        begin = HERE_DOCUMENT.search(self.text)
        end = self.text.find("\n", begin.end()) if begin else len(self.text)
        return re.sub(r"\s#\s.*$", "", self.text[:end]), self.text[end:]

    @property
    def is_background(self):
        end = self.parts[0].rstrip()
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


def commands(block):
    """The commands of a block, each with its line on the page."""
    found = []
    lines = iter(enumerate(block.text.splitlines(), block.line + 1))
    for number, line in lines:
        if not line.startswith("$ "):
            if found:
                found[-1][2].append(line)
            continue
        text = [line[2:]]
        while text[-1].endswith("\\"):
            _, more = next(lines, (0, ""))
            text.append(more.removeprefix("> "))
        for _, word in HERE_DOCUMENT.findall("\n".join(text)):
            while text[-1] != word and (more := next(lines, None)):
                text.append(more[1])
        found.append((number, "\n".join(text), []))
    return [Command(number, text, tuple(shown)) for number, text, shown in found]


def command_faults(page):
    """What is wrong with a page's console blocks before anything runs."""
    for block in page.blocks:
        if block.language != "console":
            continue
        found = commands(block)
        if not found:
            yield page.at(block.line, "a console block has a line that begins with `$ `")
        for command in found if block.is_run else ():
            if words := command.words_in_need_of_a_mark:
                yield page.at(
                    command.line, f"a block with {', '.join(words)} needs a line "
                    "<!-- not run: REASON --> above it")


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

# A response with an error is one that the page shows.
CURL = {
    True: "unset -f curl",
    False: 'curl() { command curl --silent --show-error --fail "$@"; }',
}


def script(found, ports):
    """A shell script of the commands, which says where it is and waits for an answer."""
    parts = [PRELUDE]
    for index, command in enumerate(found):
        text, document = command.parts
        if command.is_server:
            parts.append("__end_server")
            text += " &"
        elif ASKS_FOR_A_PASSWORD.search(text) and not re.search(r"[|<]", text):
            text += " <<<'correct horse'"
        text = ports.put_into(text + document)
        parts += [f"__say run {index}", CURL[bool(command.shown)], text]
        if command.is_server:
            parts.append("__server=$!")
        if (command.is_server or command.is_background) and command.listens:
            parts.append(f"__say listens {index} $!")
    parts.append("__say done 0")
    return "\n".join(parts) + "\n"


def run_page(page, folder):
    """Runs the page's console blocks, and checks its configurations; returns the first fault."""
    if fault := next(command_faults(page), None):
        return fault
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
        current, reason = follow(shell, found)
    finally:
        output = shell.output()
        shell.end()
    if reason is None:
        return None
    command = found[current]
    last = ports.named_in(output).splitlines()[-15:]
    shown = "\n".join(f"    {line}" for line in last)
    return f"{page.at(command.line, reason)}\n  $ {command.text}\n{shown}"


def follow(shell, found):
    """Follows a script to its end: the index of the last command, and why it failed or `None`."""
    current = None
    while True:
        try:
            said = shell.next_word(SECONDS_A_COMMAND)
        except TimeoutError:
            return current, f"still running after {SECONDS_A_COMMAND} s"
        if said is None:
            return current or 0, f"exit status {shell.process.wait()}"
        word, index, pid = said
        if word == "listens":
            if reason := wait_for_listener(pid):
                return index, reason
        elif current is not None and (reason := output_fault(found[current], shell.output())):
            return current, reason
        if word == "done":
            return current, None
        if word == "run":
            current = index
            shell.begin()
        shell.go_on()


def output_fault(command, output):
    """Why the output that the page shows can't be that of the command; `None` if it may be."""
    lines = output.replace("\r", "").splitlines()
    shapes = [shape(value) for line in lines if (value := parsed(line)) is not None]
    for line in command.shown:
        if line.startswith("HTTP/") and line.strip() not in lines:
            return f"the page shows {line.strip()!r}, but the output is"
        value = parsed(line)
        if value is not None and shape(value) not in shapes:
            return f"the page shows {line.strip()!r}, but the output has other names or types:"
    return None


def parsed(line):
    """The object or array in a line of JSON; `None` if there is none."""
    try:
        # curl ends no line, so what a program in the background logs may follow on it.
        text = line.lstrip()
        value = json.JSONDecoder().raw_decode(text)[0] if text[:1] in ("{", "[") else None
    except ValueError:
        return None
    return value


def shape(value):
    """The names and types in a JSON value, of which any number may be in an array."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)
