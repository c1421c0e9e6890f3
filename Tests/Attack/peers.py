"""A crowd of peers on one thread, which send as much as the server accepts, or nothing at all."""

import dataclasses
import os
import select
import socket
import struct
import time

BEAT_SECONDS = 0.1
# The connections that are opened before others are served.
OPENED_AT_ONCE = 64
SENT_AT_ONCE = 256 << 10
RECEIVED_AT_ONCE = 256 << 10
IP_BIND_ADDRESS_NO_PORT = 24


@dataclasses.dataclass
class Group:
    """Peers that all behave alike."""

    count: int
    # Sent first, once.
    hello: bytes = b""
    # Sent after that, repeatedly.
    flood: bytes = b""
    # Sent ten times a second after `hello`.
    beat: bytes = b""
    # How much of the received data is read: "all", "sips" of a few bytes ten times a second,
    # "none".
    reads: str = "all"
    # The seconds from the attack's begin to the first connection, and from a connection to its end.
    after: float = 0
    lives: float | None = None
    # Whether a new connection replaces one that has ended.
    reopens: bool = False
    # Whether connections end by a reset.
    resets: bool = False
    # The address to connect from: one of this machine.
    source: str = "127.0.0.2"
    # The bytes of the kernel's receive buffer, and of a segment; 0 means the kernel's own choice.
    # With small ones, the kernels on both sides buffer little.
    receive_buffer: int = 0
    segment: int = 0


class Peer:
    """One connection of a group."""

    __slots__ = ("group", "socket", "left", "ends", "events")

    def __init__(self, group, address, now):
        self.group = group
        self.left = memoryview(group.hello)
        self.ends = None if group.lives is None else now + group.lives
        self.events = 0
        self.socket = socket.socket(socket.AF_INET)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        if group.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, group.receive_buffer)
        if group.segment:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, group.segment)
        if group.resets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.bind((group.source, 0))
        self.socket.connect_ex(address)

    def send(self):
        """Sends pending data, as far as the kernel accepts it. Returns false when the connection
        has ended.
        """
        if not self.left and self.group.flood:
            self.left = memoryview(self.group.flood)
        if self.left:
            try:
                self.left = self.left[self.socket.send(self.left[:SENT_AT_ONCE]) :]
            except BlockingIOError:
                return True
            except OSError:
                return False
        return True

    @property
    def wanted(self):
        """Returns the events to wait for."""
        sends = self.left or self.group.flood
        reads = self.group.reads == "all"
        return (select.EPOLLOUT if sends else 0) | (select.EPOLLIN if reads else 0)


class Crowd:
    """All peers of an attack."""

    def __init__(self, address, groups):
        self.address = address
        self.groups = groups
        self.peers = {}
        self.poll = select.epoll()
        self.buffer = bytearray(RECEIVED_AT_ONCE)

    def attack(self, until):
        """Continues until the descriptor `until` is readable."""
        begun = time.monotonic()
        missing = [group.count for group in self.groups]
        next_beat = begun + BEAT_SECONDS
        self.poll.register(until, select.EPOLLIN)
        while True:
            now = time.monotonic()
            opened = self.open_missing(missing, now - begun, now)
            for descriptor, events in self.poll.poll(0 if opened else BEAT_SECONDS / 2, 256):
                if descriptor == until:
                    self.poll.unregister(until)
                    return self.close_all()
                peer = self.peers.get(descriptor)
                if peer and not self.serve(peer, events):
                    self.drop(peer, missing)
            if now >= next_beat:
                next_beat = now + BEAT_SECONDS
                self.beat(now, missing)

    def open_missing(self, missing, elapsed, now):
        """Opens some of the missing connections. Returns their number."""
        opened = 0
        for index, group in enumerate(self.groups):
            while missing[index] and elapsed >= group.after and opened < OPENED_AT_ONCE:
                try:
                    peer = Peer(group, self.address, now)
                except OSError:  # no descriptors, or no ports
                    return 0
                missing[index] -= 1
                opened += 1
                self.peers[peer.socket.fileno()] = peer
                self.poll.register(peer.socket.fileno(), peer.wanted)
                peer.events = peer.wanted
        return opened

    def serve(self, peer, events):
        """Reads and sends. Returns false when the connection has ended."""
        if events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
            try:
                if not peer.socket.recv_into(self.buffer):
                    return False
            except BlockingIOError:
                pass
            except OSError:
                return False
        if events & select.EPOLLOUT and not peer.send():
            return False
        if peer.wanted != peer.events:
            peer.events = peer.wanted
            self.poll.modify(peer.socket.fileno(), peer.events)
        return True

    def beat(self, now, missing):
        """Does what each peer does ten times a second."""
        for peer in list(self.peers.values()):
            group = peer.group
            try:
                if group.beat and not peer.left:
                    peer.socket.send(group.beat)
                if group.reads == "sips":
                    peer.socket.recv(16)
            except BlockingIOError:
                pass
            except OSError:
                self.drop(peer, missing)
                continue
            if peer.ends is not None and now >= peer.ends:
                self.drop(peer, missing)

    def drop(self, peer, missing):
        """Closes a connection, and opens the next one if the group wants that."""
        self.poll.unregister(peer.socket.fileno())
        del self.peers[peer.socket.fileno()]
        peer.socket.close()
        if peer.group.reopens:
            missing[next(i for i, group in enumerate(self.groups) if group is peer.group)] += 1

    def close_all(self):
        for peer in self.peers.values():
            peer.socket.close()
        self.peers.clear()


def priority_of_attackers():
    """Leaves one core to the server and honest clients, with a low priority on the others."""
    os.nice(19)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:])
