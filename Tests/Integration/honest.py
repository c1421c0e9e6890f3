"""An honest client as a process of its own: measures round trips until its input ends.

    python honest.py HOST PORT PATH

Prints `ready` after the first round trip, and the times of all as a JSON list of milliseconds,
without those in which this process itself was kept from running: they are the machine's.
"""

import json
import select
import socket
import sys
import time

from wire import PING, PONG, TEXT, Wire, upgrade_request

PAUSE_SECONDS = 0.005
LOOK_SECONDS = 0.001
PATIENCE_SECONDS = 10


class HonestWire(Wire):
    """Counts in `kept` the seconds for which a wait went on after it should have ended."""

    kept = 0.0

    def _more(self):
        begun = now = time.perf_counter()
        readable = False
        while not readable:
            assert now - begun < PATIENCE_SECONDS, "no answer"
            readable = select.select([self.socket], [], [], LOOK_SECONDS)[0]
            looked, now = now, time.perf_counter()
            self.kept += max(0, now - looked - LOOK_SECONDS)
        super()._more()


def await_echo(wire, word):
    """Reads until `word` is back; pings are answered, other messages passed over."""
    while not ((frame := wire.frame()).opcode == TEXT and frame.payload.endswith(word)):
        assert frame.opcode in (TEXT, PING), frame
        if frame.opcode == PING:
            wire.send_frame(PONG, frame.payload)


def main(host, port, path):
    connected = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
    wire = HonestWire(connected, seconds=PATIENCE_SECONDS)
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.send(upgrade_request(path, f"{host}:{port}"))
    assert wire.response().status == 101

    times = []
    while True:
        word = f"honest {len(times)}"
        start, wire.kept = time.perf_counter(), 0.0
        wire.send_text(word)
        await_echo(wire, word.encode())
        times.append((time.perf_counter() - start - wire.kept) * 1_000)
        if len(times) == 1:
            print("ready", flush=True)
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            break
    wire.close()
    print(json.dumps(times))


main(*sys.argv[1:])
