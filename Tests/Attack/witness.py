"""An honest client in a separate process. It measures round trips until its input ends.

python witness.py echo|deflate|large|anew|tasks HOST PORT

Prints `ready` after the first round trip, and at the end, as JSON, the times of all in milliseconds
and the failures. A time begins when the round trip was due, so that it includes waiting for a slow
one before. A round trip of more than ten seconds counts as failed.
"""

import contextlib
import json
import os
import select
import socket
import sys
import time
import types

import paths  # noqa: F401
from deflate import RSV1, deflate
from wire import CLOSE, PING, PONG, TEXT, Ended, Wire, upgrade_request

TIMEOUT_SECONDS = 10


class Failure(Exception):
    """The error if the server didn't do what an honest client may expect."""


class Echo:
    """A kept connection that sends a short message each time."""

    path, headers, pause = "/ws", {}, 0.02

    def __init__(self, server):
        self.server = server
        self.wire = None

    def connect(self):
        address = (self.server.host, self.server.port)
        wire = Wire(socket.create_connection(address, TIMEOUT_SECONDS), TIMEOUT_SECONDS)
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    def upgrade(self):
        wire = self.connect()
        wire.send(upgrade_request(self.path, self.server.authority, **self.headers))
        status = wire.response().status
        if status != 101:
            raise Failure(f"upgrade answered with {status}")
        return wire

    def trip(self, number):
        self.wire = self.wire or self.upgrade()
        self.exchange(self.wire, f"honest message {number:06}".encode())

    def exchange(self, wire, word):
        wire.send_frame(TEXT, word)
        while not self.payload(wire).endswith(word):
            pass

    def payload(self, wire):
        frame = wire.frame()
        if frame.opcode == CLOSE:
            raise Failure(f"closed with {frame.code}: {frame.reason}")
        if frame.opcode == PING:
            wire.send_frame(PONG, frame.payload)
        return frame.payload

    def drop(self):
        if self.wire:
            self.wire.close()
        self.wire = None


class Deflate(Echo):
    """The same with compressed messages."""

    path = "/echo"
    headers = {"Sec_WebSocket_Extensions": "permessage-deflate"}

    def exchange(self, wire, word):
        wire.send_frame(TEXT, deflate(word), rsv=RSV1)
        while not self.payload(wire).endswith(word):
            pass


class Large(Echo):
    """The same with messages that arrive in several reads."""

    pause = 0.1

    def exchange(self, wire, word):
        super().exchange(wire, word * 5_000)


class Anew(Echo):
    """A connection for each message."""

    pause = 0.1

    def trip(self, number):
        with self.upgrade() as wire:
            self.exchange(wire, f"honest message {number:06}".encode())


class Tasks(Echo):
    """A request for one task, on a kept connection."""

    pause = 0.1

    def trip(self, number):
        self.wire = self.wire or self.connect()
        self.wire.send(
            f"GET /tasks?limit=1 HTTP/1.1\r\nHost: {self.server.authority}\r\n\r\n".encode()
        )
        response = self.wire.response()
        if response.status != 200 or response.headers.get("connection") == "close":
            self.drop()
        if response.status != 200:
            raise Failure(f"tasks answered with {response.status}")


KINDS = {"echo": Echo, "deflate": Deflate, "large": Large, "anew": Anew, "tasks": Tasks}


def main(kind, host, port):
    # The measurement is about the server, not about clients on a busy machine.
    with contextlib.suppress(OSError):
        os.nice(-10)
    server = types.SimpleNamespace(host=host, port=int(port), authority=f"{host}:{port}")
    client = KINDS[kind](server)
    times, failures = [], []
    due = time.perf_counter()
    while True:
        try:
            client.trip(len(times))
        except (OSError, Ended, Failure) as error:
            failures.append(f"{kind}: {type(error).__name__} {error}".strip()[:200])
            client.drop()
        now = time.perf_counter()
        times.append((now - due) * 1_000)
        if len(times) == 1:
            print("ready", flush=True)
        # A time longer than the pause counts once, not again in all later ones.
        due = max(due + client.pause, now)
        if select.select([sys.stdin], [], [], max(0, due - now))[0]:
            break
    print(json.dumps({"times": times, "failures": failures}))


main(*sys.argv[1:])
