"""Third-party clients in separate processes and browsers, for `test_topics_churn.py`."""

import json
import subprocess
import sys

from apus import Lines, clean_environment
from churn import TOPICS
from conftest import HERE
from test_node import NODE_WITH_UNDICI, node_environment

SCRIPT = HERE / "churn.js"


class Process:
    """Clients in a separate process, and its output."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = Lines(self.process.stdout)
        self.errors = Lines(self.process.stderr)

    @classmethod
    def of(cls, kind, tools, *arguments):
        match kind:
            case "websockets" | "aiohttp":
                command = [sys.executable, HERE / "churn.py", kind]
            case "ws":
                command = [tools.node, SCRIPT, kind]
            case "undici":
                command = [NODE_WITH_UNDICI, SCRIPT, kind]
            case _:
                command = [tools.go_clients, "churn", kind]
        environment = node_environment(tools.node) if kind == "ws" else clean_environment()
        return cls([str(word) for word in (*command, *arguments)], environment)

    def line(self, number, seconds):
        found = self.lines.wait_for(
            lambda lines: lines[number] if len(lines) > number else None, seconds)
        assert found, self.failure()
        return found

    def failure(self):
        self.errors.wait_for(lambda lines: False, 5)
        return self.errors.text()[-5_000:]

    def wait_until_ready(self):
        assert self.line(0, 30) == "ready"

    def check(self):
        assert self.process.poll() is None, self.failure()

    def seen(self):
        seen = json.loads(self.line(1, 120))
        assert self.process.wait(10) == 0, self.failure()
        return seen

    def end(self):
        self.process.kill()
        self.process.wait()


class InPage:
    """Clients in the page of a browser, loaded from the server itself, at the address that is
    recorded.
    """

    def __init__(self, page, tap, *numbers):
        self.page = page
        url = json.dumps(tap.ws("/topics"))
        self.page.evaluate(
            f"""(() => {{
                {SCRIPT.read_text()}
                const crowd = new Crowd(WebSocket, {url}, {url}, {", ".join(map(str, numbers))});
                window.ready = new Promise((ready) => {{
                    window.seen = crowd.run(() => ready("ready"));
                }});
                window.failure = "";
                window.seen.catch((error) => {{ window.failure = String(error.stack); }});
                return "begun";
            }})()""")

    def wait_until_ready(self):
        assert self.page.evaluate("window.ready") == "ready"

    def check(self):
        failure = self.page.evaluate("window.failure")
        assert not failure, failure

    def seen(self):
        self.check()
        return json.loads(self.page.evaluate("window.seen.then((seen) => JSON.stringify(seen))"))

    def end(self):
        """Ends with the browser."""


assert f"const TOPICS = {TOPICS}," in SCRIPT.read_text()
