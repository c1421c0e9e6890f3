"""The savings of shared contexts on the wire, and their decompression by plain zlib with its
window.
"""

import random
import zlib

import pytest
from negotiation import CLIENT_BITS, NAME, SERVER_FLAG
from tap import TAIL, Inflater, Message
from test_deflate_negotiation import offering
from test_topics import quote
from wire import TEXT

BROWSER = f"{NAME}; {CLIENT_BITS}"


class Reader:
    """A subscriber that sees exact frames."""

    def __init__(self, server, offer, topics):
        self.wire, self.answer = offering(server, offer, path="/topics")
        self.inflate = Inflater(15, keeps=SERVER_FLAG not in (self.answer or ""))
        for topic in topics:
            self.wire.send_text(f"subscribe {topic}")
            assert self.text() == f"subscribed {topic}"

    def frame(self):
        frame = self.wire.frame()
        assert frame.opcode == TEXT and frame.fin
        return frame

    def text(self):
        frame = self.frame()
        return self.inflate(Message(TEXT, bool(frame.rsv), frame.payload)).decode()


def ratio(server, offer, topics, count=1_000):
    chosen = random.Random(3)
    readers = [Reader(server, offer, topics) for _ in range(3)]
    plain = wire = 0
    with readers[0].wire, readers[1].wire, readers[2].wire:
        for number in range(count):
            text = quote(chosen)
            readers[0].wire.send_text(f"publish {topics[number % len(topics)]}\n{text}")
            for reader in readers:
                frame = reader.frame()
                content = reader.inflate(Message(TEXT, bool(frame.rsv), frame.payload))
                assert content.decode() == text
            plain += 2 + len(text)
            wire += 2 + len(frame.payload)
    return wire / plain


@pytest.mark.parametrize("engine", ["auto", "zlib"])
def test_small_events_shrink_to_a_quarter(start, engine, record_property):
    server = start("server.loops=1", f"compression.engine={engine}", args=["--tools"])
    one = ratio(server, BROWSER, ["quotes"])
    three = ratio(server, BROWSER, ["a", "b", "c"])
    alone = ratio(server, f"{BROWSER}; {SERVER_FLAG}", ["quotes"])
    record_property("ratios", [round(each, 3) for each in (one, three, alone)])
    print(engine, one, three, alone)
    assert one <= 0.27
    assert three <= 0.36
    assert 0.7 < alone <= 1


def stands_alone(payload, text):
    """Returns whether a decompressor without a history restores the text."""
    try:
        return zlib.decompressobj(-15).decompress(payload + TAIL) == text.encode()
    except zlib.error:
        return False


def test_a_context_is_shared_from_two_subscribers_on(start):
    """A single subscriber of a loop receives small messages plain, others compressed alone."""
    server = start("server.loops=1", args=["--tools"])
    chosen = random.Random(4)
    one, two, publisher = (Reader(server, BROWSER, topics) for topics in (["quotes"], [], []))

    def published(text, *readers):
        publisher.wire.send_text(f"publish quotes\n{text}")
        frames = [reader.frame() for reader in readers]
        for reader, frame in zip(readers, frames):
            assert reader.inflate(Message(TEXT, bool(frame.rsv), frame.payload)).decode() == text
        return frames

    def alone():
        for _ in range(10):
            assert published(quote(chosen), one)[0].rsv == 0
            long = "".join(quote(chosen) for _ in range(4))
            frame = published(long, one)[0]
            assert frame.rsv and stands_alone(frame.payload, long)

    with one.wire, two.wire, publisher.wire:
        alone()
        for _ in range(3):
            two.wire.send_text("subscribe quotes")
            assert two.text() == "subscribed quotes"
            published(quote(chosen), one, two)  # the previous ones differ
            for _ in range(20):
                text = quote(chosen)
                first, second = published(text, one, two)
                assert first.rsv and first.payload == second.payload
                assert not stands_alone(first.payload, text)
                assert len(first.payload) < len(text) / 2
            two.wire.send_text("unsubscribe quotes")
            assert two.text() == "unsubscribed quotes"
            alone()
