"""RFC 6455 as exact bytes: the errors with their codes, and the end of connections."""

import socket

import pytest
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, close_payload, frame


@pytest.fixture
def wire(server):
    with Wire.to(server, "/ws") as wire:
        yield wire


FAULTS = {
    "RSV1 without an extension": frame(TEXT, b"x", rsv=4),
    "RSV2": frame(TEXT, b"x", rsv=2),
    "RSV3": frame(TEXT, b"x", rsv=1),
    "RSV1 on a ping": frame(PING, rsv=4),
    "a reserved data opcode": frame(0x3, b"x"),
    "a reserved control opcode": frame(0xB, b"x"),
    "no mask": frame(TEXT, b"x", masked=False),
    "no mask on a ping": frame(PING, masked=False),
    "a fragmented ping": frame(PING, b"x", fin=False),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a ping with a long length form": frame(PING, b"x", length_form=16),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "a message inside a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"),
    "a binary message inside a text": frame(TEXT, b"x", fin=False) + frame(BINARY, b"x"),
    "16 bits for a length under 126": frame(TEXT, b"x" * 125, length_form=16),
    "64 bits for a length under 65,536": frame(TEXT, b"x" * 126, length_form=64),
    "the top bit of a length": frame(TEXT, announced=1 << 63, length_form=64),
    "a Close of one byte": frame(CLOSE, b"\x03"),
    **{f"close code {n}": frame(CLOSE, close_payload(n)) for n in (0, 999, 1004, 1005, 1006, 1015)},
    **{f"close code {n}": frame(CLOSE, close_payload(n)) for n in (1016, 2999, 5000, 65_535)},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_protocol_error_is_1002(wire, fault):
    wire.send(FAULTS[fault])
    wire.expect_failure(1002)


def test_answers_before_an_error_still_arrive(wire):
    wire.send(frame(TEXT, b"x") + frame(PING, b"p") + frame(0x3))
    assert wire.text() == "Message received: x"
    assert wire.frame().opcode == PONG
    wire.expect_failure(1002)


INVALID = ["80", "ff", "c080", "c1bf", "e08080", "eda080", "edbfbf", "f0808080", "f4908080", "fe"]


@pytest.mark.parametrize("sequence", INVALID)
def test_text_that_is_not_utf8_is_1007(wire, sequence):
    wire.send_frame(TEXT, b"valid " + bytes.fromhex(sequence) + b" valid")
    wire.expect_failure(1007)


@pytest.mark.parametrize("sequence", ["c3", "e282", "f09f90"])
def test_a_message_that_ends_inside_a_character_is_1007(wire, sequence):
    wire.send_frame(TEXT, b"valid " + bytes.fromhex(sequence))
    wire.expect_failure(1007)


def test_an_invalid_byte_fails_at_once_in_an_unfinished_message(wire):
    wire.send_frame(TEXT, b"valid \xed\xa0", fin=False)
    wire.expect_failure(1007)


def test_an_invalid_byte_fails_at_once_in_an_unfinished_frame(wire):
    wire.send(frame(TEXT, b"valid \xff", announced=1_000, length_form=16))
    wire.expect_failure(1007)


def test_a_character_may_be_split_over_fragments_and_reads(wire):
    for byte in "🐦".encode():
        wire.send_frame(TEXT if byte == 0xF0 else CONTINUATION, bytes([byte]), fin=False)
    wire.send_frame(CONTINUATION)
    assert wire.text() == "Message received: 🐦"
    for byte in frame(TEXT, "ü".encode()):
        wire.send(bytes([byte]))
    assert wire.text() == "Message received: ü"


def test_a_close_reason_that_is_not_utf8_fails(wire):
    wire.send_frame(CLOSE, close_payload(1000, b"\xff"))
    assert wire.close_frame().code in (1002, 1007)
    wire.ends()


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 3000, 4999])
def test_a_close_frame_is_answered_with_its_code(wire, code):
    wire.send_frame(CLOSE, close_payload(code, "tschüß".encode()))
    assert wire.close_frame().code == code
    assert wire.ends() == b""


def test_an_empty_close_frame_is_answered(wire):
    wire.send_frame(CLOSE)
    assert wire.close_frame().code in (None, 1000)
    assert wire.ends() == b""


def test_data_after_a_close_frame_is_ignored(wire):
    wire.send(frame(CLOSE, close_payload(1000)) + frame(TEXT, b"late") + frame(PING))
    assert wire.close_frame().code == 1000
    assert wire.ends() == b""


def test_a_close_frame_between_fragments_is_answered(wire):
    wire.send(frame(TEXT, b"half", fin=False) + frame(CLOSE, close_payload(1000)))
    assert wire.close_frame().code == 1000
    assert wire.ends() == b""


def test_a_peer_that_half_closes_after_its_close_frame_still_receives_queued_data(start):
    server = start("limits.outbox.max=64MiB", "limits.message.max=8MiB", args=["--tools"])
    text = "x" * (8 << 20)
    with Wire.to(server, "/echo", receive_buffer=65_536) as wire:
        wire.send(frame(TEXT, text.encode()) + frame(CLOSE, close_payload(1000)))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.text() == text
        assert wire.close_frame().code == 1000
        assert wire.ends() == b""
