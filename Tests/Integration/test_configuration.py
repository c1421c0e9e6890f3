"""File, environment and command line, and what a faulty configuration is told."""

import shutil
import subprocess

import pytest
from apus import ROOT, run
from wire import BINARY, CLOSE, Wire, frame

BAD_CONFIGURATION = 78  # EX_CONFIG


def message_max(server, low, high):
    """Whether the server takes messages of `low` and refuses those of `high` bytes."""
    with Wire.to(server, "/ws") as wire:
        wire.send(frame(BINARY, b"x" * low) + frame(BINARY, b"x" * high))
        return wire.frame().opcode == BINARY and wire.frame().opcode == CLOSE


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "apus.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_a_later_source_wins_over_an_earlier(start, file):
    args = ["--port", "0", "--config", file("limits:\n  message:\n    max: 100\n")]
    environment = {"APUS_LIMITS_MESSAGE_MAX": "200"}
    assert message_max(start(args=args), 100, 101)
    assert message_max(start(args=args, environment=environment), 200, 201)
    assert message_max(
        start("limits.message.max=300", args=args, environment=environment), 300, 301
    )


def test_the_last_of_two_settings_wins(start):
    assert message_max(start("limits.message.max=100", "limits.message.max=200"), 200, 201)


@pytest.mark.parametrize("size, count", [("1KiB", 1_024), ("2048", 2_048)])
def test_sizes_have_units(start, size, count):
    assert message_max(start(f"limits.message.max={size}"), count, count + 1)


FAULTS = """
limits:
  message:
    maximum: 5
  connections:
    max: many
heartbeat:
  interval: 1ms
"""
FAULTY_KEYS = ["limits.message.maximum", "limits.connections.max", "heartbeat.interval"]


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["config", "check"]])
def test_all_faults_of_a_file_are_told_together(file, command):
    done = run(*command, "--config", file(FAULTS))
    assert done.returncode == BAD_CONFIGURATION, done
    for told in [*FAULTY_KEYS, "many", "1ms"]:
        assert told in done.stderr, done.stderr
    assert "listening" not in done.stdout


def test_a_fault_names_the_allowed_range():
    done = run("serve", "--set", "limits.handshake.timeout=2h")
    assert done.returncode == BAD_CONFIGURATION
    assert "limits.handshake.timeout" in done.stderr
    assert "2h" in done.stderr and "1h" in done.stderr.replace("1 h", "1h")


@pytest.mark.parametrize(
    "setting",
    [
        "limits.message.max=",
        "limits.message.max=-1",
        "limits.message.max=0",
        "limits.message.max=1 parsec",
        "limits.message.max=99999999999999999999",
        "limits.idle.timeout=10",
        "heartbeat.timeout=soon",
        "no.such.key=1",
        "limits.message=1",
    ],
)
def test_a_faulty_setting_is_refused(setting):
    done = run("serve", "--port", "0", "--set", setting)
    assert done.returncode == BAD_CONFIGURATION, done
    assert setting.partition("=")[0] in done.stderr


def test_faults_from_all_sources_are_told_together(file):
    done = run(
        *["serve", "--config", file(FAULTS), "--set", "limits.frame.max=none"],
        environment={"APUS_LIMITS_FRAGMENTS_MAX": "0"},
    )
    assert done.returncode == BAD_CONFIGURATION
    for key in [*FAULTY_KEYS, "limits.frame.max", "limits.fragments.max"]:
        assert key in done.stderr, done.stderr


@pytest.mark.parametrize("text", ["limits: [", "- a list\n- at the top\n", "limits: 5\n"])
def test_a_file_that_cannot_be_read_as_settings_is_refused(file, text):
    assert run("serve", "--port", "0", "--config", file(text)).returncode == BAD_CONFIGURATION


def test_a_missing_file_is_refused_by_name(tmp_path):
    path = str(tmp_path / "none.yaml")
    done = run("serve", "--port", "0", "--config", path)
    assert done.returncode == BAD_CONFIGURATION
    assert path in done.stderr


def test_the_shipped_file_and_the_printed_defaults_are_good(file):
    shipped = run("config", "check", "--config", str(ROOT / "config/apus.yaml"))
    assert shipped.returncode == 0, shipped.stderr
    defaults = run("config", "defaults")
    assert defaults.returncode == 0 and "limits" in defaults.stdout
    checked = run("config", "check", "--config", file(defaults.stdout))
    assert checked.returncode == 0, checked.stderr


def test_an_unknown_option_is_a_usage_error():
    done = run("serve", "--no-such-option")
    assert done.returncode == 64  # EX_USAGE
    assert "--no-such-option" in done.stderr


def test_the_version_is_printed():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.strip()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completions_are_printed(shell):
    done = run("--generate-completion-script", shell)
    assert done.returncode == 0 and "serve" in done.stdout
    # What is installed here of the three can tell whether it is a program.
    if path := shutil.which(shell):
        checked = subprocess.run([path, "-n"], input=done.stdout, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr
