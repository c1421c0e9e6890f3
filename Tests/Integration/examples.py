"""A running example of `Examples/`, which `swift build` puts beside the server."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import subprocess

from apus import CRASH, ROOT, Lines, binary, clean_environment
from websockets.sync.client import connect

EXAMPLES = ROOT / "Examples"
LISTENING = re.compile(r"addresses=127\.0\.0\.1:(\d+)")


def example_binary(name):
    for folder in (pathlib.Path(binary()).parent, ROOT / ".build/debug"):
        if (folder / name).exists():
            return str(folder / name)
    raise FileNotFoundError(f"no {name} in .build: run `swift build`")


class Example:
    """A running example, which logs to standard error where it listens."""

    def __init__(self, name, *args, folder=ROOT):
        self.process = subprocess.Popen(
            [example_binary(name), "0", *args], cwd=folder, text=True, env=clean_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.log = Lines(self.process.stderr)

    def __enter__(self):
        self.port = self.find_port(LISTENING)
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.wait()

    def find_port(self, pattern):
        def port(lines):
            return next((int(match[1]) for line in lines if (match := pattern.search(line))), None)

        if found := self.log.wait_for(port, 10):
            return found
        self.process.kill()
        raise AssertionError(f"the example doesn't listen:\n{self.log.text()}")

    def stop(self):
        """Stops it gracefully, and asserts that this succeeds."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0, self.log.text()
        assert not CRASH.search(self.log.text()), self.log.text()

    def connect(self, path, **options):
        options = {"proxy": None, "open_timeout": 5, "close_timeout": 5} | options
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)

    def request(self, method, path, body=None, **fields):
        """Returns the response with its `body`, from JSON if it is any. `body` becomes JSON unless
        it is text."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        client.request(method, path, body, fields)
        with contextlib.closing(client.getresponse()) as response:
            response.body = response.read().decode()
            if "json" in response.headers.get("Content-Type", ""):
                response.body = json.loads(response.body)
            return response
