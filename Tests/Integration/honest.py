"""An honest client in a separate process. It measures round trips until its input ends.

python honest.py HOST PORT PATH

Prints `ready` after the first round trip, and at the end the times of all as a JSON list of
milliseconds.
"""

import json
import select
import socket
import sys
import time

from wire import PING, PONG, TEXT, Wire, upgrade_request

PAUSE_SECONDS = 0.005


def await_echo(wire, word):
    """Reads until `word` is back. Pings are answered, other messages skipped."""
    while not ((frame := wire.frame()).opcode == TEXT and frame.payload.endswith(word)):
        assert frame.opcode in (TEXT, PING), frame
        if frame.opcode == PING:
            wire.send_frame(PONG, frame.payload)


def main(host, port, path):
    wire = Wire(socket.create_connection((host, int(port)), timeout=10), seconds=10)
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.send(upgrade_request(path, f"{host}:{port}"))
    assert wire.response().status == 101

    times = []
    while True:
        word = f"honest {len(times)}"
        start = time.perf_counter()
        wire.send_text(word)
        await_echo(wire, word.encode())
        times.append((time.perf_counter() - start) * 1_000)
        if len(times) == 1:
            print("ready", flush=True)
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            break
    wire.close()
    print(json.dumps(times))


main(*sys.argv[1:])
