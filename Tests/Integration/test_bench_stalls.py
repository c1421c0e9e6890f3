"""The results of `apus bench --rate` with a server that stalls: clients that arrive meanwhile wait
as well.
"""

import asyncio
import contextlib
import json
import threading

import apus
import pytest
from websockets.asyncio.server import broadcast, serve

pytestmark = pytest.mark.alone

RATE = ("--rate", "100", "--connections", "4", "--warmup", "0s")


@contextlib.contextmanager
def server(after, seconds, echoes=True):
    """PyPI's `websockets`: after message number `after`, nobody is answered for some seconds."""
    listening = threading.Event()

    async def main():
        nonlocal port, loop, end
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        count, free, members = 0, asyncio.Event(), set()
        free.set()

        async def talk(connection):
            nonlocal count
            members.add(connection)
            async for message in connection:
                count += 1
                if count == after:
                    free.clear()
                    loop.call_later(seconds, free.set)
                await free.wait()
                if echoes:
                    await connection.send(message)
                else:
                    broadcast(members, message)

        async with serve(talk, "127.0.0.1", 0, compression=None) as running:
            port = running.sockets[0].getsockname()[1]
            listening.set()
            await end.wait()
            free.set()

    port = loop = end = None
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert listening.wait(30)
        yield f"ws://127.0.0.1:{port}/"
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def figures(scenario, url, duration):
    done = apus.run("bench", scenario, url, *RATE, "--duration", duration, "--json", seconds=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_stall_counts_for_all_messages_due_meanwhile():
    with server(after=50, seconds=0.5) as url:
        found = figures("echo", url, "2s")
    latency = found["latency_microseconds"]
    assert 300_000 < latency["max"] and 200_000 < latency["p99"]
    # Messages before it, or long after, didn't wait.
    assert latency["p50"] < 100_000


@pytest.mark.parametrize("scenario", ["echo", "fanout"])
def test_a_stall_up_to_the_end_is_noticed(scenario):
    # 30 messages of 100 are answered.
    with server(after=30, seconds=60, echoes=scenario == "echo") as url:
        found = figures(scenario, url, "1s")
    latency = found["latency_microseconds"]
    assert 300_000 < latency["max"] and 300_000 < latency["p99"]
    assert found["unanswered"] >= 30


def test_a_server_that_answers_at_once_has_no_delay():
    with server(after=0, seconds=0) as url:
        found = figures("echo", url, "1s")
    assert found["unanswered"] < 30, "what is under way"


def closed_loop(scenario, url, *options):
    return apus.run(
        "bench", scenario, url, "--connections", "4", "--warmup", "0s", "--duration", "1s",
        *options, seconds=60,
    )


@pytest.mark.parametrize("scenario", ["echo", "fanout"])
def test_a_closed_loop_reports_a_stall_that_lasts_to_the_end(scenario):
    # Four connections have a message each under way, or four subscribers miss one message.
    with server(after=30, seconds=60, echoes=scenario == "echo") as url:
        found = json.loads(closed_loop(scenario, url, "--json").stdout)
        done = closed_loop(scenario, url)
    assert found["unanswered"] == 4 and found["longest_unanswered_microseconds"] > 300_000
    assert found["latency_microseconds"]["max"] > 300_000
    assert any("the server stopped answering" in words for words in found["warnings"])
    # That server is in its stall from the beginning of this run.
    what = "messages" if scenario == "echo" else "deliveries"
    assert done.returncode == 1 and done.stdout == ""
    assert f"nothing came back: 4 {what} are unanswered, the longest for " in done.stderr


def test_a_closed_loop_does_not_report_messages_on_their_way():
    with server(after=0, seconds=0) as url:
        done = closed_loop("echo", url)
    assert done.returncode == 0 and "unanswered" not in done.stdout
