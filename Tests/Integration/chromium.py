"""Headless Chromium, controlled through its DevTools WebSocket."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import urllib.request

import browsers
from websockets.sync.client import connect

DEVTOOLS = re.compile(r"^DevTools listening on (ws://[^/]+)")
FLAGS = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-proxy-server",
]


class Page(browsers.Remote):
    """One tab. Its complaints (exceptions, console, policy) are in `complaints`, and its requests
    by HTTP or WebSocket in `requests`.
    """

    def __init__(self, socket):
        super().__init__(socket)
        self.complaints = []
        self.requests = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def listen(self, event):
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(str(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(parameters["url"])

    def evaluate(self, script):
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, condition, seconds=5):
        """Waits until a JavaScript expression is true. It is evaluated again in each turn of the
        page.
        """
        held = self.evaluate(
            f"""new Promise((resolve) => {{
                const end = performance.now() + {seconds * 1000};
                const look = () => ({condition}) ? resolve(true)
                    : performance.now() > end ? resolve(false) : setTimeout(look, 10);
                look();
            }})"""
        )
        assert held, f"not within {seconds} s: {condition}\n{self.complaints}"

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def click(self, element):
        self.evaluate(f"document.getElementById({json.dumps(element)}).click()")

    def type(self, element, text):
        """Types into an element like a keyboard."""
        self.evaluate(f"document.getElementById({json.dumps(element)}).focus()")
        self.call("Input.insertText", text=text)

    def press_enter(self):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def text(self, element):
        return self.evaluate(f"document.getElementById({json.dumps(element)}).textContent")

    def wait_for_text(self, element, text, seconds=5):
        name, part = json.dumps(element), json.dumps(text)
        self.wait_for(f"document.getElementById({name}).textContent.includes({part})", seconds)


class Browser:
    """A running browser. The sockets of its tabs are closed with it."""

    def __init__(self, base, stack):
        self.base = base
        self.stack = stack

    def page(self, url):
        request = urllib.request.Request(f"http://{self.base}/json/new?about:blank", method="PUT")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=10) as response:
            target = json.load(response)["webSocketDebuggerUrl"]
        socket = connect(target, proxy=None, max_size=None, ping_interval=None)
        page = Page(self.stack.enter_context(socket))
        page.go(url)
        return page


def trust(certutil, home, certificate):
    """Puts a server's own certificate among those that a user trusts."""
    database = f"{home}/.pki/nssdb"
    os.makedirs(database)
    for options in (
        ["-N", "--empty-password"],
        ["-A", "-n", "tests", "-t", "P,,", "-i", str(certificate)],
    ):
        subprocess.run([certutil, "-d", f"sql:{database}", *options], check=True)


@contextlib.contextmanager
def chromium(program, certutil=None, certificate=None):
    """Runs a browser, which trusts a certificate if there is one: `certutil` is the program for
    that.
    """
    flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *flags, f"--user-data-dir={profile}/profile", "about:blank"]
        environment = None
        if certificate:
            environment = os.environ | {"HOME": profile}
            trust(certutil, profile, certificate)
        with (
            browsers.running("Chromium", command, DEVTOOLS, environment) as found,
            contextlib.ExitStack() as stack,
        ):
            yield Browser(found[1].removeprefix("ws://"), stack)
