"""`POST /token`: a name and a password for a token."""

import base64
import hashlib
import json
import select
import subprocess
from urllib.parse import urlencode

import jwt
import pytest
from apus import wait_until
from balancers import balanced  # noqa: F401
from signing_in import FORM, post, sign_in, users
from tokens import KEYED, SECRET, answer, bearer
from wire import Wire

pytestmark = pytest.mark.alone


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


def test_name_and_password_are_exchanged_for_a_valid_token(serving):
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


@pytest.mark.parametrize(
    "content_type",
    [None, FORM.title(), f"{FORM};charset=utf-8", f"{FORM} ; charset=utf-8", f"{FORM}\t;charset=x"],
)
def test_a_token_from_curl_is_accepted_from_websockets(serving, client, program, content_type):
    server = serving()
    fields = ("grant_type=password", "username=grüße", "password=ä&=+%")
    done = subprocess.run(
        [program("curl", package="curl"), "-sS", "--noproxy", "*", "--max-time", "30",
         *(word for field in fields for word in ("--data-urlencode", field)),
         *(("-H", f"Content-Type: {content_type}") if content_type else ()),
         "-w", " %{http_code}", server.url("/token")],
        capture_output=True, text=True, check=True,
    )
    body, _, status = done.stdout.rpartition(" ")
    assert status == "200", body
    member = client(server, "/ws/secure/x", **bearer(json.loads(body)["access_token"]))
    member.send("hello")
    assert member.recv(timeout=30) == "grüße: hello"


def test_unknown_users_and_wrong_passwords_have_the_same_answer(serving):
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


def test_an_unknown_user_takes_as_long_as_a_wrong_password(start, file, tmp_path):
    # One hash costs an eighth of the others.
    hashed = hashlib.scrypt(b"x", salt=bytes(16), n=1 << 12, r=8, p=1, dklen=32)
    parts = (base64.b64encode(part).decode().rstrip("=") for part in (bytes(16), hashed))
    mixed = tmp_path / "users"
    mixed.write_text(file.read_text() + f"old:$scrypt$ln=12,r=8,p=1${'$'.join(parts)}\n")
    limits = ["auth.token.rate.per_user=0", "auth.token.rate.per_address=0"]
    server = start(KEYED, f"auth.users={mixed}", *limits)
    assert sign_in(server, "old", "x").status == 200

    def cost(name):
        before = server.cpu_seconds()
        for _ in range(5):
            assert sign_in(server, name, "wrong").status == 400
        return server.cpu_seconds() - before

    # A password costs far more than an answer, so a factor of two detects a missing check.
    known, cheap, unknown = cost("ada"), cost("old"), cost("nobody")
    assert known / 2 < unknown < known * 2, (known, unknown)
    assert known / 2 < cheap < known * 2, (known, cheap)


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
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "", "scope": ""}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "Password"}, "unsupported_grant_type"),
    ],
)
def test_a_missing_form_field_is_reported(serving, fields, error):
    server = serving()
    response = sign_in(server, **fields) if fields else post(server)
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
def test_a_body_that_is_not_a_form_is_refused(serving, body, content_type):
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


def test_too_many_attempts_behind_a_proxy_affect_nobody_else(balanced, file):
    haproxy, _, _ = balanced(KEYED, f"auth.users={file}", "auth.token.rate.per_address=2")

    def attempt_from(source, password, claimed="192.0.2.1"):
        # All on one instance, and each is counted separately.
        return post(
            haproxy, {"grant_type": "password", "username": "ada", "password": password},
            source=source, Cookie="APUS=a", **{"X-Forwarded-For": claimed},
        ).status

    assert [attempt_from("127.0.0.2", "wrong") for _ in range(3)] == [400, 400, 429]
    assert attempt_from("127.0.0.3", "correct horse") == 200
    # An invented address brings no additional attempts, and takes none from others.
    assert attempt_from("127.0.0.2", "correct horse", claimed="127.0.0.3") == 429
    assert [attempt_from("127.0.0.3", "correct horse") for _ in range(2)] == [200, 429]


def attempt(server):
    """Starts an attempt to sign in. Returns the connection without waiting for the answer."""
    body = urlencode({"grant_type": "password", "username": "ada", "password": "wrong"})
    wire = Wire.to(server)
    wire.socket.settimeout(60)
    request = f"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
    wire.send(f"{request}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return wire


def test_passwords_are_checked_outside_the_loops(serving, client):
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


def test_the_file_is_read_again_after_a_change(start, tmp_path):
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


def test_a_mounted_secret_is_read_again_when_its_folder_is_replaced(start, tmp_path):
    # As the kubelet does it: users -> ..data/users, ..data -> ..VERSION.
    def publish(version, *removed):
        folder = tmp_path / f"..{version}"
        folder.mkdir()
        (folder / "users").write_text(text)
        for name in removed:
            users("remove", name, "--file", str(folder / "users"))
        (tmp_path / "..tmp").symlink_to(folder.name)
        (tmp_path / "..tmp").rename(tmp_path / "..data")

    original = tmp_path / "original"
    for name in ("ada", "eve"):
        users("add", name, "--file", str(original), password="one")
    text = original.read_text()
    publish("1")
    (tmp_path / "users").symlink_to("..data/users")
    server = start(KEYED, f"auth.users={tmp_path / 'users'}", "auth.token.rate.per_user=0")
    assert sign_in(server, "eve", "one").status == 200
    publish("2", "eve")
    assert [sign_in(server, name, "one").status for name in ("ada", "eve")] == [200, 400]


def test_no_password_is_in_the_log_or_the_file(serving, file):
    server = serving("log.level=trace")
    sign_in(server, "ada", "correct horse")
    sign_in(server, "ada", "a wrong-secret")
    sign_in(server, "a typed-secret", "ada")
    server.stop()
    log = server.stderr.text() + server.stdout.text() + file.read_text()
    for secret in ("horse", "wrong-secret", "typed-secret"):
        assert secret not in log


def test_without_users_or_secret_the_answer_names_the_key_to_set(start, file, tmp_path):
    for settings, key in [((KEYED,), "auth.users"), ((f"auth.users={file}",), "auth.jwt.secret")]:
        response = sign_in(start(*settings))
        assert response.status == 503
        assert key in json.loads(response.body)["detail"]


def test_a_flood_of_attempts_is_refused_instead_of_queued(serving):
    server = serving("auth.token.rate.per_address=0")
    wires = [attempt(server) for _ in range(150)]
    statuses = [wire.response().status for wire in wires]
    for wire in wires:
        wire.close()
    assert set(statuses) == {400, 429}
    wait_until(lambda: sign_in(server).status == 200, "signing in again", seconds=30)
