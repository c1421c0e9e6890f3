"""What a hostile or broken Redis can do to a server, and to those who look at it: very little."""

import itertools
import json
import time

import pytest
from apus import wait_until
from channels import post, publish, readiness, wait_logged, wait_not_ready, wait_ready
from redis_server import proxy, redis  # noqa: F401

ENDLESS = b"x" * (64 << 20)


@pytest.mark.parametrize(
    "sent, why",
    [
        (b"*2147483647\r\n", "a reply of more than 1024 elements"),
        (b"*1\r\n*1000\r\n*1000\r\n", "a reply of more than 1024 elements"),
        (b"*1\r\n" * 100_000, "more than 8 arrays within each other"),
        (b"*-7\r\n", "a size of -7"),
        (b"$536870913\r\n", "a reply of more than 67174400 bytes"),
        (b"$67174390\r\nxyz", "a reply of more than 67174400 bytes"),
        (b"$3\r\nabcdef\r\n", "a text that is longer than announced"),
        (b"+" + ENDLESS, "a line of more than 4096 bytes"),
        (b"-ERR " + ENDLESS, "a line of more than 4096 bytes"),
        (b"*" + ENDLESS, "a line of more than 4096 bytes"),
        (b":99999999999999999999\r\n", "'99999999999999999999' instead of a 64-bit number"),
        (b"%1\r\n+a\r\n+b\r\n", "a reply of type '%'"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a reply of type 'H'"),
        (b"+OK\r\n" * 1_000_000, "with something else"),
        (b":1\r\n" * 1_000_000, "a reply that no command awaits"),
    ],
    ids=lambda value: value[:12].decode() if isinstance(value, bytes) else None,
)
def test_what_is_no_reply_is_refused_and_costs_nothing(redis, proxy, start, sent, why):
    broker = redis()
    hostile = [True]
    server = start(f"broker.url={proxy(broker, lambda data: sent if hostile else data).url}")
    resident, busy = server.resident_bytes(), server.cpu_seconds()
    wait_until(lambda: why in str(readiness(server)[1]["faults"]), why, 30)
    status, _, body = post(server, "lost")
    assert status == 503 and len(body) < 1_000
    assert server.peak_bytes() < resident + (32 << 20)
    assert server.cpu_seconds() < busy + 2
    hostile.clear()
    wait_ready(server)
    publish(server, "taken")


def test_replies_a_byte_at_a_time_are_read(redis, proxy, start, client):
    broker = redis()
    before = proxy(broker, lambda data: [data[i : i + 1] for i in range(len(data))])
    server = start(f"broker.url={before.url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers("apus:channel/news") == 1, "the subscription", 30)
    publish(server, "hello")
    assert listener.recv(timeout=30) == "hello"


def test_errors_of_redis_are_shown_escaped_and_shortened(redis, proxy, start):
    broker = redis()
    # One answers HELLO, the other what comes behind it.
    error = b"-NOPERM \x1b[2J\xff\\ " + b"y" * 3_000 + b"\r\n"
    server = start(f"broker.url={proxy(broker, lambda data: error * 2).url}")
    shown = "NOPERM \\x1B[2J\\xFF\\\\ yyyy"
    for what in ("publish", "subscribe"):
        fault = f"Redis refuses to {what}: {shown}"
        wait_until(lambda: fault in str(readiness(server)[1]["faults"][0]), fault, 30)
    told = readiness(server)[1]
    assert len(told["faults"][0]) < 600 and "y..." in told["faults"][0]
    status, _, body = post(server, "lost")
    detail = json.loads(body)["detail"]
    assert status == 503 and shown in detail and len(detail) < 400
    wait_logged(server, "no connection to Redis; trying again")
    log = server.stderr.text()
    assert shown.replace("\\", "\\\\") in log or shown in log
    assert "\x1b[2J" not in log and "y" * 300 not in log


def test_a_redis_that_hangs_up_with_an_error_is_quoted(redis, start):
    broker = redis("--maxclients", "1")
    server = start(f"broker.url={broker.url}")
    why = "after the error: ERR max number of clients reached"
    wait_until(lambda: why in str(readiness(server)[1]["faults"]), why, 30)


def test_a_redis_that_quotes_the_password_is_not_quoted(redis, start):
    broker = redis("--rename-command", "AUTH", "OTHER")
    assert "hunter2" in broker.cli("AUTH", "hunter2")
    server = start(f"broker.url=redis://:hunter2@127.0.0.1:{broker.port}")
    told = wait_until(
        lambda: (found := readiness(server)[1]) and "refuses AUTH" in str(found) and found,
        "the reason", 30,
    )
    wait_logged(server, "no connection to Redis; trying again")
    assert "hunt" not in server.stderr.text() and "hunt" not in str(told)


def test_messages_in_channels_that_nobody_asked_for_are_dropped(redis, proxy, start, client):
    broker = redis()
    # Marks without an order of their own: to compare such names as text takes very long.
    name = "apus:" + "\u0300\u0316" * 15_000 + "\x1b[2J"
    channel = name.encode()
    # Not of this version, which is worth a line in the log where somebody wants it.
    head = b"*3\r\n$7\r\nmessage\r\n$%d\r\n" % len(channel)
    message = head + channel + b"\r\n$6\r\n\xa9aps\x02x\r\n"
    before = proxy(broker, lambda data: data + message if b"wanted" in data else data)
    server = start(f"broker.url={before.url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers("apus:channel/news") == 1, "the subscription", 30)
    for number in range(20):
        publish(server, f"wanted {number}")
        assert listener.recv(timeout=5) == f"wanted {number}"
    assert readiness(server)[1]["broker"]["gaps"] == 0
    assert "no publication of this version" not in server.stderr.text()


def test_a_redis_that_confirms_and_then_fails_is_asked_less_and_less(redis, proxy, start):
    broker = redis()
    tried = []

    def confirm_and_fail(data):
        return data + b"-ERR gone\r\n" if b"subscribe" in data else data

    def watch(data):
        if b"SUBSCRIBE" in data:
            tried.append(time.monotonic())

    start(f"broker.url={proxy(broker, confirm_and_fail, watch=watch).url}")
    wait_until(lambda: len(tried) >= 6, "six attempts", 30)
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    # Half of 100, 200, 400, 800 and 1,600 ms, at least; each would be 100 ms at most.
    for least, pause in zip((0.05, 0.1, 0.2, 0.4, 0.8), pauses, strict=False):
        assert pause >= least * 0.9, pauses
