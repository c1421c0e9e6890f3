"""`apus connect` on a terminal: notes, escapes, Ctrl-D and Ctrl-C."""

import fcntl
import os
import pty
import subprocess
import termios
import threading

import apus
import pytest
from foreign import served

SECONDS = 20


class Terminal:
    """A process on a terminal of its own, and what it has shown."""

    def __init__(self, *args):
        self.master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)

        def own():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [apus.binary(), *args], stdin=slave, stdout=slave, stderr=slave, preexec_fn=own,
            env=apus.clean_environment(),
        )
        os.close(slave)
        self.shown = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self):
        while True:
            try:
                data = os.read(self.master, 65_536)
            except OSError:
                return
            with self._changed:
                self.shown += data.decode()
                self._changed.notify_all()

    def wait_for(self, text):
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.shown, SECONDS)
        assert found, self.shown

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self):
        return self.process.wait(SECONDS)


@pytest.fixture
def terminal():
    terminals = []

    def start(*args):
        terminals.append(Terminal(*args))
        return terminals[-1]

    yield start
    for one in terminals:
        one.process.kill()
        one.process.wait()
        os.close(one.master)


@pytest.fixture(scope="module")
def echo():
    def reply(connection):
        for message in connection:
            connection.send(message)

    with served(reply, subprotocols=["chat"]) as url:
        yield url


def test_lines_are_sent_as_they_are_typed_and_ctrl_d_ends(terminal, echo):
    one = terminal("connect", echo + "?secret", "--subprotocol", "chat")
    one.wait_for(f"connected to {echo}, subprotocol chat")
    one.wait_for("Ctrl-D")
    one.type("hello\n")
    one.wait_for("hello\r\n")
    one.type("\x04")
    assert one.wait() == 0
    one.wait_for("closed: 1000 (normal closure)")
    assert "secret" not in one.shown


def test_ctrl_c_closes_the_connection(terminal, echo):
    one = terminal("connect", echo, "--subprotocol", "chat")
    one.wait_for("connected")
    one.type("\x03")
    assert one.wait() == 0
    one.wait_for("closed: 1000 (normal closure)")


def test_control_characters_are_escaped_unless_raw_is_asked_for(terminal):
    def talk(connection):
        connection.send("a\x1b[31mb\r\x9b\u202ec\td\ne")
        connection.close()

    with served(talk) as url:
        one = terminal("connect", url)
        assert one.wait() == 0
        one.wait_for("a\\u{1B}[31mb\\r\\u{009B}\\u{202E}c\td\r\ne\r\n")
        one = terminal("connect", url, "--raw")
        assert one.wait() == 0
        one.wait_for("a\x1b[31mb")
