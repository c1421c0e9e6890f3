"""A plain GET or HEAD of a WebSocket's path: refused as an upgrade is, so that a page can learn why."""

import json

import pytest
from tokens import KEYED, PATH, token
from wire import Wire, upgrade_request


def plain(server, method, path, **fields):
    lines = {"Host": server.authority} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode()


def ask(server, data):
    with Wire.to(server) as wire:
        wire.send(data)
        return wire.response()


def lasting(headers):
    return {name: value for name, value in headers.items() if name not in ("date", "connection")}


REFUSALS = [
    ([KEYED], PATH, {}, 401),
    ([KEYED], PATH, {"Authorization": "Bearer x"}, 401),
    ([KEYED, "auth.query_token=true"], f"{PATH}?token=x", {}, 401),
    ([KEYED, "auth.required_for=echo, chat"], "/ws", {}, 401),
    ([], PATH, {}, 503),
    ([], "/ws", {"Origin": "http://evil.example"}, 403),
    ([], "/ws/seven", {}, 422),
    ([], f"/ws/redis/{'x' * 300}", {}, 422),
    ([], f"/ws/notifications/{'x' * 300}", {}, 422),
    ([], "/nowhere", {}, 404),
]


@pytest.mark.parametrize("settings, path, fields, status", REFUSALS)
def test_it_is_refused_as_an_upgrade_is(start, settings, path, fields, status):
    server = start(*settings)
    refused = ask(server, upgrade_request(path, server.authority, **fields))
    assert refused.status == status
    got = ask(server, plain(server, "GET", path, **fields))
    assert (got.status, got.body) == (status, refused.body)
    assert lasting(got.headers) == lasting(refused.headers)
    assert ("www-authenticate" in got.headers) == (status == 401)
    assert json.loads(got.body)["status"] == status
    with Wire.to(server) as wire:
        wire.send(plain(server, "HEAD", path, **fields))
        wire.send(plain(server, "GET", "/healthz"))
        head = wire.response(head_only=True)
        assert head.status == status
        assert lasting(head.headers) == lasting(refused.headers)
        assert wire.response().status == 200


def test_one_that_would_be_let_in_is_426(start):
    server = start(
        KEYED, "auth.required_for=echo", "routes.secure.first_message=true", args=["--tools"]
    )
    bearer = {"Authorization": f"Bearer {token('ada')}"}
    for path, fields in [
        ("/ws", bearer), (PATH, bearer), (PATH, {}), ("/ws/7", {}), ("/echo", {}),
        ("/echo/async", {}), ("/ws", bearer | {"Origin": f"http://{server.authority}"}),
        ("/ws", bearer | {"Referer": f"http://{server.authority}/"}),
    ]:
        response = ask(server, plain(server, "GET", path, **fields))
        assert response.status == 426, path
        assert response.headers["upgrade"] == "websocket"


def test_a_page_without_an_origin_is_known_by_its_referer(start):
    server = start("origins.allowed=https://a.example")
    for referer, status in [
        (f"http://{server.authority}/", 403), ("https://a.example/x", 426),
    ]:
        response = ask(server, plain(server, "GET", "/ws", Referer=referer))
        assert response.status == status


def test_above_the_limit_it_is_503(start):
    server = start("limits.connections.max=1")
    with Wire.to(server, "/ws") as _, Wire.to(server) as wire:
        wire.send(plain(server, "GET", "/ws"))
        response = wire.response()
        assert response.status == 503
        assert response.headers["retry-after"]
        # What is no WebSocket is answered.
        wire.send(plain(server, "GET", "/healthz"))
        assert wire.response().status == 200
