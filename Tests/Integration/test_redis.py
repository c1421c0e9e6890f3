"""Two servers and a real Redis: publications at one reach the clients of both."""

import json
import re
import time

from apus import wait_until
from channels import (
    NEWS, assert_gap_and_recovery, closed, crosses, post, publish, readiness, request,
    wait_not_ready, wait_ready,
)
from redis_server import Proxy, pair, proxy, redis  # noqa: F401
from task_client import CREATED, create
from tokens import KEYED, PATH, SECRET, bearer, token

# The form in which Redis pushes a message. Channel and payload are lines here.
MESSAGE = re.compile(rb"\*3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n[^\r]*\r\n")


def test_messages_cross_both_ways(redis, pair, client):
    servers, clients = pair(redis())
    crosses(servers, clients)
    # The chat uses the same way: a member that receives its own message from both is in both rooms.
    ada, bob = client(servers[0], "/ws/1"), client(servers[1], "/ws/2")
    wait_ready(*servers)
    ada.send("hello")
    while ada.recv(timeout=30) != "Client 1: hello":
        pass
    bob.send("hi")
    assert ada.recv(timeout=30) == "Client 2: hi"
    ada.close()
    while bob.recv(timeout=30) != "Client 1 left the chat":
        pass


def test_notifications_and_named_messages_cross_both_ways(redis, start, client):
    broker = redis()
    # Each server has its own tasks here.
    servers = [start(f"broker.url={broker.url}", KEYED) for _ in range(2)]
    wait_ready(*servers)
    listeners = [client(server, "/ws/notifications/tasks") for server in servers]
    named = [
        client(server, PATH, **bearer(token(sub)))
        for server, sub in zip(servers, ("ada", "bob"), strict=True)
    ]
    for topic in ("notifications/tasks", "secure/room"):
        wait_until(lambda: broker.subscribers(f"apus:{topic}") == 2, f"both at {topic}", 30)
    for number, sub in enumerate(("ada", "bob")):
        assert create(servers[number], number, f"for {sub}") == (200, CREATED)
        named[number].send("x")
        for listener, member in zip(listeners, named, strict=True):
            assert listener.recv(timeout=30) == f"New task created: for {sub}"
            assert member.recv(timeout=30) == f"{sub}: x"


def test_messages_of_other_publishers_arrive(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("PUBLISH", NEWS, "hello from redis-cli") == "2"
    broker.cli("EVAL", f"return redis.call('PUBLISH', '{NEWS}', '\\255\\0')", "0")
    for one in clients:
        assert one.recv(timeout=30) == "hello from redis-cli"
        assert one.recv(timeout=30) == b"\xff\x00"


def test_only_channels_with_subscribers_are_subscribed_to(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("PUBSUB", "CHANNELS", "apus:[a-z]*") == NEWS
    clients[0].close()
    wait_until(lambda: broker.subscribers(NEWS) == 1, "one subscription", 30)
    clients[1].close()
    wait_until(lambda: broker.subscribers(NEWS) == 0, "no subscription", 30)


def test_prefixes_keep_servers_apart(redis, start, client):
    broker = redis()
    ours = start(f"broker.url={broker.url}", "broker.prefix=ours/")
    theirs = start(f"broker.url={broker.url}", "broker.prefix=theirs/")
    wait_ready(ours, theirs)
    here, there = client(ours, "/ws/redis/news"), client(theirs, "/ws/redis/news")
    for prefix in ("ours", "theirs"):
        wait_until(lambda: broker.subscribers(f"{prefix}/channel/news") == 1, prefix, 30)
    publish(ours, "one")
    publish(theirs, "two")
    assert (here.recv(timeout=30), there.recv(timeout=30)) == ("one", "two")


def stay_red(servers, seconds):
    """Checks for this long that the server isn't ready, and reports no publication as delivered."""
    end = time.monotonic() + seconds

    def over():
        for server in servers:
            ready, told = readiness(server)
            assert not ready and told["broker"]["gaps"] == 1, told
            assert post(server, "lost")[0] == 503
        return time.monotonic() >= end

    wait_until(over, "the last look", seconds + 60)


def test_a_killed_and_restarted_redis_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    broker.kill()
    for server in servers:
        told = wait_not_ready(server)
        assert told["faults"] and told["broker"]["gaps"] == 1
        status, headers, body = post(server, "lost")
        assert status == 503 and headers["Retry-After"] == "1"
        assert headers["Content-Type"] == "application/problem+json"
        assert "may still arrive" in json.loads(body)["detail"]
        assert request(server, "/healthz")[0] == 200
    # Some of the attempts to reconnect fail meanwhile.
    stay_red(servers, seconds=3)
    broker.start()
    assert_gap_and_recovery(broker, servers, clients)


def test_a_paused_redis_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    paused = time.monotonic()
    broker.pause()
    # The failure isn't detected yet. Redis will find these in its receive buffer.
    for server in servers:
        assert post(server, "lost")[0] == 503
    for server in servers:
        assert wait_not_ready(server)["broker"]["gaps"] == 1
    stay_red(servers, seconds=paused + 20 - time.monotonic())
    broker.resume()
    wait_ready(*servers)
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    publish(servers[0], "new")
    for one in clients:
        # A refused publication may have reached Redis: it arrives, or it doesn't.
        while (heard := one.recv(timeout=30)) != "new":
            assert heard == "lost"
    assert_gap_and_recovery(broker, servers, clients)


def test_a_truncated_subscription_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("CLIENT", "KILL", "TYPE", "pubsub") == "2"
    for server in servers:
        wait_until(lambda: readiness(server)[1]["broker"]["gaps"] == 1, "the gap", 30)
    assert_gap_and_recovery(broker, servers, clients)


def test_a_closed_publishing_connection_is_no_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert int(broker.cli("CLIENT", "KILL", "TYPE", "normal")) == 2
    for server in servers:
        # The server may notice the closed connection or the message first.
        wait_until(lambda: post(server, "maybe")[0] == 200, "publishing again", 30)
    assert_gap_and_recovery(broker, servers, [], gaps=0)


def test_a_truncated_reply_is_a_gap(redis, proxy, start, client):
    broker = redis()
    cuts = iter([True])

    def cut_once(data):
        if b"to be cut" in data and next(cuts, False):
            raise Proxy.Cut(data[: data.index(b"be cut")])
        return data

    before = proxy(broker, cut_once)
    servers = [start(f"broker.url={before.url}") for _ in range(2)]
    wait_ready(*servers)
    clients = [client(server, "/ws/redis/news") for server in servers]
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    publish(servers[0], "to be cut")
    # One connection was closed. The other server received the complete message.
    gaps = lambda: [readiness(server)[1]["broker"]["gaps"] for server in servers]
    wait_until(lambda: sorted(gaps()) == [0, 1], "one gap", 30)
    wait_ready(*servers)
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    unharmed = clients[gaps().index(0)]
    assert unharmed.recv(timeout=30) == "to be cut"
    crosses(servers, clients, "again")


def test_a_truncated_answer_to_a_publication_is_503(redis, proxy, start):
    broker = redis()
    awaited = []

    def watch(data):
        if b"unanswered" in data:
            awaited.append(True)

    def cut_answer(data):
        # The answer to a probe may come first. Then what follows it is cut off as well.
        if data.startswith(b":") and awaited:
            awaited.clear()
            raise Proxy.Cut(data[:1])
        return data

    server = start(f"broker.url={proxy(broker, cut_answer, watch=watch).url}")
    wait_ready(server)
    status, _, body = post(server, "unanswered")
    assert status == 503 and "no answer from Redis" in json.loads(body)["detail"]
    wait_ready(server)
    publish(server, "taken")


def test_a_dead_subscription_on_an_open_connection_is_detected(
    redis, proxy, start, client
):
    broker = redis()
    silent = []

    def swallow(data):
        # Only messages are dropped. Pings are still answered, so the connection seems to work.
        return MESSAGE.sub(b"", data) if silent else data

    server = start(f"broker.url={proxy(broker, swallow).url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    silent.append(True)
    wait_until(lambda: readiness(server)[1]["broker"]["gaps"] == 1, "the gap", 30)
    silent.clear()
    wait_until(lambda: "a probe did not come back" in server.stderr.text(), "the log", 30)
    wait_ready(server)
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "alive")
    while listener.recv(timeout=30) != "alive":
        pass


def test_a_gap_closes_subscribers_if_configured(redis, start, client):
    broker = redis()
    server = start(f"broker.url={broker.url}", "broker.on_gap=close")
    wait_ready(server)
    early, echo = client(server, "/ws/redis/news"), client(server, "/ws")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    broker.kill()
    assert closed(early) == (1012, "publications may have been missed")
    # A client that subscribes during the gap also misses publications, and is closed at its end.
    during = client(server, "/ws/redis/news")
    broker.start()
    assert closed(during) == (1012, "publications may have been missed")
    wait_ready(server)
    after = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "after")
    assert after.recv(timeout=30) == "after"
    # A client without a subscription has missed nothing.
    echo.send("still here")
    assert echo.recv(timeout=30) == "Message received: still here"


GAP_FILE = """
broker:
  url: {url}
  on_gap: close
auth:
  jwt:
    secret: {secret}
"""


def test_a_gap_closes_the_subscribers_of_every_feature_by_the_file(redis, start, client, tmp_path):
    broker = redis()
    file = tmp_path / "apus.yaml"
    file.write_text(GAP_FILE.format(url=broker.url, secret=SECRET))
    server = start(args=["--config", str(file), "--port", "0"])
    wait_ready(server)
    paths = ["/ws/7", "/ws/notifications/tasks", "/ws/redis/news"]
    subscribers = [client(server, path) for path in paths]
    subscribers.append(client(server, PATH, **bearer(token())))
    echo = client(server, "/ws")
    for topic in ("chat", "notifications/tasks", "channel/news", "secure/room"):
        wait_until(lambda: broker.subscribers(f"apus:{topic}") == 1, topic, 30)
    broker.kill()
    for one in subscribers:
        assert closed(one) == (1012, "publications may have been missed")
    # A client without a subscription has missed nothing.
    echo.send("still here")
    assert echo.recv(timeout=30) == "Message received: still here"
