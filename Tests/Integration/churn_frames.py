"""The kinds of frames in which publications were sent, from the bytes that a `Tap` recorded."""

import collections
import re
import zlib

from churn import content
from negotiation import OUR_BITS
from tap import TAIL, Inflater

PUBLICATION = re.compile(rb"t(\d+) (\d+) ")

PLAIN = "plain"  # as published
ALONE = "alone"  # compressed without a reference to earlier data
STORED = "stored"  # in a stored block, so that later messages can refer to it
SHARED = "shared"  # compressed, with references to earlier data
OWN = "own"  # a compressed echo between publications


class Frames:
    """The counts of these kinds, and the different frames of each publication with references."""

    def __init__(self):
        self.counts = collections.Counter()
        self.shared = collections.defaultdict(set)

    def add(self, conversation):
        """Decompresses everything that the server sent, and checks it again."""
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
        """Returns the largest number of different frames of one publication, for different
        contexts.
        """
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
