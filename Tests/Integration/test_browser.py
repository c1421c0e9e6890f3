"""The page at `/` in headless Chromium, used as by a person."""

import re
import socket

import pytest
from chromium import chromium
from signing_in import users
from task_client import create, tasks
from tokens import KEYED, token


@pytest.fixture(scope="module")
def browser(program):
    with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
        yield browser


def test_echo(start, browser):
    page = browser.page(start().url("/"))
    assert page.text("echo-state") == "not connected"
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    page.type("echo-input", "grüße <b>")
    page.press_enter()
    page.wait_for_text("echo-log", "Message received: grüße <b>")
    page.click("echo-binary")
    page.type("echo-input", "raw")
    page.click("echo-send")
    page.wait_for_text("echo-log", "Message received: raw")
    page.wait_for_text("echo-log", "bytes")
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "closed 1000")
    assert page.complaints == []


def test_chat_between_two_windows(start, browser):
    server = start()
    pages = [browser.page(server.url("/#chat")) for _ in range(2)]
    for number, page in zip((7, 8), pages, strict=True):
        page.evaluate(f"document.getElementById('chat-id').value = {number}")
        page.click("chat-toggle")
        page.wait_for_text("chat-state", "connected")
    seven, eight = pages
    seven.type("chat-input", "hello")
    seven.press_enter()
    for page in pages:
        page.wait_for_text("chat-log", "Client 7: hello")
    assert seven.evaluate("document.querySelectorAll('#chat-log .mine').length") == 1
    eight.click("chat-toggle")
    eight.wait_for_text("chat-state", "closed 1000")
    seven.wait_for_text("chat-log", "Client 8 left the chat")
    assert seven.complaints == eight.complaints == []


def test_a_stop_of_the_server_is_shown_with_its_code(start, browser):
    server = start()
    page = browser.page(server.url("/"))
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    server.stop()
    page.wait_for_text("echo-state", "closed 1012")
    assert page.evaluate("document.getElementById('echo-toggle').textContent") == "Connect"


def test_a_message_that_is_too_large_is_shown_with_its_code(start, browser):
    page = browser.page(start("limits.message.max=10").url("/"))
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    page.type("echo-input", "much too long")
    page.press_enter()
    page.wait_for_text("echo-state", "closed 1009")


def test_the_tabs_can_be_used_by_keyboard(start, browser):
    page = browser.page(start().url("/"))
    page.evaluate("document.getElementById('tab-echo').focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    page.wait_for("document.activeElement.id === 'tab-chat'")
    assert page.evaluate("document.getElementById('panel-echo').hidden") is True
    assert page.evaluate("document.getElementById('panel-chat').hidden") is False


# Finds what isn't visible on a phone without moving the page; the row of tabs may move by itself.
BEYOND_THE_EDGE = """[...document.querySelectorAll("body *:not([role=tab])")].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    const scrolls = element.matches(".log, .scroll") && element.scrollWidth > element.clientWidth;
    return width > 0 && (left < 0 || right > %d || scrolls);
}).map((element) => `${element.tagName} ${element.id}`).join()"""


def paste(page, text):
    """Signs in with a pasted token."""
    page.click("tab-secure")
    page.type("paste-token", text)
    page.press_enter()


# As long as a name in a users file may be, without a place to break it.
@pytest.mark.parametrize("name", [None, "W" * 64], ids=["signed out", "signed in"])
def test_every_tab_fits_on_a_phone(start, browser, name):
    server = start(KEYED)
    # As long as a title may be.
    title = "W" * 200
    assert create(server, 1, title)[0] == 200
    page = browser.page(server.url("/"))
    width = 360
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=640, deviceScaleFactor=2, mobile=True,
    )
    if name:
        paste(page, token(name))
        page.wait_for_text("who", f"signed in as {name}")
        page.click("secure-toggle")
        page.wait_for_text("secure-state", "connected", 30)
        page.type("secure-input", "hello")
        page.press_enter()
        page.wait_for_text("secure-log", f"{name}: hello", 30)
    page.click("tab-tasks")
    page.wait_for_text("tasks-list", title, 30)
    page.click("tasks-toggle")
    page.wait_for_text("tasks-state", "connected", 30)
    assert create(server, 2, title)[0] == 200
    page.wait_for_text("tasks-log", title, 30)
    for tab in ("echo", "chat", "tasks", "channels", "secure"):
        page.click(f"tab-{tab}")
        page.wait_for(f"!document.getElementById('panel-{tab}').hidden")
        # Not `innerWidth`: a phone zooms out until a page that is too wide fits completely.
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), tab
        assert page.evaluate(f"{root}.scrollWidth") == width, tab
        assert page.evaluate(BEYOND_THE_EDGE % width) == "", tab


def test_a_task_is_created_listed_and_announced(start, browser, tmp_path):
    server = start(f"tasks.database={tmp_path / 'tasks.sqlite'}")
    listener, author = (browser.page(server.url("/#tasks")) for _ in range(2))
    listener.click("tasks-toggle")
    listener.wait_for_text("tasks-state", "connected")
    author.wait_for("document.getElementById('tasks-id').value === '1'")
    author.type("tasks-title", "grüße <b>")
    author.press_enter()
    author.wait_for_text("tasks-answer", "Task created successfully")
    author.wait_for_text("tasks-list", "grüße <b>")
    listener.wait_for_text("tasks-log", "New task created: grüße <b>")
    listener.wait_for_text("tasks-list", "grüße <b>")
    assert listener.complaints == author.complaints == []
    # The id exists: the next one is offered, and the error is shown.
    author.evaluate("document.getElementById('tasks-id').value = 1")
    author.type("tasks-title", "again")
    author.press_enter()
    author.wait_for_text("tasks-answer", "409")


def test_a_channel_receives_publications(start, browser):
    page = browser.page(start().url("/#channels"))
    page.click("channels-toggle")
    page.wait_for_text("channels-state", "connected")
    page.type("channels-message", "grüße <b>")
    page.press_enter()
    page.wait_for_text("channels-answer", "Published")
    page.wait_for_text("channels-log", "grüße <b>")
    assert page.complaints == []


def test_a_signed_in_user_sends_under_their_name(start, browser, tmp_path):
    path = tmp_path / "users"
    users("add", "ada", "--file", str(path), password="correct horse")
    server = start(f"auth.users={path}", f"auth.jwt.secret={'s' * 32}")
    page = browser.page(server.url("/#secure"))
    page.click("secure-toggle")
    page.wait_for_text("secure-state", "closed 1006")
    page.type("login-name", "ada")
    page.type("login-password", "wrong")
    page.press_enter()
    page.wait_for_text("login-answer", "400")
    page.type("login-password", "correct horse")
    page.press_enter()
    page.wait_for_text("who", "signed in as ada")
    page.click("secure-toggle")
    page.wait_for_text("secure-state", "connected")
    page.type("secure-input", "hello")
    page.press_enter()
    page.wait_for_text("secure-log", "ada: hello")
    page.click("sign-out")
    page.wait_for_text("who", "not signed in")


def test_a_pasted_token_allows_what_requires_one(start, browser):
    server = start(
        KEYED, "auth.required_for=echo, chat, notifications, tasks, publish, channels"
    )
    page = browser.page(server.url("/#tasks"))
    page.wait_for_text("tasks-answer", "401")
    page.click("channels-publish")
    page.wait_for_text("channels-answer", "401")
    for name in ("echo", "chat", "tasks", "channels"):
        page.click(f"{name}-toggle")
        page.wait_for_text(f"{name}-state", "closed 1006")
    paste(page, "no token")
    page.wait_for_text("login-answer", "That is no token.")
    assert page.text("who") == "not signed in"
    paste(page, f" {token('grüße')} ")
    page.wait_for_text("who", "signed in as grüße")
    # The earlier refusal was reported as a complaint.
    page.complaints.clear()
    for name in ("echo", "chat", "tasks", "channels"):
        page.click(f"{name}-toggle")
        page.wait_for_text(f"{name}-state", "connected")
    page.click("tab-tasks")
    page.wait_for("document.getElementById('tasks-id').value === '1'")
    page.type("tasks-title", "by token")
    page.press_enter()
    for place, text in [
        ("answer", "Task created successfully"), ("list", "by token"),
        ("log", "New task created: by token"),
    ]:
        page.wait_for_text(f"tasks-{place}", text)
    page.click("tab-channels")
    page.type("channels-message", "published by token")
    page.press_enter()
    page.wait_for_text("channels-answer", "Published")
    page.wait_for_text("channels-log", "published by token")
    assert page.complaints == []
    # The token is forgotten when the user signs out.
    page.click("sign-out")
    page.type("channels-message", "too late")
    page.press_enter()
    page.wait_for_text("channels-answer", "401")
    assert "too late" not in page.text("channels-log")


# All ways in which a page could send data to another server.
ELSEWHERE = """((address) => Promise.all([
    fetch(`http://${address}/`, { mode: "no-cors" }).then(() => "went", () => "kept"),
    new Promise((resolve) => {
        const image = new Image();
        image.onload = image.onerror = (event) => resolve(event.type === "load" ? "went" : "kept");
        image.src = `http://${address}/`;
    }),
    new Promise((resolve) => {
        const socket = new WebSocket(`ws://${address}/`);
        socket.onopen = () => resolve("went");
        socket.onerror = () => resolve("kept");
    }),
]))("%s")"""


def test_the_page_communicates_only_with_its_own_server(start, browser, tmp_path):
    path = tmp_path / "users"
    users("add", "ada", "--file", str(path), password="correct horse")
    server = start(KEYED, f"auth.users={path}")
    page = browser.page(server.url("/#secure"))
    page.type("login-name", "ada")
    page.type("login-password", "correct horse")
    page.press_enter()
    page.wait_for_text("who", "signed in as ada")
    for name in ("echo", "chat", "tasks", "channels", "secure"):
        page.click(f"{name}-toggle")
        page.wait_for_text(f"{name}-state", "connected")
    page.click("channels-publish")
    page.wait_for_text("channels-answer", "Published")
    asked = [url for url in page.requests if not url.startswith("data:")]
    schemes = {"/ws/secure/team": "ws", "/ws/redis/news": "ws", "/ws": "ws", "/token": "http"}
    for path, scheme in (schemes | {"/tasks": "http", "/publish/news": "http"}).items():
        assert server.url(path, scheme) in asked
    own = re.compile(rf"(http|ws)://{re.escape(server.authority)}/")
    assert [url for url in asked if not own.match(url)] == []
    assert page.complaints == []
    # Its policy would also prevent inserted code from sending anything.
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert page.evaluate(ELSEWHERE % address) == ["kept"] * 3
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert len([text for text in page.complaints if "Content Security Policy" in text]) >= 3
    content = page.evaluate("document.querySelector('meta[http-equiv]').content")
    assert content.startswith("default-src 'none'; ")


def test_ids_beyond_the_numbers_of_a_browser_are_exact(start, browser):
    server = start()
    # From 2^53 on, JavaScript's numbers are even.
    first = 2**53 + 1
    assert create(server, first, "by a program")[0] == 200
    page = browser.page(server.url("/#tasks"))
    page.wait_for_text("tasks-list", "by a program")
    for id in (first + 1, first + 2):
        shown = page.evaluate("document.querySelector('#tasks-list tr:last-child td').textContent")
        offered = page.evaluate("document.getElementById('tasks-id').value")
        assert (shown, offered) == (str(id - 1), str(id))
        page.type("tasks-title", f"by the page, {id}")
        page.press_enter()
        page.wait_for_text("tasks-answer", "Task created successfully")
        page.wait_for_text("tasks-list", f"by the page, {id}")
    assert [task["id"] for task in tasks(server)] == [first, first + 1, first + 2]
    assert page.complaints == []
