"""Two servers behind HAProxy with one Redis and one file of tasks behave as one."""

import contextlib
import json

import pytest
from apus import wait_until
from balancers import HAProxy, balanced, cookie_of  # noqa: F401
from channels import wait_ready
from redis_server import redis  # noqa: F401
from task_client import CREATED

# The path to which clients connect, and the Redis channel behind it.
CHAT, NEWS, TASKS = "/ws/7", "/ws/redis/news", "/ws/notifications/tasks"
BEHIND = {CHAT: "apus:chat", NEWS: "apus:channel/news", TASKS: "apus:notifications/tasks"}


@pytest.fixture
def as_one(redis, balanced, tmp_path):
    """Returns HAProxy, two ready servers that share a Redis and their tasks, and the Redis."""
    broker = redis()
    haproxy, *servers = balanced(
        f"broker.url={broker.url}", f"tasks.database={tmp_path / 'tasks.sqlite'}"
    )
    wait_ready(*servers)
    return haproxy, servers, broker


def on_each(haproxy, stack, path):
    """Connects a client to each instance, through HAProxy: `{"a": …, "b": …}`."""
    found = {}

    def both():
        connection = haproxy.connect(path)
        instance = cookie_of(connection)
        if instance in found:
            connection.close()
        else:
            found[instance] = stack.enter_context(connection)
        return set(found) == {"a", "b"}

    # HAProxy excludes an instance for a while whose Redis was missing at its first checks.
    wait_until(both, f"clients of {path} on both instances", 60)
    return found


def test_clients_of_both_instances_receive_everything(as_one):
    haproxy, _, broker = as_one

    def post(instance, path, body):
        response = haproxy.post(path, json.dumps(body).encode(), cookie=instance)
        assert "set-cookie" not in response.headers, f"{instance} did not answer"
        return response.status, json.loads(response.body)

    with contextlib.ExitStack() as stack:
        clients = {path: on_each(haproxy, stack, path) for path in BEHIND}
        for channel in BEHIND.values():
            wait_until(lambda: broker.subscribers(channel) == 2, f"both subscribe: {channel}", 60)

        def all_hear(path, text):
            for one in clients[path].values():
                # A client of the chat that was superfluous on an instance has left.
                while (heard := one.recv(timeout=60)).endswith("left the chat"):
                    pass
                assert heard == text

        for id, (instance, other) in enumerate([("a", "b"), ("b", "a")]):
            clients[CHAT][instance].send(f"from {instance}")
            all_hear(CHAT, f"Client 7: from {instance}")
            published = post(instance, "/publish/news", {"message": f"at {instance}"})
            assert published == (200, {"message": "Published"})
            all_hear(NEWS, f"at {instance}")
            assert post(instance, "/tasks", {"id": id, "title": instance}) == (200, CREATED)
            all_hear(TASKS, f"New task created: {instance}")
            # One file: each server finds the tasks of the other.
            assert post(other, "/tasks", {"id": id, "title": "again"})[0] == 409


def test_without_redis_new_clients_get_503_unless_only_health_is_checked(as_one, program):
    haproxy, servers, broker = as_one
    path = program("haproxy", "/usr/sbin/haproxy", package="haproxy")
    lenient = HAProxy(path, *(server.authority for server in servers), check="/healthz")

    def outcome(balancer):
        wire, outcome = balancer.attempt()
        wire.close()
        return outcome

    try:
        with haproxy.connect("/ws") as early:
            broker.kill()
            wait_until(lambda: outcome(haproxy) == 503, "503 to new clients", 60)
            # As many failed checks as the others made.
            for _ in range(4):
                assert outcome(lenient) == "open"
            # Connected clients stay.
            early.send("x")
            assert early.recv(timeout=60) == "Message received: x"
        broker.start()
        wait_until(lambda: outcome(haproxy) == "open", "the way back in", 60)
        lenient.stop()
    finally:
        lenient.kill()
