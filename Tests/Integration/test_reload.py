"""SIGHUP and `apus reload`: what changes for open and for new connections."""

import contextlib
import http.client
import itertools
import json
import re
import signal
import subprocess
import sys
import threading

import certificates
import pytest
from apus import run, wait_until
from reloading import FAILURE, Reloadable
from signing_in import sign_in, users
from tokens import PATH, SECRET, Key, answer, bearer, closed_with, message, write_jwks
from websockets.sync.client import connect as websockets_connect
from wire import BINARY, CLOSE, PING, Ended, Wire, frame, upgrade_request


@pytest.fixture
def reloadable(start, tmp_path):
    def make(keys=None, **options):
        return Reloadable(start, tmp_path, keys, **options)

    return make


def echoes(wire, payload=b"hello"):
    wire.send_frame(BINARY, payload)
    return wire.frame().payload == payload


# Keys that take effect on open connections, too


def test_the_size_of_messages(reloadable):
    one = reloadable()
    with Wire.to(one.server, "/echo") as open_one, Wire.to(one.server, "/ws") as routed:
        assert echoes(open_one, b"x" * 2_000)
        lines = one.reload({"limits.message.max": "1KiB", "routes.echo.message.max": "2KiB"})
        assert any(
            "key=limits.message.max" in line and "from=1MiB" in line and "to=1KiB" in line
            for line in lines)
        assert echoes(open_one, b"x" * 1_024)
        open_one.send_frame(BINARY, b"x" * 1_025)
        assert open_one.frame().code == 1009
        routed.send_frame(BINARY, b"x" * 2_048)
        assert routed.frame().opcode == BINARY
        routed.send_frame(BINARY, b"x" * 2_049)
        assert routed.frame().code == 1009


def test_rates_are_set_and_lifted(reloadable):
    one = reloadable()
    with Wire.to(one.server, "/echo") as first, Wire.to(one.server, "/echo") as second:
        assert echoes(first) and echoes(second)
        one.reload({"limits.rate.messages": 3, "limits.rate.policy": "close"})
        # One message after the other: they are counted by reads.
        while True:
            first.send_frame(BINARY, b"x")
            if (reply := first.frame()).opcode == CLOSE:
                break
        assert reply.code == 1008
        one.reload({})
        second.send(b"".join(frame(BINARY, b"x") for _ in range(8)))
        assert all(second.frame().opcode == BINARY for _ in range(8))


def test_the_heartbeat_and_the_idle_timeout(reloadable):
    one = reloadable({"heartbeat.interval": "0s"})
    with Wire.to(one.server, "/echo") as open_one:
        one.reload({"heartbeat.interval": "100ms"})
        assert open_one.frame().opcode == PING
        one.reload({"heartbeat.interval": "0s", "limits.idle.timeout": "10ms"})
        while (closing := open_one.frame()).opcode == PING:
            pass
        assert closing.code == 1001


def test_lowered_limits_of_connections_disturb_no_open_one(reloadable):
    one = reloadable()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire.to(one.server, "/echo")) for _ in range(4)]
        for keys in (
            {"limits.connections.max": 4},
            {"limits.connections.per_address": 4},
            {"limits.connections.max": 4, "limits.connections.per_address": 1},
        ):
            one.reload(keys | {"limits.memory.max": "2MiB", "limits.assembly.max": "1MiB",
                               "topics.backlog.max": "1MiB"})
            assert all(echoes(wire) for wire in wires)
            with Wire.to(one.server) as late, contextlib.suppress(Ended):
                late.send(upgrade_request("/echo", one.server.authority))
                refused = late.response(head_only=True)
                assert refused.status == 503 or late.frame().code == 1008
        one.reload({})
        with Wire.to(one.server, "/echo") as later:
            assert echoes(later)
        # The places of those that leave are free again, under either count.
        one.reload({"limits.connections.per_address": 4})
        for wire in wires:
            wire.close()

        def is_admitted():
            with Wire.to(one.server) as wire, contextlib.suppress(Ended):
                wire.send(upgrade_request("/echo", one.server.authority))
                return wire.response().status == 101 and echoes(wire)

        wait_until(is_admitted, "a place is free")


def test_topics(reloadable):
    one = reloadable()
    with Wire.to(one.server, "/topics") as open_one:
        open_one.send_text("subscribe a")
        assert open_one.text() == "subscribed a"
        one.reload({"topics.per_connection": 1})
        open_one.send_text("subscribe b")
        assert open_one.text() == "tooMany b"
        one.reload({"topics.name.max": 3})
        open_one.send_text("subscribe four")
        assert open_one.text() == "invalidName four"


def test_the_log_level(reloadable):
    one = reloadable()
    with Wire.to(one.server, "/ws"):
        pass
    one.reload({"log.level": "debug"})
    assert " debug " not in one.server.stderr.text()
    with Wire.to(one.server, "/ws"):
        pass
    assert one.server.stderr.wait_for(
        lambda lines: any(" debug " in line and "client left" in line for line in lines), 5)


def test_the_access_log_is_turned_off_and_on(reloadable):
    one = reloadable({"log.access": "true"})
    with Wire.to(one.server, "/echo") as wire, Wire.to(one.server, "/echo") as other:
        one.reload({"log.access": "false"})
        wire.send_frame(CLOSE, b"\x03\xe8")
        wire.ends()
        one.reload({"log.access": "true"})
        other.send_frame(CLOSE, b"\x03\xe8")
        other.ends()
    one.server.stop()
    lines = [line for line in one.server.stderr.lines if "apus.access" in line]
    assert sum("code=1000" in line for line in lines) == 1, lines
    # The entry of the first one is gone, too.
    assert "something was left open" not in one.server.stderr.text()


def test_slow_turns_are_measured_or_not(reloadable):
    one = reloadable({"log.slow_turn": "1ms"})
    one.reload({})
    one.reload({"log.slow_turn": "1ms"})
    with Wire.to(one.server, "/echo") as wire:
        assert echoes(wire)
    one.server.stop()
    assert "longest event loop turn" in one.server.stderr.text()


# Keys that take effect on new connections


def test_origins(reloadable):
    one = reloadable()
    page = {"Origin": "https://a.example"}
    with Wire.to(one.server, "/echo", Origin=f"http://{one.server.authority}") as open_one:
        assert answer(one.server, path="/echo", **page).status == 403
        one.reload({"origins.allowed": "https://a.example"})
        assert answer(one.server, path="/echo", **page).status == 101
        assert echoes(open_one)


def test_a_request_on_a_connection_that_is_kept_open(reloadable):
    one = reloadable()
    page = {"Origin": "https://a.example", "X-Long": "x" * 2_000}
    with Wire.to(one.server) as kept:
        kept.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.response().status == 200
        one.reload({"origins.allowed": "any", "limits.handshake.size": "1KiB"})
        kept.send(upgrade_request("/echo", one.server.authority, **page))
        assert kept.response().status == 431


def test_compression(reloadable):
    one = reloadable()
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    with websockets_connect(one.server.ws("/echo"), proxy=None) as open_one:
        assert "Sec-WebSocket-Extensions" in open_one.response.headers
        one.reload({"compression.enabled": "false"})
        assert "sec-websocket-extensions" not in {
            name.lower() for name in answer(one.server, path="/echo", **offer).headers}
        text = "compressible " * 1_000
        open_one.send(text)
        assert open_one.recv(timeout=5) == text


def test_the_command_line_wins(reloadable):
    one = reloadable()
    assert "changed=0 need_restart=0" in one.reload({"server.tools": "false"})[-1]
    assert answer(one.server, path="/echo").status == 101


def test_proxies(reloadable):
    one = reloadable({"limits.connections.per_address": 1})

    def request():
        return upgrade_request("/echo", one.server.authority, X_Forwarded_For="192.0.2.7")

    with Wire.to(one.server, "/echo") as direct:
        one.reload({"limits.connections.per_address": 1, "proxies.trusted": "127.0.0.1"})
        with Wire.to(one.server) as proxied:
            proxied.send(request())
            assert proxied.response(head_only=True).status == 101
            assert echoes(proxied) and echoes(direct)
    # Those that were counted by the earlier rule are counted out by it.
    one.reload({"limits.connections.per_address": 1})

    def is_admitted():
        with Wire.to(one.server) as wire, contextlib.suppress(Ended):
            wire.send(upgrade_request("/echo", one.server.authority))
            return wire.response(head_only=True).status == 101 and echoes(wire)

    wait_until(is_admitted, "the place is free")


# Files


def test_keys_of_tokens(reloadable, tmp_path):
    old, new = Key("ES256", "old"), Key("ES256", "new")
    jwks = tmp_path / "jwks.json"
    write_jwks(jwks, old.jwk())
    one = reloadable({"auth.jwt.jwks": str(jwks)})
    with websockets_connect(one.server.ws(PATH), proxy=None, **bearer(old.token())) as client:
        write_jwks(jwks, new.jwk())
        one.reload()
        assert answer(one.server, old.token()).status == 401
        assert answer(one.server, new.token()).status == 101
        # An open connection renews its token with a key that it didn't begin with.
        client.send(message(new.token()))
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        client.send(message(old.token()))
        assert closed_with(client) == (3000, "invalid token")


def test_users_and_secrets(reloadable, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    users("add", "ada", "--file", str(first), password="correct horse")
    users("add", "eve", "--file", str(second), password="correct horse")
    keys = {"auth.jwt.secret": SECRET, "auth.users": first, "auth.token.rate.per_address": 3}
    one = reloadable(keys)
    assert sign_in(one.server, "ada").status == 200
    lines = one.reload(keys | {"auth.users": second, "auth.jwt.secret": SECRET[::-1]})
    assert SECRET not in "\n".join(lines) and SECRET[::-1] not in "\n".join(lines)
    assert any("key=auth.jwt.secret" in line for line in lines)
    signed_in = sign_in(one.server, "eve")
    assert signed_in.status == 200
    assert answer(one.server, json.loads(signed_in.body)["access_token"]).status == 101
    # The attempts before the reload count.
    assert [sign_in(one.server, "ada").status for _ in range(2)] == [400, 429]


def test_a_certificate_is_replaced_under_open_connections(reloadable, tmp_path):
    authority = certificates.Authority(tmp_path)
    paths = authority.issue("localhost")
    one = reloadable({"tls.certificate": paths[0], "tls.key": paths[1]})
    context = authority.context()

    def serial(connection):
        return connection.getpeercert()["serialNumber"]

    with contextlib.ExitStack() as stack:
        wires = []
        for _ in range(3):
            tls = certificates.connect(one.server, context)
            wires.append(stack.enter_context(Wire(tls)))
            tls.sendall(upgrade_request("/echo", "localhost"))
            assert wires[-1].response().status == 101
        first = serial(wires[0].socket)
        authority.issue("localhost")
        one.reload()
        with certificates.connect(one.server, context) as late:
            second = serial(late)
            assert second != first
        assert all(echoes(wire) for wire in wires)
        # A key that isn't the certificate's changes nothing.
        paths[1].write_bytes(authority.issue("other")[1].read_bytes())
        lines = one.reload(mark=FAILURE)
        assert any("tls.key" in line for line in lines), lines
        with certificates.connect(one.server, context) as later:
            assert serial(later) == second
        assert all(echoes(wire) for wire in wires)


# Errors and restarts


def test_an_invalid_file_changes_nothing(reloadable):
    one = reloadable({"limits.message.max": "2KiB"})
    with Wire.to(one.server, "/echo") as open_one:
        lines = one.reload(
            {"limits.message.max": "1KiB", "limits.rate.messages": "-1", "heartbeat.timeout": "x"},
            mark=FAILURE)
        text = "\n".join(lines)
        assert f"{one.file}:5: limits.rate.messages: -1 is out of range" in text, text
        assert f"{one.file}:7: heartbeat.timeout: x is not a duration" in text, text
        assert "errors=2" in text
        assert echoes(open_one, b"x" * 2_048)
        # The errors of files are found together, too.
        lines = one.reload(
            {"auth.users": "/missing/users", "tls.certificate": "/missing/a.pem",
             "tls.key": "/missing/a.key"}, mark=FAILURE)
        assert "auth.users" in "\n".join(lines)
        one.file.write_text("limits: [")
        assert "not valid YAML" in "\n".join(one.reload(mark=FAILURE))
        one.file.unlink()
        assert "can't be read" in "\n".join(one.reload(mark=FAILURE))
        assert echoes(open_one, b"x" * 2_048)
        with Wire.to(one.server, "/echo") as late:
            late.send_frame(BINARY, b"x" * 2_049)
            assert late.frame().code == 1009


def test_keys_that_need_a_restart_are_named_until_then(reloadable):
    one = reloadable()
    keys = {"server.loops": 3, "broker.prefix": "other/", "limits.message.max": "1KiB"}
    for _ in range(2):
        lines = one.reload(keys)
        needing = [line for line in lines if "needs a restart" in line]
        assert len(needing) == 2
        assert "key=server.loops" in needing[0] and "key=broker.prefix" in needing[1]
        assert "need_restart=2" in lines[-1]
    assert "need_restart=0" in one.reload({})[-1]


def test_turning_tls_on_needs_a_restart(reloadable, tmp_path):
    paths = certificates.Authority(tmp_path).issue("localhost")
    one = reloadable()
    lines = one.reload({"tls.certificate": paths[0], "tls.key": paths[1]})
    assert "need_restart=2" in lines[-1]
    with Wire.to(one.server, "/echo") as plain:
        assert echoes(plain)


# Signals and commands


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_twenty_reloads_lose_no_message(reloadable, tmp_path, encrypted):
    authority = certificates.Authority(tmp_path)
    files = {}
    if encrypted:
        paths = authority.issue("localhost")
        files = {"tls.certificate": paths[0], "tls.key": paths[1]}
    one = reloadable(files)
    sizes = itertools.cycle(["1KiB", "2KiB"])
    stop = threading.Event()
    failures, counts = [], []

    def connected():
        if not encrypted:
            return Wire.to(one.server, "/echo")
        wire = Wire(certificates.connect(one.server, authority.context()))
        wire.send(upgrade_request("/echo", "localhost"))
        assert wire.response().status == 101
        return wire

    def talk():
        try:
            with connected() as wire:
                number = 0
                while not stop.is_set():
                    batch = [b"%d" % (number + offset) for offset in range(20)]
                    wire.send(b"".join(frame(BINARY, payload) for payload in batch))
                    assert [wire.frame().payload for _ in batch] == batch
                    number += len(batch)
                counts.append(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        if encrypted:
            authority.issue("localhost")
        keys = {"limits.message.max": next(sizes), "limits.rate.messages": 100_000}
        one.reload(files | keys)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not failures and len(counts) == 4 and min(counts) > 0


def test_many_signals_at_once_and_while_it_stops(reloadable):
    one = reloadable()
    for _ in range(50):
        one.server.signal(signal.SIGHUP)
    one.reload()
    with Wire.to(one.server, "/echo") as wire:
        assert echoes(wire)
        one.server.signal(signal.SIGTERM)
        for _ in range(20):
            one.server.signal(signal.SIGHUP)
        wire.frame()
    one.server.stop()


def test_a_signal_before_it_listens_reloads_afterwards(tmp_path, start):
    one = Reloadable(start, tmp_path, ready=False)
    process = one.server.process

    def is_handled():
        with open(f"/proc/{process.pid}/status") as file:
            mask = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
        return int(mask, 16) & 1 << signal.SIGHUP - 1

    wait_until(is_handled, "SIGHUP is caught")
    process.send_signal(signal.SIGHUP)
    one.server.addresses = one.server.wait_for_listeners()
    assert one.server.stderr.wait_for(
        lambda lines: any("configuration reloaded" in line for line in lines), 5)


def test_the_command(reloadable):
    one = reloadable()

    def command(server):
        assert run("reload", "--pid", str(server.pid)).returncode == 0

    assert "changed=1" in one.reload({"limits.message.max": "1KiB"}, send=command)[-1]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        refused = run("reload", "--pid", str(other.pid))
        assert refused.returncode == 1 and "isn't a server that can reload" in refused.stderr
        assert other.poll() is None
    assert run("reload", "--pid", str(other.pid)).returncode == 1
    assert run("reload", "--pid", "0").returncode == 64


def test_the_admin_listener(reloadable):
    one = reloadable({"admin.listen": "127.0.0.1:0"}, args=())
    url = one.server.stderr.wait_for(
        lambda lines: next(
            (match[1] for line in lines if (match := re.search(r"url=http://(\S+)", line))), None),
        5)

    def ask():
        connection = http.client.HTTPConnection(url, timeout=5)
        with contextlib.closing(connection):
            connection.request("POST", "/admin/reload")
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    keys = {"admin.listen": "127.0.0.1:0"}
    assert ask() == (200, {"changes": [], "errors": []})
    one.write(keys | {"limits.message.max": "1KiB"})
    assert ask() == (200, {"errors": [], "changes": [
        {"key": "limits.message.max", "from": "1MiB", "to": "1KiB", "effect": "at once"}]})
    one.write(keys | {"limits.message.max": "none"})
    status, report = ask()
    assert status == 422 and report["changes"] == [] and "not a size" in report["errors"][0]
