"""Checks that what a server sends back is what it was sent, by PyPI's client of its own."""

from __future__ import annotations

import os
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import LOAD, Peer
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

sys.path.insert(0, str(LOAD))
from server import two_cores  # noqa: E402

SIZES = [0, 1, 125, 126, 127, 1024, 4096, 16384, 65535, 65536]
ECHOES = 150
BROADCASTS = 40
SUBSCRIBERS = 4
DEADLINE = 30.0
PROBE = b"is anyone there?"
# Before one of us pins itself to its own.
SERVER_CORE, GENERATOR_CORE = two_cores()


@dataclass
class Verdict:
    """What was agreed on, and the fault if there was one."""

    extension: str = "none"
    fault: str | None = None


def offer(kind: str) -> list[ClientPerMessageDeflateFactory]:
    """What the load generator offers in that kind of case."""
    if kind in ("deflate", "fanoutdef"):
        return [
            ClientPerMessageDeflateFactory(
                server_no_context_takeover=True, client_no_context_takeover=True)
        ]
    if kind in ("takeover", "fanouttake"):
        return [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    return []


def client(port: int, path: str, kind: str) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{port}{path}", compression=None, extensions=offer(kind) or None,
        max_size=None, ping_interval=None, open_timeout=DEADLINE)


def messages(count: int, least: int = 0, most: int = 65536) -> Iterator[str | bytes]:
    """Text and binary, of all sizes: some that compress and some that don't."""
    chance = random.Random(5)
    words = ["order", "book", "moved", "again", "Zürich", "東京", "42.17", '"price":']
    sizes = [size for size in SIZES if least <= size <= most]
    for index in range(count):
        size = sizes[index % len(sizes)] if index < 3 * len(sizes) else chance.choice(sizes)
        if index % 3 == 0:
            yield chance.randbytes(size)
            continue
        # Cut within a character, it is padded to the size with spaces.
        long = " ".join(chance.choices(words, k=size // 3 + 1)).encode()[:size]
        text = long.decode(errors="ignore").encode().ljust(size)
        yield text if index % 3 == 1 else text.decode()


def agreed(connection: ClientConnection) -> str:
    return connection.response.headers.get("Sec-WebSocket-Extensions", "none")


def check_echo(port: int, peer: Peer, kind: str) -> str:
    with client(port, peer.echo_path, kind) as connection:
        for number, message in enumerate(messages(ECHOES)):
            connection.send(message)
            reply = connection.recv(timeout=DEADLINE)
            if reply != message:
                raise ValueError(f"echo {number} of {len(message)} differs")
        return agreed(connection)


def receive(connection: ClientConnection) -> str | bytes:
    """The next message that isn't left of those that asked whether it is there."""
    while (message := connection.recv(timeout=DEADLINE)) == PROBE:
        pass
    return message


def await_subscription(publisher: ClientConnection, subscriber: ClientConnection) -> None:
    """A server may answer an opening handshake before it lists the connection."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        publisher.send(PROBE)
        try:
            subscriber.recv(timeout=0.2)
            return
        except TimeoutError:
            continue
    raise TimeoutError("nothing is broadcast")


def check_broadcast(port: int, peer: Peer, kind: str) -> str:
    path = peer.publish_path or peer.broadcast_path
    publisher = client(port, path, kind)
    subscribers = [client(port, peer.broadcast_path, kind) for _ in range(SUBSCRIBERS)]
    try:
        for subscriber in subscribers:
            await_subscription(publisher, subscriber)
        # nchan is no server of empty messages.
        least = 1 if peer.publish_path else 0
        most = peer.compressed_max if offer(kind) else 65536
        for number, message in enumerate(messages(BROADCASTS, least, most)):
            publisher.send(message)
            receivers = [*subscribers, publisher] if peer.answers_sender else subscribers
            for receiver in receivers:
                if receive(receiver) != message:
                    raise ValueError(f"broadcast {number} of {len(message)} differs")
        return agreed(subscribers[0])
    finally:
        for connection in [publisher, *subscribers]:
            connection.close()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def raise_descriptor_limit() -> None:
    """Enough for a thousand connections, which the servers inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def running(peer: Peer, port: int, kind: str, log: Path) -> Iterator[subprocess.Popen]:
    """The server, until it is left, on the core it is measured on."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            peer.argv(port, kind), stdout=file, stderr=file,
            env={**os.environ, **peer.environment},
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}))
    try:
        end = time.monotonic() + DEADLINE
        while not listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"did not start, see {log}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def verify(peer: Peer, kind: str, port: int, log: Path) -> Verdict:
    """Whether a peer is right in one kind of case; what is wrong is a result, not an error."""
    try:
        with running(peer, port, kind, log):
            check = check_broadcast if kind.startswith("fanout") else check_echo
            extension = check(port, peer, kind)
    except Exception as error:
        return Verdict(fault=f"{type(error).__name__}: {error}"[:120])
    if offer(kind) and "permessage-deflate" not in extension:
        return Verdict(extension, "no permessage-deflate agreed on")
    return Verdict(extension)
