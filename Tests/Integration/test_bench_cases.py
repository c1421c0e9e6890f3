"""`apus bench` on servers that answer in ways of their own, and what it tells of the machine."""

import contextlib
import json
import socket
import threading

import apus
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

SHORT = ("--duration", "500ms", "--warmup", "0s", "--connections", "10")


def bench(*args):
    """A run's JSON, and its exit status."""
    done = apus.run("bench", *args, "--json", seconds=60)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


class Hub:
    """PyPI's `websockets`: messages to `/publish` go to all of `/subscribe`."""

    def __init__(self, lists_late=False):
        self.subscribers = set()
        self.publishers = 0
        self.lists = threading.Event()
        if not lists_late:
            self.lists.set()

    def handle(self, connection):
        if connection.request.path == "/publish":
            self.publishers += 1
            if not self.lists.is_set():
                # What comes so soon is lost.
                with contextlib.suppress(TimeoutError):
                    connection.recv(timeout=0.05)
                self.lists.set()
            for message in connection:
                for subscriber in list(self.subscribers):
                    with contextlib.suppress(ConnectionClosed):
                        subscriber.send(message)
        elif connection.request.path == "/subscribe":
            # The opening handshake is answered by now.
            assert self.lists.wait(30)
            self.subscribers.add(connection)
            for _ in connection:
                pass
            self.subscribers.discard(connection)

    @contextlib.contextmanager
    def serving(self):
        with serve(self.handle, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/subscribe"
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def tools():
    server = apus.Apus("drain.spread=0s", "server.loops=1", args=["--tools"])
    yield server
    try:
        server.stop()
    finally:
        server.kill()


@pytest.mark.parametrize("load", ["echo", "idle"])
def test_a_reply_may_begin_with_words_of_the_server(tools, load):
    found, status = bench(
        load, tools.ws("/ws"), *SHORT, "--payload", "chat", "--size", "100",
        "--reply-prefix", "Message received: ",
    )
    assert status == 0 and found["errors"] == 0
    assert found["verified"] >= 10
    if load == "echo":
        # A header of two bytes; the words are part of the payload.
        assert found["wire_bytes_per_message_in"] == pytest.approx(120, abs=2)
        assert found["ratio"] == pytest.approx(120 / 118, rel=0.02)


def test_another_prefix_than_expected_is_an_error(tools):
    found, status = bench(
        "echo", tools.ws("/ws"), *SHORT, "--payload", "chat", "--reply-prefix", "Message accepted: "
    )
    assert status == 1
    assert "is not what was sent" in found["error"]


@pytest.mark.parametrize("compression", ["off", "on"])
def test_publishers_may_have_a_path_of_their_own(compression):
    hub = Hub()
    with hub.serving() as url:
        found, status = bench(
            "fanout", url, *SHORT, "--publish-path", "/publish", "--publishers", "2",
            "--compression", compression,
        )
    assert status == 0 and found["errors"] == 0
    assert hub.publishers == 2
    assert found["messages"] > 10 and found["verified"] >= 10


@pytest.mark.alone
def test_a_fan_out_waits_for_subscribers_that_are_listed_after_the_handshake():
    # The load would wait until its end for a subscriber that missed the first message.
    with Hub(lists_late=True).serving() as url:
        found, status = bench(
            "fanout", url, *SHORT, "--publish-path", "/publish", "--payload", "binary",
            "--size", "20",
        )
    assert status == 0 and found["messages"] > 10


def test_memory_of_idle_connections_and_other_programs_are_measured(tools):
    found, status = bench("idle", tools.ws("/echo"), *SHORT, "--connections", "2000")
    assert status == 0
    memory = found["memory"]
    assert 0 < memory["own_bytes_per_connection"] < 20_000
    assert memory["own_bytes_per_connection"] <= memory["bytes_per_connection"] + 100
    assert found["machine"]["other_busy"] >= 0 and found["machine"]["stolen"] >= 0


def test_a_refusal_with_a_long_body_is_reported_with_its_status():
    def refuse(listener):
        response = b"HTTP/1.1 503\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    client.recv(65_536)
                    client.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        found, status = bench("echo", url, *SHORT)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)
    assert status == 1 and "the server answered 503" in found["error"], found
