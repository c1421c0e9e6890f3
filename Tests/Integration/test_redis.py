"""Two servers and a real Redis: what is published at one is with the clients of both (S7)."""

import json
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from apus import run, wait_until
from redis_server import Proxy, Redis, free_port
from websockets.exceptions import ConnectionClosed
from wire import Wire, upgrade_request

NEWS = "apus:channel/news"


@pytest.fixture
def redis(tmp_path, program):
    """Starts a Redis: `redis()`, `redis("--requirepass", "x")`; not yet: `redis(start=False)`."""
    program("redis-server", package="redis-server")
    servers = []

    def make(*arguments, start=True):
        server = Redis(tmp_path, *arguments)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def proxy():
    proxies = []

    def make(redis, pass_on):
        proxies.append(Proxy(redis.port, pass_on))
        return proxies[-1]

    yield make
    for one in proxies:
        one.close()


def request(server, path, method="GET", body=None, kind=None):
    """Status, headers and body of an answer."""
    asked = urllib.request.Request(server.url(path), method=method, data=body)
    # urllib adds a kind of its own to a body that has none.
    asked.add_header("Content-Type", kind or "")
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def readiness(server):
    status, _, body = request(server, "/readyz")
    told = json.loads(body)
    assert (status == 200) == (told["status"] == "ready") == (not told["faults"])
    return status == 200, told


def wait_ready(*servers):
    for server in servers:
        wait_until(lambda: readiness(server)[0], "readiness", 30)


def wait_not_ready(server):
    return wait_until(
        lambda: (found := readiness(server)) and not found[0] and found[1], "no readiness", 30
    )


def wait_logged(server, text, count=1):
    wait_until(lambda: server.stderr.text().count(text) == count, f"{count} times: {text}", 30)


def post(server, message, channel="news"):
    path = f"/publish/{channel}?message={urllib.parse.quote(message)}"
    return request(server, path, "POST")


def publish(server, message, channel="news"):
    status, _, body = post(server, message, channel)
    assert (status, json.loads(body)) == (200, {"message": "Published"})


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


def crosses(servers, clients, *messages):
    """Each server publishes, each client gets all."""
    for number, server in enumerate(servers):
        for message in messages or ("hello", "grüße ✓"):
            publish(server, f"{message} {number}")
            for one in clients:
                assert one.recv(timeout=30) == f"{message} {number}"


def closed(connection):
    """How a connection was closed, with everything before that passed over."""
    with pytest.raises(ConnectionClosed):
        while True:
            connection.recv(timeout=30)
    return connection.close_code, connection.close_reason


# One server, in memory


def test_what_is_posted_reaches_the_channel_and_no_other(server, client):
    news, sport = client(server, "/ws/redis/news"), client(server, "/ws/redis/sport")
    publish(server, "first")
    publish(server, "second", "sport")
    publish(server, "third")
    assert [news.recv(timeout=30) for _ in range(2)] == ["first", "third"]
    assert sport.recv(timeout=30) == "second"


@pytest.mark.parametrize(
    "query, body, kind",
    [
        ("?message=a+b%26%c3%bc", None, None),
        ("?other=1&message=a+b%26%C3%BC", b"", "text/plain"),
        ("?message=x&message=a%20b%26%c3%bc", b"message=body", "application/x-www-form-urlencoded"),
        ("", b"x=1&message=a+b%26%c3%bc", "application/x-www-form-urlencoded"),
        ("", '{"message":"a b&ü","x":[1]}'.encode(), "application/json"),
        ("?x=1", b'{"message":"a b&\\u00fc"}', "Application/JSON; charset=utf-8"),
        ("", "a b&ü".encode(), "text/plain; charset=utf-8"),
        ("", "a b&ü".encode(), None),
    ],
)
def test_a_message_comes_by_query_form_json_or_text(server, client, query, body, kind):
    news = client(server, "/ws/redis/news")
    status, _, answer = request(server, f"/publish/news{query}", "POST", body, kind)
    assert (status, json.loads(answer)) == (200, {"message": "Published"})
    assert news.recv(timeout=30) == "a b&ü"


def test_curl_posts_a_form(server, client):
    news = client(server, "/ws/redis/news")
    done = subprocess.run(
        ["curl", "-sS", "--data-urlencode", "message=by curl: +&%", server.url("/publish/news")],
        capture_output=True, text=True, timeout=30, check=True,
    )
    assert done.stdout == '{"message":"Published"}'
    assert news.recv(timeout=30) == "by curl: +&%"


def test_an_empty_message_is_one(server, client):
    news = client(server, "/ws/redis/news")
    publish(server, "")
    assert news.recv(timeout=30) == ""


@pytest.mark.parametrize(
    "query, body, kind, loc, fault",
    [
        ("", None, None, ["query", "message"], "missing"),
        ("?other=1", None, None, ["query", "message"], "missing"),
        ("", b"", "text/plain", ["query", "message"], "missing"),
        ("", b"a=1", "application/x-www-form-urlencoded", ["body", "message"], "missing"),
        ("", b"{}", "application/json", ["body", "message"], "missing"),
        ("", b"{", "application/json", ["body"], "json_invalid"),
        ("", b"[1]", "application/json", ["body"], "model_attributes_type"),
        ("", b'{"message":1}', "application/json", ["body", "message"], "string_type"),
        ("", b"\xff", "text/plain", ["body"], "string_unicode"),
        ("?message=%ff", None, None, ["query", "message"], "string_unicode"),
        ("", b"x", "image/png", ["body"], "value_error"),
    ],
)
def test_what_can_not_be_published_is_422(server, query, body, kind, loc, fault):
    status, _, answer = request(server, f"/publish/news{query}", "POST", body, kind)
    assert status == 422
    (told,) = json.loads(answer)["detail"]
    assert (told["loc"], told["type"]) == (loc, fault) and told["msg"]


def test_a_channel_s_name_has_limits(server, client):
    longest = "c" * (255 - len("channel/"))
    listener = client(server, f"/ws/redis/{longest}")
    publish(server, "fits", longest)
    assert listener.recv(timeout=30) == "fits"
    for name in (longest + "c", "a%0ab"):
        status, _, answer = request(server, f"/publish/{name}?message=x", "POST")
        assert status == 422
        assert json.loads(answer)["detail"][0]["loc"] == ["path", "channel"]
        assert request(server, f"/ws/redis/{name}")[0] == 426
        with Wire.to(server) as wire:
            wire.send(upgrade_request(f"/ws/redis/{name}", server.authority))
            assert wire.response().status == 422


def test_who_sends_on_a_channel_is_told_how_to_publish(server, client):
    listener = client(server, "/ws/redis/news")
    listener.send("not this way")
    assert closed(listener) == (1008, "publish by POST /publish/news")


def test_a_server_with_its_broker_in_memory_is_ready(server):
    assert readiness(server) == (
        True,
        {"status": "ready", "faults": [],
         "broker": {"ready": True, "state": "in memory", "gaps": 0}},
    )


def test_a_server_that_lets_its_connections_go_is_not_ready(start):
    server = start("server.loops=1", "drain.spread=10s", "drain.deadline=20s")
    with Wire.to(server) as wire:
        # The head is on its way when the stop begins, so the connection is still answered.
        wire.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
        # They have been read: a request that came later on the one loop has been answered.
        assert readiness(server)[0]
        server.signal(15)
        assert server.stderr.wait_for(
            lambda lines: any("letting connections go" in line for line in lines), 30
        )
        wait_until(lambda: refuses_connections(server), "no listener", 30)
        wire.send(b"\r\n")
        answer = wire.response()
        assert answer.status == 503
        assert "connections go" in json.loads(answer.body)["faults"][0]
    assert server.wait(30) == 0


def refuses_connections(server):
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


# Two servers and Redis


def test_messages_cross_both_ways(redis, pair, client):
    servers, clients = pair(redis())
    crosses(servers, clients)
    # The chat goes the same way: who has heard itself at both is in both rooms.
    ada, bob = client(servers[0], "/ws/1"), client(servers[1], "/ws/2")
    wait_ready(*servers)
    ada.send("hello")
    while ada.recv(timeout=30) != "Client 1: hello":
        pass
    bob.send("hi")
    assert ada.recv(timeout=30) == "Client 2: hi"
    ada.close()
    while bob.recv(timeout=30) != "Client 1 left the chat":
        pass


def test_what_others_publish_arrives(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("PUBLISH", NEWS, "hello from redis-cli") == "2"
    broker.cli("EVAL", f"return redis.call('PUBLISH', '{NEWS}', '\\255\\0')", "0")
    for one in clients:
        assert one.recv(timeout=30) == "hello from redis-cli"
        assert one.recv(timeout=30) == b"\xff\x00"


def test_only_channels_with_subscribers_are_subscribed_to(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("PUBSUB", "CHANNELS", "apus:[a-z]*") == NEWS
    clients[0].close()
    wait_until(lambda: broker.subscribers(NEWS) == 1, "one subscription", 30)
    clients[1].close()
    wait_until(lambda: broker.subscribers(NEWS) == 0, "no subscription", 30)


def test_prefixes_keep_servers_apart(redis, start, client):
    broker = redis()
    ours = start(f"broker.url={broker.url}", "broker.prefix=ours/")
    theirs = start(f"broker.url={broker.url}", "broker.prefix=theirs/")
    wait_ready(ours, theirs)
    here, there = client(ours, "/ws/redis/news"), client(theirs, "/ws/redis/news")
    for prefix in ("ours", "theirs"):
        wait_until(lambda: broker.subscribers(f"{prefix}/channel/news") == 1, prefix, 30)
    publish(ours, "one")
    publish(theirs, "two")
    assert (here.recv(timeout=30), there.recv(timeout=30)) == ("one", "two")


def assert_gap_and_recovery(broker, servers, clients, *, gaps=1):
    """A gap has begun: it shows at both servers; ended by `broker`, messages flow again."""
    wait_ready(*servers)
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    for server in servers:
        assert readiness(server)[1]["broker"]["gaps"] == gaps
        wait_logged(server, "subscriptions are lost: publications may be missed", gaps)
        wait_logged(server, "subscriptions are in effect again", gaps)
    crosses(servers, clients, "again")


def test_a_redis_that_is_killed_and_restarted_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    broker.kill()
    for server in servers:
        told = wait_not_ready(server)
        assert told["faults"] and told["broker"]["gaps"] == 1
        status, headers, body = post(server, "lost")
        assert status == 503 and headers["Retry-After"] == "1"
        assert headers["Content-Type"] == "application/problem+json"
        assert "was not published" in json.loads(body)["detail"]
        assert request(server, "/healthz")[0] == 200
    broker.start()
    assert_gap_and_recovery(broker, servers, clients)


def test_a_redis_that_is_paused_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    broker.pause()
    for server in servers:
        assert wait_not_ready(server)["broker"]["gaps"] == 1
        assert post(server, "lost")[0] == 503
    broker.resume()
    assert_gap_and_recovery(broker, servers, clients)


def test_a_subscription_that_is_cut_is_a_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert broker.cli("CLIENT", "KILL", "TYPE", "pubsub") == "2"
    for server in servers:
        wait_until(lambda: readiness(server)[1]["broker"]["gaps"] == 1, "the gap", 30)
    assert_gap_and_recovery(broker, servers, clients)


def test_a_publishing_connection_that_is_cut_is_no_gap(redis, pair):
    broker = redis()
    servers, clients = pair(broker)
    assert int(broker.cli("CLIENT", "KILL", "TYPE", "normal")) == 2
    for server in servers:
        # Which of the two it notices first, the cut or the message, is left open.
        wait_until(lambda: post(server, "maybe")[0] == 200, "publishing again", 30)
    assert_gap_and_recovery(broker, servers, [], gaps=0)


def test_a_reply_that_is_cut_in_its_middle_is_a_gap(redis, proxy, start, client):
    broker = redis()
    cuts = iter([True])

    def cut_once(data):
        if b"to be cut" in data and next(cuts, False):
            raise Proxy.Cut(data[: data.index(b"be cut")])
        return data

    before = proxy(broker, cut_once)
    servers = [start(f"broker.url={before.url}") for _ in range(2)]
    wait_ready(*servers)
    clients = [client(server, "/ws/redis/news") for server in servers]
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    publish(servers[0], "to be cut")
    # One connection was cut; the other server got the message whole.
    gaps = lambda: [readiness(server)[1]["broker"]["gaps"] for server in servers]
    wait_until(lambda: sorted(gaps()) == [0, 1], "one gap", 30)
    wait_ready(*servers)
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    unharmed = clients[gaps().index(0)]
    assert unharmed.recv(timeout=30) == "to be cut"
    crosses(servers, clients, "again")


def test_an_answer_to_a_publication_that_is_cut_is_503(redis, proxy, start):
    broker = redis()
    cuts = []

    def cut_answer(data):
        if data.startswith(b":") and cuts == ["next"]:
            cuts.append(data)
            raise Proxy.Cut(data[:1])
        return data

    server = start(f"broker.url={proxy(broker, cut_answer).url}")
    wait_ready(server)
    cuts.append("next")
    # A probe's answer may be the one that is cut, and what follows it is refused at once.
    wait_until(lambda: post(server, "unanswered")[0] == 503, "a refusal", 30)
    wait_ready(server)
    publish(server, "taken")


def test_a_subscription_that_is_dead_behind_an_open_connection_is_found_out(
    redis, proxy, start, client
):
    broker = redis()
    silent = []

    def swallow(data):
        # All but the answers to pings, so that the connection looks well.
        return b"" if silent and b"$7\r\nmessage\r\n" in data else data

    server = start(f"broker.url={proxy(broker, swallow).url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    silent.append(True)
    wait_until(lambda: readiness(server)[1]["broker"]["gaps"] == 1, "the gap", 30)
    silent.clear()
    wait_until(lambda: "a probe did not come back" in server.stderr.text(), "the log", 30)
    wait_ready(server)
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "alive")
    while listener.recv(timeout=30) != "alive":
        pass


def test_a_gap_closes_subscribers_where_it_shall(redis, start, client):
    broker = redis()
    server = start(f"broker.url={broker.url}", "broker.on_gap=close")
    wait_ready(server)
    early, echo = client(server, "/ws/redis/news"), client(server, "/ws")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    broker.kill()
    assert closed(early) == (1012, "publications may have been missed")
    # Who comes during the gap misses something too, and is told when it ends.
    during = client(server, "/ws/redis/news")
    broker.start()
    assert closed(during) == (1012, "publications may have been missed")
    wait_ready(server)
    after = client(server, "/ws/redis/news")
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "after")
    assert after.recv(timeout=30) == "after"
    # Who subscribes to nothing has missed nothing.
    echo.send("still here")
    assert echo.recv(timeout=30) == "Message received: still here"


# Starts, stops and logging in


def test_a_redis_that_is_not_there_yet_is_waited_for(redis, start, client):
    broker = redis(start=False)
    server = start(f"broker.url={broker.url}")
    told = wait_not_ready(server)
    assert told["broker"]["gaps"] == 0
    assert post(server, "lost")[0] == 503
    wait_logged(server, "no connection to Redis; trying on")
    listener = client(server, "/ws/redis/news")
    broker.start()
    wait_ready(server)
    wait_until(lambda: broker.subscribers(NEWS) == 1, "the subscription", 30)
    publish(server, "found")
    assert listener.recv(timeout=30) == "found"
    assert readiness(server)[1]["broker"]["gaps"] == 0


def test_a_publication_right_after_the_start_is_taken(redis, start):
    broker = redis()
    for _ in range(5):
        server = start(f"broker.url={broker.url}")
        publish(server, "at once")
        server.stop()


def test_a_stop_is_quick_while_redis_hangs(redis, pair):
    broker = redis()
    servers, _ = pair(broker)
    broker.pause()
    for server in servers:
        # Before its deadline for a command, of 5 s, could have passed.
        server.stop(seconds=4)


@pytest.mark.parametrize("how", ["password", "user", "database", "socket", "all"])
def test_urls_say_who_logs_in_and_where(redis, start, client, how):
    with_password = ("--requirepass", "p@ss:/?#%")
    with_user = (
        *"--user default off --user apus on >p@ss:/?#%".split(),
        *"resetchannels &apus:* +@pubsub +@connection".split(),
    )
    quoted = urllib.parse.quote("p@ss:/?#%", safe="")
    broker = redis(*{"password": with_password, "user": with_user, "all": with_user}.get(how, ()))
    at = f"127.0.0.1:{broker.port}"
    url = {
        "password": f"redis://:{quoted}@{at}",
        "user": f"redis://apus:{quoted}@{at}",
        "database": f"redis://{at}/3",
        "socket": f"unix://{broker.socket}",
        "all": f"redis+unix://apus:{quoted}@{broker.socket}?db=0",
    }[how]
    server = start(f"broker.url={url}")
    wait_ready(server)
    listener = client(server, "/ws/redis/news")
    # Redis may not tell this user who subscribes: published until it arrives.
    heard = threading.Event()
    listening = threading.Thread(target=lambda: (listener.recv(timeout=30), heard.set()))
    listening.start()
    wait_until(lambda: publish(server, "let in") or heard.is_set(), "a message", 30)
    listening.join()
    if how == "database":
        assert "db=3" in broker.cli("CLIENT", "LIST")
    server.stop()
    log = server.stderr.text()
    assert "connected to Redis" in log
    assert "p@ss" not in log and quoted not in log


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost and 127.0.0.1 that is its own authority, and its key."""
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
    """A Redis with a second port that speaks TLS: and that port."""
    port = free_port()
    files = ("--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1]))
    return redis("--tls-port", str(port), *files, "--tls-auth-clients", "no"), port


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_messages_cross_by_tls(encrypted, certificate, start, client, host):
    broker, port = encrypted
    trusting = {"SSL_CERT_FILE": str(certificate[0])}
    servers = [
        start(f"broker.url=rediss://{host}:{port}", environment=trusting) for _ in range(2)
    ]
    wait_ready(*servers)
    clients = [client(server, "/ws/redis/news") for server in servers]
    wait_until(lambda: broker.subscribers(NEWS) == 2, "both subscriptions", 30)
    crosses(servers, clients, "hello")
    # More than TLS puts into one record, in each direction.
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
        # Redis waits for the rest of what it takes for a command, or calls it none.
        ("plain", True, "publishing: "),
    ],
)
def test_a_redis_that_proves_nothing_is_not_talked_to(
    encrypted, certificate, start, host, trusts, why
):
    broker, port = encrypted
    broker.cli("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
    environment = {"SSL_CERT_FILE": str(certificate[0])} if trusts else {}
    at = f"127.0.0.1:{broker.port}" if host == "plain" else f"{host}:{port}"
    server = start(f"broker.url=rediss://:hunter2@{at}", environment=environment)
    wait_until(lambda: why in str(readiness(server)[1]["faults"]), "the reason", 30)
    assert post(server, "lost")[0] == 503
    assert "AUTH" not in broker.cli("INFO", "commandstats").upper()


@pytest.mark.parametrize("user", ["", "nobody"])
def test_who_is_not_let_in_is_not_ready_and_says_why(redis, start, user):
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
def test_a_faulty_url_is_refused_without_being_shown(url, why):
    refused = run("serve", "--port", "0", "--set", f"broker.url={url}")
    assert refused.returncode == 78
    assert "broker.url: <secret> is not a broker's URL" in refused.stderr
    assert why in refused.stderr and "hunter2" not in refused.stderr
