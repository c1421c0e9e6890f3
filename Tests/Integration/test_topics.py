"""Topics with third-party clients: every frame of a shared context decompresses, in order."""

import asyncio
import base64
import contextlib
import json
import pathlib
import random
import socket
import struct
import subprocess

import pytest
import websockets.asyncio.client
from apus import clean_environment
from chromium import chromium
from deflate import MIB
from firefox import firefox
from test_node import NODE_WITH_UNDICI, node_environment
from wire import CLOSE, TEXT, Wire, frame

COLLECT = pathlib.Path(__file__).parent / "topics_collect.js"
TOPICS = ("quotes", "chat", "books")


@pytest.fixture(scope="module")
def topics():
    """Returns a server on two loops, with /topics."""
    from conftest import shared

    with shared("server.loops=2", args=["--tools"]) as server:
        yield server


def quote(chosen):
    """Returns an event of a feed, about 120 bytes."""
    bid = chosen.randrange(10_000, 90_000)
    symbol = chosen.choice(["APUS", "SWFT", "LARK"])
    return json.dumps(
        {"type": "quote", "symbol": symbol, "currency": "EUR", "bid": bid / 100,
         "ask": (bid + 7) / 100, "volume": chosen.randrange(5_000), "venue": "XAMS"}
    )


def payloads(seed, count=300):
    """Returns the publications: mostly small events, some large, empty, binary or random ones."""
    chosen = random.Random(seed)
    for number in range(count):
        topic = chosen.choice(TOPICS)
        match number % 20:
            case 5: content = ""
            case 9: content = chosen.randbytes(chosen.randrange(3_000))
            case 13: content = "order book " + " ".join(quote(chosen) for _ in range(60))
            case 17: content = bytes(chosen.randrange(70_000))
            case _: content = quote(chosen)
        yield topic, content
    for topic in TOPICS:
        yield topic, f"end {topic}"


def by_topic(published):
    found = {topic: [] for topic in TOPICS}
    for topic, content in published:
        found[topic].append(content)
    return found


async def publish(server, published):
    """Publishes everything from one client, so that one order is known."""
    async with websockets.asyncio.client.connect(server.ws("/topics"), proxy=None) as socket:
        for topic, content in published:
            head = f"publish {topic}\n"
            text = isinstance(content, str)
            await socket.send(head + content if text else head.encode() + content)
        await socket.send("echo\ndone")
        assert await socket.recv() == "done"


def check(received, published):
    """Checks that the messages of one publisher arrive in its order, whatever the topics."""
    own = [message for message in received if not str(message).startswith("private ")]
    assert own == [content for _, content in published]
    private = [message for message in received if str(message).startswith("private ")]
    assert len(private) == len(own) // 40 or private
    for message in private:
        assert message.endswith("what only one is told, " * 30)


class Collector:
    """A program that subscribes to the topics and prints the messages until all have ended."""

    def __init__(self, server, command, environment):
        self.process = subprocess.Popen(
            [*command, server.ws("/topics"), *TOPICS],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def __enter__(self):
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()
        return self

    def received(self):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return [content_of(message) for message in json.loads(out)]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run_collector(server, command, environment, published):
    """Three at once, so that two of them are on one loop: a single one has no context to share."""
    collectors = [Collector(server, command, environment) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        for collector in collectors:
            stack.enter_context(collector)
        asyncio.run(publish(server, published))
        for collector in collectors:
            check(collector.received(), published)


def content_of(message):
    return message["text"] if "text" in message else base64.b64decode(message["binary"])


def test_node_ws(topics, program):
    published = list(payloads(1))
    node = program("node", "nodejs", package="node-ws")
    command = [node, str(COLLECT), "ws"]
    run_collector(topics, command, node_environment(node), published)


def test_undici(topics):
    published = list(payloads(2))
    command = [NODE_WITH_UNDICI, str(COLLECT), "undici"]
    run_collector(topics, command, clean_environment(), published)


@pytest.mark.parametrize("client", ["gorilla", "nhooyr", "nhooyr-takeover"])
def test_go(topics, go_clients, client):
    """The last client has context takeover, so it receives frames of a shared context."""
    published = list(payloads(4))
    run_collector(topics, [go_clients, client], clean_environment(), published)


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_a_browser(topics, program, name):
    published = list(payloads(3))

    def collect(page):
        script = COLLECT.read_text()
        names = json.dumps(TOPICS)
        page.evaluate(
            f"""(async () => {{
                {script}
                const all = [0, 1, 2].map(() => {{
                    const socket = new WebSocket("ws://" + location.host + "/topics");
                    let collected;
                    const ready = new Promise((ready) => {{
                        collected = collect(socket, {names}, ready);
                    }});
                    return {{ ready, collected }};
                }});
                await Promise.all(all.map((each) => each.ready));
                window.collected = Promise.all(all.map((each) => each.collected));
                return "ready";
            }})()"""
        )
        asyncio.run(publish(topics, published))
        found = page.evaluate("window.collected.then((all) => JSON.stringify(all))")
        assert len(json.loads(found)) == 3
        for received in json.loads(found):
            check([content_of(message) for message in received], published)

    if name == "chromium":
        with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
            collect(browser.page(topics.url("/")))
    else:
        with firefox(program("firefox-esr", "firefox", package="firefox-esr")) as page:
            page.go(topics.url("/"))
            collect(page)


def data_segments_in(sock):
    """Returns the TCP segments with data that a socket has received: `tcpi_data_segs_in`."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("I", told, 152)[0]


@pytest.mark.parametrize("mode", ("plain", "shared", "own"))
@pytest.mark.parametrize("publications", (1, 3))
def test_messages_of_one_turn_are_sent_together(start, mode, publications):
    """A reply and publications: one system call, and so one segment."""
    offer = {} if mode == "plain" else {"Sec_WebSocket_Extensions": "permessage-deflate"}
    takeover = "per_connection" if mode == "own" else "shared"
    server = start(
        "server.loops=1", f"compression.context_takeover={takeover}", args=["--tools"])
    with contextlib.ExitStack() as stack:
        wires = []
        for _ in range(3 if mode == "plain" else 1):
            wires.append(stack.enter_context(Wire.to(server, "/topics", **offer)))
            wires[-1].send_text("subscribe news")
            assert wires[-1].text() == "subscribed news"
        wire = wires[-1]
        before = data_segments_in(wire.socket)
        published = [f"{number}" for number in range(publications)]
        said = [f"publish news\n{text}" for text in published]
        wire.send(b"".join(frame(TEXT, text.encode()) for text in ["echo\nreply", *said]))
        assert [wire.text() for _ in range(1 + publications)] == ["reply", *published]
        assert data_segments_in(wire.socket) == before + 1


def test_a_reply_and_the_close_frame_of_a_subscriber_are_sent_together(start):
    server = start("server.loops=1", args=["--tools"])
    with Wire.to(server, "/topics") as wire:
        wire.send_text("subscribe news")
        assert wire.text() == "subscribed news"
        before = data_segments_in(wire.socket)
        wire.send(frame(TEXT, b"echo\nreply") + frame(TEXT, b"what?"))
        assert wire.text() == "reply"
        assert wire.frame().opcode == CLOSE
        assert data_segments_in(wire.socket) == before + 1


def test_the_cost_of_publishing_does_not_grow_with_the_number(start, peak_within):
    """No part of a publication without subscribers is kept either."""
    server = start("server.loops=1", args=["--tools"])
    batch = frame(TEXT, b"publish nobody\nhears this") * 1_000
    with Wire.to(server, "/topics") as wire:
        wire.socket.settimeout(30)
        spent = []

        def publish_ten_thousand():
            before = server.cpu_seconds()
            for _ in range(10):
                wire.send(batch)
            wire.send_text("echo\ndone")
            assert wire.text() == "done"
            spent.append(server.cpu_seconds() - before)

        publish_ten_thousand()
        with peak_within(server, 0, slack=2 * MIB):
            for _ in range(9):
                publish_ten_thousand()
    # CPU time is counted in whole ticks.
    assert min(spent[-3:]) < 2 * max(spent[:3]) + 0.1, spent
