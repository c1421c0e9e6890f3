"""The admin listener: its protection, its endpoints, and `apus admin`, which uses them."""

import base64
import contextlib
import json
import socket
from urllib.parse import quote

import apus
import pytest
from admin import LISTEN, TOKEN, Admin
from tokens import KEYED, token
from websockets.exceptions import ConnectionClosed, InvalidStatus


@pytest.fixture
def administered(start):
    """Starts servers with an admin listener."""

    def start_one(*settings, **options):
        server = start(LISTEN, *settings, **options)
        secret = next(
            (one.partition("=")[2] for one in settings if one.startswith("admin.token=")), None)
        return server, Admin(server, secret)

    return start_one


def closed(socket):
    """The code and reason of a client's end."""
    with pytest.raises(ConnectionClosed) as end:
        while True:
            socket.recv(timeout=5)
    return end.value.rcvd.code, end.value.rcvd.reason


# Protection


def test_there_is_no_admin_listener_unless_it_is_configured(start):
    server = start()
    for path in ("/admin/connections", "/admin/config", "/metrics", "/admin/live"):
        with server.connect() as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert stream.recv(1_000).startswith(b"HTTP/1.1 404 "), path


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8081", "admin.example:8081"])
def test_an_address_beyond_the_machine_needs_a_token(listen):
    done = apus.run("serve", "--set", f"admin.listen={listen}")
    assert done.returncode == 78
    assert f"admin.listen: {listen} must be an address of this machine" in done.stderr
    assert "admin.token" in done.stderr
    checked = apus.run(
        "config", "check", "--set", f"admin.listen={listen}", environment={"APUS_ADMIN_TOKEN": TOKEN})
    assert checked.returncode == 0 and TOKEN not in checked.stdout


@pytest.mark.parametrize(
    "setting", ["admin.listen=8081", "admin.listen=::1:8081", "admin.listen=127.0.0.1:99999",
                "admin.token=swordfish", f"admin.token={TOKEN}\u00e9", f"admin.token={TOKEN} x"])
def test_an_invalid_setting_keeps_the_server_from_starting(setting):
    done = apus.run("serve", "--set", setting)
    assert done.returncode == 78
    assert setting.partition("=")[0] in done.stderr and "allowed: " in done.stderr
    if "token" in setting:
        assert setting.partition("=")[2] not in done.stderr


def test_an_address_in_use_keeps_the_server_from_starting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = apus.run("serve", "--port", "0", "--set", f"admin.listen=127.0.0.1:{port}")
    assert done.returncode == 1
    assert "admin.listen" in done.stderr and "in use" in done.stderr
    assert "listening on" not in done.stdout


def test_a_token_is_demanded_of_all_but_health_and_the_page(administered):
    _, admin = administered(f"admin.token={TOKEN}")
    for path in ("/healthz", "/readyz", "/"):
        assert admin.get(path, Authorization="").status == 200, path
    wrong = ["", "Basic abc", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer x"]
    for path in ("/admin/connections", "/admin/topics", "/admin/config"):
        assert admin.get(path).status == 200, path
        for given in wrong:
            refused = admin.get(path, Authorization=given)
            assert refused.status == 401 and refused.detail, (path, given)
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    for method, path in [("DELETE", "/admin/connections?all=true"), ("POST", "/admin/drain"),
                         ("POST", "/admin/undrain"), ("POST", "/admin/publish"),
                         ("DELETE", "/admin/connections/1")]:
        refused = admin.request(method, path, headers={"Authorization": ""})
        assert refused.status == 401, path
    assert admin.get("/readyz").status == 200, "nothing was drained"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_from_elsewhere_change_nothing(administered, client, origin):
    server, admin = administered()
    with client(server) as open_one:
        for method, path in [("POST", "/admin/drain"), ("DELETE", "/admin/connections?all=true"),
                             ("POST", "/admin/publish")]:
            refused = admin.request(method, path, headers={"Origin": origin})
            assert refused.status == 403 and refused.detail, path
        open_one.send("hello")
        assert open_one.recv(timeout=5) == "Message received: hello"
    own = admin.request("POST", "/admin/undrain", headers={"Origin": admin.url})
    assert own.status == 200


@pytest.mark.parametrize("path", ["/admin/connections", "/admin/config", "/", "/healthz"])
def test_a_name_from_elsewhere_is_refused_without_a_token(administered, path):
    # A page of evil.example whose name leads to 127.0.0.1 is of the same origin for the browser.
    _, admin = administered()
    for host in ("evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil"):
        refused = admin.get(path, Host=host)
        assert refused.status == 403 and "admin.token" in refused.detail, host
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:8081", "192.0.2.7:80"):
        assert admin.get(path, Host=host).status == 200, host


def test_a_health_check_by_http_1_0_needs_no_name(administered):
    _, admin = administered()
    host, _, port = admin.authority.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        plain.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert plain.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_names_of_clients_are_escaped_in_json(administered, client):
    server, admin = administered()
    with client(server, "/ws/notifications/" + quote("a\u009b31m\u202e")):
        done = apus.run("admin", "topics", "--json", "--url", admin.url)
    assert done.returncode == 0, done.stderr
    assert "\u009b" not in done.stdout and "\\u009b" in done.stdout
    [topic] = json.loads(done.stdout)["topics"]
    assert topic["name"] == "notifications/a\u009b31m\u202e"


def test_any_name_is_accepted_with_a_token(administered):
    _, admin = administered(f"admin.token={TOKEN}")
    assert admin.get("/admin/topics", Host="apus.monitoring.example").status == 200


def test_the_listener_answers_while_the_server_is_full(administered, client):
    server, admin = administered("limits.connections.max=1")
    with client(server):
        assert admin.connections()["count"] == 1
        assert admin.get("/readyz").status == 200


def test_the_listener_answers_while_descriptors_are_used_up(administered):
    server, admin = administered(descriptors=200)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(server.connect())
        # The overload is noticed at some of them. Further ones are closed.
        apus.wait_until(lambda: admin.connections("?limit=0")["count"] > 20, "some are accepted")
        assert admin.get("/healthz").status == 200


# Endpoints


def test_connections_are_described(administered, client):
    server, admin = administered(KEYED)
    with (
        client(server, "/ws/notifications/news") as reader,
        client(server, "/ws/secure/room", additional_headers={
            "Authorization": f"Bearer {token(sub='ada')}"}),
        client(server, "/ws", subprotocols=["a"]),
    ):
        found = admin.connections()
        assert found["count"] == 3
        ids = [one["id"] for one in found["connections"]]
        assert ids == sorted(ids)
        news, secure, echo = found["connections"]
        port = reader.socket.getsockname()[1]
        assert news["address"] == f"127.0.0.1:{port}"
        assert news["route"] == "/ws/notifications/{topic}" and news["state"] == "open"
        assert news["topics"] == ["notifications/news"] and news["topic_count"] == 1
        assert "user" not in news and echo["topics"] == []
        assert secure["user"] == "ada" and secure["route"] == "/ws/secure/{topic}"
        assert news["waiting_bytes"] == 0 and 0 <= news["age_seconds"] < 10
        assert news["bytes_received"] > 100 and news["bytes_sent"] > 100
        before = echo["bytes_received"]
        reader.send("x" * 10_000)
        apus.wait_until(
            lambda: admin.connections()["connections"][0]["bytes_received"] > before + 9_000,
            "the bytes are counted")


def test_connections_are_filtered(administered, client):
    server, admin = administered(KEYED)
    bearer = {"Authorization": f"Bearer {token(sub='ada')}"}
    with (
        client(server, "/ws/notifications/news"),
        client(server, "/ws/notifications/a%26b"),
        client(server, "/ws/secure/room", additional_headers=bearer),
        client(server, "/ws/secure/hall", additional_headers=bearer),
    ):
        def count(query):
            found = admin.connections(query)
            assert len(found["connections"]) == found["count"]
            return found["count"]

        assert count("") == 4
        assert count("?user=ada") == 2 and count("?user=bob") == 0
        assert count(f"?route={quote('/ws/notifications/{topic}')}") == 2
        assert count("?route=/nowhere") == 0
        assert count("?topic=notifications/news") == 1
        assert count(f"?topic={quote('notifications/a&b', safe='')}") == 1
        assert count("?topic=nothing") == 0
        assert count("?user=ada&topic=secure/room") == 1
        assert count("?address=127.0.0.1") == 4 and count("?address=127.0.0.0/8") == 4
        assert count("?address=192.0.2.0/24") == 0 and count("?address=unix") == 0
        limited = admin.connections("?limit=1")
        assert limited["count"] == 4 and len(limited["connections"]) == 1
        assert admin.connections("?limit=0") == {"count": 4, "connections": []}


@pytest.mark.parametrize(
    "query", ["?adress=1", "?address=evil", "?address=10.0.0.1/8", "?limit=-1", "?limit=x",
              "?limit=10001", "?user=a&user=b", "?code=1000"])
def test_wrong_parameters_are_refused(administered, query):
    _, admin = administered()
    refused = admin.get(f"/admin/connections{query}")
    assert refused.status == 422 and refused.detail


def test_connections_are_closed(administered, client):
    server, admin = administered()
    with (
        client(server, "/ws/notifications/a") as one,
        client(server, "/ws/notifications/b") as two,
        client(server, "/ws") as three,
        client(server, "/ws") as four,
    ):
        ids = [entry["id"] for entry in admin.connections()["connections"]]
        done = admin.request("DELETE", f"/admin/connections/{ids[0]}?code=4003&reason=signed%20out")
        assert done.json == {"closed": 1}
        assert closed(one) == (4003, "signed out")
        assert admin.request("DELETE", f"/admin/connections/{ids[0]}").status == 404
        done = admin.request("DELETE", "/admin/connections?topic=notifications/b")
        assert done.json == {"closed": 1} and closed(two) == (1001, "")
        three.send("still there")
        assert three.recv(timeout=5) == "Message received: still there"
        done = admin.request("DELETE", "/admin/connections?all=true&code=1012")
        assert done.json == {"closed": 2}
        assert closed(three)[0] == closed(four)[0] == 1012
    apus.wait_until(lambda: admin.connections()["count"] == 0, "all are gone")


@pytest.mark.parametrize(
    "query", ["", "?all=false", "?all=true&user=ada", "?user=ada&code=1006", "?user=ada&code=999",
              "?user=ada&code=2000", "?user=ada&code=5000", "?user=ada&reason=" + "x" * 124,
              "?limit=1&all=true"])
def test_what_would_close_the_wrong_connections_is_refused(administered, client, query):
    server, admin = administered()
    with client(server) as one:
        assert admin.request("DELETE", f"/admin/connections{query}").status == 422
        one.send("x")
        assert one.recv(timeout=5) == "Message received: x"


def test_topics_are_listed_by_their_subscribers(administered, client):
    server, admin = administered()
    with (
        client(server, "/ws/notifications/b"),
        client(server, "/ws/notifications/a"),
        client(server, "/ws/notifications/c"),
        client(server, "/ws/notifications/c"),
        client(server, "/ws/redis/x"),
    ):
        every = admin.get("/admin/topics").json
        assert every == {"count": 4, "topics": [
            {"name": "notifications/c", "subscribers": 2}, {"name": "channel/x", "subscribers": 1},
            {"name": "notifications/a", "subscribers": 1},
            {"name": "notifications/b", "subscribers": 1}]}
        some = admin.get("/admin/topics?prefix=notifications/&limit=2").json
        assert some["count"] == 3 and len(some["topics"]) == 2
    assert admin.get("/admin/topics?foo=1").status == 422


def test_messages_are_published(administered, client):
    server, admin = administered()
    topic = "notifications/news"
    with client(server, "/ws/notifications/news") as reader:
        done = admin.request("POST", "/admin/publish", {"topic": topic, "text": "Grüße"})
        assert done.status == 200 and done.json == {"subscribers": 1}
        assert reader.recv(timeout=5) == "Grüße"
        data = base64.b64encode(b"\0\xff").decode()
        admin.request("POST", "/admin/publish", {"topic": topic, "base64": data, "key": "k"})
        assert reader.recv(timeout=5) == b"\0\xff"
        done = admin.request("POST", "/admin/publish", {"topic": "nobody", "text": ""})
        assert done.json == {"subscribers": 0}


@pytest.mark.parametrize(
    "body", [{"topic": "x"}, {"text": "x"}, {"topic": "", "text": "x"}, {"topic": "x", "text": 1},
             {"topic": "a\nb", "text": "x"}, {"topic": "x", "text": "x", "base64": ""},
             {"topic": "x", "base64": "?"}])
def test_invalid_messages_are_refused(administered, body):
    _, admin = administered()
    refused = admin.request("POST", "/admin/publish", body)
    assert refused.status in (400, 422) and refused.detail
    typed = admin.request("POST", "/admin/publish", body, headers={"Content-Type": "text/plain"})
    assert typed.status == 415


def test_the_configuration_in_effect_has_no_secrets(administered):
    secret = "s" * 64
    _, admin = administered(
        f"admin.token={TOKEN}", f"auth.jwt.secret={secret}", "limits.message.max=64KiB",
        "broker.url=redis://user:hidden@127.0.0.1:1/0")
    answer = admin.get("/admin/config")
    for hidden in (secret, TOKEN, "hidden"):
        assert hidden not in answer.body.decode()
    keys = {one["key"]: one for one in answer.json["keys"]}
    assert keys["limits.message.max"] == {
        "key": "limits.message.max", "value": "64KiB", "default": "1MiB", "origin": "--set"}
    assert keys["admin.token"]["value"] == keys["auth.jwt.secret"]["value"] == "<secret>"
    assert keys["broker.url"]["value"] == "<secret>"
    assert keys["drain.delay"]["value"] == "0s" and "origin" not in keys["drain.delay"]
    defaults = apus.run("config", "defaults", "--markdown").stdout
    assert all(f"| `{key}` |" in defaults for key in keys)
    assert len(keys) == defaults.count("\n| `")


def test_a_drained_server_keeps_its_connections_and_takes_no_new_ones(administered, client):
    server, admin = administered()
    with client(server) as old:
        assert admin.request("POST", "/admin/drain").json == {"draining": True}
        for url in (server.url("/readyz"), f"{admin.url}/readyz"):
            answer = Admin.request(_at(url), "GET", "/readyz")
            assert answer.status == 503
            assert answer.json["faults"] == ["the server is stopping or drained"]
        assert admin.get("/healthz").status == 200
        with pytest.raises(InvalidStatus) as refused, client(server):
            pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        old.send("x")
        assert old.recv(timeout=5) == "Message received: x"
        assert admin.request("POST", "/admin/drain").json == {"draining": True}
        assert admin.request("POST", "/admin/undrain").json == {"draining": False}
        assert Admin.request(_at(server.url("/readyz")), "GET", "/readyz").status == 200
        with client(server) as new:
            new.send("y")
            assert new.recv(timeout=5) == "Message received: y"


def _at(url):
    """An admin's way to send requests, to another address."""
    other = object.__new__(Admin)
    other.authority = url.split("/")[2]
    other.token = None
    return other


# The command line


@pytest.fixture
def command(administered):
    """Runs `apus admin` for a server: its status, output and errors."""
    server, admin = administered()

    def run(*args, **environment):
        return apus.run("admin", *args, environment={
            "APUS_ADMIN_LISTEN": admin.authority} | environment)

    run.server, run.admin = server, admin
    return run


def test_the_command_lists_connections_and_topics(command, client):
    assert command("connections").stdout == "0 connections\n"
    assert command("topics").stdout == "0 topics\n"
    with (
        client(command.server, "/ws/notifications/news"),
        client(command.server, "/ws"),
    ):
        lines = command("connections").stdout.splitlines()
        assert lines[0].split() == [
            "ID", "ADDRESS", "USER", "ROUTE", "AGE", "IN", "OUT", "WAITING", "TOPICS"]
        assert len(lines) == 4 and lines[-1] == "2 connections"
        assert "/ws/notifications/{topic}" in lines[1] and lines[1].endswith("notifications/news")
        assert all(line == line.rstrip() or line.endswith(" ") for line in lines)
        assert command("connections", "--limit", "1").stdout.endswith(
            "2 connections, 1 not shown (--limit)\n")
        found = json.loads(command("connections", "--route", "/ws", "--json").stdout)
        assert found["count"] == 1 and found["connections"][0]["route"] == "/ws"
        assert command("topics").stdout.split() == [
            "SUBSCRIBERS", "TOPIC", "1", "notifications/news", "1", "topic"]


def test_the_command_publishes_and_disconnects(command, client):
    with client(command.server, "/ws/notifications/news") as reader:
        done = command("publish", "notifications/news", "Grüße")
        assert done.stdout == "published to 1 subscriber of this server\n"
        assert reader.recv(timeout=5) == "Grüße"
        one = json.loads(command("connections", "--json").stdout)["connections"][0]["id"]
        done = command("disconnect", str(one), "--code", "4003", "--reason", "ä & b")
        assert done.stdout == "closed 1 connection\n"
        assert closed(reader) == (4003, "ä & b")
    done = command("disconnect", str(one))
    assert done.returncode == 1 and "no open connection" in done.stderr
    assert command("disconnect", "--all").stdout == "closed 0 connections\n"
    assert command("disconnect").returncode == 64
    assert command("disconnect", "--all", "--user", "x").returncode == 64


def test_the_command_drains_and_shows_the_configuration(command):
    assert command("drain").stdout.startswith("drained: ")
    assert command.admin.get("/readyz").status == 503
    assert command("undrain").stdout == "in service\n"
    assert command.admin.get("/readyz").status == 200
    shown = command("config").stdout
    assert "KEY" in shown and "server.port" in shown and "--port" in shown
    assert "limits.message.max" not in shown
    assert json.loads(command("config", "--json").stdout)["keys"]


def test_the_command_finds_the_server_by_the_same_file(administered, tmp_path):
    _, admin = administered(f"admin.token={TOKEN}")
    file = tmp_path / "apus.yaml"
    file.write_text(f"admin:\n  listen: {admin.authority}\n  token: {TOKEN}\n")
    assert apus.run("admin", "topics", "--config", str(file)).stdout == "0 topics\n"
    assert apus.run("admin", "topics", "--url", admin.url, "--token", TOKEN).returncode == 0
    missing = apus.run("admin", "topics", "--url", admin.url)
    assert missing.returncode == 1 and "APUS_ADMIN_TOKEN" in missing.stderr
    wrong = apus.run("admin", "topics", "--url", f"{admin.url}/", "--token", "x" * 32)
    assert wrong.returncode == 1 and "another admin.token" in wrong.stderr


def test_the_command_says_what_to_do_without_a_server(administered, start):
    nowhere = apus.run("admin", "topics")
    assert nowhere.returncode == 78 and "admin.listen" in nowhere.stderr
    port = apus.port_that_no_client_gets()
    silent = apus.run("admin", "topics", "--url", f"http://127.0.0.1:{port}")
    assert silent.returncode == 1 and "is it running" in silent.stderr
    public = apus.run("admin", "topics", "--url", start().url(""))
    assert public.returncode == 1 and public.stderr
    for url in ("https://127.0.0.1:1", "127.0.0.1:8081", "http://127.0.0.1:1/admin"):
        assert apus.run("admin", "topics", "--url", url).returncode == 64
