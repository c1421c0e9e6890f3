"""The echo: `/ws` answers every message with `Message received: ` before it."""

import re

import pytest
from apus import wait_until
from wire import CLOSE, PING, TEXT, Wire, close_payload, frame

PREFIX = "Message received: "


@pytest.mark.parametrize(
    "text", ["x", "", "grüße 🐦", "a" * 125, "a" * 126, "a" * 65_535, "a" * 65_536]
)
def test_text_comes_back_with_the_prefix(server, client, text):
    socket = client(server)
    socket.send(text)
    assert socket.recv(timeout=5) == PREFIX + text


@pytest.mark.parametrize("path, prefix", [("/ws", PREFIX), ("/echo", ""), ("/echo/async", "")])
@pytest.mark.parametrize("count", [1, 200])
def test_messages_directly_before_a_close_frame_are_answered(start, path, prefix, count):
    server = start(args=["--tools"])
    with Wire.to(server, path) as wire:
        messages = b"".join(frame(TEXT, b"%d" % number) for number in range(count))
        wire.send(messages + frame(CLOSE, close_payload(4001, b"bye")) + frame(PING))
        for number in range(count):
            assert wire.text() == f"{prefix}{number}"
        received = wire.frame()
        assert (received.opcode, received.code) == (CLOSE, 4001)
        assert wire.ends() == b""


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", bytes(range(256)) * 300])
def test_binary_comes_back_as_binary_with_the_prefix(server, client, data):
    socket = client(server)
    socket.send(data)
    assert socket.recv(timeout=5) == PREFIX.encode() + data


def test_the_largest_message_of_the_default_limits_is_echoed(server, client):
    socket = client(server)
    text = "é" * (512 * 1024)
    socket.send(text)
    assert socket.recv(timeout=10) == PREFIX + text


def test_many_messages_at_once_are_echoed_in_order(server, client):
    socket = client(server)
    for number in range(500):
        socket.send(str(number))
    assert [socket.recv(timeout=5) for _ in range(500)] == [f"{PREFIX}{n}" for n in range(500)]


def test_fragments_are_one_message_even_with_a_ping_between(server, client):
    socket = client(server)

    def fragments():
        yield "one "
        pong = socket.ping()
        assert pong.wait(5)
        yield ""
        yield "two"

    socket.send(fragments())
    assert socket.recv(timeout=5) == PREFIX + "one two"


def test_a_ping_is_answered_with_its_payload(server, client):
    assert client(server).ping(b"\x00payload" * 15).wait(5)


def test_an_unsolicited_pong_is_ignored(server, client):
    socket = client(server)
    socket.pong(b"unasked")
    socket.send("x")
    assert socket.recv(timeout=5) == PREFIX + "x"


LEFT = re.compile(r"^\S+ (\S+) .*\bcode=(\d+) .*\becho client left$")


def test_a_leaving_client_is_logged_at_debug_and_is_no_error(start, client):
    server = start("log.level=debug")

    def leaves():
        return [match.groups() for line in server.stderr.lines if (match := LEFT.match(line))]

    socket = client(server)
    socket.send("x")
    socket.recv(timeout=30)
    socket.close()
    assert socket.close_code == 1000
    wait_until(lambda: leaves() == [("debug", "1000")], "the leave in the log", 30)
    # The same without a closing handshake.
    Wire.to(server, "/ws").reset()
    wait_until(lambda: leaves()[1:] == [("debug", "1006")], "the other in the log", 30)
    server.stop(seconds=30)
    assert "error" not in server.stderr.text().lower()
