"""Third-party clients over `wss`, which trust a certificate that `apus dev-certificate` has made."""

import asyncio
import json
import ssl
import subprocess

import apus
import pytest
from apus import clean_environment
from certificates import settings
from chromium import chromium
from conftest import shared
from metrics import ADMIN, Scrape
from negotiation import LONG, SHORT
from test_deflate_programs import HERE, as_json, content, echoes
from test_node import NODE_WITH_UNDICI, node_environment
from websockets.asyncio.client import connect as websockets_connect

ECHO = (HERE / "deflate_echo.js").read_text()
# nhooyr puts compressed bytes into frames of a few hundred.
FRAMES = "limits.fragments.max=2048"
COMPRESSIONS = {"compressed": "true", "plain": "false"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    made = apus.run("dev-certificate", "--out", str(folder))
    assert made.returncode == 0, made
    return folder / "certificate.pem", folder / "key.pem"


def options(certificate, compression):
    enabled = COMPRESSIONS[compression]
    return *settings(certificate), f"compression.enabled={enabled}", FRAMES, ADMIN


@pytest.fixture(scope="module", params=COMPRESSIONS)
def server(request, certificate):
    """A server with and without compression, with the certificate."""
    with shared(*options(certificate, request.param), args=["--tools"]) as running:
        running.compresses = request.param == "compressed"
        yield running


@pytest.fixture
def url(server):
    return f"wss://localhost:{server.port}/echo"


@pytest.fixture
def trusting(certificate):
    """Returns the environment of programs that trust the certificate."""
    path = str(certificate[0])
    return {"SSL_CERT_FILE": path, "NODE_EXTRA_CA_CERTS": path}


@pytest.fixture
def compressed(server):
    """Checks that messages were compressed in both directions, if the server compresses."""
    return check_of_compression(server)


def check_of_compression(server):
    def counts():
        found = Scrape(server)
        return [
            found(f"apus_compression_messages_{what}_total") for what in ("inflated", "deflated")]

    before = counts()

    def check(client_compresses=True):
        received, sent = (now - then for now, then in zip(counts(), before, strict=True))
        assert (received > 0) == (server.compresses and client_compresses)
        assert (sent > 0) == server.compresses

    return check


def check_echoes(*command, environment, samples=LONG):
    found = echoes(*command, environment=environment, samples=samples)
    assert found == [sample.content for sample in samples]


def resumptions(*command, environment):
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


RESUMED = [False, True, True]


@pytest.mark.parametrize("client", ["gorilla", "nhooyr", "nhooyr-takeover"])
def test_go(url, trusting, compressed, go_clients, client):
    check_echoes(go_clients, client, url, environment=clean_environment(**trusting))
    compressed()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("client", ["gorilla", "nhooyr"])
def test_go_resumes(url, trusting, go_clients, client, version):
    environment = clean_environment(**trusting)
    command = [go_clients, "resume", client, url, version]
    assert resumptions(*command, environment=environment) == RESUMED


def test_go_without_trust(url, go_clients):
    done = subprocess.run(
        [go_clients, "resume", "gorilla", url, "1.3"], env=clean_environment(),
        capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "certificate" in done.stderr


@pytest.fixture
def node(program, trusting):
    """Returns Debian's Node with `ws`, and its environment."""
    path = program("node", "nodejs", package="node-ws")
    return path, node_environment(path) | trusting


def test_node_ws(url, node, compressed):
    path, environment = node
    command = [path, str(HERE / "deflate_echo.js"), "ws", url, json.dumps({"threshold": 0})]
    check_echoes(*command, environment=environment)
    compressed()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_node_ws_resumes(url, node, version):
    path, environment = node
    command = [path, str(HERE / "tls_resume.js"), url, version]
    assert resumptions(*command, environment=environment) == RESUMED


def test_undici(url, trusting, compressed):
    command = [NODE_WITH_UNDICI, str(HERE / "deflate_echo.js"), "undici", url]
    check_echoes(*command, environment=clean_environment(**trusting))
    # It decompresses, but doesn't compress.
    compressed(client_compresses=False)


def test_websockets(url, certificate, compressed):
    context = ssl.create_default_context(cafile=certificate[0])

    async def talk():
        async with websockets_connect(
            url, ssl=context, proxy=None, max_size=None, ping_interval=None,
        ) as client:
            for sample in LONG:
                await client.send(sample.content)
                assert await asyncio.wait_for(client.recv(), 10) == sample.content

    asyncio.run(talk())
    compressed()


@pytest.fixture(scope="module")
def browser(program, certificate):
    certutil = program("certutil", package="libnss3-tools")
    with chromium(
        program("chromium", "chromium-browser", package="chromium"), certutil, certificate[0],
    ) as running:
        yield running


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_chromium(start, certificate, browser, compression):
    # With a server of its own, since the browser keeps a connection.
    server = start(*options(certificate, compression), args=["--tools"])
    server.compresses = compression == "compressed"
    compressed = check_of_compression(server)
    resumed = "apus_tls_sessions_resumed_total"
    before = Scrape(server)(resumed)
    page = browser.page(f"https://localhost:{server.port}/")
    for samples in (LONG, SHORT):
        given = json.dumps([as_json(sample) for sample in samples])
        found = page.evaluate(
            f"""(async () => {{
                {ECHO}
                const socket = new WebSocket("wss://" + location.host + "/echo");
                const received = await echoes(socket, {given}, sendWhole);
                return JSON.stringify(received);
            }})()"""
        )
        assert list(map(content, json.loads(found))) == [sample.content for sample in samples]
    compressed()
    assert page.complaints == []
    assert Scrape(server)(resumed) > before
