"""Sequences of combining marks, in every place where a peer can send text, block no event loop.

Comparing or hashing them as Unicode text takes time that grows with the square of their number:
more than a minute for 440 KB, and five seconds for 120 KB.
"""

from urllib.parse import quote

import pytest
from channels import request
from conftest import shared
from signing_in import post as post_token
from tokens import KEYED, PATH, bearer, token
from wire import Wire

# Mixed classes, so that normalization would have to sort them.
MARKS = "\u0300\u0316"
MESSAGE = MARKS * (110 << 10)
BODY = MARKS * (30 << 10)
FORM = "application/x-www-form-urlencoded"
# Each would have taken five seconds or more.
TIMES = 2
SECONDS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Returns a server with large limits and one loop, which any request could block."""
    users = tmp_path_factory.mktemp("users") / "users"
    users.write_text("# none\n")
    with shared(
        *["server.loops=1", "limits.handshake.size=1MiB", "limits.body.max=1MiB"],
        *[KEYED, f"auth.users={users}", "auth.query_token=true"],
        *["auth.token.rate.per_address=0", "auth.token.rate.per_user=0"],
    ) as server:
        yield server


@pytest.fixture
def is_served(server, client):
    """`with is_served():` the body costs little, and an honest client is answered after it."""
    honest = client(server, "/ws")
    before = server.cpu_seconds()
    yield
    honest.send("hello")
    assert honest.recv(timeout=10) == "Message received: hello"
    assert server.cpu_seconds() - before < SECONDS


@pytest.mark.parametrize(
    "text",
    [
        f'{{"token":"a","{MESSAGE}":"x"}}',
        f'{{"{MESSAGE}":"x"}}',
        f'{{"token":"a","token{MESSAGE}":"x"}}',
        f'{{"token{MESSAGE}":"a"}}',
    ],
    ids=["member", "name", "two", "longer"],
)
@pytest.mark.parametrize("path", ["/ws", PATH])
def test_in_a_message_that_may_contain_a_token(server, client, is_served, path, text):
    options = bearer(token()) if path == PATH else {"subprotocols": ["bearer"]}
    attacker = client(server, path, **options)
    attacker.send(text)
    assert attacker.recv(timeout=10).endswith(text)


def test_in_a_token_of_a_message(server, client, is_served):
    attacker = client(server, "/ws", subprotocols=["bearer"])
    for size in (1 << 10, 110 << 10):
        attacker.send(f'{{"token":"{MARKS * size}"}}')
    attacker.send("next")
    assert attacker.recv(timeout=10) == "Message received: next"


@pytest.mark.parametrize(
    "path, body, kind, status",
    [
        ("/tasks", f'{{"{BODY}":1}}', "application/json", 422),
        ("/tasks", f'{{"id":"{BODY}","title":"{BODY}"}}', "application/json", 422),
        ("/tasks", f'{{"id":1,"title":"t","description":"{BODY}"}}', "application/json", 422),
        ("/publish/news", f'{{"{BODY}":1,"message":"{BODY}"}}', "application/json", 200),
        ("/publish/news", f"{BODY}=1&message={BODY}&{BODY}=2", FORM, 200),
        ("/publish/news", BODY, "text/plain", 200),
    ],
    ids=["name", "strings", "description", "message", "form", "text"],
)
def test_in_a_body(server, is_served, path, body, kind, status):
    for _ in range(TIMES):
        assert request(server, path, "POST", body.encode(), kind)[0] == status


@pytest.mark.parametrize(
    "body", [f"{BODY}=1&{BODY}=2", f"grant_type={BODY}", f"grant_type=password&username={BODY}"],
    ids=["names", "value", "user"],
)
def test_in_a_form_for_signing_in(server, is_served, body):
    for _ in range(TIMES):
        assert post_token(server, body=body.encode()).status == 400


@pytest.mark.parametrize(
    "path, method, status",
    [
        (f"/tasks?{quote(BODY)}=1&limit={quote(BODY)}", "GET", 422),
        (f"/publish/news?{quote(BODY)}=1&message=a", "POST", 200),
        (f"/publish/{quote(BODY)}?message=a", "POST", 422),
        (f"/{quote(BODY)}", "GET", 404),
        (f"/ws/{quote(BODY)}", "GET", 422),
        (f"/ws/secure/room?{quote(BODY)}=1&token={quote(BODY)}", "GET", 401),
    ],
    ids=["limit", "message", "channel", "path", "number", "token"],
)
def test_in_a_target(server, is_served, path, method, status):
    for _ in range(TIMES):
        assert request(server, path, method)[0] == status


@pytest.mark.parametrize(
    "name, status",
    [
        ("Authorization", 401),
        ("Authorization: Bearer", 401),
        ("Content-Type", 101),
        ("Cookie", 101),
        ("Connection: Upgrade,", 101),
        ("Sec-WebSocket-Version", 426),
        ("Sec-WebSocket-Key", 400),
        ("Sec-WebSocket-Protocol", 400),
        ("Sec-WebSocket-Extensions", 400),
        ("X-Forwarded-For", 101),
    ],
)
def test_in_a_header(server, is_served, name, status):
    name, _, start = name.partition(": ")
    value = f"{start} {BODY}".strip()
    fields = {
        "Host": server.authority, "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    } | {name: value}
    path = PATH if name == "Authorization" else "/ws"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    for _ in range(TIMES):
        with Wire.to(server) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
            assert wire.response().status == status
