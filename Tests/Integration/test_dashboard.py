"""The dashboard of the admin listener: its WebSocket, and its page in headless Chromium."""

import base64
import hashlib
import json
import re
import socket

import pytest
from admin import LISTEN, TOKEN, Admin
from apus import ROOT
from chromium import chromium
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

SOURCE = ROOT / "Sources/apus/Admin/Page/dashboard.html"
SCREENSHOTS = ROOT / ".build/screenshots"
FIGURES = ("connections", "messages", "bytes", "saved", "lag", "busy", "slow", "met")


@pytest.fixture(scope="module")
def browser(program):
    with chromium(program("chromium", "chromium-browser", package="chromium")) as browser:
        yield browser


@pytest.fixture
def watched(start):
    """Starts servers with an admin listener. Returns both."""

    def start_one(*settings):
        server = start(LISTEN, *settings)
        return server, Admin(server)

    return start_one


def live(admin, **options):
    """Connects to the WebSocket of the dashboard."""
    url = f"ws://{admin.authority}/admin/live"
    return connect(url, proxy=None, open_timeout=5, close_timeout=5, **options)


def received(socket):
    return json.loads(socket.recv(timeout=5))


# The WebSocket


def test_samples_come_one_after_the_other(watched, client):
    server, admin = watched()
    with live(admin) as page, client(server, "/ws/notifications/news") as reader:
        history = received(page)
        assert history["type"] == "history" and history["version"]
        first, second = received(page), received(page)
        assert first["type"] == "sample"
        assert 0 < second["sample"]["time"] - first["sample"]["time"] < 5_000
        reader.send("x")
        expected = {"connections", "messages_in", "messages_out", "bytes_in", "bytes_out", "saved",
                    "lag_ms", "busy", "limits", "slow", "slow_closed", "time"}
        assert set(second["sample"]) == expected
        assert second["sample"]["connections"] == 1
        # The topics are ranked beside the samples.
        while not (message := received(page)).get("topics"):
            pass
        assert message["topics"] == {
            "count": 1, "topics": [{"name": "notifications/news", "subscribers": 1}]}


def test_messages_and_limits_are_counted(watched, client):
    server, admin = watched("limits.message.max=100")
    with live(admin) as page, client(server) as one:
        received(page)
        before = received(page)["sample"]["time"]
        for _ in range(50):
            one.send("x" * 10)
            one.recv(timeout=5)
        one.send("x" * 200)
        total = {"messages_in": 0, "bytes_out": 0, "limits": 0}
        message = {}
        while not message.get("limits"):
            message = received(page)
            # A sample has the rates since the last one.
            seconds = (message["sample"]["time"] - before) / 1_000
            before = message["sample"]["time"]
            for name in total:
                total[name] += message["sample"][name] * seconds
        assert 40 < total["messages_in"] < 60
        assert message["limits"] == [{"name": "size of messages", "count": 1}]


def test_a_new_page_gets_what_was_before_it(watched):
    _, admin = watched()
    with live(admin) as page:
        received(page)
        times = [received(page)["sample"]["time"] for _ in range(2)]
    with live(admin) as page:
        history = received(page)["samples"]
        assert set(times) <= {sample["time"] for sample in history}
        assert received(page)["sample"]["time"] > history[-1]["time"]


def test_the_websocket_demands_the_token_in_the_first_message(start):
    admin = Admin(start(LISTEN, f"admin.token={TOKEN}"))
    with live(admin) as page:
        assert received(page) == {"type": "token_required"}
        page.send(json.dumps({"token": TOKEN}))
        assert received(page)["type"] == "history"
        assert received(page)["type"] == "sample"
    for first in ('{"token":"x"}', json.dumps({"token": TOKEN + "x"}), "x", TOKEN, b"\0", "{}"):
        with live(admin) as page:
            received(page)
            page.send(first)
            with pytest.raises(ConnectionClosed) as end:
                page.recv(timeout=5)
            assert end.value.rcvd.code == 3000, first


def test_pages_from_elsewhere_may_not_watch(watched):
    _, admin = watched()
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            live(admin, origin=origin)
        assert refused.value.response.status_code == 403
    # A page of evil.example whose name leads to this machine.
    stream = socket.create_connection(admin.authority.split(":"), timeout=5)
    with stream, pytest.raises(InvalidStatus) as refused:
        connect(
            "ws://evil.example/admin/live", sock=stream, proxy=None, origin="http://evil.example")
    assert refused.value.response.status_code == 403


# The page


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_page_permits_only_its_own_code(tag):
    page = SOURCE.read_text()
    (code,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in page, "put this hash into the page's policy"


def test_the_page_needs_no_other_file(watched):
    _, admin = watched()
    answer = admin.get("/")
    assert answer.body == SOURCE.read_bytes()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = SOURCE.read_text()
    assert "default-src 'none'" in page
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[\w/.]""", page) == []


def test_figures_topics_and_limits_are_shown(watched, client, browser):
    server, admin = watched("limits.message.max=100")
    page = browser.page(f"{admin.url}/")
    page.wait_for_text("state", "live")
    hostile = "<img src=x onerror=fail()>&amp;"
    path = "/ws/notifications/" + "".join(f"%{byte:02x}" for byte in hostile.encode())
    with client(server, "/ws/notifications/news"), client(server, "/ws/notifications/news"), \
            client(server, path):
        page.wait_for_text("topics", "notifications/news2")
        page.wait_for_text("topics", f"notifications/{hostile}1")
        page.wait_for("document.querySelector('#connections dd').textContent === '3'")
        with client(server) as large:
            large.send("x" * 200)
            page.wait_for_text("limits", "size of messages1")
    page.wait_for("document.querySelector('#connections dd').textContent === '0'")
    page.wait_for_text("topics-empty", "No topic has subscribers.")
    assert page.evaluate("document.querySelector('#connections .first').getAttribute('d')")
    assert page.complaints == []
    own = (f"{admin.url}/", f"ws://{admin.authority}/admin/live", "data:,")
    assert set(page.requests) <= set(own)


def test_a_new_page_shows_the_minutes_before(watched, browser):
    _, admin = watched()
    first = browser.page(f"{admin.url}/")
    first.wait_for("samples.length >= 3")
    page = browser.page(f"{admin.url}/")
    page.wait_for_text("state", "live")
    assert page.evaluate("samples.length") >= 3


def test_the_token_is_asked_for_on_the_page(start, browser):
    admin = Admin(start(LISTEN, f"admin.token={TOKEN}"))
    page = browser.page(f"{admin.url}/")
    page.wait_for("document.activeElement.id === 'token'")
    assert page.evaluate("document.getElementById('main').hidden") is True
    page.type("token", "x" * 32)
    page.press_enter()
    page.wait_for_text("login-error", "The token isn’t valid.")
    assert page.evaluate("document.getElementById('token').value") == ""
    page.type("token", TOKEN)
    page.press_enter()
    page.wait_for_text("state", "live")
    page.wait_for("document.getElementById('login').hidden")
    page.wait_for("document.querySelector('#connections dd').textContent === '0'")
    assert page.evaluate("location.href") == f"{admin.url}/"
    assert not any(TOKEN in url for url in page.requests)
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.complaints == []


def test_a_drained_server_and_a_lost_one_are_told(watched, browser):
    server, admin = watched()
    page = browser.page(f"{admin.url}/")
    page.wait_for_text("state", "live")
    admin.request("POST", "/admin/drain")
    page.wait_for_text("notice", "Drained")
    admin.request("POST", "/admin/undrain")
    page.wait_for("document.getElementById('notice').textContent === ''")
    server.stop()
    page.wait_for_text("state", "not connected: trying again")


# Five minutes of figures, so that the charts are full and numbers are long.
FULL = """samples = Array.from({length: 300}, (_, i) => ({
    time: Date.now() - (299 - i) * 1000, connections: 1234567 + i, messages_in: 9999 + i,
    messages_out: 52e6 * (1 + Math.sin(i / 30) / 4), bytes_in: 2.4e8, bytes_out: 9.1e12,
    saved: 3e11 * (1 + Math.cos(i / 40) / 4), lag_ms: i % 90 ? 0.4 : 1250, busy: 0.999,
    limits: i % 60 < 3 ? 99999 : 0, slow: 12345, slow_closed: 1234}));
render()"""

BEYOND_THE_EDGE = """[...document.querySelectorAll('body *')].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width > 0 && !element.closest('svg') && (left < 0 || right > innerWidth + .5
        || element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
        && getComputedStyle(element).display !== 'inline');
}).map((element) => `${element.tagName} ${element.id} ${element.className}`).join()"""

# The lowest contrast of text with what is behind it (WCAG 2, 1.4.3), and whose it is.
CONTRAST = """(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => channels(color).slice(0, 3).map((value) => value / 255)
        .map((value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4)
        .reduce((sum, value, index) => sum + value * [.2126, .7152, .0722][index], 0);
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if ((channels(color)[3] ?? 1) === 1) return color;
        }
    };
    return [...document.querySelectorAll('body *')].filter((element) =>
        element.getClientRects().length && [...element.childNodes].some((node) =>
            node.nodeType === 3 && node.textContent.trim())
    ).map((element) => {
        const values = [getComputedStyle(element).color, ground(element)].map(light);
        return [(Math.max(...values) + .05) / (Math.min(...values) + .05), element.id];
    }).sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_phones_and_screens_in_both_colours(
    watched, client, browser, scheme
):
    server, admin = watched("limits.message.max=100")
    page = browser.page(f"{admin.url}/")
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": scheme}])
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with client(server, "/ws/notifications/" + "W" * 90), client(server) as large:
        large.send("x" * 200)
        page.wait_for_text("topics", "WWW")
        page.wait_for_text("limits", "size of messages")
        for width in (320, 375, 768, 1280):
            page.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=800,
                deviceScaleFactor=1, mobile=width < 700)
            page.evaluate(FULL)
            assert page.evaluate(BEYOND_THE_EDGE) == "", width
            picture = page.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            (SCREENSHOTS / f"dashboard-{scheme}-{width}.png").write_bytes(
                base64.b64decode(picture))
    lowest = page.evaluate(CONTRAST)
    assert lowest[0] >= 4.5, lowest
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) < 300
    assert dark == (scheme == "dark")
    page.evaluate("ask('The token isn’t valid.')")
    assert page.evaluate(CONTRAST)[0] >= 4.5
    assert page.evaluate(BEYOND_THE_EDGE) == ""


def test_it_can_be_read_by_a_screen_reader(watched, browser):
    _, admin = watched()
    page = browser.page(f"{admin.url}/")
    page.wait_for("samples.length >= 2")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes
        if not node["ignored"] and node.get("name", {}).get("value")
    ]
    charts = [name for role, name in named if role in ("image", "img")]
    assert len(charts) == len(FIGURES)
    assert any(name.startswith("Loop lag over 5 minutes: slowest loop ") for name in charts)
    headings = [name for role, name in named if role == "heading"]
    assert headings[0] == "Apus" and {"Top topics", "Loop lag", "Slow consumers"} <= set(headings)
    # Figures that change every second aren't read out.
    live_regions = page.evaluate(
        "[...document.querySelectorAll('[role=status], [role=alert], [aria-live]')]"
        ".map((element) => element.id)")
    assert sorted(live_regions) == ["login-error", "notice", "state"]
    page.evaluate("ask('')")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    for node in nodes:
        if node.get("role", {}).get("value") in ("button", "textbox"):
            assert node["name"]["value"], node
