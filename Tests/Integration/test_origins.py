"""Pages of other origins can't use the server. Programs without an origin can."""

import json
import subprocess
import time

import pytest
from apus import run
from channels import publish, wait_logged
from chromium import chromium
from task_client import tasks
from tokens import KEYED, PATH, answer, token
from wire import Wire


@pytest.fixture(scope="module")
def browser(program):
    with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
        yield browser


def connects(page, server):
    """Returns the outcome of a WebSocket that the page opens."""
    return page.evaluate(
        f"""new Promise((resolve) => {{
            const socket = new WebSocket("{server.ws('/ws')}");
            socket.onopen = () => resolve("open");
            socket.onclose = (event) => resolve(event.code);
        }})"""
    )


def test_a_refused_origin_is_in_the_debug_log_but_no_query(start):
    server = start("log.level=debug")
    url = server.ws("/ws?token=hunter2")
    assert run("connect", "--origin", "http://evil.example", url).returncode == 1
    wait_logged(server, f"host=127.0.0.1:{server.port} origin=http://evil.example")
    assert "origin refused" in server.stderr.text() and "hunter2" not in server.stderr.text()


def test_by_default_only_the_servers_own_pages_are_allowed(start, browser):
    server, other = start(), start()
    assert connects(browser.page(server.url("/healthz")), server) == "open"
    assert connects(browser.page(other.url("/healthz")), server) == 1006
    # The same machine under another name is another origin.
    aliased = f"http://localhost:{server.port}/healthz"
    assert connects(browser.page(aliased), server) == 1006


def test_listed_pages_are_allowed_in_a_browser(start, browser):
    other = start()
    for allowed, result in [
        (other.url(""), "open"), ("any", "open"), ("https://a.example", 1006),
    ]:
        server = start(f"origins.allowed={allowed}")
        assert connects(browser.page(other.url("/healthz")), server) == result


@pytest.mark.parametrize("path", ["/ws", "/ws/7", "/echo", "/topics", PATH])
def test_every_upgrade_is_checked(start, path):
    server = start(KEYED, args=["--tools"])
    for origin, status in [
        (None, 101),
        (f"http://{server.authority}", 101),
        (f"https://{server.authority}", 101),
        ("http://evil.example", 403),
        (f"http://{server.authority}.evil.example", 403),
        (f"http://{server.host}", 403),
        ("null", 403),
        ("", 403),
    ]:
        response = answer(server, token(), path=path, Origin=origin)
        assert response.status == status, origin
        if status == 403:
            assert response.headers["content-type"] == "application/problem+json"
            assert "origin" in json.loads(response.body)["detail"]


def test_requests_that_change_something_are_checked(start):
    server = start(KEYED)
    for method, path, origin, status in [
        ("GET", "/healthz", "http://evil.example", 200),
        ("POST", "/token", "http://evil.example", 403),
        ("POST", "/token", f"http://{server.authority}", 503),
        ("POST", "/token", None, 503),
    ]:
        field = f"Origin: {origin}\r\n" if origin else ""
        with Wire.to(server) as wire:
            head = f"{method} {path} HTTP/1.1\r\nHost: {server.authority}\r\n{field}"
            wire.send(f"{head}Content-Length: 3\r\n\r\na=b".encode())
            assert wire.response().status == status, (method, origin)


def test_tasks_and_publications_are_checked_before_they_take_effect(start, client):
    server = start()
    news = client(server, "/ws/redis/news")
    told = client(server, "/ws/notifications/tasks")
    own = f"http://{server.authority}"
    kinds = [
        (None, 200), (own, 200), ("http://evil.example", 403), (f"{own}.evil.example", 403),
        (f"http://localhost:{server.port}", 403), ("null", 403), ("", 403),
    ]

    def ask(method, path, body, origin):
        field = f"Origin: {origin}\r\n" if origin is not None else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {server.authority}\r\n{field}"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with Wire.to(server) as wire:
            wire.send((head + body).encode())
            return wire.response()

    for id, (origin, status) in enumerate(kinds):
        for path, body in [
            ("/tasks", {"id": id, "title": f"of {id}"}), ("/publish/news", {"message": f"of {id}"}),
        ]:
            response = ask("POST", path, json.dumps(body), origin)
            assert response.status == status, (path, origin)
            if status == 403:
                assert response.headers["content-type"] == "application/problem+json"
                assert "origin" in json.loads(response.body)["detail"]
        # A request that changes nothing is answered: the browser hides the answer from the page.
        assert ask("GET", "/tasks", "", origin).status == 200
    publish(server, "last")
    assert [news.recv(timeout=30) for _ in range(3)] == ["of 0", "of 1", "last"]
    assert [told.recv(timeout=30) for _ in range(2)] == [
        f"New task created: of {id}" for id in (0, 1)
    ]
    assert [task["id"] for task in tasks(server)] == [0, 1]


# A request that a page may send anywhere without a preflight: the answer is hidden, but not the
# effect.
SEND = """fetch("%s", { method: "POST", mode: "no-cors", body: "%s" })
    .then(() => "sent", () => "not sent")"""


def test_no_page_of_another_origin_publishes_from_a_browser(start, browser, client):
    server, other = start(), start()
    news = client(server, "/ws/redis/news")
    for page, text in [(other, "foreign"), (server, "own")]:
        shown = browser.page(page.url("/healthz"))
        assert shown.evaluate(SEND % (server.url("/publish/news"), text)) == "sent"
    assert news.recv(timeout=30) == "own"


def test_a_name_behind_a_proxy_matches_with_its_default_port(start):
    server = start(
        "origins.allowed=same-origin, https://*.example.com", "server.names=app.example.org")
    for host, origin, status in [
        ("app.example.org", "https://app.example.org", 101),
        ("app.example.org", "http://app.example.org", 101),
        ("app.example.org", "https://app.example.org:8443", 403),
        ("app.example.org", "https://www.example.com", 101),
        ("app.example.org", "https://example.com", 403),
        ("app.example.org", "http://www.example.com", 403),
    ]:
        assert answer(server, path="/ws", Host=host, Origin=origin).status == status, origin


def test_a_program_may_send_the_origin_of_its_websocket_url(start):
    server = start()
    for origin, status in [
        (f"ws://{server.authority}", 101), (f"wss://{server.authority}", 101),
        (f"ws://{server.host}", 403), (f"ws://localhost:{server.port}", 403),
    ]:
        assert answer(server, path="/ws", Origin=origin).status == status, origin


NATIVE = [
    "null", "file://", "capacitor://localhost", "ionic://localhost", "app://-",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
]


@pytest.mark.parametrize("listed", NATIVE)
def test_the_origin_of_an_app_can_be_listed_and_allows_no_other(start, listed):
    server = start(f"origins.allowed={listed}")
    for origin in [*NATIVE, "https://a.example", f"http://{server.authority}"]:
        status = 101 if origin == listed else 403
        assert answer(server, path="/ws", Origin=origin).status == status, origin


def test_a_sandboxed_page_is_allowed_only_if_null_is_listed(start, browser):
    other = start()
    page = browser.page(other.url("/healthz"))
    for allowed, result in [("same-origin", "1006"), ("same-origin, null", "open")]:
        server = start(f"origins.allowed={allowed}")
        script = f"""
            const socket = new WebSocket("{server.ws('/ws')}");
            socket.onopen = () => parent.postMessage("open", "*");
            socket.onclose = (event) => parent.postMessage(String(event.code), "*");"""
        assert page.evaluate(
            f"""new Promise((resolve) => {{
                addEventListener("message", (event) => resolve(event.origin + " " + event.data),
                    {{ once: true }});
                const frame = document.createElement("iframe");
                frame.sandbox = "allow-scripts";
                frame.srcdoc = "<script>" + {json.dumps(script)} + "</" + "script>";
                document.body.append(frame);
            }})"""
        ) == f"null {result}"


# The result of a request for a page: the status and the text, or that the browser hides them.
ASK = """fetch("%s", %s).then(
    async (response) => [response.status, response.headers.get("www-authenticate"),
        await response.text()],
    () => "hidden")"""
JSON_POST = """{ method: "POST", headers: { "Content-Type": "application/json",
    Authorization: "Bearer none", "X-Anything": "1" }, body: '%s' }"""


def test_a_listed_page_reads_and_posts_from_a_browser(start, browser, client):
    other = start()
    page = browser.page(other.url("/healthz"))
    for allowed in [f"same-origin, {other.url('')}", "any"]:
        server = start(KEYED, f"origins.allowed={allowed}", "auth.required_for=notifications")
        news = client(server, "/ws/redis/news")

        def ask(target, options="{}", server=server):
            return page.evaluate(ASK % (server.url(target), options))

        task = json.dumps({"id": 1, "title": "one"})
        assert ask("/tasks", JSON_POST % task)[0] == 200
        status, _, text = ask("/tasks")
        assert status == 200 and [it["title"] for it in json.loads(text)] == ["one"]
        # Errors are readable, too.
        assert ask("/tasks", JSON_POST % task)[0] == 409
        assert ask("/tasks", JSON_POST % "{")[0] == 422
        assert ask("/publish/news", JSON_POST % '{"message":"hello"}')[0] == 200
        assert news.recv(timeout=30) == "hello"
        # No users are configured: 503, and the reason.
        form = '{ method: "POST", body: new URLSearchParams({ grant_type: "password" }) }'
        status, _, text = ask("/token", form)
        assert status == 503 and "auth.users" in text
        assert ask("/nowhere")[0] == 404
        # The browser doesn't send a method that the preflight excludes.
        assert ask("/tasks", '{ method: "DELETE" }') == "hidden"


def test_a_listed_page_learns_that_it_needs_a_token(start, browser):
    other = start()
    server = start(KEYED, f"origins.allowed={other.url('')}", "auth.required_for=tasks, publish")
    page = browser.page(other.url("/healthz"))
    for target, options in [("/tasks", "{}"), ("/publish/x", JSON_POST % '{"message":"x"}')]:
        status, challenge, _ = page.evaluate(ASK % (server.url(target), options))
        assert status == 401 and challenge.startswith("Bearer")
    good = (JSON_POST % '{"message":"x"}').replace("Bearer none", f"Bearer {token()}")
    assert page.evaluate(ASK % (server.url("/publish/x"), good))[0] == 200


def test_other_pages_can_read_nothing_in_a_browser(start, browser):
    other = start()
    page = browser.page(other.url("/healthz"))
    for allowed in ["same-origin", "https://a.example", "null"]:
        server = start(f"origins.allowed={allowed}")
        assert page.evaluate(ASK % (server.url("/tasks"), "{}")) == "hidden"
        post = JSON_POST % '{"id":1,"title":"one"}'
        assert page.evaluate(ASK % (server.url("/tasks"), post)) == "hidden"
        assert tasks(server) == []


def test_curl_receives_the_same_header_fields_as_browsers(start, program):
    server = start("origins.allowed=same-origin, https://app.example")

    def ask(target, *options):
        command = [program("curl", package="curl"), "-sS", "-i", "--noproxy", "*", *options]
        done = subprocess.run(
            [*command, server.url(target)], capture_output=True, text=True, timeout=10)
        lines = done.stdout.partition("\n\n")[0].splitlines()
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split(" ")[1]), fields

    def preflight(origin):
        return ask(
            "/tasks", "-X", "OPTIONS", "-H", f"Origin: {origin}",
            "-H", "Access-Control-Request-Method: POST",
            "-H", "Access-Control-Request-Headers: content-type")

    status, fields = preflight("https://app.example")
    assert status == 204
    assert fields["access-control-allow-origin"] == "https://app.example"
    assert "post" in fields["access-control-allow-methods"]
    assert fields["access-control-allow-headers"] == "content-type"
    status, fields = preflight("https://evil.example")
    assert status == 403 and not any(name.startswith("access-control") for name in fields)
    for target, expected in [("/tasks", 200), ("/nowhere", 404)]:
        status, fields = ask(target, "-H", "Origin: https://app.example")
        assert (status, fields["vary"]) == (expected, "origin")
        assert fields["access-control-allow-origin"] == "https://app.example"


def test_a_long_sequence_of_combining_marks_blocks_nothing(start):
    server = start(
        "server.loops=1", "limits.handshake.size=1MiB",
        "origins.allowed=same-origin, https://*.example.com")
    marks = "\u0300\u0316" * 15_000
    began = time.monotonic()
    for origin in [f"https://a{marks}", f"a{marks}", f"null{marks}", f"https://a.example.com{marks}"]:
        response = answer(server, path="/ws", Origin=origin)
        assert response.status == 403
        # It isn't repeated.
        assert len(response.body) < 500
    assert answer(server, path="/ws", Host=f"a{marks}").status == 400
    # As strings, each would take a second or more.
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("value", ["", "all", "example.com", "https://a.example/page", "any,x"])
def test_an_invalid_list_is_refused(value):
    done = run("serve", "--port", "0", "--set", f"origins.allowed={value}")
    assert done.returncode == 78 and "origins.allowed" in done.stderr
