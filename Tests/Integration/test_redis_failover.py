"""A Redis that becomes a replica while servers are connected to it, as in a planned failover."""

import json
import socket
import threading

import pytest
from apus import port_that_no_client_gets, wait_until
from channels import (
    NEWS, closed, crosses, post, publish, readiness, wait_logged, wait_not_ready, wait_ready,
)
from redis_server import proxy, redis  # noqa: F401

REPLICA = "Redis is a replica: it does not pass publications on to its master"


@pytest.fixture
def master_and_replica(redis):
    def make(*arguments):
        options = ("--repl-diskless-sync-delay", "0", *arguments)
        master = redis(*options)
        replica = redis("--replicaof", f"127.0.0.1 {master.port}", *options)
        wait_until(lambda: is_linked(replica), "replication", 30)
        # A failover chooses a replica that the master considers up to date.
        wait_until(lambda: "state=online" in master.cli("INFO", "replication"), "the replica", 30)
        return master, replica

    return make


def is_linked(replica):
    return "master_link_status:up" in replica.cli("INFO", "replication")


def role(redis):
    return redis.cli("ROLE").split("\n")[0]


def exchange(master, replica):
    """As an administrator does it, without a failover."""
    replica.cli("REPLICAOF", "NO", "ONE")
    master.cli("REPLICAOF", "127.0.0.1", str(replica.port))


class Listener:
    """Receives the messages of a channel, on a separate connection."""

    def __init__(self, redis, channel):
        self.socket = socket.create_connection(("127.0.0.1", redis.port), timeout=30)
        self.socket.sendall(f"SUBSCRIBE {channel}\r\n".encode())
        self.received = b""
        self.read_until(lambda data: data.endswith(b":1\r\n"))

    def read_until(self, enough):
        while not enough(self.received):
            self.received += self.socket.recv(65_536)
        return self.received


def test_the_first_publication_after_a_role_change_is_503(master_and_replica, start):
    master, replica = master_and_replica()
    server = start(f"broker.url={master.url}")
    wait_ready(server)
    for number in range(3):
        publish(server, f"taken {number}")
        exchange(master, replica)
        status, headers, body = post(server, "lost")
        assert status == 503 and headers["Retry-After"] == "1"
        assert REPLICA in json.loads(body)["detail"]
        ready, told = readiness(server)
        assert not ready and REPLICA in told["faults"][0]
        assert told["broker"]["gaps"] == number + 1
        master.cli("REPLICAOF", "NO", "ONE")
        replica.cli("REPLICAOF", "127.0.0.1", str(master.port))
        wait_ready(server)
    wait_logged(server, "subscriptions are in effect again", 3)


def test_a_role_change_is_noticed_without_publications(master_and_replica, start, client):
    master, replica = master_and_replica()
    server = start(f"broker.url={master.url}", "broker.on_gap=close")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: master.subscribers(NEWS) == 1, "the subscription", 30)
    exchange(master, replica)
    assert closed(listener) == (1012, "publications may have been missed")
    told = wait_not_ready(server)
    assert told["broker"]["gaps"] == 1 and told["faults"][0].count(REPLICA) == 2
    wait_logged(server, "subscriptions are lost: publications may be missed")
    # This doesn't change, even with new attempts to connect.
    clients = lambda: master.cli("INFO", "stats").split("total_connections_received:")[1]
    before = int(clients().split()[0])
    wait_until(lambda: int(clients().split()[0]) > before + 20, "further attempts", 30)
    ready, told = readiness(server)
    assert not ready and told["broker"]["gaps"] == 1
    assert post(server, "lost")[0] == 503


def test_a_replica_is_not_ready_from_the_start_until_it_is_promoted(
    master_and_replica, start, client
):
    master, replica = master_and_replica()
    server = start(f"broker.url={replica.url}")
    wait_until(lambda: REPLICA in str(readiness(server)[1]["faults"]), "the reason", 30)
    assert post(server, "lost")[0] == 503
    replica.cli("REPLICAOF", "NO", "ONE")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: replica.subscribers(NEWS) == 1, "the subscription", 30)
    crosses([server], [listener])


def test_a_failover_is_followed_and_no_lost_publication_counts_as_accepted(
    master_and_replica, proxy, start, client
):
    master, replica = master_and_replica()
    # Like a name that leads to the new master after a failover.
    name = proxy(master, lambda data: data)
    server = start(f"broker.url={name.url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: master.subscribers(NEWS) == 1, "the subscription", 30)
    # The replica's subscribers receive the master's messages, and then its own.
    elsewhere = Listener(replica, NEWS)
    outcomes, is_over = [], threading.Event()

    def publish_on():
        while not is_over.is_set():
            text = f"message {len(outcomes)}."
            outcomes.append((text, post(server, text)[0]))

    publisher = threading.Thread(target=publish_on)
    publisher.start()
    wait_until(lambda: len(outcomes) >= 20, "publications", 30)
    assert master.cli("FAILOVER") == "OK"
    wait_until(lambda: role(master) == "slave" and role(replica) == "master", "the failover", 30)
    assert REPLICA in str(wait_not_ready(server)["faults"])
    count = len(outcomes)
    wait_until(lambda: len(outcomes) >= count + 20, "publications", 30)
    name.target = replica.port
    wait_ready(server)
    is_over.set()
    publisher.join()
    wait_until(lambda: replica.subscribers(NEWS) == 2, "both subscriptions", 30)
    publish(server, "the end")
    arrived = elsewhere.read_until(lambda data: b"the end" in data).decode("latin-1")
    claimed = [text for text, status in outcomes if status == 200]
    assert len(claimed) >= 20 and {status for _, status in outcomes} == {200, 503}
    assert [text for text in claimed if text not in arrived] == []
    assert readiness(server)[1]["broker"]["gaps"] == 1
    while listener.recv(timeout=30) != "the end":
        pass


def test_a_redis_that_hides_its_role_is_accepted(redis, start, client):
    broker = redis("--rename-command", "HELLO", "")
    server = start(f"broker.url={broker.url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    crosses([server], [listener])


def test_replicas_in_a_cluster_are_as_good_as_masters(redis, start, client):
    # Each node passes publications on to all others.
    options = ("--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0")
    nodes = [redis(*options, "--cluster-port", str(port_that_no_client_gets())) for _ in range(2)]
    master, replica = nodes
    master.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    master.cli("CLUSTER", "SET-CONFIG-EPOCH", "1")
    bus = replica.command[replica.command.index("--cluster-port") + 1]
    master.cli("CLUSTER", "MEET", "127.0.0.1", str(replica.port), bus)
    own = master.cli("CLUSTER", "MYID")
    wait_until(lambda: own in replica.cli("CLUSTER", "NODES"), "the meeting", 30)
    replica.cli("CLUSTER", "REPLICATE", own)
    wait_until(lambda: role(replica) == "slave" and is_linked(replica), "the replica", 30)
    servers = [start(f"broker.url={node.url}") for node in nodes]
    wait_ready(*servers)
    clients = [client(server, "/ws/redis/news") for server in servers]
    for node in nodes:
        wait_until(lambda: node.subscribers(NEWS) == 1, "the subscription", 30)
    crosses(servers, clients)
