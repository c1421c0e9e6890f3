"""Pages of other origins may not use the server; programs without an origin may."""

import json

import pytest
from apus import run
from channels import publish
from chromium import chromium
from task_client import tasks
from tokens import KEYED, PATH, answer, token
from wire import Wire


@pytest.fixture(scope="module")
def browser(program):
    with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
        yield browser


def connects(page, server):
    """What becomes of a WebSocket that the page makes."""
    return page.evaluate(
        f"""new Promise((resolve) => {{
            const socket = new WebSocket("{server.ws('/ws')}");
            socket.onopen = () => resolve("open");
            socket.onclose = (event) => resolve(event.code);
        }})"""
    )


def test_by_default_only_the_servers_own_pages_get_in(start, browser):
    server, other = start(), start()
    assert connects(browser.page(server.url("/healthz")), server) == "open"
    assert connects(browser.page(other.url("/healthz")), server) == 1006
    # The same machine under another name is another origin.
    aliased = f"http://localhost:{server.port}/healthz"
    assert connects(browser.page(aliased), server) == 1006


def test_listed_pages_get_in_from_a_browser(start, browser):
    other = start()
    for allowed, result in [
        (other.url(""), "open"), ("any", "open"), ("https://a.example", 1006),
    ]:
        server = start(f"origins.allowed={allowed}")
        assert connects(browser.page(other.url("/healthz")), server) == result


@pytest.mark.parametrize("path", ["/ws", "/ws/7", "/echo", "/topics", PATH])
def test_every_upgrade_is_guarded(start, path):
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


def test_requests_that_change_something_are_guarded(start):
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


def test_tasks_and_publications_are_guarded_before_they_take_effect(start, client):
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
        # What changes nothing is answered: it is the browser that hides it from the page.
        assert ask("GET", "/tasks", "", origin).status == 200
    publish(server, "last")
    assert [news.recv(timeout=30) for _ in range(3)] == ["of 0", "of 1", "last"]
    assert [told.recv(timeout=30) for _ in range(2)] == [
        f"New task created: of {id}" for id in (0, 1)
    ]
    assert [task["id"] for task in tasks(server)] == [0, 1]


# What a page may send anywhere without asking first: the answer is hidden from it, not the effect.
SEND = """fetch("%s", { method: "POST", mode: "no-cors", body: "%s" })
    .then(() => "sent", () => "not sent")"""


def test_no_page_of_another_origin_publishes_from_a_browser(start, browser, client):
    server, other = start(), start()
    news = client(server, "/ws/redis/news")
    for page, text in [(other, "foreign"), (server, "own")]:
        shown = browser.page(page.url("/healthz"))
        assert shown.evaluate(SEND % (server.url("/publish/news"), text)) == "sent"
    assert news.recv(timeout=30) == "own"


def test_a_name_behind_a_proxy_counts_with_its_default_port(start):
    server = start("origins.allowed=same-origin, https://*.example.com")
    for host, origin, status in [
        ("app.example.org", "https://app.example.org", 101),
        ("app.example.org", "http://app.example.org", 101),
        ("app.example.org", "https://app.example.org:8443", 403),
        ("app.example.org", "https://www.example.com", 101),
        ("app.example.org", "https://example.com", 403),
        ("app.example.org", "http://www.example.com", 403),
    ]:
        assert answer(server, path="/ws", Host=host, Origin=origin).status == status, origin


@pytest.mark.parametrize("value", ["", "all", "example.com", "https://a.example/page", "any,x"])
def test_a_faulty_list_is_refused(value):
    done = run("serve", "--port", "0", "--set", f"origins.allowed={value}")
    assert done.returncode == 78 and "origins.allowed" in done.stderr
