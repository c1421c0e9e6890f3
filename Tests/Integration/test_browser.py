"""The page at `/` in headless Chromium, used as by a person."""

import contextlib
import re
import socket

import pytest
from apus import run
from chromium import chromium
from signing_in import users
from task_client import create, tasks
from tokens import KEYED, token
from wire import Wire


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
    assert seven.evaluate("document.querySelectorAll('#chat-log .sent').length") == 1
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


# What can't be seen on a phone without moving the page.
BEYOND_THE_EDGE = """[...document.querySelectorAll("body *")].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    const scrolls = element.scrollWidth > element.clientWidth && element.matches(
        ".log, .scroll, .list, [role=tab], [role=tablist], [role=tabpanel], button, p");
    return width > 0 && (left < 0 || right > %d || scrolls);
}).map((element) => `${element.tagName} ${element.id}`).join()"""
TABS = ("echo", "chat", "tasks", "channels", "secure", "routes")


def lines(page, tab, kind):
    """The lines of a kind (sent, received, note, bad) in a tab's list."""
    return page.evaluate(
        f"[...document.querySelectorAll('#{tab}-log .{kind}')].map((line) => line.textContent)"
    )


def fill(page, element, text):
    """Puts a text in the place of what a field holds."""
    page.evaluate(f"document.getElementById({element!r}).select()")
    page.type(element, text)


def paste(page, text):
    """Signs in with a pasted token."""
    page.click("tab-secure")
    page.type("paste-token", text)
    page.press_enter()


# As long as a name in a users file may be, without a place to break it.
@pytest.mark.parametrize("name", [None, "W" * 64], ids=["signed out", "signed in"])
@pytest.mark.parametrize("width", [320, 375, 414])
def test_every_tab_fits_a_phone(start, browser, width, name):
    server = start(KEYED)
    # As long as a title may be.
    title = "W" * 200
    assert create(server, 1, title)[0] == 200
    page = browser.page(server.url("/"))
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
    page.wait_for("document.getElementById('routes-http').childElementCount")
    for tab in TABS:
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
    page.wait_for_text("secure-state", "refused: 401")
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
        page.wait_for_text(f"{name}-state", "refused: 401")
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
    assert "too late" in lines(page, "channels", "sent")[-1]
    assert not any("too late" in line for line in lines(page, "channels", "received"))


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


def test_what_was_sent_and_received_is_listed_with_time_kind_and_size(start, browser):
    page = browser.page(start().url("/"))
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    for number, text in enumerate(["grüße", "raw"], 1):
        page.type("echo-input", text)
        page.press_enter()
        page.wait_for(f"document.querySelectorAll('#echo-log .received').length === {number}")
        page.click("echo-binary")
    time = r"\d\d:\d\d:\d\d\.\d{3}"
    for kind, expected in [
        ("sent", ["↑ sent grüße text, 7 bytes", "↑ sent raw binary, 3 bytes"]),
        ("received", [
            r"↓ received Message received: grüße text, 25 bytes, \d+\.\d ms",
            r"↓ received Message received: raw binary, 21 bytes, \d+\.\d ms",
        ]),
    ]:
        for line, rest in zip(lines(page, "echo", kind), expected, strict=True):
            assert re.fullmatch(time + rest, line), line
    page.click("echo-toggle")
    page.wait_for_text("echo-log", "Closed 1000 (normal closure)")
    assert re.match(time, lines(page, "echo", "note")[-1])
    assert page.complaints == []


def test_bytes_that_are_no_text_are_shown_as_they_are(start, browser):
    page = browser.page(start(args=["--tools"]).url("/"))
    fill(page, "echo-path", "/broadcast")
    page.press_enter()
    page.wait_for_text("echo-state", "connected")
    page.evaluate(
        """new Promise((resolve) => {
            const socket = new WebSocket(new URL("/broadcast", location.href));
            socket.onopen = () => socket.send(new Uint8Array([0, 255, 16]));
            socket.onmessage = () => resolve();
        })"""
    )
    page.wait_for_text("echo-log", "00 ff 10")
    (line,) = lines(page, "echo", "received")
    assert line.endswith("00 ff 10 binary, 3 bytes")


ORIGIN = "Pages of http://"


@pytest.mark.parametrize(
    "tab, settings, field, status, detail",
    [
        ("echo", [], "/nowhere", "404 Not Found", "There is nothing at this path."),
        ("echo", [], "/ws/seven", "422", "The path parameter client_id must be an integer"),
        ("echo", ["origins.allowed=https://a.example"], None, "403 Forbidden", ORIGIN),
        ("chat", [KEYED, "auth.required_for=chat"], None, "401 Unauthorized", "A valid token"),
        ("secure", [], None, "503 Service Unavailable", "no keys configured"),
        ("secure", [KEYED], None, "401 Unauthorized", "Sign in or paste a token"),
        ("channels", [], "x" * 300, "422", "should have 1 to"),
    ],
)
def test_why_a_connection_was_refused_is_said(
    start, browser, tab, settings, field, status, detail
):
    page = browser.page(start(*settings).url(f"/#{tab}"))
    if field:
        fill(page, "echo-path" if tab == "echo" else f"{tab}-id", field)
    page.click(f"{tab}-toggle")
    page.wait_for_text(f"{tab}-state", f"refused: {status}")
    (line,) = lines(page, tab, "bad")
    assert status in line and detail in line
    # It can be tried again.
    page.click(f"{tab}-toggle")
    page.wait_for(f"document.querySelectorAll('#{tab}-log .bad').length === 2")


def test_a_token_that_is_not_accepted_is_said_to_be_the_reason(start, browser):
    page = browser.page(start(KEYED).url("/#secure"))
    paste(page, token("ada", key="k" * 64))
    page.wait_for_text("who", "signed in as ada")
    page.click("secure-toggle")
    page.wait_for_text("secure-state", "refused: 401")
    assert "The server does not accept the token" in lines(page, "secure", "bad")[-1]


def test_a_server_that_is_full_is_said_to_be(start, browser):
    server = start("limits.connections.max=1")
    page = browser.page(server.url("/"))
    with Wire.to(server, "/ws"):
        page.click("echo-toggle")
        page.wait_for_text("echo-state", "refused: 503 Service Unavailable")
    assert "Try again in 5 seconds." in lines(page, "echo", "bad")[-1]


def test_a_server_that_is_gone_is_said_to_be(start, browser):
    server = start()
    page = browser.page(server.url("/"))
    server.stop()
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "the server can't be reached")


@pytest.mark.parametrize(
    "settings, others, tab, code, words",
    [
        # With room for the page's own connections above the limit.
        (["limits.connections.max=24"], 24, "echo", "1008 (policy violation)", "A limit"),
        (["limits.idle.timeout=100ms"], 0, "echo", "1001 (going away)", "idle timeout"),
        (
            [KEYED, "auth.first_message=true", "limits.before_auth.timeout=100ms"], 0,
            "secure", "3000 (unauthorized)", "authentication timeout",
        ),
    ],
)
def test_a_close_is_explained(start, browser, settings, others, tab, code, words):
    server = start(*settings)
    page = browser.page(server.url(f"/#{tab}"))
    with contextlib.ExitStack() as stack:
        for _ in range(others):
            stack.enter_context(Wire.to(server, "/ws"))
        page.click(f"{tab}-toggle")
        page.wait_for_text(f"{tab}-state", f"closed {code}")
    (line,) = lines(page, tab, "bad")
    assert code in line and words in line


def test_a_task_can_be_created_while_listening(start, browser):
    server = start()
    page = browser.page(server.url("/#tasks"))
    page.wait_for("document.getElementById('tasks-id').value === '1'")
    page.click("tasks-toggle")
    page.wait_for_text("tasks-state", "connected")
    assert page.evaluate("document.getElementById('tasks-id').disabled") is False
    fill(page, "tasks-id", "41")
    # What others do meanwhile changes nothing in it.
    assert create(server, 7, "another's")[0] == 200
    page.wait_for_text("tasks-list", "another's")
    assert page.evaluate("document.getElementById('tasks-id').value") == "41"
    page.type("tasks-title", "while listening")
    page.press_enter()
    page.wait_for_text("tasks-log", "New task created: while listening")
    page.wait_for_text("tasks-list", "while listening")
    assert [task["id"] for task in tasks(server)] == [7, 41]
    page.wait_for("document.getElementById('tasks-id').value === '42'")


def test_behind_the_largest_id_a_free_one_is_offered(start, browser):
    server = start()
    for id in (2**63 - 1, 1, -(2**63)):
        assert create(server, id)[0] == 200
    page = browser.page(server.url("/#tasks"))
    page.wait_for_text("tasks-list", str(2**63 - 1))
    assert page.evaluate("document.getElementById('tasks-id').value") == "2"
    assert page.evaluate(
        "[...document.querySelectorAll('#tasks-list td:first-child')].map((cell) => cell.textContent)"
    ) == [str(-(2**63)), "1", str(2**63 - 1)]
    fill(page, "tasks-id", str(2**63))
    page.type("tasks-title", "too large")
    page.press_enter()
    page.wait_for_text("tasks-answer", f"An id is a whole number from {-(2**63)} to {2**63 - 1}.")
    assert lines(page, "tasks", "sent") == []
    assert page.complaints == []


def test_a_chat_id_is_exact(start, browser):
    page = browser.page(start().url("/#chat"))
    for id in (2**53 + 1, -(2**63)):
        fill(page, "chat-id", str(id))
        page.click("chat-toggle")
        page.wait_for_text("chat-state", "connected")
        page.type("chat-input", "hello")
        page.press_enter()
        page.wait_for_text("chat-log", f"Client {id}: hello")
        page.click("chat-toggle")
        page.wait_for_text("chat-state", "closed 1000")
    for wrong in ("1.5", "x", str(2**63)):
        fill(page, "chat-id", wrong)
        page.click("chat-toggle")
        page.wait_for_text("chat-state", "not connected")
        assert "An id is a whole number" in lines(page, "chat", "bad")[-1]
    assert page.complaints == []


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_a_browser_takes_for_a_folder_is_said_to_be(start, browser, name):
    page = browser.page(start().url("/#channels"))
    words = f"A browser can't ask for “{name}”"
    fill(page, "channels-id", name)
    page.click("channels-toggle")
    page.wait_for_text("channels-log", words)
    page.type("channels-message", "x")
    page.press_enter()
    page.wait_for_text("channels-answer", words)
    page.click("tab-secure")
    fill(page, "secure-id", name)
    page.click("secure-toggle")
    page.wait_for_text("secure-log", words)
    page.click("tab-echo")
    fill(page, "echo-path", f"/ws/redis/{name}")
    page.press_enter()
    page.wait_for_text("echo-log", words)
    # Names that only look like it are asked for.
    page.click("tab-channels")
    fill(page, "channels-id", "%2e")
    page.click("channels-toggle")
    page.wait_for_text("channels-state", "connected")
    assert page.complaints == []


@pytest.mark.parametrize(
    "text, words",
    [
        ("no token", "That is no token. A token (JWT) has three parts"),
        ("a.b.c", "That is no token. Its second part is not JSON"),
        (token(None), "The token names nobody: it has no “sub”"),
        (token("ada", seconds=-60), "The token expired on "),
        (token("ada", nbf=4_000_000_000, exp=4_000_000_001), "The token is not valid before "),
    ],
    ids=["words", "no JSON", "no sub", "expired", "early"],
)
def test_what_is_wrong_with_a_pasted_token_is_said(start, browser, text, words):
    page = browser.page(start(KEYED).url("/#secure"))
    paste(page, text)
    page.wait_for_text("login-answer", words)
    assert page.text("who") == "not signed in"
    paste(page, f"Bearer {token('ada')}")
    page.wait_for_text("login-answer", "Signed in as ada, until ")
    # A token that is none leaves in place the one before.
    paste(page, text)
    page.wait_for_text("login-answer", words)
    assert page.text("who") == "signed in as ada"
    assert page.complaints == []


def test_the_version_and_the_routes_are_shown(start, browser):
    server = start(
        KEYED, "auth.required_for=chat", "routes.chat.message.max=2KiB",
        "routes.chat.rate.messages=5", "routes.chat.compression.enabled=false",
    )
    page = browser.page(server.url("/#routes"))
    version = run("--version").stdout.split("\n")[0].removeprefix("apus ")
    page.wait_for_text("version", f"version {version}")
    rows = page.evaluate(
        """[...document.querySelectorAll('#panel-routes tbody tr')].map(
            (row) => [...row.children].map((cell) => cell.textContent))"""
    )
    assert ["/ws", "not needed", "up to 1 MiB", "no limit", "yes", "Try"] in rows
    assert ["/ws/{client_id:int}", "needed", "up to 2 KiB", "5 messages/s", "no", "Try"] in rows
    assert ["POST /publish/{channel}", "not needed", "up to 64 KiB", "Try"] in rows
    assert ["GET /about", "not needed", "", "Try"] in rows
    assert page.text("chat-limits") == (
        "Messages up to 2 KiB · 5 messages/s · no compression · needs a token (tab Secure)"
    )
    assert page.complaints == []


def try_route(page, name):
    page.wait_for("document.getElementById('routes-http').childElementCount")
    page.evaluate(f"""document.querySelector('[aria-label="Try {name}"]').click()""")


def test_each_request_has_a_form(start, browser):
    server = start()
    page = browser.page(server.url("/#routes"))
    try_route(page, "POST /tasks")
    assert page.text("try-title") == "POST /tasks"
    fill(page, "try-body", '{"id": 9007199254740993, "title": "Feed the swifts"}')
    page.click("try-send")
    page.wait_for_text("try-answer", "200 OK")
    page.wait_for_text("try-response", "Task created successfully")
    # Sent again: the refusal is shown.
    page.click("try-send")
    page.wait_for_text("try-answer", "409 Conflict")

    try_route(page, "GET /tasks")
    fill(page, "try-query-limit", "5")
    page.click("try-send")
    page.wait_for_text("try-response", "9007199254740993")
    fill(page, "try-query-limit", "none")
    page.click("try-send")
    page.wait_for_text("try-answer", "422")
    page.wait_for_text("try-response", "int_parsing")

    # Every form sends a request that the server understands.
    names = page.evaluate(
        """[...document.querySelectorAll('#routes-http button')].map(
            (button) => button.getAttribute('aria-label').slice(4))"""
    )
    assert len(names) == 10
    for name in names:
        try_route(page, name)
        assert page.text("try-title") == name
        page.click("try-send")
        page.wait_for("document.getElementById('try-answer').textContent")
    # Chromium complains of each refusal, such as that of a POST whose example is not valid.
    assert all("the server responded with a status of" in line for line in page.complaints)


def test_bodies_of_all_kinds_are_sent_from_a_form(start, browser):
    server = start()
    page = browser.page(server.url("/#channels"))
    page.click("channels-toggle")
    page.wait_for_text("channels-state", "connected")
    page.click("tab-routes")
    try_route(page, "POST /publish/{channel}")
    fill(page, "try-path-channel", "news")
    bodies = [
        ("application/json", '{"message": "in JSON"}', "in JSON"),
        ("application/x-www-form-urlencoded", "message=in+a+form", "in a form"),
        ("text/plain", "in a text", "in a text"),
    ]
    for kind, body, message in bodies:
        page.evaluate(
            f"""(() => {{
                const type = document.getElementById('try-type');
                type.value = {kind!r};
                type.dispatchEvent(new Event('change'));
            }})()"""
        )
        fill(page, "try-body", body)
        page.click("try-send")
        page.wait_for_text("try-answer", "200 OK")
        page.wait_for_text("channels-log", message)
    page.evaluate("document.getElementById('try-type').value = ''")
    fill(page, "try-query-message", "in the query")
    page.click("try-send")
    page.wait_for_text("channels-log", "in the query")
    assert page.complaints == []


def test_a_websocket_is_tried_on_the_first_tab(start, browser):
    page = browser.page(start().url("/#routes"))
    try_route(page, "/ws/{client_id:int}")
    page.click("echo-toggle")
    page.wait_for_text("echo-state", "connected")
    page.type("echo-input", "hello")
    page.press_enter()
    page.wait_for_text("echo-log", ": hello")
    page.click("tab-routes")
    try_route(page, "/ws")
    page.wait_for_text("routes-answer", "disconnect it first")
    assert page.complaints == []


def test_the_address_names_the_tab(start, browser):
    page = browser.page(start().url("/"))
    page.evaluate("document.getElementById('tab-echo').focus()")
    for key, tab in [("End", "routes"), ("ArrowRight", "echo"), ("ArrowLeft", "routes"),
                     ("Home", "echo"), ("ArrowRight", "chat")]:
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)
        page.wait_for(f"document.activeElement.id === 'tab-{tab}'")
        assert page.evaluate("location.hash") == f"#{tab}"
        assert page.evaluate(f"document.getElementById('panel-{tab}').hidden") is False
    page.evaluate("location.hash = '#secure'")
    page.wait_for("!document.getElementById('panel-secure').hidden")


def test_the_focus_is_never_lost(start, browser):
    server = start()
    page = browser.page(server.url("/"))
    page.evaluate("document.getElementById('echo-path').focus()")
    page.press_enter()
    page.wait_for("document.activeElement.id === 'echo-input'")
    server.stop()
    page.wait_for_text("echo-state", "closed 1012")
    page.wait_for("document.activeElement.id === 'echo-toggle'")


def test_every_control_has_a_name(start, browser):
    page = browser.page(start(KEYED).url("/"))
    for tab in TABS:
        page.click(f"tab-{tab}")
        for node in page.call("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if role in ("button", "textbox", "checkbox", "tab", "tabpanel", "log", "table"):
                assert node["name"]["value"], node
