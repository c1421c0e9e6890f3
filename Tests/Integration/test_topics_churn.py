"""200 clients of others that join and leave at random while much is published.

Four publishers fill forty topics, each of which numbers its messages; what a number stands for
follows from it (`churn.content`). In between the clients are sent echoes of their own, some of them
compressed. Publishers and clients go by rounds: a round is a word in the topic `pace`, which each
process of clients repeats in `paced`, and no more than two are under way. After the word `settle`
nobody joins or leaves any more, so that all who are there must see the end.
"""

import collections
import json
import os
import select
import subprocess
import sys
import time

from apus import Lines, clean_environment
from churn import TOPICS, content
from conftest import HERE
from test_node import node_environment
from wire import BINARY, TEXT, Wire, frame

# How much is published; `make soak` says more.
PUBLICATIONS = int(os.environ.get("APUS_TESTS_PUBLICATIONS", "100000"))
PUBLISHERS = 4
EACH = 5  # messages for each topic in a round
CLIENTS = {"websockets": 80, "aiohttp": 60, "ws": 60}


class Process:
    """Clients in a process of their own, and what it prints."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = Lines(self.process.stdout)
        self.errors = Lines(self.process.stderr)

    def line(self, number, seconds):
        found = self.lines.wait_for(
            lambda lines: lines[number] if len(lines) > number else None, seconds)
        assert found, self.failure()
        return found

    def failure(self):
        self.errors.wait_for(lambda lines: False, 5)
        return self.errors.text()[-5_000:]


def processes(server, program, total):
    node = program("node", "nodejs", package="node-ws")
    for seed, (kind, count) in enumerate(CLIENTS.items()):
        with_node = [node, str(HERE / "churn.js")]
        command = [sys.executable, str(HERE / "churn.py"), kind]
        yield Process(
            [*(with_node if kind == "ws" else command),
             server.ws("/topics"), str(count), str(seed), str(total)],
            node_environment(node) if kind == "ws" else clean_environment())


def publication(topic, number):
    what = content(topic, number)
    head = f"publish t{topic}\n"
    if isinstance(what, bytes):
        return frame(BINARY, head.encode() + what)
    return frame(TEXT, (head + what).encode())


class Conductor(Wire):
    """Says when a round begins, and hears who has come that far."""

    def begin(self):
        self.socket.settimeout(60)
        self.heard = collections.Counter()
        self.send_text("subscribe paced")
        assert self.text() == "subscribed paced"

    def say(self, word):
        self.send_text(f"publish pace\n{word}")

    def wait(self, word, crowds):
        """Until all processes have said it."""
        deadline = time.monotonic() + 60
        while self.heard[str(word)] < len(crowds):
            if self.buffer or select.select([self.socket], [], [], 1)[0]:
                self.heard[self.text()] += 1
            for crowd in crowds:
                assert crowd.process.poll() is None, crowd.failure()
            assert time.monotonic() < deadline, word


def run_rounds(conductor, publishers, crowds, rounds):
    numbers = [0] * TOPICS
    for number in range(rounds):
        if number == rounds - 4:
            for waited in range(max(0, number - 2), number):
                conductor.wait(waited, crowds)
            conductor.say("settle")
            conductor.wait("settle", crowds)
        elif number >= 2 and not rounds - 4 < number < rounds - 2:
            conductor.wait(number - 2, crowds)
        for first, publisher in enumerate(publishers):
            batch = []
            for _ in range(EACH):
                for topic in range(first, TOPICS, PUBLISHERS):
                    batch.append(publication(topic, numbers[topic]))
                    numbers[topic] += 1
            publisher.send(b"".join(batch))
        conductor.say(number)
    conductor.say("end")


def test_what_two_hundred_see_who_come_and_go(start, program, record_property):
    rounds = PUBLICATIONS // (TOPICS * EACH)
    # What many small messages wait in has room for them: nobody is slow here for long.
    server = start(
        "server.loops=2", "limits.outbox.max=64MiB", "heartbeat.interval=0s", args=["--tools"])
    crowds = list(processes(server, program, rounds * EACH))
    try:
        for crowd in crowds:
            assert crowd.line(0, 30) == "ready"
        publishers = [Wire.to(server, "/topics") for _ in range(PUBLISHERS)]
        conductor = Conductor.to(server, "/topics")
        for wire in publishers:
            wire.socket.settimeout(60)
        conductor.begin()
        run_rounds(conductor, publishers, crowds, rounds)
        seen = [json.loads(crowd.line(1, 120)) for crowd in crowds]
        for crowd in crowds:
            assert crowd.process.wait(10) == 0, crowd.failure()
        for wire in (*publishers, conductor):
            wire.close()
    finally:
        for crowd in crowds:
            crowd.process.kill()
            crowd.process.wait()
    record_property("seen", seen)
    print(seen)
    for each, count in zip(seen, CLIENTS.values()):
        assert each["joins"] > 1.5 * count
        assert each["privates"] > 2 * count
    # 200 clients with one to three topics each, most of the time.
    assert sum(each["deliveries"] for each in seen) > 5 * PUBLICATIONS
