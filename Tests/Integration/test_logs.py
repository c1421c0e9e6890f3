"""The log as JSON, and the access log."""

import json
import re
import socket
import urllib.error
import urllib.request

import jwt
import pytest
from apus import port_that_no_client_gets, wait_until
from tokens import KEYED, token
from wire import CLOSE, TEXT, Wire, frame, upgrade_request

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def records(server):
    """Returns the lines of the log so far as objects. Every line must be one."""
    found = []
    for line in list(server.stderr.lines):
        record = json.loads(line)
        assert TIME.match(record["time"]) and {"level", "logger", "message"} <= record.keys(), line
        assert line.isprintable(), line
        found.append(record)
    return found


def accesses(server, count):
    """Returns the access lines once there are this many."""
    def found():
        lines = [one for one in records(server) if one["logger"] == "apus.access"]
        return lines if len(lines) >= count else None

    lines = wait_until(found, f"{count} access lines")
    assert len(lines) == count, lines
    return lines


@pytest.fixture
def logging(start):
    """Starts servers with an access log in JSON."""
    return lambda *settings, **options: start(
        "log.format=json", "log.access=true", *settings, **options)


def test_the_start_is_one_short_line(start):
    server = start()
    server.stop()
    [line] = [line for line in server.stderr.lines if line.endswith(" listening")]
    assert len(line) < 120 and f"addresses={server.authority}" in line and "loops=" in line
    assert "connections.max" not in server.stderr.text()


def test_the_limits_are_logged_at_level_debug(start):
    server = start("log.level=debug", "limits.fragments.max=77")
    server.stop()
    [line] = [line for line in server.stderr.lines if line.endswith(" limits")]
    assert " fragments.max=77 " in line and " message.max=1048576 " in line


def test_a_request_has_a_line(logging):
    server = logging()
    with Wire.to(server) as wire:
        for path in ("/healthz?token=secret", "/nowhere", "/notifications/news"):
            wire.send(f"GET {path} HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
            wire.response()
        own = "%s:%d" % wire.socket.getsockname()
    health, nowhere, notifications = accesses(server, 3)
    assert health.pop("time") and health.pop("duration_ms") >= 0
    assert health == {
        "level": "info", "logger": "apus.access", "source": "WebSocketServer",
        "message": "request", "address": own, "bytes": 15, "connection": "1", "method": "GET",
        "path": "/healthz", "request": "1-1", "route": "/healthz", "status": 200,
    }
    assert nowhere["status"] == 404 and nowhere["request"] == "1-2" and "route" not in nowhere
    assert notifications["status"] >= 400


@pytest.mark.parametrize("given, logged", [
    ("abc-123_X.y:z+/=", "abc-123_X.y:z+/="), ("a" * 128, "a" * 128), ("a" * 129, "1-1"),
    ("two words", "1-1"), ('x"y', "1-1"), ("caf\xe9", "1-1"), ("", "1-1"),
])
def test_a_valid_request_id_is_taken(logging, given, logged):
    server = logging()
    with Wire.to(server) as wire:
        wire.send(
            f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {given}\r\n\r\n"
            .encode("latin-1"))
        assert wire.response().status == 200
    [line] = accesses(server, 1)
    assert line["request"] == logged


def test_a_websocket_has_a_line_when_it_ends(logging):
    server = logging()
    with Wire.to(server, "/ws/7", X_Request_ID="r-1") as wire:
        wire.send_text("x" * 1_000)
        assert wire.text()
        assert not [one for one in records(server) if one["logger"] == "apus.access"]
        wire.send_frame(CLOSE, (4321).to_bytes(2, "big") + "bye\u2028\u202e\n".encode())
        wire.ends()
    [line] = accesses(server, 1)
    assert line["message"] == "websocket" and line["status"] == 101
    assert line["route"] == "/ws/{client_id:int}" and line["path"] == "/ws/7"
    assert line["request"] == "r-1" and line["code"] == 4321
    assert line["reason"] == "bye\u2028\u202e\n"
    # The kernel counts what was sent besides the messages, too.
    assert line.get("bytes_received", 1_000) >= 1_000 <= line.get("bytes_sent", 1_000)
    [raw] = [one for one in server.stderr.lines if "bye" in one]
    assert r"bye\u2028\u202e\n" in raw


@pytest.mark.parametrize(
    "settings, path, sent, code, reason",
    [
        ([], "/ws", frame(TEXT, b"x", masked=False), 1002, "mask"),
        (["limits.message.max=10"], "/ws", frame(TEXT, b"x" * 11), 1009, ""),
        (["limits.idle.timeout=50ms"], "/ws", b"", 1001, "idle timeout"),
        (["limits.connections.max=1"], "/ws", b"", 1008, "too many connections"),
    ],
)
def test_every_close_has_its_reason(logging, settings, path, sent, code, reason):
    server = logging("log.level=debug", *settings)
    first = Wire.to(server, path) if code == 1008 else None
    with Wire.to(server, path) as wire:
        wire.send(sent)
        wire.expect_failure(code)
    lines = wait_until(
        lambda: [one for one in records(server) if one["message"] == "websocket"], "a line")
    assert lines[0]["code"] == code and reason in lines[0]["reason"], lines
    [debug] = [one for one in records(server)
               if one["message"] == "connection closed" and one["code"] == str(code)]
    assert debug["level"] == "debug" and debug["reason"] == lines[0]["reason"]
    if first:
        first.close()


def test_every_refusal_has_its_reason(logging):
    patient = logging("log.level=debug", "limits.body.max=10")
    hasty = logging("log.level=debug", "limits.handshake.timeout=100ms")
    head = f"Host: {patient.authority}\r\n"
    for request, status, reason in [
        (f"GET / HTTP/1.1\r\n{head}X: \x01\r\n\r\n", 400, ""),
        (f"GET /ws HTTP/1.1\r\n{head}\r\n", 426, ""),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "server.names"),
        (f"POST /publish/x HTTP/1.1\r\n{head}Content-Length: 11\r\n\r\n", 413, "content"),
        (f"GET / HTTP/1.1\r\nHost: {hasty.authority}\r\nX", 408, "in time"),
    ]:
        server = hasty if status == 408 else patient
        before = len([one for one in records(server) if one["logger"] == "apus.access"])
        with Wire.to(server) as wire:
            wire.send(request.encode())
            assert wire.response().status == status
        line = accesses(server, before + 1)[-1]
        assert line["status"] == status and reason in line.get("reason", ""), line
    # One that sends nothing is closed without a response.
    with Wire.to(server) as wire:
        wire.ends()
    line = accesses(server, before + 2)[-1]
    assert line["message"] == "connection" and line["reason"] == "handshake timeout"


def test_a_client_that_leaves_early_has_a_line(logging):
    server = logging()
    with Wire.to(server) as wire:
        wire.send(
            f"POST /publish/x HTTP/1.1\r\nHost: {server.authority}\r\n"
            "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode())
        assert wire.response().status == 100
    [line] = accesses(server, 1)
    assert "status" not in line and line["reason"] == "client left"


def test_no_token_is_logged(start):
    secret = token("ada")
    bad = jwt.encode({"sub": "eve"}, "another secret of thirty-two bytes or more", "HS256")
    for form in ("text", "json"):
        server = start(KEYED, f"log.format={form}", "log.access=true", "log.level=trace",
                       "auth.required_for=echo,chat,tasks,notifications,channels,publish")
        for one in (secret, bad):
            for request in (
                f"GET /ws/secure/a?token={one} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                f"GET /tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {one}\r\n\r\n",
                f"GET /tasks?access_token={one}&token={one} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                f"GET /?t={one} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                f"GET /\x01?token={one} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                f"GET /tasks HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a {one}\r\n\r\n",
                f"GET /tasks HTTP/1.1\r\nHost: localhost\r\nCookie: token={one}\r\n\r\n",
            ):
                with Wire.to(server) as wire:
                    wire.send(request.encode())
                    wire.response()
            with Wire.to(server) as wire:
                wire.send(upgrade_request(
                    f"/ws/secure/a?token={one}", Sec_WebSocket_Protocol=f"bearer, {one}"))
                wire.response()
        server.stop()
        log = server.stderr.text()
        assert log.count("apus.access") >= 14
        for one in (secret, bad):
            for part in one.split("."):
                # Both tokens begin with the same header.
                if part != secret.split(".")[0]:
                    assert part not in log


HOSTILE = ["%0A%0D", "%E2%80%A8", "%1B[2J", "%00", "%FF%FE", "%E2%80%AE", "\"},{\"a\":\"", "\\", "'"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_text_stays_in_its_line(start, form):
    server = start(f"log.format={form}", "log.access=true", "log.level=trace")
    count = 0
    for text in HOSTILE:
        for request in (
            f"GET /{text} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: {text}\r\nX-Request-ID: {text}\r\n\r\n",
        ):
            with Wire.to(server) as wire:
                wire.send(request.encode())
                wire.response()
                count += 1
    for reason in ("a\nb", "a\u2028b", "\x1b[2J\x00", "\u202eabc", "\x85\x9b", '"}\\', "e\u0301" * 20):
        with Wire.to(server, "/ws") as wire:
            wire.send_frame(CLOSE, (4000).to_bytes(2, "big") + reason.encode())
            wire.ends()
            count += 1
    server.stop()
    lines = server.stderr.lines
    assert sum("apus.access" in line for line in lines) == count
    for line in lines:
        assert line.isprintable(), repr(line)
        if form == "json":
            assert json.loads(line)["time"]
        else:
            assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \w+ apus(\.access)?:", line)


def test_access_lines_do_not_depend_on_the_level_and_are_off_by_default(start):
    server = start("log.level=critical", "log.access=true")
    with Wire.to(server) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.response()
    server.stop()
    [line] = server.stderr.lines
    assert " info apus.access: " in line and line.endswith(" request")
    silent = start()
    with Wire.to(silent, "/ws") as wire:
        wire.send_frame(CLOSE, b"")
    silent.stop()
    assert "apus.access" not in silent.stderr.text()


def test_a_flood_is_sampled_and_the_rest_is_counted(logging):
    server = logging("log.access_rate=10", "server.loops=1")
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def lines():
        return [one for one in records(server) if one["logger"] == "apus.access"]

    count = 0
    with Wire.to(server) as wire:
        # The line after the flood tells the number that was left out.
        while not any("left_out" in one for one in lines()):
            wire.send(request * 50)
            for _ in range(50):
                assert wire.response().status == 200
            count += 50
            assert count < 100_000
    left_out = sum(one.get("left_out", 0) for one in lines())
    assert left_out > 0 and len(lines()) + left_out <= count + 1


def test_a_unix_socket_has_lines_too(logging, tmp_path):
    path = tmp_path / "apus.sock"
    server = logging(f"server.socket={path}")
    with Wire(socket.socket(socket.AF_UNIX)) as wire:
        wire.socket.connect(str(path))
        wire.send(upgrade_request())
        assert wire.response().status == 101
        wire.send_frame(CLOSE, b"")
        wire.ends()
    [line] = accesses(server, 1)
    assert line["address"] == "unix" and line["code"] == 1005 and "bytes_sent" not in line


def test_the_level_can_be_changed_while_the_server_runs(start):
    admin = port_that_no_client_gets()
    server = start("log.format=json", f"admin.listen=127.0.0.1:{admin}")

    def change(method, body=None):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{admin}/admin/log-level", data, method=method,
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)

    def echo():
        with Wire.to(server, "/ws") as wire:
            wire.send_frame(CLOSE, (1000).to_bytes(2, "big"))
            wire.ends()

    def debug_lines():
        return [one for one in records(server) if one["level"] == "debug"]

    wait_until(lambda: "admin listener is ready" in server.stderr.text(), "the admin listener")
    assert change("GET") == {"level": "info"}
    echo()
    assert not debug_lines()
    assert change("PUT", {"level": "debug"}) == {"level": "debug"}
    echo()

    def closed():
        return sum(one["message"] == "connection closed" for one in debug_lines())

    wait_until(lambda: closed() == 1, "a line of the level debug")
    assert change("PUT", {"level": "error"}) == {"level": "error"}
    echo()
    with pytest.raises(urllib.error.HTTPError) as wrong:
        change("PUT", {"level": "loud"})
    assert wrong.value.code == 422 and b"trace, debug" in wrong.value.read()
    assert change("GET") == {"level": "error"} and closed() == 1
