"""The places of tokens, the end of connections with their tokens, and the features that require
one.
"""

import contextlib
import json

import pytest
from apus import run
from chromium import chromium
from tokens import INVALID, KEYED, PATH, SECRET, Key
from tokens import answer, bearer, closed_with, message, token, write_jwks
from websockets.exceptions import ConnectionClosed
from wire import Wire, upgrade_request


def test_a_token_among_the_subprotocols_is_never_sent_back(start):
    server = start(KEYED)
    text = token()
    for offer in [f"bearer, {text}", f"chat, bearer, {text}", f"bearer,{text},more"]:
        response = answer(server, Sec_WebSocket_Protocol=offer)
        assert response.status == 101
        assert response.headers["sec-websocket-protocol"] == "bearer"
        assert text not in str(response)
    for offer, error in [("bearer", "Bearer"), ("chat", "Bearer"), ("bearer, x", INVALID)]:
        response = answer(server, Sec_WebSocket_Protocol=offer)
        assert response.status == 401 and response.headers["www-authenticate"] == error


def test_a_header_takes_precedence_and_its_scheme_is_case_insensitive(start):
    server = start(KEYED)
    assert answer(server, token(), Sec_WebSocket_Protocol="bearer, x").status == 101
    assert answer(server, Authorization=f"bEARER {token()}").status == 101
    assert answer(server, Authorization="Basic YTpi").headers["www-authenticate"] == "Bearer"
    both = {"Authorization": "Basic YTpi", "Sec_WebSocket_Protocol": f"bearer, {token()}"}
    assert answer(server, **both).status == 101


@pytest.fixture(scope="module")
def browser(program):
    with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
        yield browser


def test_a_browser_sends_its_token_as_a_subprotocol(start, browser):
    server = start(KEYED)
    page = browser.page(server.url("/healthz"))
    script = """new Promise((resolve) => {{
        const socket = new WebSocket("{url}", {protocols});
        socket.onopen = () => socket.send("hello");
        socket.onmessage = (event) => resolve([event.data, socket.protocol]);
        socket.onclose = (event) => resolve(["closed", event.code]);
    }})"""
    for path, expected in [(PATH, "ada: hello"), ("/ws", "Message received: hello")]:
        protocols = json.dumps(["bearer", token()])
        said = page.evaluate(script.format(url=server.ws(path), protocols=protocols))
        assert said == [expected, "bearer"]
    refused = page.evaluate(
        script.format(url=server.ws(PATH), protocols=json.dumps(["bearer", "x"]))
    )
    assert refused == ["closed", 1006]


def test_a_token_in_the_url_counts_only_if_enabled(start):
    text = token()
    off, on = start(KEYED), start(KEYED, "auth.query_token=true", "log.level=trace")
    assert answer(off, path=f"{PATH}?token={text}").headers["www-authenticate"] == "Bearer"
    assert answer(on, path=f"{PATH}?a=b&token={text}").status == 101
    # Other parts of the query don't matter: repeated names, or a percent sign that encodes nothing.
    for query in (f"topic=a&topic=b&token={text}", f"x=50%&token={text}", f"%ff=%&token={text}&&"):
        assert answer(on, path=f"{PATH}?{query}").status == 101
    # RFC 6749 §3.2: a parameter without a value counts as missing.
    assert answer(on, path=f"{PATH}?token=").headers["www-authenticate"] == "Bearer"
    assert answer(on, path=f"{PATH}?token=x").headers["www-authenticate"] == INVALID
    assert answer(on, path=PATH).headers["www-authenticate"] == "Bearer"


def test_no_token_ever_reaches_the_log(start, client):
    server = start(
        *[KEYED, "auth.query_token=true", "auth.first_message=true", "log.level=trace"],
        *["auth.required_for=echo, chat", "limits.before_auth.timeout=30s"],
    )
    texts = [token(), token(seconds=-5), token("ada", key="x" * 64), token() + ".x", "secret-word"]
    for text in texts:
        for path in [PATH, "/ws", "/ws/7", "/nothing", "/token", "/", "/healthz"]:
            answer(server, path=f"{path}?token={text}")
            answer(server, text, path=path)
            answer(server, path=path, Sec_WebSocket_Protocol=f"bearer, {text}")
            with Wire.to(server) as wire:
                wire.send(f"GET {path}?token={text} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                wire.response()
        waiting = client(server, PATH)
        waiting.send(message(text))
        # The first one may have ended it already.
        with contextlib.suppress(ConnectionClosed):
            waiting.send(message(text + "x"))
        closed_with(waiting)
    server.stop()
    log = server.stderr.text() + server.stdout.text()
    assert "token refused" in log, log
    for text in texts:
        for part in text.split("."):
            assert len(part) < 5 or part not in log


def test_the_first_message_contains_the_token(start, client):
    server = start(KEYED, "auth.first_message=true")
    ada = client(server, PATH)
    ada.send(message(token()))
    # The limits before the authentication no longer apply.
    ada.send("x" * 100_000)
    assert ada.recv(timeout=30) == "ada: " + "x" * 100_000
    # An invalid token is refused at once, even if another one follows.
    assert answer(server, "x").status == 401


@pytest.mark.parametrize(
    "first, reason",
    [
        (message("x"), "invalid token"),
        (message(token(seconds=-5)), "invalid token"),
        (message(""), "invalid token"),
        ("hello", "a token is awaited"),
        ("{}", "a token is awaited"),
        ('{"token":7}', "a token is awaited"),
        ('{"token":"x","more":"y"}', "a token is awaited"),
        (b'{"token":"x"}', "a token is awaited"),
        ("", "a token is awaited"),
    ],
)
def test_a_first_message_without_a_valid_token_ends_the_connection(start, client, first, reason):
    server = start(KEYED, "auth.first_message=true")
    ada = client(server, PATH, **bearer(token()))
    waiting = client(server, PATH)
    waiting.send(first)
    assert closed_with(waiting) == (3000, reason)
    # It was never a subscriber, and its messages weren't published.
    ada.send("alone")
    assert ada.recv(timeout=30) == "ada: alone"


def test_a_client_without_a_token_in_time_is_closed(start, client):
    server = start(KEYED, "auth.first_message=true", "limits.before_auth.timeout=100ms")
    assert closed_with(client(server, PATH)) == (3000, "authentication timeout")


def test_a_connection_ends_with_its_token_unless_it_is_renewed(start, client):
    server = start(KEYED, "auth.first_message=true")
    short = token(seconds=5)
    ends, first, stays = client(server, PATH, **bearer(short)), client(server, PATH), None
    first.send(message(short))
    stays = client(server, PATH, **bearer(short))
    stays.send(" " + message(token()) + "\n")
    for socket in (ends, first):
        assert closed_with(socket) == (4001, "token expired")
    stays.send("here")
    assert stays.recv(timeout=30) == "ada: here"
    # A later token may expire sooner.
    stays.send(message(token(seconds=1)))
    assert closed_with(stays) == (4001, "token expired")


@pytest.mark.parametrize("text", ["x", token("eve"), token(seconds=-5), token(key="x" * 64)])
def test_a_new_token_must_be_valid_and_of_the_same_sub(start, client, text):
    server = start(KEYED)
    ada = client(server, PATH, **bearer(token()))
    ada.send(message(text))
    assert closed_with(ada) == (3000, "invalid token")


def test_text_that_only_resembles_a_token_message_is_passed_on(start, client):
    server = start(KEYED)
    ada = client(server, PATH, **bearer(token()))
    for text in ['{"token":7}', '{"token":"a","b":"c"}', '["token"]', '{"Token":"a"}', '{"token":']:
        ada.send(text)
        assert ada.recv(timeout=30) == f"ada: {text}"


def test_features_require_a_token_if_configured(start, client):
    server = start(KEYED, "auth.required_for=echo, chat", "auth.first_message=true")
    strict = start(KEYED, "auth.required_for=chat")
    assert answer(strict, path="/ws/7").status == 401
    assert answer(strict, "x", path="/ws/7").headers["www-authenticate"] == INVALID
    assert answer(strict, path="/ws").status == 101
    assert answer(strict, path="/ws/x").status == 422
    echo = client(server, "/ws", **bearer(token()))
    echo.send("hello")
    assert echo.recv(timeout=30) == "Message received: hello"
    seven = client(server, "/ws/7", **bearer(token()))
    eight = client(server, "/ws/8")
    eight.send(message(token()))
    eight.send("hello")
    assert [socket.recv(timeout=30) for socket in (seven, eight)] == ["Client 8: hello"] * 2
    # A client that was never admitted is not reported as leaving.
    with Wire.to(server, "/ws/9") as wire:
        wire.reset()
    eight.close()
    assert seven.recv(timeout=30) == "Client 8 left the chat"
    ends = client(server, "/ws", **bearer(token(seconds=2)))
    assert closed_with(ends) == (4001, "token expired")


def test_errors_in_referenced_files_are_reported_at_the_start(tmp_path):
    good = Key("ES256", "k").jwk()
    (tmp_path / "users").write_text("ada:plain\n")
    for settings, part in [
        (["auth.required_for=echo"], "auth.required_for: needs keys"),
        (["auth.jwt.jwks=/nonexistent"], "/nonexistent: can't be read: No such file"),
        ([write_jwks(tmp_path / "a", good | {"x": "AA"})], 'key "k" is ignored: not a valid key'),
        ([write_jwks(tmp_path / "b", good, good)], 'two keys have kid "k" and ES256'),
        ([write_jwks(tmp_path / "c")], "no key that can verify tokens"),
        ([f"auth.users={tmp_path / 'users'}"], f"{tmp_path / 'users'}:1: not $scrypt$"),
        (["auth.users=/nonexistent"], "auth.users: /nonexistent: can't be read"),
        ([f"auth.jwt.secret={SECRET[:31]}"], "auth.jwt.secret: <secret> is too short"),
    ]:
        arguments = [word for setting in settings for word in ("--set", setting)]
        for command in (["serve", "--port", "0"], ["config", "check"]):
            done = run(*command, *arguments)
            assert done.returncode == 78, done
            assert part in done.stderr and SECRET[:31] not in done.stderr, done.stderr


def test_an_invalid_handshake_is_refused_as_without_tokens(start):
    server = start(KEYED)
    with Wire.to(server) as wire:
        wire.send(upgrade_request(PATH, server.authority, Sec_WebSocket_Version="12"))
        assert wire.response().status == 426


def test_every_other_feature_requires_a_token_too(start, client):
    server = start(KEYED, "auth.required_for=notifications, tasks, publish, channels")

    def ask(method, path, text=None):
        field = f"Authorization: Bearer {text}\r\n" if text else ""
        body = '{"id":1,"title":"x"}' if method == "POST" else ""
        with Wire.to(server) as wire:
            head = f"{method} {path} HTTP/1.1\r\nHost: {server.authority}\r\n{field}"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            wire.send((head + body).encode())
            return wire.response()

    for path in ["/ws/notifications/tasks", "/ws/redis/room"]:
        assert answer(server, path=path).status == 401
        assert answer(server, "x", path=path).headers["www-authenticate"] == INVALID
        assert answer(server, token(), path=path).status == 101
    for method, path, status in [
        ("POST", "/tasks", 200),
        ("GET", "/tasks", 200),
        ("POST", "/publish/room?message=x", 200),
    ]:
        refused = ask(method, path)
        assert refused.status == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert ask(method, path, "x").headers["www-authenticate"] == INVALID
        assert ask(method, path, token()).status == status, path
    listener = client(server, "/ws/redis/room", **bearer(token(seconds=2)))
    assert closed_with(listener) == (4001, "token expired")
    assert answer(server, path="/ws").status == 101


def test_a_token_too_long_ends_the_connection_and_is_not_passed_on(start, client):
    server = start(KEYED)
    other = client(server, PATH, **bearer(token()))
    for text in ("a" * 9_000, "a" * 100_000):
        sender = client(server, PATH, **bearer(token()))
        sender.send(message(text))
        assert closed_with(sender)[0] == 3000
    # The other client receives the following message first.
    speaker = client(server, PATH, **bearer(token(sub="eve")))
    speaker.send("hello")
    assert other.recv(timeout=10) == "eve: hello"


def test_a_new_token_must_have_exactly_the_same_sub(start, client):
    server = start(KEYED)
    for spelling, code in [("caf\u00e9", None), ("cafe\u0301", 3000)]:
        socket = client(server, PATH, **bearer(token(sub="caf\u00e9")))
        socket.send(message(token(sub=spelling)))
        if code:
            assert closed_with(socket)[0] == code
        else:
            socket.send("hello")
            assert socket.recv(timeout=10) == "caf\u00e9: hello"


def test_a_single_route_may_allow_the_first_message(start, client):
    required = "auth.required_for=echo, chat"
    for settings, open_, refused in [
        (["routes.chat.first_message=true"], "/ws/1", "/ws"),
        (["auth.first_message=true", "routes.echo.first_message=false"], "/ws/1", "/ws"),
    ]:
        server = start(KEYED, required, *settings)
        assert answer(server, path=refused).status == 401
        socket = client(server, open_)
        socket.send(message(token()))
        socket.send("hello")
        assert "hello" in socket.recv(timeout=10)
