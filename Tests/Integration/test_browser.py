"""The page at `/` in headless Chromium: a person connects, types, and sees what comes back."""

import pytest
from chromium import chromium
from signing_in import users
from task_client import create


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


def test_a_message_too_big_is_shown_with_its_code(start, browser):
    page = browser.page(start("limits.message.max=10").url("/"))
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    page.type("echo-input", "much too long")
    page.press_enter()
    page.wait_for_text("echo-state", "closed 1009")


def test_the_tabs_work_by_keyboard(start, browser):
    page = browser.page(start().url("/"))
    page.evaluate("document.getElementById('tab-echo').focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    page.wait_for("document.activeElement.id === 'tab-chat'")
    assert page.evaluate("document.getElementById('panel-echo').hidden") is True
    assert page.evaluate("document.getElementById('panel-chat').hidden") is False


# What can't be seen on a phone without moving the page; the row of tabs moves by itself.
BEYOND_THE_EDGE = """[...document.querySelectorAll("body *:not([role=tab])")].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    const scrolls = element.matches(".log, .scroll") && element.scrollWidth > element.clientWidth;
    return width > 0 && (left < 0 || right > %d || scrolls);
}).map((element) => `${element.tagName} ${element.id}`).join()"""


def test_every_tab_fits_a_phone(start, browser):
    server = start()
    # As long as a title may be, without a place to break it.
    title = "W" * 200
    assert create(server, 1, title)[0] == 200
    page = browser.page(server.url("/"))
    width = 360
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=640, deviceScaleFactor=2, mobile=True,
    )
    page.click("tab-tasks")
    page.wait_for_text("tasks-list", title, 30)
    page.click("tasks-toggle")
    page.wait_for_text("tasks-state", "connected", 30)
    assert create(server, 2, title)[0] == 200
    page.wait_for_text("tasks-log", title, 30)
    for tab in ("echo", "chat", "tasks", "channels", "secure"):
        page.click(f"tab-{tab}")
        page.wait_for(f"!document.getElementById('panel-{tab}').hidden")
        # Not `innerWidth`: a phone zooms out until all of a page that is too wide is in it.
        assert page.evaluate("document.documentElement.scrollWidth") == width, tab
        assert page.evaluate(BEYOND_THE_EDGE % width) == "", tab


def test_a_task_is_created_listed_and_heard_of(start, browser, tmp_path):
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
    # The id is taken: the next one is offered, and what is wrong is said.
    author.evaluate("document.getElementById('tasks-id').value = 1")
    author.type("tasks-title", "again")
    author.press_enter()
    author.wait_for_text("tasks-answer", "409")


def test_a_channel_carries_what_is_published(start, browser):
    page = browser.page(start().url("/#channels"))
    page.click("channels-toggle")
    page.wait_for_text("channels-state", "connected")
    page.type("channels-message", "grüße <b>")
    page.press_enter()
    page.wait_for_text("channels-answer", "Published")
    page.wait_for_text("channels-log", "grüße <b>")
    assert page.complaints == []


def test_who_signs_in_talks_under_their_name(start, browser, tmp_path):
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
