"""An overloaded server refuses new connections, serves the open ones, and recovers by itself."""

import contextlib
import json

from apus import wait_until
from wire import TEXT, Ended, Wire, frame, upgrade_request

QUICK = ("overload.recovery=300ms", "overload.loop_lag=0s", "server.loops=2")


def get(server, path):
    """Returns the response to a request on a connection of its own; None if it is closed."""
    try:
        with Wire.to(server) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
            return wire.response()
    except (Ended, ConnectionError):
        return None


def is_ready(server):
    response = get(server, "/readyz")
    return response is not None and response.status == 200


def assert_echoes(wire):
    wire.send_text("x")
    assert wire.text() == "Message received: x"


def assert_refuses_newcomers_only(server, open_one, kept):
    """The open WebSocket and the kept connection are served; newcomers get an honest 503."""
    assert_echoes(open_one)
    kept.send(f"GET / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
    assert kept.response().status == 200
    # An upgrade on an open connection is a new client, too.
    kept.send(upgrade_request("/ws", server.authority))
    assert kept.response().status == 503
    kept.send(f"GET / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
    assert kept.response().status == 200
    times = set()
    for _ in range(12):
        response = get(server, "/")
        assert response.status == 503 and response.headers["connection"] == "close"
        assert "overloaded" in json.loads(response.body)["detail"]
        times.add(int(response.headers["retry-after"]))
    assert times <= {1, 2, 3} and len(times) > 1
    assert get(server, "/healthz").status == 200
    readiness = get(server, "/readyz")
    assert readiness.status == 503
    assert "overloaded" in json.loads(readiness.body)["faults"][0]


def changes(server):
    """Returns the lines about the beginning and the end of an overload."""
    return [line for line in server.stderr.lines if "verloaded: " in line and "measure=" in line]


def test_descriptors(start):
    server = start(*QUICK, "overload.descriptors=200", descriptors=256)
    with contextlib.ExitStack() as stack:
        open_one = stack.enter_context(Wire.to(server, "/ws"))
        kept = stack.enter_context(Wire.to(server))
        kept.send(f"GET / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
        kept.response()
        crowd = stack.enter_context(contextlib.ExitStack())
        for _ in range(60 - server.descriptors()):
            crowd.enter_context(server.connect())
        wait_until(lambda: not is_ready(server), "the overload is noticed")
        assert_refuses_newcomers_only(server, open_one, kept)
        crowd.close()
        wait_until(lambda: is_ready(server), "it recovers", 10)
        assert get(server, "/").status == 200
        assert_echoes(open_one)
    begun, over = wait_until(lambda: len(changes(server)) == 2 and changes(server), "two lines")
    assert " warning " in begun and "measure=descriptors" in begun and "limit=56" in begun
    assert " notice " in over and "no longer overloaded" in over


def test_memory(start):
    plain = start(*QUICK)
    # A tenth above the limit, newcomers are closed at once. It must be more than a few messages.
    limit = (plain.resident_bytes() >> 20) + 64
    plain.stop()
    server = start(*QUICK, f"overload.memory={limit}MiB", "limits.message.max=2MiB")
    with contextlib.ExitStack() as stack:
        open_one = stack.enter_context(Wire.to(server, "/ws"))
        kept = stack.enter_context(Wire.to(server))
        kept.send(f"GET / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
        kept.response()
        crowd = stack.enter_context(contextlib.ExitStack())
        # Each is to hold a message of a mebibyte that lacks its last byte.
        message = frame(TEXT, b"x" * (1 << 20))[:-1]
        holders = [crowd.enter_context(Wire.to(server, "/ws")) for _ in range(100)]
        begun, sent = server.resident_bytes(), 0
        while server.resident_bytes() < (limit + 2) << 20:
            holders.pop().send(message)
            sent += 1
            # What is sent early would come on top. Memory that was free before counts for nothing.
            wait_until(lambda: server.resident_bytes() >= begun + ((sent - 4) << 20), "it is held")
        wait_until(lambda: not is_ready(server), "the overload is noticed")
        # More would make it close newcomers at once.
        assert_refuses_newcomers_only(server, open_one, kept)
        crowd.close()
        wait_until(lambda: is_ready(server), "it recovers", 20)
        assert_echoes(open_one)
    lines = wait_until(lambda: len(changes(server)) == 2 and changes(server), "two lines")
    assert all("measure=memory" in line for line in lines)


def test_extreme_memory_closes_newcomers_when_they_are_accepted(start):
    # The limit is below what any server has.
    server = start(*QUICK, "overload.memory=1MiB")
    wait_until(lambda: changes(server), "the overload is noticed")
    assert get(server, "/healthz") is None
    with server.connect() as sock:
        assert sock.recv(1) == b""


def test_it_can_be_turned_off(start):
    server = start(*QUICK, "overload.memory=1MiB", "overload.enabled=false")
    assert get(server, "/").status == 200
    server.stop()
    assert not changes(server)
