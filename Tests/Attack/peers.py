"""A crowd of peers on one thread, which send as much as the server takes, or nothing at all."""

import dataclasses
import os
import select
import socket
import struct
import time

BEAT_SECONDS = 0.1
# Connections that are opened before others are looked at.
OPENED_AT_ONCE = 64
SENT_AT_ONCE = 256 << 10
RECEIVED_AT_ONCE = 256 << 10
IP_BIND_ADDRESS_NO_PORT = 24


@dataclasses.dataclass
class Group:
    """Peers that all do the same."""

    count: int
    # Sent first, once.
    hello: bytes = b""
    # Sent after that, again and again.
    flood: bytes = b""
    # Sent every tenth of a second once `hello` is.
    beat: bytes = b""
    # How much of what comes is read: "all", "sips" of a few bytes every tenth of a second, "none".
    reads: str = "all"
    # Seconds from the attack's begin to the first connection, and from a connection to its end.
    after: float = 0
    lives: float | None = None
    # Whether a connection that is over is followed by another.
    reopens: bool = False
    # Whether connections end by a reset.
    resets: bool = False
    # The address to connect from: one of this machine.
    source: str = "127.0.0.2"
    # Bytes of the kernel's buffer for what comes, and of a segment; the kernel's own choice if 0.
    # With little of both the kernels hold little on either side.
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
        """Sends what is due, as far as the kernel takes it; false when the connection is over."""
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
        """The events to wait for."""
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
        """Goes on until there is something to read from the descriptor `until`."""
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
        """Opens some connections of those that are not there; returns how many."""
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
        """Reads and sends; false when the connection is over."""
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
        """What each peer does every tenth of a second."""
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
        """Closes a connection, and sees to the next one where the group wants that."""
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
    """Leaves one core to the server and its honest clients, and gives way on the others."""
    os.nice(19)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:])
