"""Starting, stopping and logging in with Redis."""

import subprocess
import urllib.parse

import pytest
from apus import port_that_no_client_gets, run, wait_until
from channels import (
    NEWS, assert_gap_and_recovery, closed, crosses, post, publish, readiness, request, wait_logged,
    wait_not_ready, wait_ready,
)
from redis_server import pair, redis  # noqa: F401


def test_a_start_with_redis_logs_no_warning(redis, start):
    server = start(f"broker.url={redis().url}")
    wait_logged(server, "connected to Redis")
    wait_ready(server)
    assert " warning " not in server.stderr.text()


def test_a_missing_redis_is_waited_for(redis, start, client):
    broker = redis(start=False)
    server = start(f"broker.url={broker.url}")
    wait_logged(server, "subscriptions are lost: publications may be missed")
    assert wait_not_ready(server)["broker"]["gaps"] == 1
    assert post(server, "lost")[0] == 503
    wait_logged(server, "no connection to Redis; retrying")
    listener = client(server, "/ws/redis/news")
    broker.start()
    wait_ready(server)
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "found")
    assert listener.recv(timeout=30) == "found"
    assert readiness(server)[1]["broker"]["gaps"] == 1
    wait_logged(server, "subscriptions are in effect again")


def test_clients_before_redis_are_closed_if_configured(redis, start, client):
    broker = redis(start=False)
    server = start(f"broker.url={broker.url}", "broker.on_gap=close")
    wait_logged(server, "subscriptions are lost: publications may be missed")
    # A client without a subscription has missed nothing.
    during, echo = client(server, "/ws/redis/news"), client(server, "/ws")
    broker.start()
    assert closed(during) == (1012, "publications may have been missed")
    wait_ready(server)
    echo.send("still here")
    assert echo.recv(timeout=30) == "Message received: still here"
    assert readiness(server)[1]["broker"]["gaps"] == 1


def test_lost_chat_messages_without_redis_are_logged_once(redis, start, client):
    broker = redis(start=False)
    server = start(f"broker.url={broker.url}")
    # The first attempt has failed: earlier publications would wait.
    wait_logged(server, "subscriptions are lost: publications may be missed")
    warning = "the broker refused publications of connections"
    chat = client(server, "/ws/7")
    for _ in range(5):
        chat.send("lost")
    wait_logged(server, warning)
    broker.start()
    wait_ready(server)
    chat.send("found")
    while "found" not in chat.recv(timeout=30):
        pass
    assert server.stderr.text().count(warning) == 1


def test_a_publication_right_after_the_start_is_accepted(redis, start):
    broker = redis()
    for _ in range(5):
        server = start(f"broker.url={broker.url}")
        publish(server, "at once")
        server.stop()


def test_a_stop_is_fast_while_redis_hangs(redis, pair):
    broker = redis()
    servers, _ = pair(broker)
    broker.pause()
    for server in servers:
        # Before the deadline of a command, 5 s, could have passed.
        server.stop(seconds=4)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Creates a self-signed certificate for localhost and 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names,
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        capture_output=True, timeout=30, check=True,
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture
def encrypted(redis, certificate):
    """Starts a Redis with a second port for TLS: `broker, port = encrypted()`."""

    def make(*arguments):
        port = port_that_no_client_gets()
        files = ("--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1]))
        tls = ("--tls-port", str(port), *files, "--tls-auth-clients", "no")
        return redis(*tls, *arguments), port

    return make


PASSWORD = "p@ss:/?#%"
QUOTED = urllib.parse.quote(PASSWORD, safe="")
# The server's user has only the necessary permissions, so another one queries Redis.
USERS = (
    *f"--user apus on >{PASSWORD} resetchannels &apus:* +@pubsub +@connection".split(),
    *"--user default off --user admin on nopass ~* &* +@all".split(),
)
ADMIN = ("--user", "admin", "--pass", "none")


@pytest.mark.parametrize(
    "arguments, credentials, url, user, database",
    [
        (("--requirepass", PASSWORD), ("-a", PASSWORD), "redis://:{}@{at}", "default", 0),
        (USERS, ADMIN, "redis://apus:{}@{at}", "apus", 0),
        ((), (), "redis://{at}/3", "default", 3),
        ((), (), "unix://{socket}", "default", 0),
        (USERS, ADMIN, "redis+unix://apus:{}@{socket}?db=15", "apus", 15),
        (USERS, ADMIN, "rediss://apus:{}@localhost:{tls}/3", "apus", 3),
    ],
    ids=["password", "user", "database", "socket", "all by socket", "all by TLS"],
)
def test_urls_contain_the_login_and_the_address(
    encrypted, certificate, start, client, arguments, credentials, url, user, database
):
    broker, tls = encrypted(*arguments)
    broker.credentials = credentials
    at = f"127.0.0.1:{broker.port}"
    url = url.format(QUOTED, at=at, socket=broker.socket, tls=tls)
    server = start(f"broker.url={url}", environment={"SSL_CERT_FILE": str(certificate[0])})
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "let in")
    assert listener.recv(timeout=30) == "let in"
    # Redis's description of both connections; those of its own program are skipped.
    said = [
        dict(field.split("=", 1) for field in line.split())
        for line in broker.cli("CLIENT", "LIST").splitlines()
    ]
    ours = [one for one in said if one["cmd"] not in ("client|list", "pubsub|numsub")]
    assert [(one["user"], one["db"]) for one in ours] == [(user, str(database))] * 2
    if "unix" in url:
        assert all("U" in one["flags"] for one in ours)
    else:
        port = tls if url.startswith("rediss") else broker.port
        assert {one["laddr"].rpartition(":")[2] for one in ours} == {str(port)}
    server.stop()
    log = server.stderr.text()
    assert "connected to Redis" in log
    assert PASSWORD[:4] not in log and QUOTED not in log


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_messages_are_carried_over_tls(encrypted, certificate, start, client, host):
    broker, port = encrypted()
    trusting = {"SSL_CERT_FILE": str(certificate[0])}
    servers = [
        start(f"broker.url=rediss://{host}:{port}", environment=trusting) for _ in range(2)
    ]
    wait_ready(*servers)
    clients = [client(server, "/ws/redis/news") for server in servers]
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    crosses(servers, clients, "hello")
    # More than the size of a TLS record, in each direction.
    large = "x" * 60_000
    status, _, _ = request(servers[0], "/publish/news", "POST", large.encode())
    assert status == 200
    assert all(one.recv(timeout=30) == large for one in clients)
    broker.cli("CLIENT", "KILL", "TYPE", "pubsub")
    for server in servers:
        wait_until(lambda: readiness(server)[1]["broker"]["gaps"] == 1, "the gap", 30)
    assert_gap_and_recovery(broker, servers, clients)


@pytest.mark.parametrize(
    "host, trusts, why",
    [
        ("localhost", False, "self-signed certificate"),
        ("127.0.0.2", True, "IP address mismatch"),
        # Redis waits for the rest of a command, or reports an invalid one.
        ("plain", True, "publishing: "),
    ],
)
def test_an_untrusted_redis_is_not_used(
    encrypted, certificate, start, host, trusts, why
):
    broker, port = encrypted()
    broker.cli("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
    environment = {"SSL_CERT_FILE": str(certificate[0])} if trusts else {}
    at = f"127.0.0.1:{broker.port}" if host == "plain" else f"{host}:{port}"
    server = start(f"broker.url=rediss://:hunter2@{at}", environment=environment)
    wait_until(lambda: why in str(readiness(server)[1]["faults"]), "the reason", 30)
    assert post(server, "lost")[0] == 503
    assert "AUTH" not in broker.cli("INFO", "commandstats").upper()


@pytest.mark.parametrize("user", ["", "nobody"])
def test_a_refused_login_is_not_ready_with_the_reason(redis, start, user):
    broker = redis("--requirepass", "right")
    server = start(f"broker.url=redis://{user}:hunter2@127.0.0.1:{broker.port}")
    told = wait_until(
        lambda: (found := readiness(server)[1]) and "WRONGPASS" in str(found) and found,
        "the reason", 30,
    )
    assert "Redis refuses AUTH" in told["faults"][0]
    assert "hunter2" not in server.stderr.text() and "hunter2" not in str(told)


@pytest.mark.parametrize(
    "url, why",
    [
        ("rediss://user:hunter2@host?db=1", "query"),
        ("redis://user:hunter2@host:port", "port"),
        ("http://hunter2@host", "must begin with redis://, rediss:// or unix://"),
        ("redis:", "must begin with redis://"),
    ],
)
def test_an_invalid_url_is_refused_without_being_shown(url, why):
    refused = run("serve", "--port", "0", "--set", f"broker.url={url}")
    assert refused.returncode == 78
    assert "broker.url: <secret> is not a broker's URL" in refused.stderr
    assert why in refused.stderr and "hunter2" not in refused.stderr
