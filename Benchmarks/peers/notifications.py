"""Tasks posted at a steady rate, and the notifications of them that subscribers get."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop

DEADLINE = 30.0
# So that nothing that happens once only counts.
WARM_UP_POSTS = 10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    subscribers: int
    posts_per_second: float
    seconds: float

    @property
    def posts(self) -> int:
        return max(1, round(self.posts_per_second * self.seconds))


def cpu_seconds(pid: int) -> tuple[float, float]:
    """All CPU and user CPU that a process has taken, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / TICKS_PER_SECOND, user / TICKS_PER_SECOND


def busy_seconds() -> float:
    """All CPU that the machine has spent, interrupts too."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / TICKS_PER_SECOND


class Scenario:
    """One run: subscribers that each check what they get, and one who posts."""

    def __init__(self, base: str, load: Load) -> None:
        self.base = base
        self.load = load
        self.posted_at: dict[str, float] = {}
        self.received = 0
        self.latencies: list[float] = []
        self.faults: list[str] = []
        self.done = asyncio.Event()
        self.expected = 0

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        next_number = 0
        async for message in socket:
            wanted = f"New task created: {self.title(next_number)}"
            if message.type is not aiohttp.WSMsgType.TEXT or message.data != wanted:
                self.faults.append(f"got {str(message.data)[:60]!r}, not {wanted!r}")
                self.done.set()
                return
            if next_number >= WARM_UP_POSTS:
                self.latencies.append(time.perf_counter() - self.posted_at[wanted])
            next_number += 1
            self.received += 1
            if self.received == self.expected:
                self.done.set()

    @staticmethod
    def title(number: int) -> str:
        return f"task {number} of those that are measured"

    async def post(self, session: aiohttp.ClientSession, number: int) -> None:
        title = self.title(number)
        self.posted_at[f"New task created: {title}"] = time.perf_counter()
        task = {"id": number + 1, "title": title, "description": "written by the benchmark"}
        async with session.post(f"{self.base}/tasks", json=task) as response:
            if response.status != 200:
                raise ValueError(f"POST /tasks: {response.status} {(await response.text())[:60]}")
            await response.read()

    async def send(self, session: aiohttp.ClientSession, numbers: range, gap: float) -> None:
        """Posts one after another at their times, and waits until all have all of them."""
        self.expected += len(numbers) * self.load.subscribers
        self.done.clear()
        begin = time.perf_counter()
        for index, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, begin + index * gap - time.perf_counter()))
            await self.post(session, number)
        await asyncio.wait_for(self.done.wait(), DEADLINE)
        if self.faults:
            raise ValueError(self.faults[0])

    async def run(self, pid: int) -> dict:
        load = self.load
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            sockets = [
                await session.ws_connect(f"{self.base}/ws/notifications/tasks", compress=0)
                for _ in range(load.subscribers)
            ]
            listeners = [asyncio.create_task(self.listen(socket)) for socket in sockets]
            await self.send(session, range(WARM_UP_POSTS), 0.05)
            busy, own = busy_seconds(), time.process_time()
            (cpu, user), begin = cpu_seconds(pid), time.perf_counter()
            last = WARM_UP_POSTS + load.posts
            await self.send(session, range(WARM_UP_POSTS, last), 1 / load.posts_per_second)
            (cpu_after, user_after), end = cpu_seconds(pid), time.perf_counter()
            own, busy = time.process_time() - own, busy_seconds() - busy
            for listener in listeners:
                listener.cancel()
        count, wall, cpu = load.posts * load.subscribers, end - begin, cpu_after - cpu
        quantiles = statistics.quantiles(self.latencies, n=100)
        return {
            "messages": count, "messages_per_second": count / wall,
            "server": {
                "cpu_microseconds_per_message": cpu * 1e6 / count,
                "user_microseconds_per_message": (user_after - user) * 1e6 / count,
                "busy": cpu / wall,
            },
            "generator_busy": [own / wall],
            "machine": {"other_busy": (busy - cpu - own) / wall},
            "latency_microseconds": {
                "p50": quantiles[49] * 1e6, "p99": quantiles[98] * 1e6,
            },
        }


def measure(port: int, pid: int, load: Load) -> dict:
    """One run against a server that has no tasks yet, in the form of those of run_case.py."""
    async def run() -> dict:
        return await Scenario(f"http://127.0.0.1:{port}", load).run(pid)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return {"bench": runner.run(run())}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
