"""permessage-deflate in headless Chromium and Firefox, from the server's own page."""

import json
import pathlib

import pytest
from chromium import chromium
from negotiation import CLIENT_BITS, LONG
from firefox import firefox
from test_deflate_programs import as_json, content

ECHO = (pathlib.Path(__file__).parent / "deflate_echo.js").read_text()
OFFERS = {"chromium": f"permessage-deflate; {CLIENT_BITS}", "firefox": "permessage-deflate"}


@pytest.fixture(scope="module")
def pages(program):
    """Opens a page at an address: `pages["firefox"](url)`."""

    def in_firefox(url):
        page.go(url)
        return page

    with (
        chromium(program("chromium", "chromium-browser", package="chromium")) as browser,
        firefox(program("firefox-esr", "firefox", package="firefox-esr")) as page,
    ):
        yield {"chromium": browser.page, "firefox": in_firefox}


@pytest.mark.parametrize("name", OFFERS)
def test_a_browser(deflating, tap, pages, name):
    page = pages[name](tap.url("/"))
    samples = json.dumps([as_json(sample) for sample in LONG])
    found = page.evaluate(
        f"""(async () => {{
            {ECHO}
            const socket = new WebSocket("ws://" + location.host + "/echo");
            const received = await echoes(socket, {samples}, sendWhole);
            return JSON.stringify([socket.extensions, received]);
        }})()"""
    )
    extensions, received = json.loads(found)
    assert list(map(content, received)) == [sample.content for sample in LONG]
    assert extensions.startswith("permessage-deflate")
    conversation = tap.conversation()
    assert conversation.offers == [OFFERS[name]]
    conversation.check(LONG, deflating.configuration)
