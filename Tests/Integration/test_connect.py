"""`apus connect`, the client for terminals and scripts, against our server and another's."""

import base64
import contextlib
import hashlib
import queue
import re
import signal
import socket
import subprocess
import threading

import apus
import pytest
from foreign import served

SECONDS = 20


def connect(url, *args, text="", environment=None):
    """Runs it to its end with `text` as its input."""
    data = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run(
        [apus.binary(), "connect", url, *args], input=data, capture_output=True, timeout=SECONDS,
        env=apus.clean_environment(**(environment or {})),
    )
    done.stderr = done.stderr.decode()
    return done


@contextlib.contextmanager
def running(url, *args, **options):
    """The process, with pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [apus.binary(), "connect", url, *args], env=apus.clean_environment(), **pipes | options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


@pytest.fixture(scope="module")
def tools():
    server = apus.Apus("drain.spread=0s", "drain.deadline=2s", args=["--tools"])
    yield server
    try:
        server.stop()
    finally:
        server.kill()


# Lines and messages


def test_a_line_goes_out_and_its_echo_is_printed(tools):
    done = connect(tools.ws("/echo"), text="hello\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", "")


@pytest.mark.parametrize("path", ["/echo", "/echo/async"])
@pytest.mark.parametrize("compression", ["off", "on"])
def test_all_replies_come_before_the_end(tools, path, compression):
    text = "".join(f"{number}\n" for number in range(5_000))
    done = connect(tools.ws(path), "--compression", compression, text=text)
    assert (done.returncode, done.stdout) == (0, text.encode())


def test_the_last_line_needs_no_newline_and_empty_lines_are_messages(tools):
    assert connect(tools.ws("/echo"), text="a\n\nb").stdout == b"a\n\nb\n"


def test_an_input_without_lines_ends_at_once(tools):
    done = connect(tools.ws("/echo"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")


def test_large_lines_are_one_message(tools):
    line = "x" * 900_000
    assert connect(tools.ws("/echo"), text=line).stdout == line.encode() + b"\n"


def test_a_line_that_is_not_utf8_is_named_and_nothing_of_it_is_sent(tools):
    done = connect(tools.ws("/echo"), text=b"one\nt\xffwo\nthree\n")
    assert done.returncode == 1 and done.stdout == b"one\n"
    assert "line 2 of standard input is not UTF-8; see --binary" in done.stderr


def test_binary_lines_come_back_as_hexadecimal_or_raw(tools):
    done = connect(tools.ws("/echo"), "--binary", text=b"t\xffwo\n")
    assert done.stdout == b"[binary, 4 bytes] 74 ff 77 6f\n"
    done = connect(tools.ws("/echo"), "--binary", text=bytes(range(65, 110)))
    assert done.stdout.startswith(b"[binary, 45 bytes] 41 42")
    assert done.stdout.endswith(" 60 …\n".encode())
    done = connect(tools.ws("/echo"), "--binary", "--raw", text=b"t\xffwo\n")
    assert done.stdout == b"t\xffwo"


def test_a_server_that_answers_the_close_frame_first_is_given_time():
    # It reads both, and answers the second one before the handler has seen the first one.
    def reply(connection):
        connection.send(connection.recv())

    with served(reply) as url:
        assert connect(url, "--wait", "2", text="hello\n").stdout == b"hello\n"


# The opening handshake


def test_what_is_asked_for_is_sent():
    seen = queue.Queue()

    def note(connection):
        seen.put((connection.request.headers, connection.subprotocol))

    with served(note, subprotocols=["beta"], origins=["https://here.example"]) as url:
        done = connect(
            url, "--subprotocol", "alpha", "--subprotocol", "beta", "--header", "X-One: 1",
            "--header", "X-One: 2", "--origin", "https://here.example", "--token", "t0k3n",
        )
    headers, subprotocol = seen.get(timeout=SECONDS)
    assert done.returncode == 0 and subprotocol == "beta"
    assert headers.get_all("X-One") == ["1", "2"]
    assert headers["Origin"] == "https://here.example"
    assert headers["Authorization"] == "Bearer t0k3n"
    assert "Sec-WebSocket-Extensions" not in headers


def test_a_token_of_the_environment_is_sent_unless_another_is_given():
    seen = queue.Queue()
    with served(lambda connection: seen.put(connection.request.headers)) as url:
        for options, sent in (
            ((), "Bearer secret"), (("--token", "other"), "Bearer other"),
            (("--header", "Authorization: Basic x"), "Basic x"),
        ):
            connect(url, *options, environment={"APUS_TOKEN": "secret"})
            assert seen.get(timeout=SECONDS).get_all("Authorization") == [sent]


def test_the_token_of_the_environment_is_no_unknown_key():
    done = apus.run("config", "check", environment={"APUS_TOKEN": "secret"})
    assert done.returncode == 0 and done.stderr == ""


def test_a_refusal_is_explained(tools):
    done = connect(tools.ws("/nowhere"), text="x\n")
    assert done.returncode == 1 and done.stdout == b""
    assert "refused: the server answered 404 Not Found: There is nothing at this path." in done.stderr
    assert "Check the path" in done.stderr
    done = connect(tools.ws("/echo"), "--origin", "https://elsewhere.example")
    assert done.returncode == 1 and "403 Forbidden" in done.stderr


@pytest.mark.parametrize(
    "answer, words",
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: wss://there.example/\x1b\r\n\r\n", "apus connect: ."),
        (b"HTTP/1.1 302 Found\r\nLocation: wss://there.example/\r\nContent-Length: 0\r\n\r\n",
         "Connect to the new place: wss://there.example/"),
        (b"HTTP/1.1 418 \r\nContent-Length: 9\r\n\r\nno \x1b[2Jtea", r"418 *: no \\u\{1B\}\[2Jt"),
        (b"HTTP/1.1 503 Busy\r\n\r\nuntil the end", "503.*: until the end"),
        # Cut off, and longer than anyone wants to read.
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nhalf of", "503.*: half of"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 900000\r\n\r\n" + b"y" * 900_000, "500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "no WebSocket"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "apus connect: ."),
        (b"", "left before it answered"),
    ],
    ids=["control", "redirect", "escape", "close", "cut", "long", "plain", "ssh", "silent"],
)
def test_answers_of_all_kinds_are_told_without_control_characters(answer, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def respond():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                with contextlib.suppress(ConnectionError):
                    peer.sendall(answer)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65_536):
                        pass

        thread = threading.Thread(target=respond)
        thread.start()
        done = connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(SECONDS)
    assert done.returncode == 1 and done.stdout == b"" and "\x1b" not in done.stderr
    assert re.search(words, done.stderr), done.stderr


def test_what_cannot_be_reached_is_told():
    done = connect("ws://127.0.0.1:1/")
    assert done.returncode == 1 and "connection refused" in done.stderr
    done = connect("ws://no-such-host.invalid/")
    assert done.returncode == 1 and "no-such-host.invalid" in done.stderr


@pytest.mark.parametrize(
    "args, words",
    [
        (("ws://user:pa55word@127.0.0.1/",), "user or password in a URL isn't supported"),
        (("wss://pa55word@127.0.0.1/",), "user or password in a URL isn't supported"),
        (("http://user:pa55word@127.0.0.1/",), "user or password in a URL isn't supported"),
        (("user:pa55word@127.0.0.1/",), "user or password in a URL isn't supported"),
        (("http://127.0.0.1/",), "the scheme must be ws"),
        (("127.0.0.1/",), "ws://host:port/path"),
        (("ws://h/", "--header", "Upgrade: x"), "can't be set"),
        (("ws://h/", "--header", "Sec-WebSocket-Protocol: x"), "use --subprotocol"),
        (("ws://h/", "--header", "nonsense"), "Name: value"),
        (("ws://h/", "--subprotocol", "a b"), "subprotocol's name"),
        (("ws://h/", "--token", "a", "--header", "Authorization: b"), "can't be used together"),
        (("ws://h/", "--token", "pa55 word"), "The token has spaces"),
        (("ws://h/", "--ping", "soon"), "soon is not a duration"),
        (("ws://h/", "--compression", "maybe"), "on|off"),
    ],
)
def test_a_wrong_command_line_is_explained(args, words):
    done = connect(*args)
    assert done.returncode == 64 and words in done.stderr and done.stdout == b""
    assert "pa55" not in done.stderr


# The end


@pytest.mark.parametrize(
    "code, reason, status, words",
    [
        (1000, "", 0, "closed by the server: 1000 (normal closure)\n"),
        (1001, "going\x1b[2J", 0, r"closed by the server: 1001 (going away): going\u{1B}[2J"),
        (1011, "broken", 1, "closed by the server: 1011 (internal error): broken"),
        (3000, "", 1, "closed by the server: 3000 (unauthorized)"),
        (1012, "service restart", 1, "closed by the server: 1012 (service restart)\n"),
        (4321, "ours", 1, "closed by the server: 4321: ours"),
    ],
)
def test_the_servers_close_code_is_told(code, reason, status, words):
    def close(connection):
        connection.send("last")
        connection.close(code, reason)

    with served(close) as url, running(url) as process:
        # Its input stays open.
        assert process.stdout.read() == b"last\n"
        assert process.wait(SECONDS) == status
        assert words in process.stderr.read().decode()


def test_a_server_that_vanishes_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running(url) as process:
            peer = shake_hands(listener)
            peer.sendall(b"\x81\x02hi")
            assert process.stdout.readline() == b"hi\n"
            peer.close()
            assert process.wait(SECONDS) == 1
            assert "1006 (abnormal closure)" in process.stderr.read().decode()


def test_a_server_that_vanishes_while_it_owes_replies_is_no_success():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running(url, stdin=subprocess.DEVNULL) as process:
            peer = shake_hands(listener)
            # Our Close frame comes, and is not answered.
            assert peer.recv(65_536)[:1] == b"\x88"
            peer.close()
            assert process.wait(SECONDS) == 1
            assert "sent no Close frame" in process.stderr.read().decode()


def test_pings_are_sent_while_the_server_is_silent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running(url, "--ping", "100ms") as process:
            with shake_hands(listener) as peer:
                # Less than the time for a pong.
                peer.settimeout(5)
                assert peer.recv(65_536)[:1] == b"\x89", "a ping"
                peer.sendall(b"\x8a\x00")
                assert peer.recv(65_536)[:1] == b"\x89", "another one"


def shake_hands(listener):
    """Accepts the client's connection, and upgrades it."""
    listener.settimeout(SECONDS)
    peer, _ = listener.accept()
    peer.settimeout(SECONDS)
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(65_536)
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)[1]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    return peer


def test_pings_and_pongs_are_shown():
    def ping(connection):
        assert connection.ping("ar\x1b3").wait(SECONDS), "no pong"
        connection.close()

    with served(ping, ping_interval=None) as url, running(url, "--show-pings") as process:
        assert process.wait(SECONDS) == 0
        assert r"ping from the server: ar\u{1B}3" in process.stderr.read().decode()
    with served(lambda connection: list(connection), ping_interval=None) as url:
        with running(url, "--ping", "100ms", "--show-pings") as process:
            assert b"pong from the server" in process.stderr.readline()
            process.stdin.close()
            assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_with_the_handshake(number):
    ends = queue.Queue()

    def wait(connection):
        connection.send("ready")
        for _ in connection:
            pass
        ends.put(connection.protocol.close_rcvd.code)

    with served(wait) as url, running(url) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert ends.get(timeout=SECONDS) == 1000


def test_a_second_signal_ends_at_once():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running(url) as process, shake_hands(listener) as peer:
            peer.sendall(b"\x81\x02hi")
            assert process.stdout.readline() == b"hi\n"
            process.send_signal(signal.SIGINT)
            # It is not answered.
            assert peer.recv(65_536)[:1] == b"\x88"
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130


def test_a_signal_ends_an_attempt_to_connect():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running(url) as process:
            listener.settimeout(SECONDS)
            with listener.accept()[0] as peer:
                assert peer.recv(65_536).startswith(b"GET / ")
                process.send_signal(signal.SIGINT)
                assert process.wait(SECONDS) == 130


# Readers and senders that are slow, or gone

PIECE, PIECES = "y" * 65_535, 1_000


def test_a_reader_of_the_output_that_stalls_makes_the_server_wait():
    is_sent = threading.Event()

    def send(connection):
        for _ in range(PIECES):
            connection.send(PIECE)
        is_sent.set()

    with served(send, compression=None) as url, running(url) as process:
        # Without backpressure, all is sent long before.
        assert not is_sent.wait(1)
        assert peak_bytes(process.pid) < len(PIECE) * PIECES
        count = sum(len(line) for line in process.stdout)
        assert count == (len(PIECE) + 1) * PIECES
        assert process.wait(SECONDS) == 0


def peak_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) << 10


def test_a_server_that_stalls_makes_the_input_wait():
    reads, count = threading.Event(), 0

    def receive(connection):
        nonlocal count
        connection.send("ready")
        assert reads.wait(SECONDS)
        for message in connection:
            count += len(message)

    with served(receive, compression=None) as url, running(url) as process:
        assert process.stdout.readline() == b"ready\n"
        is_taken = threading.Event()

        def write():
            for _ in range(PIECES):
                process.stdin.write(PIECE.encode() + b"\n")
            process.stdin.close()
            is_taken.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert not is_taken.wait(1)
        reads.set()
        writer.join(SECONDS)
        assert process.wait(SECONDS) == 0
    assert count == len(PIECE) * PIECES


def test_replies_behind_the_end_of_the_input_wait_for_a_reader_that_stalls(tools):
    # Its Close frame is sent, and the server's is behind more than any buffer takes.
    with running(tools.ws("/echo")) as process:
        text = b"z" * 65_535 + b"\n"

        def write():
            for _ in range(200):
                process.stdin.write(text)
            process.stdin.close()

        writer = threading.Thread(target=write)
        writer.start()
        assert sum(len(line) for line in process.stdout) == 200 * len(text)
        writer.join(SECONDS)
        assert process.wait(SECONDS) == 0


def test_a_reader_of_the_output_that_leaves_ends_it_quietly():
    def talk(connection):
        connection.send("one")
        connection.send("two")
        for _ in connection:
            pass

    with served(talk) as url, running(url) as process:
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        # Its input is still open, and no further message comes.
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == b""


def test_an_output_that_can_not_be_written_is_no_success(tools):
    with open("/dev/full", "w") as full, running(tools.ws("/echo"), stdout=full) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.wait(SECONDS) == 1
        assert "standard output can't be written: No space left" in process.stderr.read().decode()


def test_no_input_is_read_where_none_is_wanted(tools):
    options = {"stdin": subprocess.DEVNULL, "text": True}
    with running(tools.ws("/broadcast"), "--no-input", **options) as process:
        lines = apus.Lines(process.stdout)

        def is_printed():
            connect(tools.ws("/broadcast"), text="news\n")
            return lines.wait_for(lambda lines: "news" in lines, 0.2)

        # It may have to subscribe yet.
        apus.wait_until(is_printed, "the message", SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
