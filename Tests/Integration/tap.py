"""The exact bytes of connections with permessage-deflate, whatever the client is.

Nothing here relies on the client or the server: frames are parsed from the recorded bytes, and the
server's messages are decompressed by plain zlib with the negotiated window.
"""

import contextlib
import socket
import threading
import zlib
from dataclasses import dataclass

from negotiation import CLIENT_FLAG, OUR_BITS, SERVER_FLAG, THRESHOLD, agreement, server_may_keep
from wire import BINARY, CONTINUATION, PING, PONG, TEXT, Frame, mask

EXTENSIONS = "sec-websocket-extensions"
TAIL = b"\x00\x00\xff\xff"


def frames(data):
    """Returns the complete frames in the bytes of one direction, unmasked."""
    found, at = [], 0
    while at + 2 <= len(data):
        first, second = data[at : at + 2]
        at += 2
        length = second & 0x7F
        if length > 125:
            width = 2 if length == 126 else 8
            length = int.from_bytes(data[at : at + width], "big")
            at += width
        key = data[at : at + 4] if second & 0x80 else b""
        at += len(key)
        payload = bytes(data[at : at + length])
        at += length
        if at <= len(data):
            payload = mask(payload, bytes(key)) if key else payload
            found.append(Frame(first & 0x0F, payload, bool(first & 0x80), first >> 4 & 7))
    return found


@dataclass
class Message:
    """A message as it was on the wire."""

    opcode: int
    compressed: bool
    payload: bytes = b""
    frames: int = 0
    interrupted: bool = False  # by a control frame between its fragments


def messages(data):
    found = []
    unfinished = None
    for frame in frames(data):
        if frame.opcode in (TEXT, BINARY):
            assert unfinished is None, "a message inside a message"
            assert frame.rsv in (0, 4), frame.rsv
            unfinished = Message(frame.opcode, bool(frame.rsv))
        else:
            assert frame.rsv == 0, f"RSV bits on opcode {frame.opcode}"
        if frame.opcode in (TEXT, BINARY, CONTINUATION):
            unfinished.payload += frame.payload
            unfinished.frames += 1
            if frame.fin:
                found.append(unfinished)
                unfinished = None
        elif unfinished:
            unfinished.interrupted = True
    return found


class Inflater:
    """Plain zlib with the negotiated window. It fails on references beyond it."""

    def __init__(self, bits=15, keeps=False):
        self.bits, self.keeps = bits, keeps
        self.stream = None

    def __call__(self, message):
        if not message.compressed:
            return message.payload
        if self.stream is None or not self.keeps:
            self.stream = zlib.decompressobj(-self.bits)
        content = self.stream.decompress(message.payload + TAIL)
        assert not self.stream.eof, "a final block, which other inflaters stop at"
        return content


def body(data):
    """Returns the bytes after the head of a request or response."""
    return data.partition(b"\r\n\r\n")[2]


def extensions(head):
    """Returns the values of the header lines for extensions in a request or response."""
    lines = bytes(head).partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(":") for line in lines]
    return [value.strip() for name, _, value in pairs if name.lower() == EXTENSIONS]


class Conversation:
    """One connection: its bytes from the first on, in both directions."""

    def __init__(self):
        self.up, self.down = bytearray(), bytearray()
        self.threads = []

    @property
    def upgraded(self):
        return self.down.startswith(b"HTTP/1.1 101 ")

    @property
    def offers(self):
        return extensions(self.up)

    @property
    def agreement(self):
        answers = extensions(self.down)
        assert len(answers) <= 1
        return agreement(self.offers, answers[0] if answers else None)

    @property
    def sent(self):
        return messages(body(self.up))

    @property
    def received(self):
        return messages(body(self.down))

    def check(
        self, samples, configuration, client_compresses=True, fragments=False,
        client_matches=True,
    ):
        """Checks all rules for a connection on which `samples` were echoed with compression.

        `client_matches` is false for a client that never refers to its earlier messages.
        """
        agreed = self.agreement
        assert agreed, self.offers
        takeovers = configuration == "takeovers"
        offered = " ".join(self.offers)
        may_keep = server_may_keep(configuration) and SERVER_FLAG not in offered
        assert agreed.server_keeps == may_keep
        assert agreed.client_keeps == (takeovers and CLIENT_FLAG not in offered)

        sent, received = self.sent, self.received
        assert len(sent) == len(received) == len(samples)
        assert any(message.compressed for message in sent) == client_compresses
        if fragments:
            assert any(message.compressed and message.interrupted for message in sent)
            pings = [frame.payload for frame in frames(body(self.up)) if frame.opcode == PING]
            pongs = [frame.payload for frame in frames(body(self.down)) if frame.opcode == PONG]
            assert pings and pings == pongs

        server_bits = min(agreed.server_bits, OUR_BITS)
        inflate = Inflater(server_bits, agreed.server_keeps)
        for sample, message in zip(samples, received, strict=True):
            assert message.opcode == (TEXT if isinstance(sample.content, str) else BINARY)
            assert message.frames == 1, "Tornado and wsproto fail on a ping between fragments"
            assert inflate(message) == sample.data
            if len(sample.data) < THRESHOLD:
                assert not message.compressed
            elif not sample.incompressible:
                assert message.compressed and len(message.payload) < len(sample.data)
        client_refers = agreed.client_keeps and client_matches
        self._check_context(samples, sent, client_refers, agreed.client_bits)
        self._check_context(samples, received, takeovers and may_keep, server_bits)

    @staticmethod
    def _check_context(samples, messages, keeps, bits):
        """The second of two equal messages is small if a context was kept, otherwise as large as
        the first.
        """
        for one, other, first, second in zip(samples, samples[1:], messages, messages[1:]):
            if one != other or len(one.data) < THRESHOLD:
                continue
            if not keeps:
                assert first.payload == second.payload
            elif first.compressed and bits > 10:  # zlib uses 262 bytes less than the window
                assert len(second.payload) < len(first.payload) / 4


class Tap:
    """A proxy that records the bytes. To its clients, it looks like the server."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self.listener.getsockname()
        self.authority = f"{self.host}:{self.port}"
        self.conversations, self.sockets = [], []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def url(self, path, scheme="http"):
        return f"{scheme}://{self.authority}{path}"

    def ws(self, path):
        return self.url(path, "ws")

    def connect(self):
        """Opens a plain TCP connection."""
        return socket.create_connection((self.host, self.port), timeout=5)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = self.server.connect()
            server.settimeout(None)
            conversation = Conversation()
            for source, sink, kept in (
                (client, server, conversation.up),
                (server, client, conversation.down),
            ):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._pump, args=(source, sink, kept), daemon=True)
                conversation.threads.append(thread)
            self.sockets += [client, server]
            self.conversations.append(conversation)
            for thread in conversation.threads:
                thread.start()

    @staticmethod
    def _pump(source, sink, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                kept += data
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def conversation(self):
        """Returns the only WebSocket connection, from its first byte to its last."""
        (found,) = (one for one in self.conversations if one.upgraded)
        for thread in found.threads:
            thread.join(5)
            assert not thread.is_alive(), "the connection was not closed"
        return found

    def close(self):
        for one in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.thread.join()
