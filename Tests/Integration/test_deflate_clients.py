"""permessage-deflate with Python clients, each with its own kinds of offers."""

import asyncio

import aiohttp
import pytest
import tornado.websocket
import wsproto.events
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from negotiation import CLIENT_FLAG, LONG, SERVER_FLAG, SHORT
from tornado.websocket import WebSocketClosedError
from websockets.sync.client import connect as websockets_connect
from wsproto.connection import ConnectionType
from wsproto.extensions import PerMessageDeflate

CONTENTS = [sample.content for sample in LONG]


def gathered(echoes):
    """Returns the values of an asynchronous iterator."""

    async def gather():
        return [echo async for echo in echoes]

    return asyncio.run(asyncio.wait_for(gather(), 15))


def in_thirds(content):
    third = len(content) // 3
    return content[:third], content[third : 2 * third], content[2 * third :]


def test_websockets(deflating, tap):
    with websockets_connect(tap.ws("/echo"), proxy=None, max_size=None) as client:
        for sample in LONG:
            client.send(in_thirds(sample.content) if sample.fragmented else sample.content)
            assert client.recv(timeout=5) == sample.content
    tap.conversation().check(LONG, deflating.configuration)


def test_websockets_sends_many_before_it_receives(deflating, tap):
    samples = SHORT * 10
    with websockets_connect(tap.ws("/echo"), proxy=None, max_size=None) as client:
        for sample in samples:
            client.send(sample.content)
        for sample in samples:
            assert client.recv(timeout=5) == sample.content
    tap.conversation().check(samples, deflating.configuration)


@pytest.mark.parametrize("bits", range(9, 16))
def test_aiohttp(deflating, tap, bits):
    async def echoes():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(tap.url("/echo"), compress=bits, max_msg_size=0) as client,
        ):
            assert client.compress
            for content in CONTENTS:
                if isinstance(content, str):
                    await client.send_str(content)
                else:
                    await client.send_bytes(content)
                yield (await client.receive(timeout=5)).data

    assert gathered(echoes()) == CONTENTS
    tap.conversation().check(LONG, deflating.configuration)


async def with_tornado(tap, contents):
    client = await tornado.websocket.websocket_connect(
        tap.ws("/echo"), compression_options={}, max_message_size=1 << 21
    )
    for content in contents:
        await client.write_message(content, binary=isinstance(content, bytes))
        yield await client.read_message()
    client.close(1000)
    assert await client.read_message() is None


def test_tornado(deflating, tap, request):
    if deflating.configuration != "takeovers":
        reason = "Tornado drops parameters without a value, so it keeps its context unasked"
        request.applymarker(pytest.mark.xfail(reason=reason, raises=WebSocketClosedError))
    assert gathered(with_tornado(tap, CONTENTS)) == CONTENTS
    tap.conversation().check(LONG, deflating.configuration)


@pytest.mark.parametrize("sample", LONG[5:], ids=lambda sample: len(sample.data))
def test_tornado_with_a_single_message(deflating, tap, sample):
    assert gathered(with_tornado(tap, [sample.content])) == [sample.content]
    tap.conversation().check([sample], deflating.configuration)


WSPROTO = [
    {},
    {SERVER_FLAG: True},
    {CLIENT_FLAG: True},
    {"server_max_window_bits": 9, "client_max_window_bits": 9},
    {SERVER_FLAG: True, CLIENT_FLAG: True, "server_max_window_bits": 11},
]


@pytest.mark.parametrize("offer", WSPROTO, ids=str)
def test_wsproto(deflating, tap, offer):
    client = wsproto.WSConnection(ConnectionType.CLIENT)
    extension = PerMessageDeflate(**offer)
    request = wsproto.events.Request(tap.authority, "/echo", extensions=[extension])
    with tap.connect() as socket:

        def events():
            while data := socket.recv(1 << 18):
                client.receive_data(data)
                yield from client.events()

        def send(event):
            socket.sendall(client.send(event))

        received = events()
        send(request)
        accepted = next(received)
        assert isinstance(accepted, wsproto.events.AcceptConnection)
        assert accepted.extensions == [extension] and extension.enabled()

        for sample in LONG:
            kind = wsproto.events.TextMessage
            if isinstance(sample.content, bytes):
                kind = wsproto.events.BytesMessage
            if sample.fragmented:
                first, second, third = in_thirds(sample.content)
                send(kind(first, message_finished=False))
                send(kind(second, message_finished=False))
                send(wsproto.events.Ping(b"between"))
                send(kind(third))
            else:
                send(kind(sample.content))
            parts = []
            while not (parts and parts[-1].message_finished):
                event = next(received)
                if isinstance(event, wsproto.events.Pong):
                    assert sample.fragmented and event.payload == b"between"
                else:
                    assert isinstance(event, kind)
                    parts.append(event)
            assert type(sample.content)().join(part.data for part in parts) == sample.content
        send(wsproto.events.CloseConnection(1000))
        assert isinstance(next(received), wsproto.events.CloseConnection)
    tap.conversation().check(LONG, deflating.configuration, fragments=True)


AUTOBAHN = [
    PerMessageDeflateOffer(),
    PerMessageDeflateOffer(request_no_context_takeover=True),
    PerMessageDeflateOffer(request_max_window_bits=9),
    PerMessageDeflateOffer(accept_no_context_takeover=False, accept_max_window_bits=False),
]


class AutobahnClient(WebSocketClientProtocol):
    """Sends each message of LONG after the echo of the one before; `factory.done` receives the
    echoes.
    """

    def onOpen(self):  # noqa: N802
        self.echoes = []
        self.send(LONG[0])

    def send(self, sample):
        binary = isinstance(sample.content, bytes)
        if not sample.fragmented:
            self.sendMessage(sample.data, binary)
            return
        first, second, third = in_thirds(sample.data)
        self.beginMessage(binary)
        self.sendMessageFrame(first)
        self.sendMessageFrame(second)
        self.sendPing(b"between")
        self.sendMessageFrame(third)
        self.endMessage()

    def onMessage(self, payload, isBinary):  # noqa: N802, N803
        self.echoes.append(payload if isBinary else payload.decode())
        if len(self.echoes) < len(LONG):
            self.send(LONG[len(self.echoes)])
        else:
            self.sendClose(1000)

    def onClose(self, wasClean, code, reason):  # noqa: N802, N803
        if not self.factory.done.done():
            self.factory.done.set_result((code, getattr(self, "echoes", reason)))


@pytest.mark.parametrize("offer", AUTOBAHN, ids=lambda offer: offer.get_extension_string())
def test_autobahn(deflating, tap, offer):
    def accept(response):
        if isinstance(response, PerMessageDeflateResponse):
            return PerMessageDeflateResponseAccept(response)

    async def echoes():
        loop = asyncio.get_running_loop()
        factory = WebSocketClientFactory(tap.ws("/echo"), loop=loop)
        factory.protocol = AutobahnClient
        factory.done = loop.create_future()
        factory.setProtocolOptions(
            perMessageCompressionOffers=[offer], perMessageCompressionAccept=accept,
            openHandshakeTimeout=15, closeHandshakeTimeout=15, serverConnectionDropTimeout=15,
        )
        await loop.create_connection(factory, tap.host, tap.port)
        return await asyncio.wait_for(factory.done, 15)

    code, found = asyncio.run(echoes())
    assert found == CONTENTS
    assert code == 1000
    tap.conversation().check(LONG, deflating.configuration, fragments=True)
