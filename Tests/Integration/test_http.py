"""Plain HTTP: the page, health, refusals, and requests that no parser should accept."""

import base64
import hashlib
import json
import re
import subprocess

import pytest
from apus import ROOT
from wire import KEY, Wire, upgrade_request


@pytest.fixture
def curl(program, server):
    """Runs curl against the server. Returns (status, headers, body)."""
    path = program("curl", package="curl")

    def run(target, *options):
        command = [path, "-sS", "-i", "--path-as-is", "--max-time", "5", "--noproxy", "*"]
        done = subprocess.run([*command, *options, server.url(target)], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(first.split(" ")[1]), headers, body

    return run


def assert_problem(headers, body, status):
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def assert_refusal(response, status):
    assert response.status == status, response
    assert_problem(response.headers, response.body, status)


# Answers


def test_healthz_says_alive(curl):
    status, headers, body = curl("/healthz")
    assert status == 200
    assert int(headers["content-length"]) == len(body)


def test_the_page_is_served(curl):
    status, headers, body = curl("/")
    assert status == 200
    assert headers["content-type"].lower() == "text/html; charset=utf-8"
    assert body == page_source()


def page_source():
    return (ROOT / "Sources/RealtimeApp/Page/index.html").read_bytes()


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_page_permits_only_its_own_code(tag):
    page = page_source().decode()
    (code,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in page, "put this hash into the page's policy"


@pytest.mark.parametrize("target", ["/healthz", "/"])
def test_head_has_the_headers_of_get_and_no_body(curl, target):
    _, get, body = curl(target)
    status, head, nothing = curl(target, "--head")
    assert (status, nothing) == (200, b"")
    assert head["content-length"] == get["content-length"] == str(len(body))


# Refusals


@pytest.mark.parametrize("target", ["/nowhere", "/healthz/", "/ws/7/8", "/%2e%2e/etc/passwd"])
def test_an_unknown_path_is_404(curl, target):
    status, headers, body = curl(target)
    assert status == 404
    assert_problem(headers, body, 404)


@pytest.mark.parametrize(
    "target, methods",
    [
        ("/healthz", "GET, HEAD, OPTIONS"), ("/ws/7", "GET, HEAD, OPTIONS"),
        ("/tasks", "GET, HEAD, POST, OPTIONS"), ("/publish/x", "POST, OPTIONS"),
        ("/token", "POST, OPTIONS"),
    ],
)
def test_options_names_the_methods_and_so_does_405(curl, target, methods):
    for method, status in [("OPTIONS", 204), ("DELETE", 405)]:
        answered, headers, _ = curl(target, "-X", method)
        assert answered == status
        assert sorted(headers["allow"].split(", ")) == sorted(methods.split(", "))


def test_options_of_the_server_itself_names_all_methods(server):
    with Wire.to(server) as wire:
        for _ in range(2):
            wire.send(f"OPTIONS * HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
            response = wire.response()
            assert response.status == 204
            allowed = response.headers["allow"].split(", ")
            assert sorted(allowed) == ["GET", "HEAD", "OPTIONS", "POST"]


@pytest.mark.parametrize("target, method", [("/healthz", "POST"), ("/", "DELETE"), ("/ws", "POST")])
def test_a_method_that_the_path_lacks_is_405_with_allow(curl, target, method):
    status, headers, body = curl(target, "-X", method)
    assert status == 405
    assert "GET" in headers["allow"]
    assert_problem(headers, body, 405)


@pytest.mark.parametrize("target", ["/ws", "/ws/7"])
def test_a_websocket_path_without_the_upgrade_is_426(curl, target):
    status, headers, body = curl(target)
    assert status == 426
    assert headers["upgrade"].lower() == "websocket"
    assert_problem(headers, body, 426)
    # According to RFC 9110 §9.3.2.
    status, same, nothing = curl(target, "--head")
    assert (status, nothing) == (426, b"")
    assert {**same, "date": ""} == {**headers, "date": ""}


def test_another_version_of_the_protocol_is_426_naming_13(server):
    with Wire.to(server) as wire:
        wire.send(upgrade_request(host=server.authority, Sec_WebSocket_Version="8"))
        response = wire.response()
        assert_refusal(response, 426)
        assert response.headers["sec-websocket-version"] == "13"


FAULTY_HANDSHAKES = [
    ({"Sec_WebSocket_Key": None}, 400),
    ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
    ({"Sec_WebSocket_Key": "!" * 24}, 400),
    ({"Sec_WebSocket_Version": None}, 426),
    ({"Connection": "keep-alive"}, 400),
    ({"Connection": None}, 400),
    ({"Upgrade": "h2c"}, 426),
    ({"Upgrade": None}, 426),
    ({"Sec_WebSocket_Extensions": "permessage-deflate; ="}, 400),
    ({"Sec_WebSocket_Protocol": "chat, chat"}, 400),
    ({"Content_Length": "5"}, 400),
    ({"Transfer_Encoding": "chunked"}, 400),
]


@pytest.mark.parametrize(
    "changes, status",
    FAULTY_HANDSHAKES,
    ids=[" ".join(f"{key}={value}" for key, value in it.items()) for it, _ in FAULTY_HANDSHAKES],
)
def test_an_invalid_opening_handshake_is_refused(server, changes, status):
    with Wire.to(server) as wire:
        wire.send(upgrade_request(host=server.authority, **changes))
        response = wire.response()
        assert_refusal(response, status)
        assert response.headers.get("sec-websocket-version") == ("13" if status == 426 else None)


@pytest.mark.parametrize(
    "changes",
    [
        # The key in RFC 6455 §4.1; websockets/ws#1560.
        {"Sec_WebSocket_Key": "AQIDBAUGBwgJCgsMDQ4PEC=="},
        # PocketSocket#52, and RFC 9110 §5.6.1.2.
        {"Sec_WebSocket_Extensions": ""},
        {"Sec_WebSocket_Extensions": " , ,"},
        {"Sec_WebSocket_Protocol": ""},
        {"Sec_WebSocket_Protocol": ", ,"},
        {"Connection": ", , Upgrade ,"},
        {"Upgrade": ",websocket,"},
    ],
    ids=str,
)
def test_an_unusual_opening_handshake_is_accepted(server, changes):
    key = changes.get("Sec_WebSocket_Key", KEY)
    with Wire.to(server) as wire:
        wire.send(upgrade_request(host=server.authority, **changes))
        response = wire.response()
        assert response.status == 101
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert response.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()
        assert "sec-websocket-protocol" not in response.headers


def test_the_opening_handshake_treats_lists_and_case_as_the_rfc_does(server):
    request = upgrade_request(host=server.authority, Upgrade="foo/2, WebSocket").replace(
        b"Connection: Upgrade", b"CONNECTION: keep-alive\r\nconnection:  , uPGRADE"
    )
    with Wire.to(server) as wire:
        wire.send(request)
        response = wire.response()
        assert response.status == 101
        accept = hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert response.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()


def test_bytes_directly_after_the_handshake_are_frames(server):
    with Wire.to(server) as wire:
        wire.send(upgrade_request(host=server.authority) + b"\x81\x81\x00\x00\x00\x00x")
        assert wire.response().status == 101
        assert wire.text() == "Message received: x"


# Connections


def test_curl_reuses_its_connection(program, server):
    command = [program("curl", package="curl"), "-sS", "--noproxy", "*", "-w", "%{num_connects} "]
    targets = ["-o", "/dev/null", server.url("/healthz")] * 3
    output = subprocess.run([*command, *targets], capture_output=True, text=True, timeout=10).stdout
    assert output.split() == ["1", "0", "0"]


def test_pipelined_requests_are_answered_in_order(server):
    get = f"GET /healthz HTTP/1.1\r\nHost: {server.authority}\r\n\r\n"
    head = get.replace("GET", "HEAD")
    lost = get.replace("/healthz", "/nowhere")
    last = get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    with Wire.to(server) as wire:
        wire.send((get + lost + head + last).encode())
        statuses = [wire.response().status, wire.response().status]
        statuses += [wire.response(head_only=True).status, wire.response().status]
        assert statuses == [200, 404, 200, 200]
        assert wire.ends() == b""


@pytest.mark.parametrize(
    "rest, status", [("no field\r\n\r\n", 400), ("", 408)], ids=["a fault", "half a head"])
def test_a_refusal_of_a_head_request_has_no_body(start, rest, status):
    server = start("limits.handshake.timeout=300ms")
    with Wire.to(server) as wire:
        wire.send(f"HEAD /healthz HTTP/1.1\r\nHost: {server.authority}\r\n{rest}".encode())
        response = wire.response(head_only=True)
        assert response.status == status
        assert int(response.headers["content-length"]) > 0
        assert wire.ends() == b""


def test_a_request_may_arrive_byte_by_byte(server):
    with Wire.to(server) as wire:
        for byte in f"GET /healthz HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode():
            wire.send(bytes([byte]))
        assert wire.response().status == 200


@pytest.mark.parametrize(
    "length, body",
    [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")],
    ids=["a length", "chunks"],
)
def test_a_client_that_waits_for_100_gets_it_before_the_body(server, length, body):
    head = post("Expect: 100-continue", length, target="/publish/x")
    with Wire.to(server, "/ws/redis/x") as listener, Wire.to(server) as wire:
        for _ in range(2):
            wire.send(head.encode())
            assert wire.response().status == 100
            wire.send(body.encode())
            response = wire.response()
            assert (response.status, response.body) == (200, b'{"message":"Published"}')
            assert listener.text() == "hello"


@pytest.mark.parametrize(
    "target, length, status",
    [("/nowhere", 5, 404), ("/healthz", 5, 405), ("/publish/x", 9_999_999_999, 413)],
)
def test_a_refused_client_that_waits_for_100_is_answered_at_once(server, target, length, status):
    with Wire.to(server) as wire:
        wire.send(post("Expect: 100-continue", f"Content-Length: {length}", target=target).encode())
        assert_refusal(wire.response(), status)
        assert wire.ends() == b""


# Request smuggling: each probe contains a second request, whose 200 must never be sent.

SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*headers, body="", target="/healthz"):
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: localhost", *headers, "", body])


def chunks(body):
    """For a route that reads a body; other routes refuse after the head."""
    return post("Transfer-Encoding: chunked", target="/publish/x", body=body)


PROBES = {
    "both lengths": (
        post("Content-Length: 4", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        400,
    ),
    "two lengths": (post("Content-Length: 0", "Content-Length: 5", body="12345"), 400),
    "a length twice": (post("Content-Length: 0", "Content-Length: 0"), 400),
    "a list of lengths": (post("Content-Length: 0, 0"), 400),
    "a signed length": (post("Content-Length: +0"), 400),
    "a negative length": (post("Content-Length: -1"), 400),
    "a hexadecimal length": (post("Content-Length: 0x0"), 400),
    "an empty length": (post("Content-Length: "), 400),
    "a length past 64 bits": (post("Content-Length: 18446744073709551616"), 413),
    "an unknown coding": (post("Transfer-Encoding: xchunked", body="0\r\n\r\n"), 400),
    "chunked not last": (post("Transfer-Encoding: chunked, gzip", body="0\r\n\r\n"), 400),
    "a coding before chunked": (post("Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"), 501),
    "chunked twice": (post("Transfer-Encoding: chunked, chunked", body="0\r\n\r\n"), 400),
    "an old version with chunks": (
        post("Transfer-Encoding: chunked", body="0\r\n\r\n").replace("1.1", "1.0"),
        400,
    ),
    "space before the colon": (post("Content-Length : 0"), 400),
    "a folded line": (post("X: a", " b"), 400),
    "a first line that is folded": (post().replace("Host", " Host"), 400),
    "a bare LF": (post("X: a\nContent-Length: 0"), 400),
    "only LF": (post().replace("\r\n", "\n"), 400),
    "a bare CR": (post("X: a\rb"), 400),
    "NUL in a value": (post("X: a\0b"), 400),
    "an empty name": (post(": a"), 400),
    "no colon": (post("X"), 400),
    "no Host": (post().replace("Host: localhost\r\n", ""), 400),
    "two Hosts": (post("Host: b"), 400),
    "bad percent-encoding": ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "NUL in the path": ("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a space in the path": ("GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no version": ("GET /\r\n\r\n", 400),
    "a later version": ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    "a version in lower case": ("GET / http/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a method that is no token": ("G(T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "an unknown method": ("BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
    "a method in lower case": ("get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
    "a tunnel": ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    "the greeting of HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a chunk size that is none": (chunks("zz\r\n"), 400),
    "a chunk size past 64 bits": (chunks("10000000000000000\r\n"), 400),
    "a chunk size past the limit": (chunks("10001\r\n"), 413),
    "a chunk that ends wrongly": (chunks("1\r\nxyz\r\n0\r\n\r\n"), 400),
}


@pytest.mark.parametrize("probe", PROBES)
def test_a_smuggling_probe_is_refused_and_the_connection_ends(server, probe):
    request, status = PROBES[probe]
    with Wire.to(server) as wire:
        wire.send((request + SMUGGLED).encode("latin-1"))
        assert_refusal(wire.response(), status)
        rest = wire.ends()
        assert b" 200 " not in rest, rest


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 64 + b"\r\n", 431),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 1\r\nContent-Length: 1\r\n\r\n", 417),
        (b"POST /publish/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"POST /publish/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\nhi", 411),
    ],
    ids=["a long target", "a long header", "many headers", "an unknown expectation", "a long body",
         "a body without a length"],
)
def test_a_request_beyond_a_limit_is_refused_with_its_status(server, request_bytes, status):
    with Wire.to(server) as wire:
        wire.send(request_bytes)
        assert_refusal(wire.response(), status)


@pytest.mark.parametrize(
    "sent",
    [
        "G",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        post("Content-Length: 10", target="/publish/x", body="half"),
        chunks("a\r\nhalf"),
    ],
    ids=["a letter", "half a head", "half a body", "half a chunk"],
)
def test_a_request_that_does_not_end_is_408(start, sent):
    server = start("limits.handshake.timeout=300ms")
    with Wire.to(server) as wire:
        wire.send(sent.encode())
        assert_refusal(wire.response(), 408)
        assert wire.ends() == b""


def test_a_client_that_requests_nothing_is_closed_without_an_answer(start):
    server = start("limits.handshake.timeout=300ms")
    with Wire.to(server) as wire:
        assert wire.ends() == b""
