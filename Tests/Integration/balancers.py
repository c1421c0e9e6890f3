"""HAProxy and nginx in front of servers under test, with the files in `config`."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

import pytest
from apus import ROOT, Lines, clean_environment, port_that_no_client_gets
from websockets.sync.client import connect
from wire import Ended, Wire, upgrade_request

# The settings of servers behind a balancer.
TRUSTED = "proxies.trusted=127.0.0.1"
PROXY_OPTION = "    #default-server send-proxy-v2 check-send-proxy\n"


class Balancer:
    """A running program to which clients connect instead of a server; ended by `stop`."""

    host = "127.0.0.1"
    scheme = "ws"
    tls = None
    stopped = False

    def run(self, command, *, environment=None, descriptors=()):
        self.folder = getattr(self, "folder", None) or tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=clean_environment(**(environment or {})),
            pass_fds=descriptors,
        )
        self.log = Lines(self.process.stderr)

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    def stop(self):
        """Stops it once. Its log is complete afterwards."""
        if self.stopped:
            return
        assert self.process.poll() is None, f"it ended by itself:\n{self.log.text()}"
        self.stopped = True
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.wait_for(lambda lines: False, 30)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def socket(self, source="127.0.0.1"):
        """Opens a connection from an address of this machine, with TLS if the program uses it."""
        plain = socket.create_connection(
            (self.host, self.port), timeout=30, source_address=(source, 0)
        )
        return self.tls.wrap_socket(plain, server_hostname="localhost") if self.tls else plain

    def ask(self, request):
        """Returns the answer to a request that is given in bytes."""
        with contextlib.closing(self.socket()) as plain:
            plain.sendall(request)
            return Wire(plain, seconds=30).response()

    def post(self, path, body=b"", *, cookie=None):
        """Returns the answer to a POST of JSON."""
        tied = f"Cookie: APUS={cookie}\r\n" if cookie else ""
        head = f"POST {path} HTTP/1.1\r\nHost: {self.authority}\r\n{tied}"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return self.ask(head.encode() + body)

    def connect(self, path, *, source="127.0.0.1", cookie=None, **options):
        """Connects a `websockets` client."""
        headers = options.pop("headers", {}) | ({"Cookie": f"APUS={cookie}"} if cookie else {})
        options = {"compression": None, "max_size": None, "ping_interval": None} | options
        return connect(
            f"ws://{self.authority}{path}",
            sock=self.socket(source),
            additional_headers=headers,
            open_timeout=30,
            close_timeout=30,
            **options,
        )

    def attempt(self, path="/ws", source="127.0.0.1", **headers):
        """Opens a connection that stays open. Returns it and its answer: a status, the code of a
        Close frame, or `open`.
        """
        wire = Wire(self.socket(source), seconds=30)
        try:
            wire.send(upgrade_request(path, self.authority, **headers))
            response = wire.response()
            if response.status != 101:
                return wire, response.status
            wire.send_text("x")
            received = wire.frame()
            return wire, received.code if received.opcode == 8 else "open"
        except Ended:
            return wire, None


def cookie_of(connection):
    """Returns the instance to which HAProxy has just assigned a client; None if it was assigned
    before.
    """
    value = connection.response.headers.get("Set-Cookie")
    return value and value.partition("=")[2].partition(";")[0]


class HAProxy(Balancer):
    """HAProxy with `config/haproxy.cfg`, or with its optional PROXY protocol.

    It inherits a listening socket, so no other program can take the port, and clients may connect
    at once.
    """

    def __init__(
        self, program, a, b, *, announces=False, sticky="by_cookie", check="/readyz", changes=()
    ):
        self.folder = tempfile.TemporaryDirectory()
        text = (ROOT / "config/haproxy.cfg").read_text()
        announced = {PROXY_OPTION: PROXY_OPTION.replace("#", "")} if announces else {}
        file = os.path.join(self.folder.name, "haproxy.cfg")
        with open(file, "w") as changed:
            changed.write(replaced(text, announced | dict(changes)))
        with socket.create_server((self.host, 0), backlog=1_024) as listening:
            self.port = listening.getsockname()[1]
            self.run(
                [program, "-db", "-f", file],
                environment={
                    "APUS_LISTEN": f"fd@{listening.fileno()}",
                    "APUS_A": a,
                    "APUS_B": b,
                    "APUS_STICKY": sticky,
                    "APUS_READINESS": check,
                },
                descriptors=[listening.fileno()],
            )

    def wait_logged(self, *parts):
        """Waits for a line of the log that contains all of these."""
        found = self.log.wait_for(
            lambda lines: any(all(part in line for part in parts) for line in lines), 30
        )
        assert found, f"not logged: {parts}\n{self.log.text()}"


class Leaving:
    """Replaces an instance that is about to stop: it is ready, and answers nothing else, or 503."""

    BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.authority = f"127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listening.accept()
            except OSError:
                return
            with plain, contextlib.suppress(Ended, OSError):
                request = Wire(plain, seconds=30).take_through(b"\r\n\r\n")
                if request.startswith(b"GET /readyz "):
                    plain.sendall(self.READY)
                else:
                    self.asked.append(request.split()[0])
                    plain.sendall(self.answer)
                    plain.shutdown(socket.SHUT_WR)


class Keeping:
    """Replaces a server that never closes a connection. It reports who closes one, and when."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def __init__(self):
        # The requests of each connection that had one besides health checks.
        self.connections = []
        self.ended = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.authority = f"127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=[plain], daemon=True).start()

    def _serve(self, plain):
        paths = []
        with plain, contextlib.suppress(Ended, OSError):
            wire = Wire(plain, seconds=60)
            while True:
                path = wire.take_through(b"\r\n\r\n").split()[1]
                if path != b"/readyz":
                    if not paths:
                        self.connections.append(paths)
                    paths.append(path)
                plain.sendall(self.ANSWER)
        if paths:
            self.ended.append(paths)

    def close(self):
        self.listening.close()


def replaced(text, changes):
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def seconds_in(file, directive):
    """Returns the only value of a directive, in whole seconds."""
    [value] = re.findall(rf"^ *{directive} (\d+)s;?$", (ROOT / file).read_text(), re.MULTILINE)
    return int(value)


def keep_alive_of_apus():
    """Returns the seconds after which a server closes an idle connection by default."""
    text = (ROOT / "config/apus.yaml").read_text()
    return int(re.search(r"\n  handshake:\n(?: *#.*\n)+    timeout: (\d+)s\n", text)[1])


class Nginx(Balancer):
    """nginx with `config/nginx.conf`, with other addresses and a certificate created for it."""

    def __init__(self, program, openssl, server, changes=()):
        self.folder = tempfile.TemporaryDirectory()
        self.port = port_that_no_client_gets()
        addresses = {
            "listen 127.0.0.1:8443 ssl;": f"listen {self.authority} ssl;",
            "server 127.0.0.1:8080;": f"server {server.authority};",
        }
        text = replaced((ROOT / "config/nginx.conf").read_text(), addresses | dict(changes))
        name = self.folder.name
        # If nginx runs as root, its workers run as another user.
        os.chmod(name, 0o755)
        with open(f"{name}/nginx.conf", "w") as file:
            file.write(text)
        subprocess.run(
            [
                openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost",
                "-keyout", f"{name}/key.pem", "-out", f"{name}/certificate.pem",
            ],
            check=True, capture_output=True, timeout=60,
        )
        self.tls = ssl.create_default_context(cafile=f"{name}/certificate.pem")
        self.run([program, "-e", "stderr", "-p", name, "-c", f"{name}/nginx.conf"])
        started = self.log.wait_for(lambda lines: "start worker process" in "\n".join(lines), 30)
        assert started, self.log.text()


# Fixtures, for the tests that import them


@pytest.fixture
def balanced(start, program):
    """Two servers behind HAProxy: `haproxy, a, b = balanced("KEY=VALUE")`.

    `again(server)` starts one again at its address. Their logs, at level debug, show the clients of
    each.
    """
    path = program("haproxy", "/usr/sbin/haproxy", package="haproxy")
    running = contextlib.ExitStack()

    def make(*settings, announces=False, **options):
        settings = (TRUSTED, "log.level=debug", *settings)
        if announces:
            settings += ("server.proxy_protocol=required",)

        def instance(port):
            server = start(*settings, args=["--port", str(port)])
            server.again = lambda: instance(port)
            return server

        servers = [instance(port_that_no_client_gets()) for _ in range(2)]
        authorities = [server.authority for server in servers]
        haproxy = HAProxy(path, *authorities, announces=announces, **options)
        running.callback(haproxy.kill)
        running.callback(haproxy.stop)
        return haproxy, *servers

    with running:
        yield make
