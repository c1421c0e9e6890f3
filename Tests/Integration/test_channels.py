"""Channels and readiness of one server, with its broker in memory."""

import json
import subprocess

import pytest
from apus import wait_until
from channels import closed, publish, readiness, request
from wire import Wire, upgrade_request


def test_a_publication_reaches_its_channel_and_no_other(server, client):
    news, sport = client(server, "/ws/redis/news"), client(server, "/ws/redis/sport")
    publish(server, "first")
    publish(server, "second", "sport")
    publish(server, "third")
    assert [news.recv(timeout=30) for _ in range(2)] == ["first", "third"]
    assert sport.recv(timeout=30) == "second"


@pytest.mark.parametrize(
    "query, body, kind",
    [
        ("?message=a+b%26%c3%bc", None, None),
        ("?other=1&message=a+b%26%C3%BC", b"", "text/plain"),
        ("?message=x&message=a%20b%26%c3%bc", b"message=body", "application/x-www-form-urlencoded"),
        ("", b"x=1&message=a+b%26%c3%bc", "application/x-www-form-urlencoded"),
        ("", '{"message":"a b&ü","x":[1]}'.encode(), "application/json"),
        ("?x=1", b'{"message":"a b&\\u00fc"}', "Application/JSON; charset=utf-8"),
        ("", "a b&ü".encode(), "text/plain; charset=utf-8"),
        ("", "a b&ü".encode(), None),
    ],
)
def test_a_message_is_accepted_in_query_form_json_or_text(server, client, query, body, kind):
    news = client(server, "/ws/redis/news")
    status, _, answer = request(server, f"/publish/news{query}", "POST", body, kind)
    assert (status, json.loads(answer)) == (200, {"message": "Published"})
    assert news.recv(timeout=30) == "a b&ü"


def test_curl_posts_a_form(server, client):
    news = client(server, "/ws/redis/news")
    done = subprocess.run(
        ["curl", "-sS", "--data-urlencode", "message=by curl: +&%", server.url("/publish/news")],
        capture_output=True, text=True, timeout=30, check=True,
    )
    assert done.stdout == '{"message":"Published"}'
    assert news.recv(timeout=30) == "by curl: +&%"


@pytest.mark.parametrize(
    "query, message",
    [
        ("message=50%", "50%"), ("x=%&message=%zz%41", "%zzA"), ("message=%", "%"),
        ("a=1&a=2&message=%4", "%4"),
    ],
)
def test_a_percent_sign_that_encodes_nothing_is_literal(server, client, query, message):
    news = client(server, "/ws/redis/news")
    with Wire.to(server) as wire:
        # Browsers send it so, unlike curl and urllib.
        wire.send(
            f"POST /publish/news?{query} HTTP/1.1\r\nHost: {server.authority}\r\n"
            "Content-Length: 0\r\n\r\n".encode())
        assert wire.response().status == 200
    assert news.recv(timeout=30) == message


def test_a_percent_sign_that_encodes_nothing_is_refused_in_a_path(server):
    with Wire.to(server) as wire:
        wire.send(f"GET /healthz% HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
        assert wire.response().status == 400


def test_an_empty_message_is_published(server, client):
    news = client(server, "/ws/redis/news")
    publish(server, "")
    assert news.recv(timeout=30) == ""


@pytest.mark.parametrize(
    "query, body, kind, loc, fault",
    [
        ("", None, None, ["query", "message"], "missing"),
        ("?other=1", None, None, ["query", "message"], "missing"),
        ("", b"", "text/plain", ["query", "message"], "missing"),
        ("", b"a=1", "application/x-www-form-urlencoded", ["body", "message"], "missing"),
        ("", b"{}", "application/json", ["body", "message"], "missing"),
        ("", b"{", "application/json", ["body", 1], "json_invalid"),
        ("", b"[1]", "application/json", ["body"], "model_attributes_type"),
        ("", b'{"message":1}', "application/json", ["body", "message"], "string_type"),
        ("", b"\xff", "text/plain", ["body"], "string_unicode"),
        ("?message=%ff", None, None, ["query", "message"], "string_unicode"),
        ("", b"x", "image/png", ["body"], "value_error"),
    ],
)
def test_an_invalid_publication_is_422(server, query, body, kind, loc, fault):
    status, _, answer = request(server, f"/publish/news{query}", "POST", body, kind)
    assert status == 422
    (told,) = json.loads(answer)["detail"]
    assert (told["loc"], told["type"]) == (loc, fault) and told["msg"]


def test_the_name_of_a_channel_has_limits(server, client):
    longest = "c" * (255 - len("channel/"))
    listener = client(server, f"/ws/redis/{longest}")
    publish(server, "fits", longest)
    assert listener.recv(timeout=30) == "fits"
    for name in (longest + "c", "a%0ab"):
        status, _, answer = request(server, f"/publish/{name}?message=x", "POST")
        assert status == 422
        assert json.loads(answer)["detail"][0]["loc"] == ["path", "channel"]
        assert request(server, f"/ws/redis/{name}")[0] == 422
        with Wire.to(server) as wire:
            wire.send(upgrade_request(f"/ws/redis/{name}", server.authority))
            assert wire.response().status == 422


def test_a_client_that_sends_on_a_channel_is_informed_how_to_publish(server, client):
    listener = client(server, "/ws/redis/news")
    listener.send("not this way")
    assert closed(listener) == (1008, "publish by POST /publish/news")


def test_a_server_with_its_broker_in_memory_is_ready(server):
    assert readiness(server) == (
        True,
        {"status": "ready", "faults": [],
         "broker": {"ready": True, "state": "in memory", "gaps": 0}},
    )


def test_a_stopping_server_is_not_ready(start):
    server = start("server.loops=1", "drain.spread=10s", "drain.deadline=20s")
    with Wire.to(server) as wire:
        # The head is on its way when the stop begins, so the connection is still answered.
        wire.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n")
        # They have been read, because a later request on the only loop has been answered.
        assert readiness(server)[0]
        server.signal(15)
        assert server.stderr.wait_for(
            lambda lines: any("draining connections" in line for line in lines), 30
        )
        wait_until(lambda: refuses_connections(server), "no listener", 30)
        wire.send(b"\r\n")
        answer = wire.response()
        assert answer.status == 503
        assert json.loads(answer.body)["faults"] == ["the server is stopping or drained"]
    assert server.wait(30) == 0


def refuses_connections(server):
    try:
        server.connect().close()
    # Reset: it was in the queue of a listener that was closed.
    except ConnectionError:
        return True
    return False
