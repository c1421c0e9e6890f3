"""200 third-party clients that join and leave at random while much is published.

Four publishers fill fifty topics, each of which numbers its messages. The content follows from the
number (`churn.content`). In between, the clients receive their own echoes, some of them compressed.
Publishers and clients proceed in rounds: a round is a word in the topic `pace`, which each crowd of
clients repeats in `paced`, and at most two are in progress. After the word `settle` nobody joins or
leaves any more, so that all current clients must receive the end.

Some clients of each kind are recorded on the wire, so that their frames are known to include every
kind.
"""

import collections
import contextlib
import os
import select
import time
import types

import apus
import pytest
from churn import TOPICS, content
from churn_crowds import InPage, Process
from churn_frames import ALONE, OWN, PLAIN, SHARED, STORED, Frames
from chromium import chromium
from firefox import firefox
from tap import Tap
from wire import BINARY, TEXT, Wire, frame

pytestmark = pytest.mark.alone

# The amount of publications. `make soak` sets more, and a debug build takes several times as long.
PUBLICATIONS = int(
    os.environ.get("APUS_TESTS_PUBLICATIONS") or (30_000 if apus.is_debug_build() else 100_000)
)
PUBLISHERS = 4
EACH = 5  # messages for each topic in a round
# Few clients of Node: they decompress slowly, fall behind, and then join and leave less often.
CLIENTS = {
    "websockets": 35, "aiohttp": 30, "ws": 20, "undici": 15, "nhooyr": 40, "nhooyr-takeover": 45,
    "gorilla": 15, "chromium": 4, "firefox": 4,
}
# They offer `server_no_context_takeover`, so none of their messages refers to earlier ones.
WITHOUT_CONTEXT = {"nhooyr", "gorilla"}


def publication(topic, number):
    what = content(topic, number)
    head = f"publish t{topic}\n"
    if isinstance(what, bytes):
        return frame(BINARY, head.encode() + what)
    return frame(TEXT, (head + what).encode())


class Conductor(Wire):
    """Announces the beginning of each round, and receives the progress of the crowds."""

    def begin(self):
        self.socket.settimeout(60)
        self.heard = collections.Counter()
        self.send_text("subscribe paced")
        assert self.text() == "subscribed paced"

    def say(self, word):
        self.send_text(f"publish pace\n{word}")

    def wait(self, word, crowds):
        """Waits until all crowds have sent it."""
        deadline = time.monotonic() + 60
        while self.heard[str(word)] < len(crowds):
            if self.buffer or select.select([self.socket], [], [], 1)[0]:
                self.heard[self.text()] += 1
                continue
            for crowd in crowds:
                crowd.check()
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


def start_crowds(server, taps, tools, total, stack):
    """Starts the browsers last, because they take longest to start."""
    for seed, (kind, count) in enumerate(CLIENTS.items()):
        tap, numbers = taps[kind], (count, seed, total)
        if kind == "chromium":
            page = stack.enter_context(chromium(tools.chromium)).page(tap.url("/"))
            crowd = InPage(page, tap, *numbers)
        elif kind == "firefox":
            page = stack.enter_context(firefox(tools.firefox))
            page.go(tap.url("/"))
            crowd = InPage(page, tap, *numbers)
        else:
            urls = server.ws("/topics"), tap.ws("/topics")
            crowd = Process.of(kind, tools, *urls, *numbers)
        stack.callback(crowd.end)
        yield crowd


def check_frames(taps):
    """Every client negotiated compression, and each kind received all its kinds of frames."""
    groups = Frames()
    counts = {}
    for kind, tap in taps.items():
        frames = Frames()
        for conversation in tap.conversations:
            if conversation.upgraded:
                frames.add(conversation)
        counts[kind] = dict(frames.counts)
        expected = {PLAIN, ALONE, OWN}
        assert set(counts[kind]) == (
            expected if kind in WITHOUT_CONTEXT else expected | {STORED, SHARED}), kind
        for publication, ways in frames.shared.items():
            groups.shared[publication] |= ways
    # There are two loops: of three different frames, two were of the same loop.
    assert groups.most_groups() >= 3
    return counts, groups.most_groups()


def test_two_hundred_clients_that_join_and_leave(start, program, go_clients, record_property):
    tools = types.SimpleNamespace(
        node=program("node", "nodejs", package="node-ws"), go_clients=go_clients,
        chromium=program("chromium", "chromium-browser", package="chromium"),
        firefox=program("firefox-esr", "firefox", package="firefox-esr"))
    rounds = PUBLICATIONS // (TOPICS * EACH)
    # The backlog is large enough for many small messages: no client is slow here for long.
    server = start(
        "server.loops=2", "limits.outbox.max=64MiB", "heartbeat.interval=0s", args=["--tools"])
    with contextlib.ExitStack() as stack:
        taps = {kind: Tap(server) for kind in CLIENTS}
        for tap in taps.values():
            stack.callback(tap.close)
        crowds = list(start_crowds(server, taps, tools, rounds * EACH, stack))
        for crowd in crowds:
            crowd.wait_until_ready()
        publishers = [
            stack.enter_context(Wire.to(server, "/topics")) for _ in range(PUBLISHERS)]
        conductor = stack.enter_context(Conductor.to(server, "/topics"))
        for wire in publishers:
            wire.socket.settimeout(60)
        conductor.begin()
        run_rounds(conductor, publishers, crowds, rounds)
        seen = dict(zip(CLIENTS, [crowd.seen() for crowd in crowds]))
    frames, groups = check_frames(taps)
    record_property("seen", seen)
    record_property("frames", frames)
    for kind in CLIENTS:
        print(kind, seen[kind], frames[kind])
    print("groups", groups)
    for kind, count in CLIENTS.items():
        assert seen[kind]["joins"] > 1.5 * count, kind
        assert seen[kind]["privates"] > 2 * count, kind
    # 200 clients with one to three topics each, most of the time.
    assert sum(each["deliveries"] for each in seen.values()) > 5 * PUBLICATIONS
