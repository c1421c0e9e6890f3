"""permessage-deflate by hand (RFC 7692), and streams that no compressor would write (RFC 1951)."""

import functools
import itertools
import zlib

from wire import BINARY, CLOSE, Wire, frame, upgrade_request

KIB, MIB = 1 << 10, 1 << 20
RSV1 = 4

TAIL = b"\x00\x00\xff\xff"
EMPTY_STORED = b"\x00" + TAIL
# A message of only a sync flush; all messages here end with it.
FLUSH = b"\x00"
# A prefix for short messages, because the server may decompress long ones with another library.
LONG = EMPTY_STORED * 200


def deflate(data, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    """Compresses a message, without its tail."""
    stream = zlib.compressobj(level, wbits=-15, strategy=strategy)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(payload):
    return zlib.decompressobj(-15).decompress(payload + TAIL)


@functools.cache
def bomb(size):
    """Returns the fewest bytes that decompress to `size`: 64 KiB to 64 MiB."""
    return deflate(bytes(size))


def stored(data):
    """Returns stored blocks, which aren't compressed."""
    blocks = []
    for start in range(0, len(data), 0xFFFF):
        block = data[start : start + 0xFFFF]
        size = len(block)
        blocks.append(b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little"))
        blocks.append(block)
    return b"".join(blocks)


class Bits:
    """A bit stream in the order of sending."""

    def __init__(self):
        self.text = ""

    def number(self, value, count):
        """Writes a field of `count` bits, the lowest first."""
        self.text += f"{value:0{count}b}"[::-1] if count else ""
        return self

    def code(self, value, count):
        """Writes a Huffman code, the highest bit first."""
        self.text += f"{value:0{count}b}"
        return self

    def times(self, size):
        """Repeats data, in at most `size` bytes."""
        made = Bits()
        made.text = self.text * (8 * size // len(self.text))
        return made

    def message(self):
        """Ends with a sync flush without its tail: the header of an empty stored block."""
        text = self.text + "000"
        text += "0" * (-len(text) % 8)
        return int(text[::-1], 2).to_bytes(len(text) // 8, "little")


def header(kind):
    """Writes the header of a block: 0 stored, 1 fixed codes, 2 dynamic codes, 3 invalid."""
    return Bits().number(0, 1).number(kind, 2)


EMPTY_FIXED = header(1).code(0, 7)


def codes(lengths):
    """Returns the canonical codes of these lengths (RFC 1951 §3.2.2)."""
    value, made = 0, {}
    for length in range(1, 16):
        value <<= 1
        for symbol, its in enumerate(lengths):
            if its == length:
                made[symbol] = (value, length)
                value += 1
    return made


# Complete, so that any of the lengths can be encoded.
ALL_LENGTHS = [4] * 13 + [5] * 6
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


def tables(literals, distances, lengths=ALL_LENGTHS):
    """Writes the head of a block with this many codes, whose lengths are encoded with the codes of
    `lengths`.
    """
    bits = header(2).number(literals - 257, 5).number(distances - 1, 5).number(15, 4)
    for symbol in ORDER:
        bits.number(lengths[symbol], 3)
    return bits


def dynamic(literals, distances, lengths=ALL_LENGTHS):
    """Writes the same, and the lengths of these codes."""
    bits = tables(len(literals), len(distances), lengths)
    said = codes(lengths)
    for length, same in itertools.groupby([*literals, *distances]):
        bits.code(*said[length])
        rest = len(list(same)) - 1
        while rest >= 3:  # 16: the previous length, 3 to 6 times
            bits.code(*said[16]).number(min(rest, 6) - 3, 2)
            rest -= min(rest, 6)
        for _ in range(rest):
            bits.code(*said[length])
    return bits


# The tables that take longest to build, in few bits, with no symbol but the end of the block.
WIDE = [1, 2, 3, 4, 5, 6] + [14] * 232 + [15] * 48
WIDE_LENGTHS = [6] + [5] * 8 + [6] * 5 + [2, 3, 2, 6, 6]
EMPTY_DYNAMIC = dynamic(WIDE, [*range(1, 15), 15, 15], WIDE_LENGTHS).code(*codes(WIDE)[256])


def match(distance):
    """Copies three bytes from this distance, with fixed codes."""
    base, code, extra = 1, 0, 0
    while distance >= base + (1 << extra):
        base += 1 << extra
        code += 1
        extra = max(0, code // 2 - 1)
    return (
        header(1).code(1, 7).code(code, 5).number(distance - base, extra).code(0, 7).message()
    )


class DeflateWire(Wire):
    """A connection to /echo that has negotiated permessage-deflate."""

    @classmethod
    def to(cls, server):
        wire = super().to(server)
        offer = "permessage-deflate"
        wire.send(upgrade_request("/echo", server.authority, Sec_WebSocket_Extensions=offer))
        response = wire.response()
        assert response.status == 101, response
        agreed = response.headers["sec-websocket-extensions"]
        assert agreed.startswith(offer), agreed
        assert ("client_no_context_takeover" in agreed) != server.takes_over, agreed
        return wire

    def send_deflated(self, payload, opcode=BINARY, **options):
        self.send(frame(opcode, payload, rsv=RSV1, **options))

    def message(self):
        """Returns the next message, decompressed, or the code of a Close frame."""
        received = self.frame()
        if received.opcode == CLOSE:
            return received.code
        return inflate(received.payload) if received.rsv == RSV1 else received.payload

    def expect(self, expected, what=""):
        """Checks that these bytes are the next message, or that a Close frame with this code is the
        end.
        """
        answer = self.message()
        assert answer == expected, f"{brief(answer)} instead of {brief(expected)} {what}"
        if isinstance(answer, int):
            self.ends()


def brief(answer):
    return f"{len(answer)} bytes" if isinstance(answer, bytes) else answer
