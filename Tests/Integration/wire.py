"""WebSocket and HTTP by hand on a plain socket, to send what no well-behaved client would send."""

import base64
import socket
import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = base64.b64encode(bytes(range(16))).decode()
MASK = b"\x37\xfa\x21\x3d"


def mask(payload, key=MASK):
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode, payload=b"", *, fin=True, rsv=0, masked=True, announced=None, length_form=None):
    """Returns the bytes of a frame. `announced` replaces the length; `length_form` is 7, 16 or 64
    bits.
    """
    length = len(payload) if announced is None else announced
    form = length_form or (7 if length < 126 else 16 if length < 65_536 else 64)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if form == 7:
        head = struct.pack(">BB", first, bit | length)
    elif form == 16:
        head = struct.pack(">BBH", first, bit | 126, length)
    else:
        head = struct.pack(">BBQ", first, bit | 127, length)
    return head + (MASK + mask(payload) if masked else payload)


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


def upgrade_request(path="/ws", host="localhost", **changes):
    """Returns an opening handshake. `changes` replace headers (`_` for `-`); None omits one."""
    headers = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


@dataclass
class Response:
    status: int
    headers: dict
    body: bytes


@dataclass
class Frame:
    opcode: int
    payload: bytes
    fin: bool
    rsv: int

    @property
    def code(self):
        """Returns the code of a Close frame; None if it is empty."""
        return struct.unpack(">H", self.payload[:2])[0] if self.payload else None

    @property
    def reason(self):
        return self.payload[2:].decode()


class Ended(Exception):
    """The error if the peer has closed or reset the connection."""


class Wire:
    """A blocking connection that reads responses and frames one by one."""

    def __init__(self, sock, seconds=5):
        self.socket = sock
        self.socket.settimeout(seconds)
        self.buffer = bytearray()

    @classmethod
    def to(
        cls, server, path=None, *, receive_buffer=None, segment=None, source=None, **changes
    ):
        """Connects from an address of this machine, and upgrades if there is a `path`. With small
        segments and a small buffer, the kernels on both sides buffer little for a peer that doesn't
        read.
        """
        sock = socket.socket(socket.AF_INET)
        if source:
            sock.bind((source, 0))
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        sock.settimeout(5)
        sock.connect((server.host, server.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = cls(sock)
        if path is not None:
            wire.send(upgrade_request(path, server.authority, **changes))
            response = wire.response()
            assert response.status == 101, response
        return wire

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Sending

    def send(self, data):
        self.socket.sendall(data)

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, **options))

    def send_text(self, text):
        self.send_frame(TEXT, text.encode())

    # Receiving

    def _more(self):
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended(bytes(self.buffer))
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def take_through(self, mark):
        while (end := self.buffer.find(mark)) < 0:
            self._more()
        return self.take(end + len(mark))

    def response(self, head_only=False):
        lines = self.take_through(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        bodiless = head_only or status < 200 or status in (204, 304)
        length = 0 if bodiless else int(headers.get("content-length", 0))
        return Response(status, headers, self.take(length))

    def frame(self):
        first, second = self.take(2)
        assert not second & 0x80, "a server's frame must not be masked"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.take(8))
        return Frame(first & 0x0F, self.take(length), bool(first & 0x80), first >> 4 & 7)

    def text(self):
        received = self.frame()
        assert received.opcode == TEXT and received.fin, received
        return received.payload.decode()

    def close_frame(self):
        """Returns the next Close frame. Frames before it are skipped."""
        while (received := self.frame()).opcode != CLOSE:
            pass
        return received

    def ends(self):
        """Reads until the peer has closed. Returns the data before, and fails by timeout."""
        try:
            while True:
                self._more()
        except Ended:
            return bytes(self.buffer)

    def expect_failure(self, code):
        """The peer must fail the connection with `code` and then close it, as is done here too."""
        received = self.close_frame()
        assert received.code == code, received
        self.send_frame(CLOSE, received.payload[:2])
        self.ends()
        self.close()
