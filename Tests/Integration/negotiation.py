"""The messages and servers of the tests of permessage-deflate, and the valid negotiations (RFC
7692).
"""

import functools
import json
import random
import re
import zlib
from dataclasses import dataclass

NAME = "permessage-deflate"
SERVER_FLAG, CLIENT_FLAG = "server_no_context_takeover", "client_no_context_takeover"
SERVER_BITS, CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"

CONFIGURATIONS = {
    "defaults": (),
    "takeovers": (
        "compression.context_takeover=per_connection",
        "compression.client_context_takeover=per_connection",
    ),
    "alone": ("compression.engine=zlib", "compression.context_takeover=off"),
}


def server_may_keep(configuration):
    """Returns servers. By default they request the clients' window, although an echo doesn't use
    it.
    """
    return configuration != "alone"


THRESHOLD = 256
OUR_BITS = 12  # compression.server_window_bits

MIB = 1 << 20


# The messages


@dataclass
class Sample:
    """A message to echo. It is `fragmented`, with a ping before its end, by the clients that can do
    so.
    """

    content: str | bytes
    fragmented: bool = False

    @functools.cached_property
    def data(self):
        return self.content.encode() if isinstance(self.content, str) else self.content

    @functools.cached_property
    def incompressible(self):
        return len(zlib.compress(self.data)) >= len(self.data)


def _words(size, seed):
    """Returns `size` bytes of text, with some characters of several bytes."""
    chosen = random.Random(seed)
    words = ["grüße", "order", "0.25", "🐦", "level", "bid", "ask", "événement", "\n"]
    text = " ".join(chosen.choices(words, k=size // 4)).encode()[:size].decode(errors="ignore")
    return text + "." * (size - len(text.encode()))


def _json(seed):
    chosen = random.Random(seed)
    rows = [{"id": n, "price": chosen.random(), "name": f"näme {n}"} for n in range(16)]
    return json.dumps(rows, ensure_ascii=False)[:1_000]


def _random(size, seed=7):
    return random.Random(seed).randbytes(size)


# Two equal messages in a row show whether a context was kept.
SHORT = [
    Sample(""),
    Sample(b""),
    Sample("x"),
    Sample(_words(THRESHOLD - 1, 1)),
    Sample(_words(THRESHOLD, 2)),
    Sample(_json(3)),
    Sample(_json(3)),
    Sample(_random(2_000)),
    Sample(_random(9_000).hex() * 2),  # repeats itself from beyond the server's window
    Sample(_words(20_000, 4), fragmented=True),
    Sample(_json(5).encode()),
]
LONG = [
    *SHORT,
    Sample(_words(65_536, 6)),
    Sample(_random(65_536)),
    Sample(bytes(65_535)),
    Sample(_words(MIB, 8)),
    Sample(_random(MIB), fragmented=True),
    Sample(_words(MIB - 1, 9), fragmented=True),
    Sample(""),
    Sample(_json(3)),
]


# The negotiated parameters


def _unquoted(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def parse(line):
    """Returns the offers or answers in the value of a header: `[(name, [(parameter, value or
    None)])]`.
    """
    found = []
    for element in line.split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        pairs = [parameter.partition("=") for parameter in parameters]
        found.append(
            (name, [(key, _unquoted(value) if sign else None) for key, sign, value in pairs])
        )
    return found


def valid(parameters, answered):
    """Returns whether they are valid in an answer, or in an offer (§7.1)."""
    for key, value in parameters:
        if key in (SERVER_FLAG, CLIENT_FLAG):
            good = value is None
        elif key == CLIENT_BITS and not answered and value is None:
            good = True
        else:
            good = key in (SERVER_BITS, CLIENT_BITS) and re.fullmatch("[89]|1[0-5]", value or "")
        if not good:
            return False
    return len(dict(parameters)) == len(parameters)


def accepts(answer, offer):
    """Returns whether a valid answer accepts a valid offer, by §7.1 and the rules of our design."""
    if SERVER_FLAG in offer and SERVER_FLAG not in answer:  # §7.1.1.1
        return False
    if CLIENT_FLAG in offer and CLIENT_FLAG not in answer:  # §7.1.1.2: a hint; gorilla needs it
        return False
    if (SERVER_BITS in offer) != (SERVER_BITS in answer):  # §7.1.2.1; nhooyr fails unless offered
        return False
    if SERVER_BITS in answer and int(answer[SERVER_BITS]) > int(offer[SERVER_BITS]):  # §7.1.2.1
        return False
    if CLIENT_BITS in answer and CLIENT_BITS not in offer:  # §7.1.2.2
        return False
    return CLIENT_BITS not in answer or int(answer[CLIENT_BITS]) <= int(offer[CLIENT_BITS] or 15)


@dataclass
class Agreement:
    server_keeps: bool
    client_keeps: bool
    server_bits: int
    client_bits: int


def agreement(offers, answer):
    """Returns the parameters that `answer` accepts of the header lines `offers`, or None. Asserts
    §7.1.
    """
    if answer is None:
        return None
    ((name, parameters),) = parse(answer)
    assert name == NAME and valid(parameters, answered=True), answer
    agreed = dict(parameters)
    offered = [terms for name, terms in parse(", ".join(offers)) if name == NAME]
    assert any(accepts(agreed, dict(terms)) for terms in offered if valid(terms, answered=False)), (
        f"{offers} answered by {answer}"
    )
    return Agreement(
        server_keeps=SERVER_FLAG not in agreed,
        client_keeps=CLIENT_FLAG not in agreed,
        server_bits=int(agreed.get(SERVER_BITS, 15)),
        client_bits=int(agreed.get(CLIENT_BITS, 15)),
    )
