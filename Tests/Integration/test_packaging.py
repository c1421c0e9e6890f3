"""The files of Packaging that can be checked quickly. `make test-packages` tests the package."""

import re
import sqlite3
import subprocess
import sys

import apus
import pytest
from admin import LISTEN, Admin
from task_client import ask, tasks

PACKAGING = apus.ROOT / "Packaging"
PACKAGE_TESTS = apus.ROOT / "Tests/Packages"
UNIT = apus.ROOT / "config/apus.service"
EXPOSURE_MAX = 2.0


def done(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_the_unit_is_hardened(program):
    analyze = program("systemd-analyze", package="systemd")
    result = done(analyze, "security", "--offline=yes", "--no-pager", UNIT)
    assert result.returncode == 0, result.stderr
    exposure = re.search(r"Overall exposure level for apus.service: ([\d.]+)", result.stdout)[1]
    assert float(exposure) <= EXPOSURE_MAX


def test_shell_scripts_have_no_warnings(program):
    shellcheck = program("shellcheck", package="shellcheck")
    scripts = [PACKAGING / "dist", PACKAGE_TESTS / "run"]
    scripts += sorted((PACKAGING / "debian").glob("apus.post*"))
    result = done(shellcheck, *scripts)
    assert (result.stdout, result.returncode) == ("", 0)


def test_the_kubernetes_example_is_valid():
    result = done(
        sys.executable, "-m", "kubernetes_validate", "--strict", PACKAGING / "kubernetes.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr.count(" passed for resource ") + result.stdout.count(
        " passed for resource ") == 3


def test_the_kubernetes_example_starts(start):
    """The arguments of the container, with its environment."""
    text = (PACKAGING / "kubernetes.yaml").read_text()
    arguments = re.findall(r"^            - (serve|--\S+)$", text, re.MULTILINE)
    assert arguments[0] == "serve" and len(arguments) > 3
    server = start(args=[*arguments[1:], "--host=127.0.0.1", "--port=0"])
    assert ask(server, "/healthz")[0] == 200
    seconds = int(re.search(r"terminationGracePeriodSeconds: (\d+)", text)[1])
    sleeps = int(re.search(r'command: \[sleep, "(\d+)"\]', text)[1])
    defaults = apus.run("config", "defaults").stdout
    deadline = int(re.search(r"^drain:\n(?:  .*\n)*?  deadline: (\d+)s$", defaults, re.MULTILINE)[1])
    assert seconds > sleeps + deadline + 5


def test_all_say_the_same_version(start):
    """The number is in Version.swift alone, from which packages and pages take it."""
    text = (apus.ROOT / "Sources/apus/Version.swift").read_text()
    number = re.search(r'static let number = "(.*)"', text)[1]
    assert apus.run("--version").stdout.splitlines()[0] == f"apus {number}"
    server = start(LISTEN)
    _, about, _ = ask(server, "/about")
    assert about["version"] == number
    metrics = Admin(server).get("/metrics").body.decode()
    assert re.search(rf'^apus_build_info{{.*version="{re.escape(number)}"', metrics, re.MULTILINE)
    assert f"image: apus:{number} " in (PACKAGING / "kubernetes.yaml").read_text()


@pytest.fixture
def tasks_of_0_2(tmp_path):
    path = tmp_path / "apus.sqlite"
    database = sqlite3.connect(path)
    database.executescript((PACKAGE_TESTS / "tasks-0.2.sql").read_text())
    database.close()
    return path


def test_configuration_and_data_of_0_2_are_kept(start, tasks_of_0_2):
    configuration = PACKAGE_TESTS / "apus-0.2.yaml"
    checked = apus.run("config", "check", "--config", str(configuration))
    assert checked.returncode == 0
    assert checked.stdout == "configuration is valid\nevery key has its default\n"
    assert checked.stderr == ""
    server = start(
        f"tasks.database={tasks_of_0_2}",
        args=["--config", str(configuration), "--port", "0"])
    assert [task["title"] for task in tasks(server)] == ["first", "second"]
