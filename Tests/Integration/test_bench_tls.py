"""`apus bench` with `wss`, against PyPI's `websockets` with a certificate of a test authority."""

import asyncio
import queue
import ssl
import subprocess
import threading

import apus
import pytest
from websockets.asyncio.server import serve

QUICK = ("--duration", "300ms", "--warmup", "0s", "--connections", "4")
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


def openssl(*args):
    subprocess.run(["openssl", *args], capture_output=True, timeout=30, check=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Returns a folder with the certificate of an authority, and one that it issued for
    `localhost`.
    """
    folder = tmp_path_factory.mktemp("authority")
    openssl("req", "-x509", *KEY, "-subj", "/CN=Our authority",
            "-keyout", folder / "authority.key", "-out", folder / "authority.pem")
    openssl("req", "-x509", *KEY, "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE",
            "-CA", folder / "authority.pem", "-CAkey", folder / "authority.key",
            "-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    return folder


@pytest.fixture(scope="module")
def port(authority):
    """Returns the port of an encrypted echo server on that `localhost`.

    With asyncio, since the server with threads uses each connection from two threads at once, and
    Python's `ssl` loses data then.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "certificate.pem", authority / "key.pem")
    ports = queue.Queue()
    stop = asyncio.Event()

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def run():
        async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
            ports.put((server.sockets[0].getsockname()[1], asyncio.get_running_loop()))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    number, loop = ports.get(timeout=10)
    yield number
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def bench(scenario, url, *args, trusting=None):
    environment = {"SSL_CERT_FILE": str(trusting / "authority.pem")} if trusting else {}
    return apus.run("bench", scenario, url, *QUICK, *args, environment=environment, seconds=60)


@pytest.mark.parametrize(
    "options",
    [
        (),
        # More than one TLS record for each message, in each direction.
        ("--size", "60000"),
        ("--size", "1KiB", "--compression", "takeover", "--in-flight", "4"),
        ("--rate", "100"),
    ],
    ids=["small", "large", "compressed", "rate"],
)
def test_an_echo_is_encrypted_and_compared(authority, port, options):
    done = bench("echo", f"wss://localhost:{port}/", *options, trusting=authority)
    assert done.returncode == 0, done.stderr + done.stdout
    assert f"wss://localhost:{port}/" in bench(
        "echo", f"WSS://localhost:{port}/", *options, "--markdown", trusting=authority
    ).stdout
    assert "faults" not in done.stdout
    compared = int(done.stdout.partition("contents")[2].split()[0].replace(",", ""))
    assert compared >= 4, "the first message of each connection"


def test_handshakes_are_counted_including_tls(authority, port):
    done = bench("connect", f"wss://localhost:{port}/", trusting=authority)
    assert done.returncode == 0, done.stderr + done.stdout


def test_any_certificate_is_accepted_with_insecure(port):
    for host in ("localhost", "127.0.0.1"):
        done = bench("echo", f"wss://{host}:{port}/", "--insecure")
        assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(
    "host, trusts, why",
    [("localhost", False, "issuer certificate"), ("127.0.0.1", True, "IP address mismatch")],
)
def test_an_untrusted_certificate_is_reported_with_a_remedy(authority, port, host, trusts, why):
    done = bench("echo", f"wss://{host}:{port}/", trusting=authority if trusts else None)
    assert done.returncode == 1 and done.stdout == ""
    for word in ("the certificate is refused", why, "SSL_CERT_FILE", "--insecure"):
        assert word in done.stderr
    assert ("Use the host name that the certificate is for" in done.stderr) == trusts


def test_a_server_without_tls_is_told(start):
    server = start()
    done = connect(f"wss://127.0.0.1:{server.port}/ws")
    assert done.returncode == 1 and "The server speaks no TLS there: use ws://" in done.stderr


def connect(url, *args, text="", trusting=None):
    environment = {"SSL_CERT_FILE": str(trusting / "authority.pem")} if trusting else {}
    return subprocess.run(
        [apus.binary(), "connect", url, *args], input=text, capture_output=True, text=True,
        timeout=30, env=apus.clean_environment(**environment),
    )


def test_a_terminal_client_talks_by_tls(authority, port):
    url = f"wss://localhost:{port}/"
    # More than any buffer on the way has room for, in both directions at once.
    text = "".join(f"{number:060000}\n" for number in range(200))
    done = connect(url, "--wait", "1s", text=text, trusting=authority)
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
    done = connect(url, "--insecure", "--wait", "1s", text="hello\n")
    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_a_terminal_client_tells_why_it_does_not_trust(authority, port):
    done = connect(f"wss://localhost:{port}/")
    assert done.returncode == 1 and done.stdout == ""
    for word in ("the certificate is refused", "SSL_CERT_FILE", "--insecure"):
        assert word in done.stderr
    done = connect("wss://127.0.0.1:1/")
    assert done.returncode == 1 and "127.0.0.1:1: connection refused" in done.stderr


def test_a_server_without_tls_is_reported(start):
    server = start(args=["--tools"])
    done = bench("echo", f"wss://{server.authority}/echo")
    assert done.returncode == 1 and done.stdout == "" and "TLS: " in done.stderr
