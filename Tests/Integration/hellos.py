"""TLS handshakes by hand: a ClientHello with any contents, and the server's answer to it.

For what OpenSSL's client can't send: old versions, ciphers that it no longer has, broken records.
"""

import struct
from dataclasses import dataclass, field

SSL2, SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0200, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 1, 2, 11, 12, 14
SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURES, HEARTBEATS = 0, 10, 11, 13, 15
MASTER_SECRET, TICKET, VERSIONS, KEY_SHARES, RENEGOTIATION = 23, 35, 43, 51, 0xFF01
# Values of the cipher list that are signals (RFC 5746 §3.3, RFC 7507 §2).
RENEGOTIATION_SIGNAL, FALLBACK_SIGNAL = 0x00FF, 0x5600
X25519, P256, P384 = 29, 23, 24
# Of ECDSA and RSA with SHA-256 to SHA-512.
SIGNATURE_SCHEMES = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601]
# Values that stand for what is unknown yet (RFC 8701).
GREASE = 0x2A2A


def record(kind, payload, version=TLS12):
    return struct.pack(">BHH", kind, version, len(payload)) + payload


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def vector(data, length_size):
    return len(data).to_bytes(length_size, "big") + data


def numbers(values):
    return b"".join(struct.pack(">H", value) for value in values)


def server_name(name):
    return vector(b"\0" + vector(name.encode(), 2), 2)


def hello(version=TLS12, ciphers=(), compressions=b"\0", name="localhost", session=b"",
          extensions=(), without=()):
    """Returns a ClientHello for versions up to 1.2. `extensions` are pairs of a number and the
    contents, which replace those that are there by default; `without` omits some of these.
    """
    all_of_them = {
        SERVER_NAME: server_name(name),
        GROUPS: vector(numbers([X25519, P256, P384]), 2),
        POINT_FORMATS: vector(b"\0", 1),
        SIGNATURES: vector(numbers(SIGNATURE_SCHEMES), 2),
        RENEGOTIATION: b"\0",
    } | dict(extensions)
    body = b"".join(
        struct.pack(">H", number) + vector(content, 2)
        for number, content in all_of_them.items() if number not in without)
    return message(
        CLIENT_HELLO,
        struct.pack(">H", version) + bytes(range(32)) + vector(session, 1)
        + vector(numbers(ciphers), 2) + vector(compressions, 1) + vector(body, 2))


def records_of(data, version=TLS10):
    """Returns handshake bytes in as few records as they need."""
    size = 1 << 14
    return b"".join(
        record(HANDSHAKE, data[at : at + size], version) for at in range(0, len(data), size))


@dataclass
class Answer:
    """What a server has sent: up to the end of its first flight, an alert, or the end."""

    version: int = 0
    random: bytes = b""
    session: bytes = b""
    cipher: int = 0
    compression: int = 0
    extensions: dict = field(default_factory=dict)
    # The group of the key exchange.
    group: int = 0
    alert: int = 0
    ended: bool = False
    other: list = field(default_factory=list)


def take(sock, count):
    data = b""
    while len(data) < count:
        try:
            piece = sock.recv(count - len(data))
        except ConnectionResetError:
            piece = b""
        if not piece:
            return None
        data += piece
    return data


def next_record(sock):
    """Returns the type and contents of a record; None at the end."""
    head = take(sock, 5)
    if head is None:
        return None
    kind, _, size = struct.unpack(">BHH", head)
    return kind, take(sock, size)


def read_answer(sock):
    answer, handshake = Answer(), b""
    while True:
        found = next_record(sock)
        if found is None:
            answer.ended = True
            return answer
        kind, payload = found
        if kind == ALERT:
            answer.alert = payload[1]
            return answer
        if kind != HANDSHAKE:
            answer.other.append(kind)
            continue
        handshake += payload
        while len(handshake) >= 4:
            size = 4 + int.from_bytes(handshake[1:4], "big")
            if len(handshake) < size:
                break
            body, rest = handshake[4:size], handshake[size:]
            if handshake[0] == SERVER_HELLO:
                read_server_hello(answer, body)
                if answer.version != TLS12 or VERSIONS in answer.extensions:
                    return answer
            elif handshake[0] == SERVER_KEY_EXCHANGE:
                answer.group = int.from_bytes(body[1:3], "big")
            elif handshake[0] == SERVER_HELLO_DONE:
                return answer
            handshake = rest


def read_server_hello(answer, body):
    answer.version = int.from_bytes(body[:2], "big")
    answer.random = body[2:34]
    at = 35 + body[34]
    answer.session = body[35:at]
    answer.cipher, answer.compression = struct.unpack(">HB", body[at : at + 3])
    at += 5
    while at < len(body):
        number, size = struct.unpack(">HH", body[at : at + 4])
        answer.extensions[number] = body[at + 4 : at + 4 + size]
        at += 4 + size


def ask(server, *sent):
    """Sends bytes to a server. Returns its answer."""
    with server.connect() as sock:
        sock.sendall(b"".join(sent))
        return read_answer(sock)


def offer(server, **options):
    """Sends a ClientHello. Returns the server's answer."""
    return ask(server, records_of(hello(**options)))
