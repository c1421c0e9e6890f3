"""Many subscribers in one process: each delivery is timed, and each message compared.

python crowd.py HOST PORT COUNT TOPIC...

Every second one uses compression with a context. Prints `ready`, then each number of the first
topic when all have received it. For each line of input it prints the 99th percentile of the
deliveries since the last one, by phase, in milliseconds, as JSON. `message` creates the
publications.
"""

import functools
import json
import random
import select
import sys
import time
import types
import zlib

from wire import TEXT, Wire

DEFLATE = {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}


@functools.lru_cache(64)
def filler(topic, number, size):
    return random.Random(f"{topic} {number}").randbytes(size // 2).hex()


def message(phase, topic, number, size):
    """Returns a message with its time of creation, by the clock that all processes share."""
    head = json.dumps({"phase": phase, "topic": topic, "number": number, "size": size,
                       "made": time.monotonic()})
    return f"{head}\n{filler(topic, number, size)}"


def checked(text):
    """Returns the fields of such a message."""
    head, _, rest = text.partition("\n")
    head = json.loads(head)
    assert rest == filler(head["topic"], head["number"], head["size"]), head
    return head


class Subscriber:
    """A connection to /topics that decompresses its messages."""

    def __init__(self, server, topics, deflates, **options):
        self.wire = Wire.to(server, "/topics", **(DEFLATE if deflates else {}), **options)
        self.inflater = zlib.decompressobj(-15)
        self.last = {}
        for topic in topics:
            self.wire.send_text(f"subscribe {topic}")
            assert self.text() == f"subscribed {topic}"

    def text(self):
        return self.read(self.wire.frame())

    def read(self, frame):
        assert frame.opcode == TEXT and frame.fin, frame
        if not frame.rsv:
            return frame.payload.decode()
        return self.inflater.decompress(frame.payload + b"\x00\x00\xff\xff").decode()


def main(host, port, count, *topics):
    server = types.SimpleNamespace(host=host, port=int(port), authority=f"{host}:{port}")
    poll = select.epoll()
    subscribers = {}
    for index in range(int(count)):
        one = Subscriber(server, topics, deflates=index % 2 == 1)
        subscribers[one.wire.socket.fileno()] = one
        poll.register(one.wire.socket, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    print("ready", flush=True)
    times, missing = {}, {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == sys.stdin.fileno():
                if not sys.stdin.readline():
                    return
                print(json.dumps({phase: p99(all) for phase, all in times.items()}), flush=True)
                times.clear()
                continue
            one = subscribers[descriptor]
            one.wire._more()
            now = time.monotonic()
            while one.wire.buffer:
                head = checked(one.text())
                topic, number = head["topic"], head["number"]
                assert number == one.last.get(topic, number - 1) + 1, head
                one.last[topic] = number
                times.setdefault(head["phase"], []).append((now - head["made"]) * 1_000)
                if topic == topics[0]:
                    missing[number] = missing.get(number, len(subscribers)) - 1
                    if missing[number] == 0:
                        print(number, flush=True)


def p99(times):
    return sorted(times)[len(times) * 99 // 100]


if __name__ == "__main__":
    main(*sys.argv[1:])
