"""S6: `POST /token`, the users file, `apus users` and `apus token`."""

import json
import os
import pty
import select
import stat
import subprocess
import time
from urllib.parse import urlencode

import jwt
import pytest
from apus import binary, clean_environment, run, wait_until
from test_auth import answer
from tokens import KEYED, SECRET
from wire import Wire

FORM = "application/x-www-form-urlencoded"


def users(*arguments, password=None, status=0):
    done = subprocess.run(
        [binary(), "users", *arguments],
        input=password and password + "\nnot this line\n",
        stdin=None if password else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
    )
    assert done.returncode == status, done
    return done


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "users"
    users("add", "ada", "--file", str(path), password="correct horse")
    users("add", "grüße", "--file", str(path), password="ä&=+%")
    return path


@pytest.fixture
def serving(start, file):
    def serve(*settings):
        return start(KEYED, f"auth.users={file}", "auth.token.rate.per_user=0", *settings)

    return serve


def post(server, fields=(), body=None, content_type=FORM, **headers):
    data = urlencode(fields).encode() if body is None else body
    lines = {"Host": server.authority, "Content-Length": len(data)} | headers
    if content_type:
        lines["Content-Type"] = content_type
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with Wire.to(server) as wire:
        wire.socket.settimeout(30)
        wire.send(f"POST /token HTTP/1.1\r\n{head}\r\n".encode() + data)
        return wire.response()


def sign_in(server, username="ada", password="correct horse", **more):
    fields = {"grant_type": "password", "username": username, "password": password} | more
    return post(server, {name: value for name, value in fields.items() if value is not None})


def test_name_and_password_bring_a_token_that_opens_the_way(serving):
    server = serving("auth.jwt.audience=apus", "auth.jwt.issuer=tests", "auth.token.lifetime=90s")
    for name, password in [("ada", "correct horse"), ("grüße", "ä&=+%")]:
        response = sign_in(server, name, password, scope="", client_id="page")
        assert response.status == 200, response
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["pragma"] == "no-cache"
        assert response.headers["content-type"] == "application/json"
        answered = json.loads(response.body)
        assert answered.keys() == {"access_token", "token_type", "expires_in"}
        assert (answered["token_type"], answered["expires_in"]) == ("bearer", 90)
        claims = jwt.decode(
            answered["access_token"], SECRET, ["HS256"], audience="apus", issuer="tests"
        )
        assert claims["sub"] == name and claims["exp"] - claims["iat"] == 90
        assert answer(server, answered["access_token"]).status == 101


def test_unknown_users_and_wrong_passwords_are_answered_alike(serving):
    server = serving()
    shapes = [
        (response.status, response.headers | {"date": ""}, response.body)
        for response in [
            sign_in(server, "ada", "wrong"),
            sign_in(server, "nobody", "correct horse"),
            sign_in(server, "x" * 1_024, "correct horse"),
            sign_in(server, "ada:$scrypt$", "y" * 1_024),
        ]
    ]
    assert all(shape == shapes[0] for shape in shapes), shapes
    status, headers, body = shapes[0]
    assert status == 400 and headers["cache-control"] == "no-store"
    assert json.loads(body) == {
        "error": "invalid_grant",
        "error_description": "Incorrect username or password",
        "detail": "Incorrect username or password",
    }


def test_an_unknown_user_costs_as_much_as_a_wrong_password(serving):
    server = serving("auth.token.rate.per_address=0")

    def cost(name):
        before = server.cpu_seconds()
        for _ in range(5):
            assert sign_in(server, name, "wrong").status == 400
        return server.cpu_seconds() - before

    # What a password costs is far above what an answer does, so that twice is far from none.
    known, unknown = cost("ada"), cost("nobody")
    assert known / 2 < unknown < known * 2, (known, unknown)


@pytest.mark.parametrize(
    "fields, error",
    [
        ({}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"username": None}, "invalid_request"),
        ({"password": None}, "invalid_request"),
        ({"username": ""}, "invalid_request"),
        ({"password": ""}, "invalid_request"),
        ({"password": "x" * 1_025}, "invalid_request"),
        ({"username": "x" * 1_025}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "Password"}, "unsupported_grant_type"),
    ],
)
def test_a_form_that_lacks_something_is_told_what(serving, fields, error):
    server = serving()
    response = sign_in(server, **fields) if fields else post(server)
    if "grant_type" in fields:
        response = sign_in(server, "ada", "correct horse", **fields)
    assert response.status == 400, response
    answered = json.loads(response.body)
    assert answered["error"] == error and answered["detail"]


@pytest.mark.parametrize(
    "body, content_type",
    [
        (b'{"grant_type":"password"}', "application/json"),
        (b"grant_type=password&username=ada&password=correct+horse", None),
        (b"grant_type=password&username=ada&password=correct+horse&username=eve", FORM),
        (b"grant_type=password&username=ada&password=%zz", FORM),
        (b"grant_type=password&username=ada&password=%ff", FORM),
        (b"\xff" * 100, FORM),
    ],
)
def test_a_body_that_is_no_form_is_refused(serving, body, content_type):
    response = post(serving(), body=body, content_type=content_type)
    assert response.status == 400 and json.loads(response.body)["error"] == "invalid_request"


def test_attempts_are_limited_by_address_and_by_name(start, file):
    server = start(KEYED, f"auth.users={file}", "auth.token.rate.per_user=2")
    assert [sign_in(server).status for _ in range(2)] == [200, 200]
    refused = sign_in(server)
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert json.loads(refused.body)["detail"]
    assert sign_in(server, "nobody").status == 400
    server = start(KEYED, f"auth.users={file}", "auth.token.rate.per_address=3")
    assert [sign_in(server, f"n{n}").status for n in range(4)] == [400, 400, 400, 429]


def attempt(server):
    """A connection on which an attempt to sign in is made and not answered yet."""
    body = urlencode({"grant_type": "password", "username": "ada", "password": "wrong"})
    wire = Wire.to(server)
    wire.socket.settimeout(60)
    request = f"POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n"
    wire.send(f"{request}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return wire


def test_passwords_are_checked_beside_the_loops(serving, client):
    server = serving("auth.token.rate.per_address=0", "server.loops=1")
    echo = client(server, "/ws")
    wires = [attempt(server) for _ in range(30)]
    echo.send("meanwhile")
    assert echo.recv(timeout=30) == "Message received: meanwhile"
    answered, _, _ = select.select([wire.socket for wire in wires], [], [], 0)
    assert len(answered) < len(wires)
    for wire in wires:
        assert wire.response().status == 400
        wire.close()


def test_the_file_is_read_again_when_it_changes(start, tmp_path):
    path = tmp_path / "users"
    users("add", "ada", "--file", str(path), password="one")
    server = start(KEYED, f"auth.users={path}", "auth.token.rate.per_user=0")
    assert sign_in(server, "eve", "two").status == 400
    assert users("add", "eve", "--file", str(path), password="two").stdout == "added eve\n"
    assert sign_in(server, "eve", "two").status == 200
    assert users("add", "eve", "--file", str(path), password="three").stdout == "changed eve\n"
    assert [sign_in(server, "eve", word).status for word in ("two", "three")] == [400, 200]
    users("remove", "eve", "--file", str(path))
    assert sign_in(server, "eve", "three").status == 400
    path.write_text("nonsense\n")
    assert sign_in(server, "ada", "one").status == 200
    assert "not NAME:HASH" in server.stderr.text()


def test_no_password_reaches_log_or_file(serving, file):
    server = serving("log.level=trace")
    sign_in(server, "ada", "correct horse")
    sign_in(server, "ada", "a wrong-secret")
    sign_in(server, "a typed-secret", "ada")
    server.stop()
    log = server.stderr.text() + server.stdout.text() + file.read_text()
    for secret in ("horse", "wrong-secret", "typed-secret"):
        assert secret not in log


def test_without_users_or_secret_it_says_what_to_set(start, file, tmp_path):
    for settings, key in [((KEYED,), "auth.users"), ((f"auth.users={file}",), "auth.jwt.secret")]:
        response = sign_in(start(*settings))
        assert response.status == 503
        assert key in json.loads(response.body)["detail"]


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
    assert "a name is" in users("add", "a:b", *named, password="x", status=64).stderr
    assert "--file" in users("list", status=78).stderr
    path.write_text("nonsense\n")
    assert "line 1: not NAME:HASH" in users("add", "eve", *named, password="x", status=1).stderr
    assert path.read_text() == "nonsense\n"


def terminal(arguments, *typed):
    """What `apus users` shows at a terminal where each prompt is answered."""
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
        pass  # the terminal's other side is closed
    finally:
        os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_at_a_terminal_the_password_is_asked_for_and_not_shown(start, tmp_path):
    arguments = ["add", "ada", "--file", str(tmp_path / "users")]
    typed = [(b"Password for ada: ", "top-secret"), (b"Again: ", "top-secret")]
    shown, status = terminal(arguments, *typed)
    assert status == 0 and "added ada" in shown and "top-secret" not in shown
    server = start(KEYED, f"auth.users={tmp_path / 'users'}")
    assert sign_in(server, "ada", "top-secret").status == 200
    shown, status = terminal(arguments, typed[0], (b"Again: ", "another"))
    assert status == 1 and "nothing is changed" in shown
    assert sign_in(server, "ada", "top-secret").status == 200


def test_a_token_is_made_for_trying(start):
    secret = {"APUS_AUTH_JWT_SECRET": SECRET}
    server = start("auth.jwt.audience=apus", environment=secret)
    made = run("token", "--sub", "ada", "--audience", "apus", environment=secret)
    assert made.returncode == 0 and made.stderr == "", made
    assert answer(server, made.stdout.strip()).status == 101
    assert answer(server, run("token", "--sub", "ada", environment=secret).stdout.strip()).status == 401
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
def test_a_token_that_cannot_be_made_says_why(arguments, status, part):
    made = run("token", *arguments)
    assert made.returncode == status and part in made.stderr and made.stdout == ""


def test_a_flood_of_attempts_is_refused_not_queued_for_ever(serving):
    server = serving("auth.token.rate.per_address=0")
    wires = [attempt(server) for _ in range(150)]
    statuses = [wire.response().status for wire in wires]
    for wire in wires:
        wire.close()
    assert set(statuses) == {400, 429}
    wait_until(lambda: sign_in(server).status == 200, "signing in again", seconds=30)
