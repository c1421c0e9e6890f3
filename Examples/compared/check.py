#!/usr/bin/env python3
"""Checks a server with chat rooms, whichever it is written with: see docs/compared.md.

    check.py COMMAND...       such as: check.py python3 fastapi_app.py

Starts the command in this folder, with a free port as its last argument. Checks what all servers
have in common, and prints how each refuses a client and stops.
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import websockets
from websockets.sync.client import connect

HERE = pathlib.Path(__file__).parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rooms:
    """A running server with rooms."""

    def __init__(self, command):
        self.port = free_port()
        self.process = subprocess.Popen(
            [*command, str(self.port)], cwd=HERE, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"the server doesn't listen:\n{self.process.stdout.read()}")
            time.sleep(0.02)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def request(self, method, path, value=None):
        """Returns the status and the body."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        body = value if value is None or isinstance(value, str) else json.dumps(value)
        client.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        with contextlib.closing(client.getresponse()) as response:
            return response.status, response.read().decode()

    def enter(self, room, token):
        return connect(
            f"ws://127.0.0.1:{self.port}/rooms/{room}", proxy=None, open_timeout=5,
            close_timeout=5, additional_headers={"Authorization": f"Bearer {token}"})



def check_requests(rooms):
    room = {"name": "birds", "title": "Birds"}
    assert rooms.request("GET", "/")[1] == (HERE / "public/index.html").read_text()
    assert rooms.request("GET", "/none")[0] == 404
    status, body = rooms.request("POST", "/api/rooms", room)
    assert (status, json.loads(body)) == (201, room)
    assert rooms.request("POST", "/api/rooms", room)[0] == 409
    status, body = rooms.request("GET", "/api/rooms")
    assert (status, json.loads(body)) == (200, [room, {"name": "lobby", "title": "Lobby"}])


def refusals(rooms):
    """Returns the responses to invalid requests, and to upgrades that aren't allowed."""
    found = {}
    for what, body in {
        "missing member": {"name": "x"},
        "wrong type": {"name": "x", "title": 7},
        "name too long": {"name": "x" * 41, "title": ""},
        "broken JSON": "{",
    }.items():
        status, text = rooms.request("POST", "/api/rooms", body)
        assert 400 <= status < 500, (what, status, text)
        found[what] = f"{status} {text}"
    for what, room, token in [("no token", "lobby", "none"), ("no room", "none", "token-of-ada")]:
        try:
            rooms.enter(room, token)
        except websockets.InvalidStatus as error:
            field = error.response.headers.get("WWW-Authenticate")
            found[what] = f"{error.response.status_code} WWW-Authenticate: {field}"
        else:
            raise AssertionError(f"{what}: not refused")
    return found


def next_line(member, sender):
    """Returns the next text from a sender."""
    deadline = time.monotonic() + 5
    while True:
        line = json.loads(member.recv(deadline - time.monotonic()))
        if line["from"] == sender:
            return line["text"]


def check_chat(rooms):
    with rooms.enter("birds", "token-of-ada") as ada, rooms.enter("birds", "token-of-bob") as bob:
        with rooms.enter("lobby", "token-of-bob") as elsewhere:
            # The clock has reached everyone once they are members.
            for member in (ada, bob, elsewhere):
                assert next_line(member, "clock")
            ada.send('{"text": "The swifts are back"}')
            assert next_line(ada, "ada") == next_line(bob, "ada") == "The swifts are back"
            bob.send('{"text": "é"}')
            assert next_line(ada, "bob") == "é"
            elsewhere.send('{"text": "only here"}')
            assert next_line(elsewhere, "bob") == "only here"


def check_stop(rooms):
    """Stops the server while a client is connected. Returns the client's close code."""
    with rooms.enter("lobby", "token-of-ada") as client:
        next_line(client, "clock")
        rooms.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                client.recv(20)
        code = client.close_code
    # uvicorn ends by the signal once everything is closed.
    status = rooms.process.wait(30)
    assert status in (0, -signal.SIGTERM), f"exit status {status}"
    return code


def check(command):
    """Checks the server that a command starts. Returns its refusals, its close code and its output."""
    with Rooms(command) as rooms:
        check_requests(rooms)
        refused = refusals(rooms)
        check_chat(rooms)
        code = check_stop(rooms)
        return refused, code, rooms.process.stdout.read()


if __name__ == "__main__":
    arguments = [os.path.abspath(a) if os.path.exists(a) else a for a in sys.argv[1:]]
    refused, code, output = check(arguments)
    for what, response in refused.items():
        print(f"{what}: {response}")
    print(f"close code at the stop: {code}")
    print(output)
