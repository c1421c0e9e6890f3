"""Channels from the view of their clients: publishing, readiness, and two servers together."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from apus import wait_until
from websockets.exceptions import ConnectionClosed

# The topic of /ws/redis/news in Redis.
NEWS = "apus:channel/news"


def request(server, path, method="GET", body=None, kind=None):
    """Returns the status, headers and body of an answer."""
    asked = urllib.request.Request(server.url(path), method=method, data=body)
    # urllib adds a content type to a body without one.
    asked.add_header("Content-Type", kind or "")
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def readiness(server):
    status, _, body = request(server, "/readyz")
    told = json.loads(body)
    assert (status == 200) == (told["status"] == "ready") == (not told["faults"])
    return status == 200, told


def wait_ready(*servers):
    for server in servers:
        wait_until(lambda: readiness(server)[0], "readiness", 30)


def wait_not_ready(server):
    return wait_until(
        lambda: (found := readiness(server)) and not found[0] and found[1], "no readiness", 30
    )


def wait_logged(server, text, count=1):
    wait_until(lambda: server.stderr.text().count(text) == count, f"{count} times: {text}", 30)


def post(server, message, channel="news"):
    path = f"/publish/{channel}?message={urllib.parse.quote(message)}"
    return request(server, path, "POST")


def publish(server, message, channel="news"):
    status, _, body = post(server, message, channel)
    assert (status, json.loads(body)) == (200, {"message": "Published"})


def crosses(servers, clients, *messages):
    """Publishes at each server, and checks that each client receives everything."""
    for number, server in enumerate(servers):
        for message in messages or ("hello", "grüße ✓"):
            publish(server, f"{message} {number}")
            for one in clients:
                assert one.recv(timeout=30) == f"{message} {number}"


def closed(connection):
    """Returns how a connection was closed. Earlier messages are skipped."""
    with pytest.raises(ConnectionClosed):
        while True:
            connection.recv(timeout=30)
    return connection.close_code, connection.close_reason


def assert_gap_and_recovery(broker, servers, clients, *, gaps=1):
    """Checks that a gap is reported by both servers and, after `broker` is back, that messages
    arrive.
    """
    wait_ready(*servers)
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    for server in servers:
        assert readiness(server)[1]["broker"]["gaps"] == gaps
        wait_logged(server, "subscriptions are lost: publications may be missed", gaps)
        wait_logged(server, "subscriptions are in effect again", gaps)
    crosses(servers, clients, "again")
