"""Clients of `websockets` or `aiohttp` that join and leave topics at random and check the messages.

python churn.py KIND URL TAPPED CLIENTS SEED TOTAL

A client receives consecutive numbers of each topic, from its first message until it leaves, and
checks every byte. The clients at the end receive the last number, which is TOTAL - 1. The first
client connects to TAPPED, where its bytes are recorded (`tap.py`).

Prints `ready` when all have joined, and at the end the results as JSON. `churn.js` does the same in
Node and in browsers, and `go_clients/churn.go` in Go. `test_topics_churn.py` describes their
protocol.
"""

import asyncio
import collections
import functools
import json
import random
import sys

import aiohttp
import websockets.asyncio.client

TOPICS = 50
SYMBOLS = ("APUS", "SWFT", "LARK")


@functools.lru_cache(20_000)
def content(topic, number):
    """Returns the content for a number of a topic: small events, some tiny, long, binary or random.

    Random ones don't shrink at all, and tiny ones only after others.
    """
    x = (number * 2_654_435_761 + topic * 40_503) & 0xFFFFFFFF
    bid = x % 90_000
    event = (
        f'{{"type":"quote","symbol":"{SYMBOLS[x % 3]}","bid":{bid},"ask":{bid + 7},'
        f'"venue":"XAMS","note":"{"steady " * (number % 9)}"}}'
    )
    match number % 32:
        case 3: event = f"up {x % 10}"
        case 7: event *= 20
        case 15: event = "".join(str(each) for each in noise(x, 40))
        case 19: return f"t{topic} {number} ".encode() + bytes(each >> 24 for each in noise(x, 300))
    text = f"t{topic} {number} {event}"
    return text.encode() if number % 32 == 11 else text


def noise(x, count):
    for _ in range(count):
        x = (x * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        yield x


class WithWebsockets:
    async def connect(self, url):
        self.socket = await websockets.asyncio.client.connect(
            url, proxy=None, ping_interval=None, max_queue=None, open_timeout=30)
        assert self.socket.protocol.extensions
        self.send, self.receive = self.socket.send, self.socket.recv

    async def leave(self):
        await self.socket.close()

    def abort(self):
        self.socket.transport.abort()


class WithAiohttp:
    async def connect(self, url):
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(url, compress=15, max_msg_size=0)
        assert self.socket.compress
        self.send = self.socket.send_str

    async def receive(self):
        message = await self.socket.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return message.data

    async def leave(self):
        await self.socket.close()
        await self.session.close()

    def abort(self):
        self.socket._response.connection.transport.abort()


class Client:
    """Runs connections one after the other, each for a random time."""

    def __init__(self, crowd, url, seed):
        self.crowd, self.url, self.chosen = crowd, url, random.Random(seed)
        self.floor = {}  # of the topics that it left: later messages have higher numbers

    async def run(self):
        while not await self.live():
            pass
        await self.connection.leave()

    async def live(self):
        """Returns whether it stayed until the end."""
        self.next = {}  # by subscribed topic; None means that nothing has arrived
        self.private = collections.deque()
        self.connection = self.crowd.kind()
        await self.connection.connect(self.url)
        for topic in self.chosen.sample(range(TOPICS), self.chosen.randrange(1, 4)):
            await self.subscribe(topic)
        self.crowd.joined()
        while True:
            for _ in range(self.chosen.randrange(5, 60)):
                if self.is_at_the_end():
                    await self.say(60)
                    return True
                await self.step()
            match self.chosen.randrange(8):
                case 0 | 1: await self.say(2)
                case 2 | 3: await self.say(60)  # compressed, so that it has its own context
                case 4 | 5 if self.crowd.begin():
                    await self.unsubscribe(self.chosen.choice([*self.next]))
                    others = [topic for topic in range(TOPICS) if topic not in self.next]
                    await self.subscribe(self.chosen.choice(others))
                    self.crowd.end()
                case 6 if self.crowd.begin():
                    await self.connection.leave()
                    self.forget()
                    return False
                case 7 if self.crowd.begin():
                    self.connection.abort()
                    await self.connection.leave()
                    self.forget()
                    return False

    def forget(self):
        for topic, number in self.next.items():
            if number is not None:
                self.floor[topic] = number

    def is_at_the_end(self):
        return all(number == self.crowd.total for number in self.next.values())

    async def subscribe(self, topic):
        await self.connection.send(f"subscribe t{topic}")
        while topic not in self.next:
            await self.step()

    async def unsubscribe(self, topic):
        await self.connection.send(f"unsubscribe t{topic}")
        while topic in self.next:
            await self.step()

    async def say(self, length):
        self.private.append(f"private {self.crowd.privates} " + "between us, " * length)
        self.crowd.privates += 1
        await self.connection.send("echo\n" + self.private[-1])
        while self.private:
            await self.step()

    async def step(self):
        message = await self.connection.receive()
        text = message if isinstance(message, str) else message.decode("latin-1")
        word, _, rest = text.partition(" ")
        if word == "private":
            assert message == self.private.popleft()
        elif word == "subscribed":
            topic = int(rest[1:])
            assert topic not in self.next
            self.next[topic] = None
        elif word == "unsubscribed":
            topic = int(rest[1:])
            if (number := self.next.pop(topic)) is not None:
                self.floor[topic] = number
        else:
            topic, number = int(word[1:]), int(rest.partition(" ")[0])
            expected = self.next[topic]
            if expected is None:
                assert number >= self.floor.get(topic, 0), (topic, number)
            else:
                assert number == expected, (topic, number, expected)
            assert message == content(topic, number), (topic, number)
            self.next[topic] = number + 1
            self.crowd.deliveries += 1


class Crowd:
    """The clients of this process, and one that follows the pace of the publishers."""

    def __init__(self, kind, url, count, total):
        self.kind, self.url, self.total = kind, url, total
        self.joins = self.deliveries = self.privates = 0
        self.busy = count  # the clients that are joining, leaving or changing topics
        self.settles = False
        self.idle = asyncio.Event()

    def begin(self):
        if not self.settles:
            self.busy += 1
        return not self.settles

    def end(self):
        self.busy -= 1
        if self.busy == 0:
            self.idle.set()

    def joined(self):
        self.joins += 1
        self.end()

    async def keep_pace(self):
        """Runs until `settle` is answered; then all clients stay where they are."""
        pacer = self.kind()
        await pacer.connect(self.url)
        await pacer.send("subscribe pace")
        assert await pacer.receive() == "subscribed pace"
        await self.idle.wait()
        print("ready", flush=True)
        while (word := await pacer.receive()) != "end":
            if word == "settle":
                self.settles = True
                self.idle.clear()
                if self.busy:
                    await self.idle.wait()
            await pacer.send(f"publish paced\n{word}")
        await pacer.leave()


async def main(kind, url, tapped, count, seed, total):
    kinds = {"websockets": WithWebsockets, "aiohttp": WithAiohttp}
    crowd = Crowd(kinds[kind], url, int(count), int(total))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.keep_pace())
        for index in range(int(count)):
            client = Client(crowd, url if index else tapped, f"{seed} {index}")
            tasks.create_task(client.run())
    seen = {"joins": crowd.joins, "deliveries": crowd.deliveries, "privates": crowd.privates}
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
