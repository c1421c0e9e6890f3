"""permessage-deflate with clients in other languages: each is a program that echoes samples."""

import base64
import json
import pathlib
import subprocess

import pytest
from apus import clean_environment
from negotiation import CLIENT_FLAG, LONG, SERVER_FLAG, SHORT
from test_node import NODE_WITH_UNDICI, node_environment

HERE = pathlib.Path(__file__).parent


def as_json(sample):
    content = {"text": sample.content}
    if isinstance(sample.content, bytes):
        content = {"binary": base64.b64encode(sample.content).decode()}
    return content | {"fragmented": sample.fragmented}


def content(echo):
    return echo["text"] if "text" in echo else base64.b64decode(echo["binary"])


def echoes(*command, environment, samples=LONG):
    done = subprocess.run(
        command,
        input=json.dumps([as_json(sample) for sample in samples]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return [content(echo) for echo in json.loads(done.stdout)]


WS = [
    {"threshold": 0},
    {"threshold": 0, "serverNoContextTakeover": True},
    {"threshold": 0, "clientNoContextTakeover": True},
    {"threshold": 0, "serverMaxWindowBits": 10, "clientMaxWindowBits": 10},
    {"serverNoContextTakeover": True, "clientNoContextTakeover": True, "serverMaxWindowBits": 9},
]


@pytest.mark.parametrize("options", WS, ids=json.dumps)
def test_ws(deflating, tap, program, options):
    node = program("node", "nodejs", package="node-ws")
    samples = LONG if options is WS[0] else SHORT
    command = [node, str(HERE / "deflate_echo.js"), "ws", tap.ws("/echo"), json.dumps(options)]
    found = echoes(*command, environment=node_environment(node), samples=samples)
    assert found == [sample.content for sample in samples]
    tap.conversation().check(samples, deflating.configuration, fragments=True)


def test_undici(deflating, tap):
    command = [NODE_WITH_UNDICI, str(HERE / "deflate_echo.js"), "undici", tap.ws("/echo")]
    found = echoes(*command, environment=clean_environment())
    assert found == [sample.content for sample in LONG]
    # It decompresses, but doesn't compress.
    tap.conversation().check(LONG, deflating.configuration, client_compresses=False)


def flags(conversation):
    return {flag for flag in (SERVER_FLAG, CLIENT_FLAG) if flag in conversation.offers[0]}


def test_gorilla(deflating, tap, go_clients):
    found = echoes(go_clients, "gorilla", tap.ws("/echo"), environment=clean_environment())
    assert found == [sample.content for sample in LONG]
    conversation = tap.conversation()
    conversation.check(LONG, deflating.configuration, fragments=True)
    assert flags(conversation) == {SERVER_FLAG, CLIENT_FLAG}


# nhooyr puts compressed bytes into a frame for every 240 or fewer, so these are in more than 1,024.
IN_MANY_FRAMES = [
    sample for sample in LONG if len(sample.data) > 100_000 and not sample.incompressible
]


@pytest.mark.parametrize(
    "client, offered", [("nhooyr", {SERVER_FLAG, CLIENT_FLAG}), ("nhooyr-takeover", set())]
)
def test_nhooyr(deflating, tap, go_clients, client, offered):
    samples = [sample for sample in LONG if sample not in IN_MANY_FRAMES]
    command = [go_clients, client, tap.ws("/echo")]
    found = echoes(*command, environment=clean_environment(), samples=samples)
    assert found == [sample.content for sample in samples]
    conversation = tap.conversation()
    conversation.check(samples, deflating.configuration, fragments=True)
    assert flags(conversation) == offered


def test_nhooyr_with_more_than_a_thousand_frames(start, go_clients):
    server = start("limits.fragments.max=2048", args=["--tools"])
    command = [go_clients, "nhooyr", server.ws("/echo")]
    found = echoes(*command, environment=clean_environment(), samples=IN_MANY_FRAMES)
    assert found == [sample.content for sample in IN_MANY_FRAMES]
