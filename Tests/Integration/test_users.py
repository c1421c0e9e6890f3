"""`apus users` changes the users file. `apus token` creates a token for a try."""

import os
import pty
import stat
import subprocess
import time

import jwt
import pytest
from apus import binary, clean_environment, run
from signing_in import sign_in, users
from tokens import KEYED, SECRET, answer


def test_users_are_added_listed_and_removed(tmp_path):
    path = tmp_path / "users"
    named = ["--file", str(path)]
    users("add", "eve", *named, password="secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("eve:$scrypt$ln=15,r=8,p=1$")
    path.write_text("# who may\n" + path.read_text())
    path.chmod(0o640)
    users("add", "ada", *named, password="secret")
    assert users("list", *named).stdout == "ada\neve\n"
    users("remove", "eve", *named)
    assert users("list", "--set", f"auth.users={path}").stdout == "ada\n"
    assert path.read_text().startswith("# who may\nada:")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["users"]
    assert "no user eve" in users("remove", "eve", *named, status=1).stderr
    assert "no password" in users("add", "eve", *named, status=1).stderr
    assert "a name has" in users("add", "a:b", *named, password="x", status=64).stderr
    assert "--file" in users("list", status=78).stderr
    path.write_text("nonsense\n")
    assert "line 1: not NAME:HASH" in users("add", "eve", *named, password="x", status=1).stderr
    assert path.read_text() == "nonsense\n"


def test_changes_at_once_are_all_kept(tmp_path):
    path = tmp_path / "users"
    users("add", "ada", "--file", str(path), password="secret")
    names = [f"user{number}" for number in range(6)]
    adding = [
        subprocess.Popen(
            [binary(), "users", "add", name, "--file", str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment(),
        )
        for name in names
    ]
    # All of them wait for their password, or for the lock, when the file changes.
    users("remove", "ada", "--file", str(path))
    for process, name in zip(adding, names):
        assert process.stdin.write("secret\n") and not process.stdin.flush()
    for process, name in zip(adding, names):
        assert process.communicate(timeout=30) == (f"added {name}\n", None)
    assert users("list", "--file", str(path)).stdout.split() == names
    assert os.listdir(tmp_path) == ["users"]


def terminal(arguments, *typed):
    """Returns the output of `apus users` on a terminal where each prompt is answered."""
    process, master = pty.fork()
    if process == 0:
        os.execve(binary(), [binary(), "users", *arguments], clean_environment())
    shown = b""
    try:
        for prompt, text in typed:
            while prompt not in shown:
                shown += os.read(master, 1_000)
            shown = b""
            os.write(master, text.encode() + b"\n")
        while data := os.read(master, 1_000):
            shown += data
    except OSError:
        pass  # the other side of the terminal is closed
    finally:
        os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_on_a_terminal_the_password_is_prompted_for_and_not_shown(start, tmp_path):
    arguments = ["add", "ada", "--file", str(tmp_path / "users")]
    typed = [(b"Password for ada: ", "top-secret"), (b"Again: ", "top-secret")]
    shown, status = terminal(arguments, *typed)
    assert status == 0 and "added ada" in shown and "top-secret" not in shown
    server = start(KEYED, f"auth.users={tmp_path / 'users'}")
    assert sign_in(server, "ada", "top-secret").status == 200
    shown, status = terminal(arguments, typed[0], (b"Again: ", "another"))
    assert status == 1 and "the two passwords differ; nothing was changed" in shown
    assert sign_in(server, "ada", "top-secret").status == 200


def test_a_token_is_created_for_a_try(start):
    secret = {"APUS_AUTH_JWT_SECRET": SECRET}
    server = start("auth.jwt.audience=apus", environment=secret)
    made = run("token", "--sub", "ada", "--audience", "apus", environment=secret)
    assert made.returncode == 0 and made.stderr == "", made
    assert answer(server, made.stdout.strip()).status == 101
    bare = run("token", "--sub", "ada", environment=secret).stdout.strip()
    assert answer(server, bare).status == 401
    configured = ["--set", "auth.jwt.audience=apus", "--set", "auth.jwt.algorithm=HS512"]
    text = run("token", "--sub", "ada", "--lifetime", "1h", *configured, environment=secret).stdout
    claims = jwt.decode(text.strip(), SECRET, ["HS512"], audience="apus")
    assert claims["sub"] == "ada" and claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60


@pytest.mark.parametrize(
    "arguments, status, part",
    [
        ([], 64, "--sub"),
        (["--sub", ""], 64, "--sub"),
        (["--sub", "ada", "--lifetime", "1"], 64, "--lifetime"),
        (["--sub", "ada", "--lifetime", "0s"], 64, "--lifetime"),
        (["--sub", "ada"], 78, "auth.jwt.secret is not set"),
    ],
)
def test_a_token_that_cannot_be_created_has_a_reason(arguments, status, part):
    made = run("token", *arguments)
    assert made.returncode == status and part in made.stderr and made.stdout == ""
