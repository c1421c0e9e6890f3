"""Every possible offer of PyPI's `websockets`, with its protocol without I/O on a plain socket."""

import itertools
import socket
import zlib

import pytest
from negotiation import LONG, SHORT
from tap import Conversation
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.uri import parse_uri

SERVER_BITS = (None, *range(8, 16))
CLIENT_BITS = (None, True, *range(9, 16))  # zlib can't compress with 8 bits
FLAGS = list(itertools.product((False, True), repeat=2))


class Client:
    """Connects to `/echo`, and keeps the bytes in both directions."""

    def __init__(self, server, *offer, **compress_settings):
        self.protocol = ClientProtocol(
            parse_uri(server.ws("/echo")),
            extensions=[
                ClientPerMessageDeflateFactory(*offer, compress_settings=compress_settings)
            ],
            max_size=None,
        )
        self.conversation = Conversation()
        self.socket = server.connect()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.events = []
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        self.event()
        assert self.protocol.handshake_exc is None, self.protocol.handshake_exc

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        for data in self.protocol.data_to_send():
            self.conversation.up += data
            self.socket.sendall(data)

    def event(self):
        while not self.events:
            data = self.socket.recv(1 << 18)
            assert data, "the server closed"
            self.conversation.down += data
            self.protocol.receive_data(data)
            self.events += self.protocol.events_received()
        return self.events.pop(0)

    def send(self, sample):
        send = self.protocol.send_text
        if isinstance(sample.content, bytes):
            send = self.protocol.send_binary
        if not sample.fragmented:
            send(sample.data)
        else:
            third = len(sample.data) // 3
            send(sample.data[:third], fin=False)
            self.protocol.send_continuation(sample.data[third : 2 * third], fin=False)
            self.protocol.send_ping(b"between")
            self.protocol.send_continuation(sample.data[2 * third :], fin=True)
        self.flush()

    def echo(self, sample):
        self.send(sample)
        while (frame := self.event()).opcode is Opcode.PONG:
            assert frame.data == b"between"
        return frame

    def check_echoes(self, samples):
        for sample in samples:
            frame = self.echo(sample)
            assert frame.opcode is (Opcode.TEXT, Opcode.BINARY)[isinstance(sample.content, bytes)]
            assert frame.data == sample.data
        self.protocol.send_close(1000)
        self.flush()
        assert self.event().opcode is Opcode.CLOSE


@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "-".join(map(str, flags)))
def test_every_offer_is_answered_correctly_and_echoes(deflating, flags):
    for bits in itertools.product(SERVER_BITS, CLIENT_BITS):
        try:
            with Client(deflating, *flags, *bits) as client:
                client.check_echoes(SHORT)
            if bits[0] == 8:
                assert client.conversation.agreement is None
                assert client.protocol.extensions == []
            else:
                client.conversation.check(SHORT, deflating.configuration, fragments=True)
        except AssertionError as error:
            raise AssertionError(f"offered: {client.conversation.offers}") from error


OFFERS = [(False, False, None, True), (False, False, 9, 9), (True, True, 12, 10)]
STRATEGIES = {
    "default": zlib.Z_DEFAULT_STRATEGY,
    "fixed": zlib.Z_FIXED,
    "huffman": zlib.Z_HUFFMAN_ONLY,
}

# With some of these settings, the largest incompressible messages would grow beyond the limit.
UP_TO_64_KIB = [sample for sample in LONG if len(sample.data) <= 65_536]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("memory", [1, 9])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_messages_are_echoed_however_the_client_compresses_them(deflating, level, memory, strategy):
    settings = {"level": level, "memLevel": memory, "strategy": STRATEGIES[strategy]}
    matches = level > 0 and strategy != "huffman"
    for offer in OFFERS:
        with Client(deflating, *offer, **settings) as client:
            client.check_echoes(UP_TO_64_KIB)
        client.conversation.check(
            UP_TO_64_KIB, deflating.configuration, fragments=True, client_matches=matches
        )
