"""The parts that headless browsers have in common: their process, and commands by a WebSocket."""

import contextlib
import itertools
import json
import subprocess

from apus import Lines


@contextlib.contextmanager
def running(name, command, announcement, environment=None):
    """A browser that runs; the match of the line by which it announces its address."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    )
    log = Lines(process.stderr)
    try:
        found = log.wait_for(
            lambda lines: next(filter(None, map(announcement.match, lines)), None), 30
        )
        assert found, f"{name} did not start:\n{log.text()}"
        yield found
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Remote:
    """Sends numbered commands, and waits for the answer of each."""

    def __init__(self, socket):
        self.socket = socket
        self.numbers = itertools.count(1)

    def call(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            event = json.loads(self.socket.recv(timeout=20))
            if event.get("id") == number:
                assert "error" not in event, event
                return event["result"]
            self.listen(event)

    def listen(self, event):
        """Handles an event that comes before the answer."""
