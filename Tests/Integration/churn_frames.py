"""What kinds of frames publications came in, from the bytes that passed a `Tap`."""

import collections
import re
import zlib

from churn import content
from negotiation import OUR_BITS
from tap import TAIL, Inflater

PUBLICATION = re.compile(rb"t(\d+) (\d+) ")

PLAIN = "plain"  # as they were published
ALONE = "alone"  # compressed, and any inflater makes something of it
STORED = "stored"  # compressed, they say, in a block that isn't: for what follows to refer to
SHARED = "shared"  # compressed, and refers to what was sent before
OWN = "own"  # not a publication: a compressed echo between them


class Frames:
    """Counts of those kinds, and how each publication was put that refers to others."""

    def __init__(self):
        self.counts = collections.Counter()
        self.shared = collections.defaultdict(set)

    def add(self, conversation):
        """Inflates all that the server sent, and compares it once more."""
        agreed = conversation.agreement
        assert agreed, conversation.offers
        inflate = Inflater(min(agreed.server_bits, OUR_BITS), agreed.server_keeps)
        for message in conversation.received:
            data = inflate(message)
            if found := PUBLICATION.match(data):
                topic, number = map(int, found.groups())
                published = content(topic, number)
                expected = published if isinstance(published, bytes) else published.encode()
                assert data == expected, (topic, number)
                kind = kind_of(message, data)
                if kind == SHARED:
                    self.shared[topic, number].add(message.payload)
                self.counts[kind] += 1
            elif message.compressed:
                self.counts[OWN] += 1

    def most_groups(self):
        """The most ways in which one publication was put that refer to different contexts."""
        return max(map(len, self.shared.values()), default=0)


def kind_of(message, data):
    if not message.compressed:
        return PLAIN
    size = len(data).to_bytes(2, "little")
    if message.payload == b"\x00" + size + bytes(0xFF ^ byte for byte in size) + data + b"\x00":
        return STORED
    try:
        alone = zlib.decompressobj(-15).decompress(message.payload + TAIL)
    except zlib.error:
        return SHARED
    return ALONE if alone == data else SHARED
