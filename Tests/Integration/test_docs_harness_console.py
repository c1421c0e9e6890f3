"""What runs the documentation's commands and programs finds what is wrong."""

import contextlib
import socket

import docs_console
import docs_programs
import docs_shell
import pytest
from docs_sample import page  # noqa: F401, a fixture


def run(made, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return docs_console.run_page(made, folder)


def test_commands_of_a_page_share_a_shell_and_a_folder(page, tmp_path):
    made = page(
        "```console", "$ A=1; cat > file <<'END'", "one", "$ two", "END", "output",
        "$ cat file \\", "    file > twice  # a comment", "```", "text", "```console",
        "$ test $A = 1 && test $(wc -l < twice) = 4", "```", "<!-- not run: it fails -->",
        "```console", "$ make nothing; false", "```")
    assert not list(docs_console.command_faults(made))
    assert run(made, tmp_path) is None


def test_a_command_that_fails_is_shown_with_its_line_and_output(page, tmp_path):
    fault = run(
        page("```console", "$ echo before", "$ echo 'what went wrong' >&2; (exit 3)", "```"),
        tmp_path)
    assert fault.startswith("docs/page.md:3: exit status 3\n  $ echo 'what"), fault
    assert "    what went wrong" in fault and "before" not in fault


def test_a_failure_within_a_pipeline_is_one(page, tmp_path):
    assert "exit status 1" in run(page("```console", "$ false | cat", "```"), tmp_path)


def test_a_command_that_does_not_end_is_found(page, tmp_path, monkeypatch):
    monkeypatch.setattr(docs_console, "SECONDS_A_COMMAND", 0.2)
    assert "still running" in run(page("```console", "$ cat < <(sleep 60)", "```"), tmp_path)


def test_servers_are_waited_for_and_ended(page, tmp_path):
    made = page(
        "```console", "$ apus serve", "listening on http://127.0.0.1:8080",
        "$ curl -sf http://127.0.0.1:8080/healthz", "$ apus serve --tools --port 9000 &",
        "$ curl -sf http://127.0.0.1:9000/healthz", "$ apus serve --loops 1  # the first one ends",
        "$ curl -sf http://127.0.0.1:8080/healthz && echo $$ > pid", "```")
    assert run(made, tmp_path) is None
    group = int((tmp_path / "run/pid").read_text())
    assert not docs_shell.members(group)


@pytest.mark.parametrize(
    "command, is_server, is_background",
    [
        ("apus serve", True, False),
        ("A=1 apus serve --tools  # & more", True, False),
        ("apus serve \\\n    --loops 1", True, False),
        ("apus serve \\\n    --loops 1 &  # in the background", False, True),
        ("apus serve --config <(cat) <<END\na &\nEND", True, False),
        ("cat > file <<END &\na\nEND", False, True),
        ("apus serve --help", False, False),
        ("true && apus config check", False, False),
    ],
)
def test_servers_and_background_commands_are_told_apart(command, is_server, is_background):
    found = docs_console.Command(1, command)
    assert (found.is_server, found.is_background) == (is_server, is_background)


def test_a_server_that_does_not_start_is_found(page, tmp_path):
    fault = run(page("```console", "$ apus serve --set limits.frame.max=x", "```"), tmp_path)
    assert "docs/page.md:2: the server ended before it listened" in fault
    assert "limits.frame.max" in fault


@pytest.mark.parametrize(
    "make, port",
    [
        ("printf 'server:\\n  port: 8081\\n'", 8081),
        ("apus config defaults | sed 's/port: 8080/port: 9000/'", 9000),
        ("apus config defaults", 8080),
        ("echo 'log: { level: info }'", 8080),
    ],
)
def test_the_port_of_a_configuration_is_replaced(page, tmp_path, make, port):
    # The real port may be in use, by another test of the documentation among others.
    made = page(
        "```console", f"$ {make} > apus.yaml", "$ apus serve --config apus.yaml &",
        f"$ curl -sf http://127.0.0.1:{port}/healthz", "```")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            taken.listen()
        assert run(made, tmp_path) is None


@pytest.mark.parametrize(
    "command, shown, what",
    [
        ("curl -i http://127.0.0.1:8080/none", "HTTP/1.1 404 Not Found", None),
        ("curl http://127.0.0.1:8080/healthz", '{"status":"…"}', None),
        ("curl http://127.0.0.1:8080/healthz", "other text", None),
        ("curl http://127.0.0.1:8080/healthz  # no output is shown", None, None),
        ("curl -i http://127.0.0.1:8080/none", "HTTP/1.1 200 OK", "the page shows 'HTTP"),
        ("curl http://127.0.0.1:8080/healthz", '{"state":"ok"}', "other names"),
        ("curl http://127.0.0.1:8080/healthz", '{"status":1}', "other names"),
        ("curl http://127.0.0.1:8080/none", None, "exit status 22"),
    ],
)
def test_responses_are_those_that_the_page_shows(page, tmp_path, command, shown, what):
    made = page("```console", "$ apus serve &", f"$ {command}", shown or "$ true", "```")
    fault = run(made, tmp_path)
    assert (fault is None) == (what is None), fault
    assert what is None or fault.startswith("docs/page.md:3: ") and what in fault


@pytest.mark.parametrize(
    "command", ["make serve", "sudo true", "cd x && apt-get install y", "swift run", "A=1 npm i"])
def test_commands_that_would_change_the_machine_need_a_mark(page, tmp_path, command):
    made = page("```console", "$ touch ../ran", f"$ {command}", "```")
    (fault,) = docs_console.command_faults(made)
    assert fault.startswith("docs/page.md:3: a block with ")
    assert run(made, tmp_path) == fault and not (tmp_path / "ran").exists()


def test_a_console_block_without_a_command_is_found(page):
    assert list(docs_console.command_faults(page("```console", "true", "```")))


def test_configurations_are_checked(page, tmp_path):
    good = ["```yaml", "limits:", "  message:", "    max: 64KiB", "```"]
    assert run(page(*good), tmp_path) is None


def test_an_invalid_configuration_is_found(page, tmp_path):
    fault = run(page("", "```yaml", "limits:", "  massage: 1", "```"), tmp_path)
    assert fault.startswith("docs/page.md:2: exit status 78"), fault
    assert "limits.massage" in fault


@pytest.mark.parametrize(
    "language, bad, good",
    [
        ("python", "import sys; print('what'); sys.exit(1)", "print(1)"),
        ("javascript", "console.log('what'); process.exit(1)", "import { WebSocket } from 'ws';"),
    ],
)
def test_a_program_that_fails_is_found(page, tmp_path, node_24, language, bad, good):
    made = page(f"```{language}", bad, "```", f"```{language}", good, "```")
    faults = []
    for block in made.blocks:
        file, command = docs_programs.program_file(block, tmp_path, node_24)
        file.write_text(block.text)
        faults += docs_programs.program_faults(made, block, command, tmp_path)
    assert faults == ["docs/page.md:1: exit status 1\nwhat\n"]
