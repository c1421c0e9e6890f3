"""The key for publishing, and the limit of connections of one user."""

import pytest
from apus import run, wait_until
from reloading import Reloadable
from tokens import KEYED, PATH, bearer, closed_with, message, token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websockets_connect
from wire import Wire

API_KEY = "a-key-for-programs-that-publish-0001"
TOO_MANY = (1008, "too many connections of this user")


def publish(server, credentials=None, query=""):
    head = f"POST /publish/a{query} HTTP/1.1\r\nHost: {server.authority}\r\n"
    head += "Content-Type: text/plain\r\nContent-Length: 2\r\n"
    if credentials is not None:
        head += f"Authorization: {credentials}\r\n"
    with Wire.to(server) as wire:
        wire.send(f"{head}\r\nhi".encode())
        return wire.response()


def connected(server, sub="ada"):
    return websockets_connect(
        server.ws(PATH), proxy=None, open_timeout=5, **bearer(token(sub)))


def is_admitted(server):
    with connected(server) as client:
        try:
            client.recv(timeout=0.05)
        except TimeoutError:
            return True
        except ConnectionClosed:
            return False


def test_publishing_needs_the_key(start):
    server = start(f"publish.api_key={API_KEY}")
    assert publish(server, f"Bearer {API_KEY}").status == 200
    for wrong in (None, "Basic YQ==", f"Basic {API_KEY}"):
        refused = publish(server, wrong)
        assert (refused.status, header(refused, "www-authenticate")) == (401, "Bearer")
    for wrong in (API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "x" * len(API_KEY)):
        refused = publish(server, f"Bearer {wrong}")
        assert refused.status == 401
        assert header(refused, "www-authenticate") == 'Bearer error="invalid_token"'
    # It isn't accepted in the URL, which logs would have.
    assert publish(server, query=f"?token={API_KEY}").status == 401


def header(response, name):
    return {key.lower(): value for key, value in response.headers.items()}.get(name)


def test_a_token_is_accepted_too_if_publishing_demands_one(start):
    server = start(f"publish.api_key={API_KEY}", KEYED, "auth.required_for=publish")
    assert publish(server, f"Bearer {API_KEY}").status == 200
    assert publish(server, f"Bearer {token()}").status == 200
    assert publish(server, f"Bearer {token(seconds=-1)}").status == 401
    other = start(f"publish.api_key={API_KEY}", KEYED)
    assert publish(other, f"Bearer {token()}").status == 401


def test_the_key_is_not_shown():
    done = run("config", "check", "--set", f"publish.api_key={API_KEY}")
    assert done.returncode == 0 and API_KEY not in done.stdout + done.stderr
    assert "publish.api_key = <secret>" in done.stdout
    done = run("config", "check", "--set", "publish.api_key=tiny-one")
    assert done.returncode == 78 and "tiny-one" not in done.stderr


def test_connections_of_one_user_are_limited(start):
    server = start(KEYED, "limits.connections.per_user=2", "auth.first_message=true")
    with connected(server) as first, connected(server), connected(server, "eve"):
        with connected(server) as third:
            assert closed_with(third) == TOO_MANY
        # So is one that authenticates later.
        with websockets_connect(server.ws(PATH), proxy=None) as late:
            late.send(message(token()))
            assert closed_with(late) == TOO_MANY
        first.close()

        wait_until(lambda: is_admitted(server), "a place is free")


def test_the_limit_is_lowered_under_open_connections(start, tmp_path):
    one = Reloadable(start, tmp_path, {"auth.jwt.secret": KEYED.partition("=")[2]})
    keys = {"auth.jwt.secret": KEYED.partition("=")[2]}
    with connected(one.server) as first, connected(one.server) as second:
        one.reload(keys | {"limits.connections.per_user": 1})
        with connected(one.server) as third:
            assert closed_with(third) == TOO_MANY
        for client in (first, second):
            with pytest.raises(TimeoutError):
                client.recv(timeout=0.05)
