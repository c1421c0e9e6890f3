"""A real `redis-server` for one test, and a proxy that acts like a faulty network."""

import contextlib
import shutil
import signal
import socket
import subprocess
import threading

import pytest
from apus import Lines, port_that_no_client_gets, wait_until
from channels import NEWS, wait_ready


class Redis:
    """Starts with `start()`, any number of times, always on the same port and Unix socket."""

    def __init__(self, folder, *arguments):
        self.port = port_that_no_client_gets()
        self.socket = f"{folder}/redis.sock"
        self.command = [
            shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
            "--unixsocket", self.socket, "--save", "", "--dir", str(folder), *arguments,
        ]
        self.process = None
        self.credentials = []

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        """Starts the server. Returns when it accepts connections."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        self.output = Lines(self.process.stdout)
        ready = self.output.wait_for(
            lambda lines: any("eady to accept connections" in line for line in lines), 30
        )
        assert ready, self.output.text()
        return self

    def cli(self, *arguments):
        """Returns the output of `redis-cli`, without its last line end."""
        return subprocess.run(
            ["redis-cli", "-s", self.socket, "--no-auth-warning", *self.credentials, *arguments],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout.removesuffix("\n")

    def subscribers(self, channel):
        """Returns the number of connections that subscribe to a channel."""
        return int(self.cli("PUBSUB", "NUMSUB", channel).split("\n")[1])

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Proxy:
    """A proxy before the Redis at port `target`.

    `pass_on(data)` receives its data in pieces, and returns the data for the client, in one piece
    or a list. If it raises `Proxy.Cut(data)`, that is the last piece, and the connection ends.
    `watch(data)` receives the data for Redis.
    """

    class Cut(Exception):
        pass

    def __init__(self, port, pass_on, watch=None):
        self.target = port
        self.pass_on = pass_on
        self.watch = watch or (lambda data: None)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                redis = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [client, redis]
                for ends in ((client, redis, self._watched), (redis, client, self.pass_on)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _watched(self, data):
        self.watch(data)
        return data

    def _pump(self, source, sink, pass_on):
        with contextlib.suppress(OSError):
            try:
                while data := source.recv(65_536):
                    pieces = pass_on(data)
                    for piece in pieces if isinstance(pieces, list) else [pieces]:
                        sink.sendall(piece)
            except Proxy.Cut as cut:
                sink.sendall(cut.args[0])
            finally:
                for end in (source, sink):
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def close(self):
        # A shutdown wakes the accepting thread; a close alone doesn't.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for end in [self.listener, *self.sockets]:
            end.close()


# Fixtures, for the tests that import them


@pytest.fixture
def redis(tmp_path, program):
    """Starts a Redis: `redis()`, `redis("--requirepass", "x")`; without starting it:
    `redis(start=False)`.
    """
    program("redis-server", package="redis-server")
    servers = []

    def make(*arguments, start=True):
        folder = tmp_path / f"redis-{len(servers)}"
        folder.mkdir()
        server = Redis(folder, *arguments)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def proxy():
    proxies = []

    def make(redis, pass_on, **options):
        proxies.append(Proxy(redis.port, pass_on, **options))
        return proxies[-1]

    yield make
    for one in proxies:
        one.close()


@pytest.fixture
def pair(start, client):
    """Two ready servers with a client each on `/ws/redis/news`: `pair(redis, *settings)`."""

    def make(redis, *settings, url=None):
        servers = [start(f"broker.url={url or redis.url}", *settings) for _ in range(2)]
        wait_ready(*servers)
        clients = [client(server, "/ws/redis/news") for server in servers]
        wait_until(lambda: redis.subscribers(NEWS) == 2, "both subscriptions", 30)
        return servers, clients

    return make
