"""Every example of every `--help` works as it stands there."""

import os
import re
import shlex
import subprocess

import apus
import pytest

COMMANDS = (
    "", "serve", "connect", "config", "config check", "config defaults", "token", "users",
    "users add", "users remove", "users list", "admin", "admin connections", "admin disconnect",
    "admin topics", "admin publish", "admin config", "admin drain", "admin undrain", "bench",
    "bench echo", "bench fanout", "bench idle", "bench connect", "bench compare", "reload",
)
PORTS = ("8080", "8081", "9000")
# Examples that can't be run here, by what they contain, and the reason.
NOT_RUN = {
    "//staging.example/": "there is no such server",
    "apus reload --pid": "there is no such process; test_reload.py has it",
    "--no-input": "it runs until Ctrl-C; test_connect.py has it",
}


def help_of(command):
    done = apus.run(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def examples(command):
    """The commands below EXAMPLES, without the words that may stand behind them."""
    block = help_of(command).partition("EXAMPLES:\n")[2].partition("\n\n")[0]
    lines = [line.strip() for line in block.splitlines()]
    return [re.split(r"  +", line)[0] for line in lines]


def test_every_command_has_its_help_looked_at():
    found = {""}
    for command in COMMANDS:
        block = help_of(command).partition("SUBCOMMANDS:\n")[2].partition("\n\n")[0]
        names = re.findall(r"^  ([a-z]+) ", block, re.MULTILINE)
        found |= {f"{command} {name}".strip() for name in names}
    assert found == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples_that_are_not_wrapped(command):
    found = examples(command)
    assert found
    for example in found:
        words = shlex.split(example, comments=False)
        assert "apus" in words or words[0] in ("export",), example


def test_reasons_are_for_examples_that_there_are():
    known = [example for command in COMMANDS for example in examples(command)]
    for words in NOT_RUN:
        assert any(words in example for example in known), words


@pytest.fixture
def shell(tmp_path):
    """A shell in a folder with what the examples expect to find."""
    (tmp_path / "config").mkdir()
    defaults = apus.run("config", "defaults").stdout
    (tmp_path / "config/apus.yaml").write_text(defaults)
    secret = defaults.replace('secret: ""', f'secret: "{"s" * 64}"')
    (tmp_path / "apus.yaml").write_text(secret.replace('  users: ""', "  users: users"))
    (tmp_path / "events.jsonl").write_text("".join(f'{{"n":{n}}}\n' for n in range(4_000)))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pass").write_text("#!/bin/sh\necho secret\n")
    (programs / "pass").chmod(0o755)
    (programs / "apus").symlink_to(apus.binary())
    shell = Shell(tmp_path)
    shell.run("pass show ada | apus users add ada --file users")
    try:
        yield shell
    finally:
        shell.stop()


class Shell:
    """Runs examples in a folder, with free ports in the place of theirs."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: str(apus.port_that_no_client_gets()) for name in PORTS}
        self.exports = {}
        self.servers = []

    def environment(self, **extra):
        path = f"{self.folder}/programs:{os.environ['PATH']}"
        return apus.clean_environment(PATH=path, **self.exports, **extra)

    def prepared(self, example):
        """The example with the ports and paths of here, and shorter where it would take long."""
        for name, port in self.ports.items():
            example = re.sub(rf"\b{name}\b", port, example)
        example = example.replace("/run/apus.sock", f"{self.folder}/apus.sock")
        if "apus bench compare" in example:
            example += " --duration 200ms --repeats 1"
            if "--quick" not in example:
                example += " --quick"
            if not re.search("--size|-s |--payload", example):
                example += " --size 64"
            example += " --subscribers " + ("4" if "/broadcast" in example else "0")
        elif "apus bench " in example:
            example += " --duration 300ms --warmup 0s --connections 4"
        return example

    def start(self, example):
        """Starts a server, and waits until it listens."""
        # The defaults listen on 8080.
        own = {"APUS_SERVER_PORT": self.ports["8080"]}
        if re.search("--port|socket", example):
            own = {}
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {example.removesuffix('&')}"], cwd=self.folder,
            env=self.environment(**own), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )
        self.servers.append(process)
        assert process.stdout.readline().startswith("listening on "), example
        if not example.endswith("&"):
            process.terminate()
            assert process.wait(30) == 0, example

    def export(self, example):
        name, _, value = example.removeprefix("export ").partition("=")
        done = self.bash(f'value={value} && printf %s "$value"')
        self.exports[name] = done.stdout

    def bash(self, script):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {script}"], cwd=self.folder, env=self.environment(),
            # A password, where there is no terminal to ask for it.
            input="secret\n" if script.startswith("apus users add") else "",
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done

    def run(self, example):
        example = self.prepared(example)
        if example.startswith("export "):
            self.export(example)
        elif "apus serve" in example:
            self.start(example)
        else:
            self.bash(example)

    def stop(self):
        for process in self.servers:
            process.terminate()
            process.wait(30)
            process.stdout.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_works(shell, command):
    # The benchmarks' own examples are for servers that run already.
    if command.startswith("bench "):
        for port in ("8080", "9000"):
            shell.run(f"apus serve --tools --port {port} --set tasks.database= &")
    for example in examples(command):
        if not any(words in example for words in NOT_RUN):
            shell.run(example)
