"""What shared contexts save on the wire, and that plain zlib inflates it, window and all."""

import random
import zlib

import pytest
from negotiation import CLIENT_BITS, NAME, SERVER_FLAG
from tap import Inflater, Message
from test_deflate_negotiation import offering
from test_topics import quote
from wire import TEXT

BROWSER = f"{NAME}; {CLIENT_BITS}"


class Reader:
    """A subscriber as it is on the wire."""

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
