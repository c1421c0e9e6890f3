"""What the attacks send: requests, messages, and texts that are dear to process."""

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
    """Bytes of combining marks out of order: to normalise them naively takes quadratic time."""
    return "\u0300\u0316".encode() * (size // 4)


def escaped_marks(size):
    """The same in that many bytes of a URL."""
    return quote_from_bytes(marks(size // 3)).encode()


@dataclasses.dataclass
class Address:
    """Where the server is, for requests to name it."""

    host: str
    port: int

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    def request(self, method, path, *lines):
        """A request without content; `lines` are more header lines."""
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
        """An upgrade that offers compression."""
        return self.upgrade(path, Sec_WebSocket_Extensions=DEFLATE + parameters)


def text(payload, **options):
    return frame(TEXT, payload, **options)


def deflated(payload, kind=BINARY):
    """A message's only frame, of what is compressed already."""
    return frame(kind, payload, rsv=RSV1)


@functools.cache
def empty_blocks(size):
    """A compressed message of so many bytes that is all tables, and inflates to nothing."""
    # The blocks repeat once they end at a byte's end.
    period = EMPTY_DYNAMIC.text * 8
    unit = int(period[::-1], 2).to_bytes(len(period) // 8, "little")
    return unit * (size // len(unit)) + b"\x00"


@functools.cache
def zip_bomb(size):
    return deflated(bomb(size))
