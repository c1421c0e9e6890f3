"""Headless Firefox, controlled through its WebDriver BiDi WebSocket."""

import contextlib
import json
import pathlib
import re
import tempfile

import browsers
from websockets.sync.client import connect

BIDI = re.compile(r"^WebDriver BiDi listening on (ws://\S+)")
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Page(browsers.Remote):
    """The only tab."""

    def __init__(self, socket):
        super().__init__(socket)
        self.call("session.new", capabilities={})
        self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def go(self, url):
        self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def evaluate(self, script):
        """Returns the value, a string or number, of a script or of its promise."""
        answer = self.call(
            "script.evaluate",
            expression=script,
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return answer["result"].get("value")


@contextlib.contextmanager
def firefox(program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (
            f"user_pref({json.dumps(key)}, {json.dumps(PREFERENCES[key])});" for key in PREFERENCES
        )
        (pathlib.Path(profile) / "user.js").write_text("\n".join(lines))
        command = [program, "--headless", "--no-remote", "--profile", profile]
        command += ["--remote-debugging-port", "0", "about:blank"]
        with (
            browsers.running("Firefox", command, BIDI) as found,
            connect(
                f"{found[1]}/session", proxy=None, max_size=None, ping_interval=None
            ) as socket,
        ):
            yield Page(socket)
