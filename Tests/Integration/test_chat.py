"""The chat: messages sent to `/ws/{client_id}` reach all members, and leaving is announced."""

import time

import pytest
from wire import CLOSE, Wire, upgrade_request


def recv(socket):
    return socket.recv(timeout=5)


def test_a_message_reaches_all_including_the_sender(start, client):
    server = start()
    seven, eight, nine = (client(server, f"/ws/{number}") for number in (7, 8, 9))
    seven.send("hello")
    assert [recv(socket) for socket in (seven, eight, nine)] == ["Client 7: hello"] * 3
    nine.send("grüße")
    assert [recv(socket) for socket in (seven, eight, nine)] == ["Client 9: grüße"] * 3


def test_a_leaving_client_is_announced_to_the_others(start, client):
    server = start()
    seven, eight = client(server, "/ws/7"), client(server, "/ws/8")
    eight.close()
    assert recv(seven) == "Client 8 left the chat"
    seven.send("alone")
    assert recv(seven) == "Client 7: alone"


def test_a_client_that_disappears_is_announced_too(start, client):
    server = start()
    seven = client(server, "/ws/7")
    Wire.to(server, "/ws/8").reset()
    assert recv(seven) == "Client 8 left the chat"


def test_all_receive_everything_and_each_sender_in_order(start, client):
    server = start()
    rooms = [client(server, f"/ws/{number}") for number in range(4)]
    for turn in range(50):
        for room in rooms:
            room.send(str(turn))
    for room in rooms:
        seen = [recv(room) for _ in range(200)]
        for number in range(4):
            one = [text for text in seen if text.startswith(f"Client {number}: ")]
            assert one == [f"Client {number}: {turn}" for turn in range(50)]


@pytest.mark.parametrize("client_id", ["abc", "7.5", "7abc", "0x7", "%37x", "9" * 30, "-", "1/2"])
def test_an_id_that_is_not_an_integer_is_refused_before_the_upgrade(server, client_id):
    with Wire.to(server) as wire:
        wire.send(upgrade_request(f"/ws/{client_id}", server.authority))
        response = wire.response()
        assert 400 <= response.status < 500, response
        assert response.headers["content-type"] == "application/problem+json"


def test_a_failing_peer_does_not_stop_the_broadcast(start, client):
    server = start()
    seven, eight = client(server, "/ws/7"), client(server, "/ws/8")
    for number in range(20):
        broken = Wire.to(server, f"/ws/{100 + number}")
        seven.send(f"turn {number}")
        broken.reset()
    texts = [f"Client 7: turn {number}" for number in range(20)]
    notices = {f"Client {100 + number} left the chat" for number in range(20)}
    for socket in (seven, eight):
        seen = [recv(socket) for _ in range(40)]
        assert [text for text in seen if text.startswith("Client 7")] == texts
        assert {text for text in seen if "left" in text} == notices


def test_a_peer_that_never_reads_is_closed_and_the_others_continue(start, client):
    server = start("limits.outbox.max=256KiB", "limits.close.timeout=100ms")
    silent = Wire.to(server, "/ws/1", receive_buffer=4_096)
    two, three = client(server, "/ws/2"), client(server, "/ws/3")
    text = "x" * 65_536
    notice = "Client 1 left the chat"
    noticed = set()
    # The kernel's buffers accept some megabytes before the outbox grows; then the close timeout
    # passes.
    deadline = time.monotonic() + 60
    while len(noticed) < 2:
        assert time.monotonic() < deadline
        two.send(text)
        for socket in (two, three):
            while (received := recv(socket)) == notice:
                noticed.add(socket)
            assert received == f"Client 2: {text}"
    silent.close()


def test_a_close_frame_is_answered(server):
    with Wire.to(server, "/ws/7") as wire:
        wire.send_frame(CLOSE, b"\x03\xe8")
        assert wire.close_frame().code == 1000
        assert wire.ends() == b""
