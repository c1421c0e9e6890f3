"""Peers that vanish: no FIN, no RST, no acknowledgement. Data from the server to them is lost.

On loopback that doesn't happen by itself, so there are two ways to cause it. `Deafened` peers
behave as behind a router that has lost them; they need no privileges. `Unplugged` peers have a
separate network, whose cable to ours is pulled, which the server's kernel also detects. They need a
process that may change its network, started by `in_own_network`.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import termios
import types

from apus import wait_until
from wire import Wire

CLONE_NEWNET = 0x40000000
IP_MINTTL = 21
FIN_WAIT1 = "04"

NEAR, FAR = "10.77.0.1", "10.77.0.2"  # the server's end of the cable, and the peers' end


class Deafened:
    """Peers whose kernel drops all data for them before TCP sees it. They accept only packets that
    no router has passed on (RFC 5082), which the TTL of loopback packets doesn't prove.
    """

    settings = ()

    def __init__(self):
        self.wires = []

    def connect(self, server, path=None, **changes):
        """A `Wire` that this object closes."""
        self.wires.append(wire := Wire.to(server, path, **changes))
        return wire

    def vanish(self):
        """Vanishes with all of them at once, after all their data has arrived."""
        for wire in self.wires:
            wait_until(lambda: unacknowledged(wire.socket) == 0, "acknowledged before the end")
        self.cut()

    def cut(self):
        for wire in self.wires:
            wire.socket.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)

    def has_ended(self, wire):
        """Returns whether a peer was told that its connection is closed, which must not happen."""
        wire.socket.setblocking(False)
        try:
            while data := wire.socket.recv(1 << 20):
                wire.buffer += data
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self):
        """Closes by RST, so that neither kernel retries."""
        for wire in self.wires:
            wire.reset()
        self.wires.clear()


class Unplugged(Deafened):
    """Peers in another network, at a cable that is pulled."""

    settings = ("server.host=0.0.0.0",)

    def __init__(self):
        super().__init__()
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            call("unshare", CLONE_NEWNET)
            self.there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            call("setns", self.home, CLONE_NEWNET)
        there = f"/proc/self/fd/{self.there}"
        ip("link add apus0 type veth peer name apus1 netns", there, keep=[self.there])
        ip(f"address add {NEAR}/24 dev apus0")
        ip("link set apus0 up")
        with self.away():
            ip(f"address add {FAR}/24 dev apus1")
            ip("link set apus1 up")

    @contextlib.contextmanager
    def away(self):
        """Moves this thread, and its child processes, to the peers' network. Sockets created here
        stay there.
        """
        call("setns", self.there, CLONE_NEWNET)
        try:
            yield
        finally:
            call("setns", self.home, CLONE_NEWNET)

    def connect(self, server, path=None, **changes):
        near = types.SimpleNamespace(
            host=NEAR, port=server.port, authority=f"{NEAR}:{server.port}")
        with self.away():
            return super().connect(near, path, **changes)

    def cut(self):
        with self.away():
            ip("link set apus1 down")

    def close(self):
        """Plugs the cable in again, so that the peers' RST ends the retries of the server's kernel,
        which would otherwise keep the network for minutes.
        """
        try:
            with self.away():
                ip("link set apus1 up")
            super().close()
            wait_until(lambda: not orphans(), "nothing left in the kernel")
        finally:
            super().close()
            ip("link delete apus0")
            os.close(self.there)
            os.close(self.home)


def unacknowledged(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def orphans(port=None):
    """Returns the bytes that this network's kernel still tries to deliver for closed connections of
    a server's port: one number each, without the FIN, which counts as one.
    """
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    return [
        int(queues.partition(":")[0], 16) - 1
        for _, local, _, state, queues, *_ in lines
        if state == FIN_WAIT1 and port in (None, int(local.rpartition(":")[2], 16))
    ]


def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def ip(command, *more, keep=()):
    subprocess.run(["ip", *command.split(), *more], check=True, pass_fds=keep)


def in_own_network(unshare):
    """Returns the beginning of a command that runs a program in its own network, as root there.

    If the kernel forbids that, returns None and the error.
    """
    refusals = []
    for rights in ([], ["--user", "--map-root-user"]):
        command = [unshare, *rights, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        trial = "ip link add apus0 type veth peer name apus1".split()
        result = subprocess.run([*command, *trial], capture_output=True, text=True, timeout=30)
        if result.returncode == 0:
            return command, ""
        refusals.append(result.stderr.strip())
    return None, "; ".join(refusals)
