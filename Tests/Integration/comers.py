"""A crowd of WebSocket clients on one thread, which records how each connection begins and ends."""

import collections
import os
import selectors
import socket
import ssl
import struct
import threading
import time

from apus import is_debug_build
from wire import CLOSE, TEXT, close_payload, frame, upgrade_request

# The number of clients in tests of restarts. APUS_CROWD=5000 makes them big.
SIZE = int(os.environ.get("APUS_CROWD") or 200)
IS_BIG = SIZE > 1_000
# A big crowd on a small machine takes its time.
SECONDS = 300 if IS_BIG else 60 if is_debug_build() else 30


class Client:
    """One client. After a Close frame of the server, it connects again at once."""

    def __init__(self, crowd, number, leaves):
        self.crowd = crowd
        self.number = number
        # Whether it closes after each answer, and connects again.
        self.leaves = leaves
        self.connect()

    def connect(self):
        self.crowd.opening += 1
        self.state = "connecting"
        self.buffer = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(self.crowd.address)
        self.crowd.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def handle(self, events):
        try:
            if self.state == "connecting":
                if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(error, os.strerror(error))
                if self.crowd.context:
                    self.begin_tls()
                else:
                    self.crowd.selector.modify(self.socket, selectors.EVENT_READ, self)
                    self.upgrade()
            elif self.state == "shaking":
                self.shake_hands()
            if self.state in ("shaking", "upgrading") and events != selectors.EVENT_READ:
                return
            data = self.receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            return self.ended(error.strerror)
        if not data:
            return self.ended("end of stream")
        self.buffer += data
        if self.state == "upgrading":
            head, mark, rest = self.buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                return self.ended(head.partition(b"\r\n")[0].decode())
            self.buffer = rest
            self.state = "open"
            self.crowd.opening -= 1
            self.crowd.handshakes += 1
            if self.crowd.ends:
                return
            self.ask()
        self.read_frames()

    def begin_tls(self):
        self.crowd.selector.unregister(self.socket)
        self.socket = self.crowd.context.wrap_socket(
            self.socket, do_handshake_on_connect=False, server_hostname="localhost")
        self.crowd.selector.register(self.socket, selectors.EVENT_READ, self)
        self.state = "shaking"
        self.shake_hands()

    def shake_hands(self):
        self.socket.do_handshake()
        self.crowd.certificates[self.socket.getpeercert()["serialNumber"]] += 1
        self.upgrade()

    def upgrade(self):
        self.state = "upgrading"
        self.socket.sendall(upgrade_request(self.crowd.path))

    def receive(self):
        data = self.socket.recv(65_536)
        # A record has more than was read of it.
        while self.crowd.context and self.socket.pending():
            data += self.socket.recv(65_536)
        return data

    def ask(self):
        self.sent = b"%d %d" % (self.number, self.crowd.answers)
        self.crowd.questions += 1
        try:
            self.socket.sendall(frame(TEXT, self.sent))
        except OSError:
            pass  # What was received before this tells why.

    def read_frames(self):
        while len(self.buffer) >= 2 and len(self.buffer) >= 2 + (self.buffer[1] & 0x7F):
            opcode, size = self.buffer[0] & 0x0F, self.buffer[1] & 0x7F
            payload, self.buffer = self.buffer[2 : 2 + size], self.buffer[2 + size :]
            if opcode == CLOSE:
                self.closed(struct.unpack(">H", payload[:2])[0], payload)
                return
            if opcode == TEXT and self.sent is not None:
                assert payload == b"Message received: " + self.sent, payload
                self.sent = None
                self.crowd.answers += 1
                if self.leaves and not self.crowd.ends:
                    self.state = "leaving"
                    self.socket.sendall(frame(CLOSE, close_payload(1000)))
                else:
                    self.crowd.rested.append(self)

    def closed(self, code, payload):
        if self.state == "open":
            self.crowd.closes[code] += 1
            self.state = "closed"
            try:
                self.socket.sendall(frame(CLOSE, payload[:2]))
            except OSError:
                pass
        self.again()

    def ended(self, reason):
        if self.state in ("connecting", "shaking", "upgrading"):
            self.crowd.opening -= 1
            self.crowd.failures[f"{self.state}: {reason}"] += 1
        elif self.state == "open":
            self.crowd.failures[f"no Close frame: {reason}"] += 1
        self.again()

    def again(self):
        self.crowd.selector.unregister(self.socket)
        self.socket.close()
        self.sent = None
        self.connect()


class Crowd:
    """`size` clients that each send a message every `pause` seconds, and a few that come and go.
    With a `context`, they use TLS.
    """

    def __init__(
        self, host, port, size=SIZE, visitors=4, path="/ws", pause=None, context=None,
    ):
        self.address = (host, port)
        self.path = path
        self.size = size
        self.pause = pause or (2.0 if IS_BIG else 0.2)
        self.selector = selectors.DefaultSelector()
        self.context = context
        self.handshakes = self.questions = self.answers = 0
        # The connections without an answer to their handshake yet.
        self.opening = 0
        # Whether clients send nothing any more, and none leaves.
        self.ends = self._all_know = False
        # The number of TLS handshakes by the serial number of the certificate.
        self.certificates = collections.Counter()
        # The codes of Close frames from the server, and everything that should not happen.
        self.closes = collections.Counter()
        self.failures = collections.Counter()
        self.rested = collections.deque()
        self.error = None
        self._stopping = False
        self._to_start = [(number, number >= size) for number in range(size + visitors)]
        self._thread = threading.Thread(target=self._guard, daemon=True)
        self._thread.start()

    def __enter__(self):
        self.wait(lambda: self.handshakes >= self.size, "all are connected")
        return self

    def __exit__(self, *_):
        self._stopping = True
        self._thread.join(30)
        if self.error:
            raise self.error

    def wait(self, condition, what):
        deadline = time.monotonic() + SECONDS
        while not condition():
            if self.error:
                raise self.error
            assert time.monotonic() < deadline, f"{what}: {self}"
            time.sleep(0.005)

    def wait_for_answers(self, rounds=2):
        """Waits until each client has had some more answers, on average."""
        goal = self.answers + rounds * self.size
        self.wait(lambda: self.answers >= goal, "answers")

    def end(self):
        """Waits until all is answered that was sent. Nothing is sent after it."""
        self.ends = True
        self.wait(
            lambda: self._all_know and not self.opening and self.answers == self.questions,
            "all is answered")

    def __str__(self):
        return (
            f"{self.handshakes} handshakes, {self.questions} messages, {self.answers} answers, "
            f"closes {dict(self.closes)}, failures {dict(self.failures)}"
        )

    def _guard(self):
        try:
            self._run()
        except BaseException as error:
            self.error = error
        finally:
            for key in list(self.selector.get_map().values()):
                key.fileobj.close()
            self.selector.close()

    def _run(self):
        began, asked = time.monotonic(), 0
        while not self._stopping:
            self._all_know = self.ends
            # A few at a time, so that no queue of the kernel overflows.
            room = max(0, 100 - self.opening)
            for number, leaves in self._to_start[:room]:
                Client(self, number, leaves)
            del self._to_start[:room]
            for key, events in self.selector.select(0.01):
                key.data.handle(events)
            due = int((time.monotonic() - began) / self.pause * self.size)
            for _ in range(0 if self.ends else min(len(self.rested), due - asked)):
                client = self.rested.popleft()
                if client.state == "open" and client.sent is None:
                    client.ask()
            asked = due
