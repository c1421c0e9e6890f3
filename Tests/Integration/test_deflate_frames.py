"""Compressed messages as exact frames: valid and invalid ones, and those of the server."""

import itertools
import zlib
from random import randbytes

import pytest
from negotiation import LONG, NAME, OUR_BITS, SERVER_BITS, SERVER_FLAG, SHORT
from tap import TAIL, Inflater, Message
from test_deflate_negotiation import offering
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame

RSV1, RSV2, RSV3 = 4, 2, 1


@pytest.fixture
def wire(deflating):
    wire, answer = offering(deflating, NAME)
    with wire:
        assert answer
        yield wire


def deflated(data, *, flush=zlib.Z_SYNC_FLUSH, **options):
    stream = zlib.compressobj(wbits=-15, **options)
    return stream.compress(data) + stream.flush(flush)


def payload(text, **options):
    """The payload of a message (§7.2.1)."""
    data = text.encode() if isinstance(text, str) else text
    return deflated(data, **options).removesuffix(TAIL)


def compressed(text):
    return frame(TEXT, payload(text), rsv=RSV1)


def received(wire, inflate):
    """Returns the content of the next message, which must be in one frame."""
    frame = wire.frame()
    assert frame.opcode in (TEXT, BINARY) and frame.fin and frame.rsv in (0, RSV1), frame
    return inflate(Message(frame.opcode, frame.rsv == RSV1, frame.payload))


def echoes(wire, *frames, expected):
    wire.send(b"".join(frames))
    assert wire.frame().payload.decode() == expected  # short, so plain


# Invalid data

FAULTS = {
    "RSV1 on a continuation": frame(TEXT, payload("x"), rsv=RSV1, fin=False)
    + frame(CONTINUATION, b"\x00", rsv=RSV1),
    "RSV1 on a continuation only": frame(TEXT, b"x", fin=False)
    + frame(CONTINUATION, payload("x"), rsv=RSV1),
    "RSV1 on a ping": frame(PING, payload("x"), rsv=RSV1),
    "RSV1 on a ping in a message": frame(TEXT, payload("x"), rsv=RSV1, fin=False)
    + frame(PING, rsv=RSV1),
    "RSV1 on a pong": frame(PONG, rsv=RSV1),
    "RSV1 on a Close": frame(CLOSE, close_payload(1000), rsv=RSV1),
    "RSV1 on a reserved opcode": frame(0x3, payload("x"), rsv=RSV1),
    "RSV2": frame(TEXT, payload("x"), rsv=RSV2),
    "RSV3": frame(TEXT, payload("x"), rsv=RSV3),
    "RSV1 and RSV2": frame(TEXT, payload("x"), rsv=RSV1 | RSV2),
    "RSV1 and RSV3": frame(BINARY, payload("x"), rsv=RSV1 | RSV3),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_protocol_error_is_1002(wire, fault):
    wire.send(FAULTS[fault])
    wire.expect_failure(1002)


CORRUPT = {
    "a reserved kind of block": b"\x07",
    "a stored block's length and not its complement": b"\x00\x05\x00\xfa\xfeHello\x00",
    "a copy from before the first byte": b"\xf2\x00\x11\x00\x00",
    "a copy from before the window": payload(bytes(300), zdict=bytes(32_768)),
    "a dynamic block without codes": b"\x04\xff\xff\xff\xff\xff",
    "noise": bytes.fromhex("ffb49a17f0e1c8d26b"),
    "text that is not compressed": b'{"type": "message", "text": "hello"}',
}


@pytest.mark.parametrize("fault", CORRUPT)
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_corrupt_data_is_1007(wire, fault, opcode):
    wire.send_frame(opcode, CORRUPT[fault], rsv=RSV1)
    wire.expect_failure(1007)


@pytest.mark.parametrize("fault", [fault for fault in CORRUPT if "copy" not in fault])
def test_corrupt_data_after_valid_data_is_1007(wire, fault):
    wire.send_frame(TEXT, payload("good") + TAIL, rsv=RSV1, fin=False)
    wire.send_frame(CONTINUATION, CORRUPT[fault])
    wire.expect_failure(1007)


INVALID = ["80", "ff", "c080", "e08080", "eda080", "f4908080", "c3", "f09f90"]


@pytest.mark.parametrize("sequence", INVALID)
def test_text_that_decompresses_to_invalid_utf8_is_1007(wire, sequence):
    data = b"valid " * 50 + bytes.fromhex(sequence)
    wire.send_frame(BINARY, payload(data), rsv=RSV1)
    assert received(wire, Inflater()) == data
    wire.send_frame(TEXT, payload(data), rsv=RSV1)
    wire.expect_failure(1007)


# Valid data

HELLO = {  # RFC 7692 §7.2.3.1 to 7.2.3.5
    "one block": "f248cdc9c90700",
    "a stored block": "000500faff48656c6c6f00",
    "a final block": "f348cdc9c9070000",
    "two blocks": "f24805000000ffffcac9c90700",
}


@pytest.mark.parametrize("example", HELLO)
def test_the_examples_of_the_rfc(wire, example):
    data = bytes.fromhex(HELLO[example])
    for _ in range(3):
        echoes(wire, frame(TEXT, data, rsv=RSV1), expected="Hello")
    for cut in range(len(data) + 1):
        first = frame(TEXT, data[:cut], rsv=RSV1, fin=False)
        echoes(wire, first, frame(CONTINUATION, data[cut:]), expected="Hello")


def test_an_empty_message_is_accepted_in_every_form(wire):
    for empty in (b"\x00", b"", b"\x03\x00", payload("", level=0), payload("", level=9)):
        echoes(wire, frame(TEXT, empty, rsv=RSV1), expected="")
        echoes(wire, compressed("between"), expected="between")
    echoes(wire, frame(TEXT), frame(TEXT, b"plain"), expected="")
    assert wire.text() == "plain"


def test_a_message_is_accepted_in_frames_of_one_byte_with_pings_between(wire):
    text = "grüße 🐦 " * 4
    *head, last = payload(text)
    wire.send(frame(TEXT, rsv=RSV1, fin=False))
    for number, byte in enumerate(head):
        wire.send(frame(CONTINUATION, bytes([byte]), fin=False) + frame(PING, b"%d" % number))
        pong = wire.frame()
        assert (pong.opcode, pong.payload) == (PONG, b"%d" % number)
    echoes(wire, frame(CONTINUATION, bytes([last])), expected=text)


STREAMS = {
    "stored": {"level": 0},
    "the best": {"level": 9, "memLevel": 9},
    "the least memory": {"level": 6, "memLevel": 1},
    "fixed codes": {"strategy": zlib.Z_FIXED},
    "codes alone": {"strategy": zlib.Z_HUFFMAN_ONLY},
    "runs": {"strategy": zlib.Z_RLE},
}


@pytest.mark.parametrize("kind", STREAMS)
def test_every_kind_of_stream(wire, kind):
    inflate = Inflater(OUR_BITS, keeps=True)
    for sample in SHORT:
        opcode = TEXT if isinstance(sample.content, str) else BINARY
        wire.send_frame(opcode, payload(sample.data, **STREAMS[kind]), rsv=RSV1)
        assert received(wire, inflate) == sample.data


def test_plain_and_compressed_messages_may_alternate(wire):
    for number in range(5):
        echoes(wire, compressed(f"one {number}"), expected=f"one {number}")
        echoes(wire, frame(TEXT, b"two %d" % number), expected=f"two {number}")


def test_a_final_block_is_accepted_and_so_is_the_next_message(deflating, wire):
    """§7.2.3.4. A context continues after it (§7.2.2: the window is all earlier data, of any
    block).
    """
    text = "all that glitters is not gold"
    final = payload(text, flush=zlib.Z_FINISH)
    for ending in (b"\x00", b""):  # the second one has a redundant end, and is detected
        echoes(wire, frame(TEXT, final + ending, rsv=RSV1), expected=text)
        echoes(wire, compressed(text), expected=text)
    echoes(wire, frame(TEXT, final + b"\x00", rsv=RSV1), expected=text)
    if deflating.configuration == "takeovers":
        again = payload(text, zdict=text.encode())
        assert len(again) < 8
        echoes(wire, frame(TEXT, again, rsv=RSV1), expected=text)
        echoes(wire, frame(TEXT, again, rsv=RSV1), expected=text)


def test_a_client_may_refer_to_its_earlier_messages_if_negotiated(deflating, wire):
    """§7.2.3.2. Otherwise there is nothing to which a message could refer."""
    echoes(wire, frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=RSV1), expected="Hello")
    second = frame(TEXT, bytes.fromhex("f200110000"), rsv=RSV1)
    if deflating.configuration == "takeovers":
        echoes(wire, frame(TEXT, b"Plain does not count."), expected="Plain does not count.")
        echoes(wire, second, second, expected="Hello")
        assert wire.text() == "Hello"
    else:
        wire.send(second)
        wire.expect_failure(1007)


# Data from the server

ENGINES = ("auto", "zlib")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("takeover", ["off", "per_connection"])
def test_an_empty_compressed_message_can_be_decompressed(start, engine, takeover):
    """§7.2.3.6: in one byte, 0x00, or plain."""
    server = start(
        "compression.threshold=0",
        f"compression.engine={engine}",
        f"compression.context_takeover={takeover}",
        args=["--tools"],
    )
    wire, answer = offering(server, NAME)
    assert (SERVER_FLAG in answer) == (takeover == "off")
    with wire:
        inflate = Inflater(OUR_BITS, keeps=takeover != "off")
        for content in (b"", b"", b"x" * 50, b"", b"x" * 50, b"", b"y" * 50):
            for opcode in (TEXT, BINARY):
                wire.send_frame(opcode, content)
                echo = wire.frame()
                assert echo.opcode == opcode and echo.fin
                if content:
                    assert echo.rsv == RSV1
                elif echo.rsv == RSV1:
                    assert echo.payload == b"\x00"
                assert inflate(Message(opcode, echo.rsv == RSV1, echo.payload)) == content


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_and_window_can_be_decompressed(start, engine, level):
    """And never ends with a final block, which `Inflater` detects."""
    server = start(
        f"compression.engine={engine}",
        f"compression.level={level}",
        f"compression.memory_level={level}",
        "compression.context_takeover=per_connection",
        "compression.server_window_bits=15",
        args=["--tools"],
    )
    samples = [sample for sample in LONG if len(sample.data) < 1_000_000]
    for bits, keeps in itertools.product((9, 12, 15), (False, True)):
        wire, answer = offering(
            server, f"{NAME}; {SERVER_BITS}={bits}" + ("" if keeps else f"; {SERVER_FLAG}")
        )
        assert f"{SERVER_BITS}={bits}" in answer
        with wire:
            inflate = Inflater(bits, keeps)
            for sample in samples:
                wire.send_frame(BINARY, sample.data)
                assert received(wire, inflate) == sample.data


@pytest.mark.parametrize("threshold", [0, 50, 1_000, 1 << 20])
def test_the_threshold_separates_plain_from_compressed(start, threshold):
    server = start(f"compression.threshold={threshold}", args=["--tools"])
    wire, _ = offering(server, NAME)
    with wire:
        for size in (threshold - 1, threshold) if threshold else (10,):
            wire.send_text("x" * size)
            assert wire.frame().rsv == (RSV1 if size >= threshold else 0), size


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("takeover", ["off", "per_connection"])
def test_an_incompressible_message_is_sent_plain(start, engine, takeover):
    """Then no later message may refer to it."""
    server = start(
        "compression.threshold=0",
        f"compression.engine={engine}",
        f"compression.context_takeover={takeover}",
        args=["--tools"],
    )
    wire, _ = offering(server, NAME)
    with wire:
        inflate = Inflater(OUR_BITS, keeps=takeover != "off")
        for data in (b"x", b"xyz", randbytes(300), randbytes(3_000)):
            for _ in range(3):
                wire.send_frame(BINARY, data)
                echo = wire.frame()
                assert (echo.rsv, echo.payload) == (0, data)
            wire.send_frame(BINARY, data * 100)
            assert received(wire, inflate) == data * 100
