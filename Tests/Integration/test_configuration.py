"""The file, the environment and the command line, and errors in the configuration."""

import shutil
import subprocess

import pytest
from apus import ROOT, run
from wire import BINARY, CLOSE, Wire, frame

BAD_CONFIGURATION = 78  # EX_CONFIG


def message_max(server, low, high):
    """Returns whether the server accepts messages of `low` bytes, but not of `high` bytes."""
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


def test_a_later_source_takes_precedence(start, file):
    args = ["--port", "0", "--config", file("limits:\n  message:\n    max: 100\n")]
    environment = {"APUS_LIMITS_MESSAGE_MAX": "200"}
    assert message_max(start(args=args), 100, 101)
    assert message_max(start(args=args, environment=environment), 200, 201)
    assert message_max(
        start("limits.message.max=300", args=args, environment=environment), 300, 301
    )


def test_the_last_of_two_settings_counts(start):
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
def test_all_errors_of_a_file_are_reported_together(file, command):
    done = run(*command, "--config", file(FAULTS))
    assert done.returncode == BAD_CONFIGURATION, done
    for told in [*FAULTY_KEYS, "many", "1ms"]:
        assert told in done.stderr, done.stderr
    assert "listening" not in done.stdout


def test_an_error_names_the_allowed_range():
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
def test_an_invalid_setting_is_refused(setting):
    done = run("serve", "--port", "0", "--set", setting)
    assert done.returncode == BAD_CONFIGURATION, done
    assert setting.partition("=")[0] in done.stderr


def test_errors_of_all_sources_are_reported_together(file):
    done = run(
        *["serve", "--config", file(FAULTS), "--set", "limits.frame.max=none"],
        environment={"APUS_LIMITS_FRAGMENTS_MAX": "-1"},
    )
    assert done.returncode == BAD_CONFIGURATION
    for key in [*FAULTY_KEYS, "limits.frame.max", "limits.fragments.max"]:
        assert key in done.stderr, done.stderr


def test_unknown_variables_are_warnings_and_do_not_prevent_a_start(start):
    # As komodo#717 and sequin#2155 describe: the variables that Kubernetes sets for a service named
    # "apus", and for one named "apus-server", whose port has the name of a key.
    environment = {"APUS_VERSION": "1.2", "APUS_LISTEN": "127.0.0.1:8000", "APUS_A": "127.0.0.1:1"}
    for service in ("APUS", "APUS_SERVER"):
        environment |= {
            f"{service}_SERVICE_HOST": "10.0.0.1", f"{service}_SERVICE_PORT": "8080",
            f"{service}_SERVICE_PORT_HTTP": "8080", f"{service}_PORT": "tcp://10.0.0.1:8080",
            f"{service}_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            f"{service}_PORT_8080_TCP_PROTO": "tcp", f"{service}_PORT_8080_TCP_PORT": "8080",
            f"{service}_PORT_8080_TCP_ADDR": "10.0.0.1",
        }
    server = start(environment=environment)
    server.stop()
    warned = [line for line in server.stderr.lines if "unknown environment variable" in line]
    assert len(warned) == 3 and all(" warning apus: " in line for line in warned)
    checked = run("config", "check", environment=environment)
    assert checked.returncode == 0 and "every key has its default" in checked.stdout
    for name in ("APUS_VERSION", "APUS_LISTEN", "APUS_A", "APUS_SERVER_PORT"):
        assert checked.stderr.count(f"{name}: ") == 1, checked.stderr
    assert checked.stderr.count("\n") == 4, checked.stderr


def test_the_default_of_a_secret_is_shown():
    environment = {"APUS_AUTH_JWT_SECRET": "s" * 32, "APUS_BROKER_URL": "redis://:hunter2@cache"}
    checked = run("config", "check", environment=environment)
    assert 'auth.jwt.secret = <secret> (default "", set by APUS_AUTH_JWT_SECRET)' in checked.stdout
    assert "broker.url = <secret> (default memory:, set by APUS_BROKER_URL)" in checked.stdout


def test_an_empty_variable_keeps_the_secret_of_the_file(start, file):
    secret = "s" * 32
    config = ["--config", file(f"auth: {{ jwt: {{ secret: {secret} }} }}")]
    environment = {"APUS_AUTH_JWT_SECRET": ""}
    server = start(args=["--port", "0", *config], environment=environment)
    made = run("token", "--sub", "ada", *config, environment=environment)
    assert made.returncode == 0 and made.stdout.count(".") == 2
    server.stop()
    for log in (server.stderr.text(), made.stderr):
        assert log.count("APUS_AUTH_JWT_SECRET: ignored, as it is empty") == 1, log
        assert secret not in log


@pytest.mark.parametrize("text", ["limits: [", "- a list\n- at the top\n", "limits: 5\n"])
def test_an_invalid_file_is_refused(file, text):
    assert run("serve", "--port", "0", "--config", file(text)).returncode == BAD_CONFIGURATION


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    path = str(tmp_path / "none.yaml")
    done = run("serve", "--port", "0", "--config", path)
    assert done.returncode == BAD_CONFIGURATION
    assert path in done.stderr


def test_the_shipped_file_and_the_printed_defaults_are_valid(file):
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completions_are_printed(shell):
    done = run("--generate-completion-script", shell)
    assert done.returncode == 0 and "serve" in done.stdout
    # Those of the three shells that are installed can check the syntax.
    if path := shutil.which(shell):
        checked = subprocess.run([path, "-n"], input=done.stdout, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr
