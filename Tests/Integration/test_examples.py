"""The examples of `Examples/`, used as by their readers."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest
import websockets
from apus import ROOT
from chromium import chromium
from docs_pages import Page
from examples import EXAMPLES, Example, example_binary

sys.path.append(str(EXAMPLES / "compared"))
import check  # noqa: E402

DEVELOPMENT = os.environ.get("APUS_DEVELOPMENT", "").split(",")
COMPARED = {
    "Apus": "apus/main.swift", "Hummingbird": "hummingbird.swift", "FastAPI": "fastapi_app.py"}


def closed(client, seconds=10):
    """Waits for the end of a connection, and returns its code and reason."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            client.recv(seconds)
    return client.close_code, client.close_reason


def test_chat():
    with (
        Example("example-chat") as chat,
        chat.connect("/rooms/birds/ada") as ada,
        chat.connect("/rooms/elsewhere/eve") as eve,
    ):
        assert ada.recv(5) == "ada joined"
        assert eve.recv(5) == "eve joined"
        with chat.connect("/rooms/birds/bob") as bob:
            assert ada.recv(5) == bob.recv(5) == "bob joined"
            ada.send("grüße")
            assert ada.recv(5) == bob.recv(5) == "ada: grüße"
            bob.send(b"bytes")
            assert closed(bob) == (1003, "send text")
        assert ada.recv(5) == "bob left"
        with pytest.raises(websockets.InvalidStatus, match="422"):
            chat.connect(f"/rooms/{'x' * 300}/ada")
        eve.close()
        chat.process.send_signal(signal.SIGTERM)
        assert closed(ada)[0] == 1012


def test_token():
    with Example("example-token") as server:
        for fields in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "token-of-ada"}):
            with pytest.raises(websockets.InvalidStatus) as refused:
                server.connect("/inbox", additional_headers=fields)
            response = refused.value.response
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert json.loads(response.body)["detail"] == "A valid token is needed."
        fields = {"Authorization": "Bearer token-of-ada"}
        with server.connect("/inbox", additional_headers=fields) as ada:
            assert ada.recv(5) == "Hello ada"
            ada.send("echo")
            assert ada.recv(5) == "echo"
        # As a browser sends it; and Bob's token is short-lived.
        with server.connect("/inbox", subprotocols=["bearer", "token-of-bob"]) as bob:
            assert bob.subprotocol == "bearer"
            assert bob.recv(5) == "Hello bob"
            assert closed(bob) == (4001, "reconnect with a new token")


def test_rest():
    with Example("example-rest") as server, server.connect("/changes") as client:
        assert server.request("GET", "/api/tasks").body == []
        added = server.request("POST", "/api/tasks", {"title": "Count"})
        task = {"id": 1, "title": "Count", "isDone": False}
        assert (added.status, added.body) == (201, task)
        assert added.headers["Location"] == "/api/tasks/1"
        assert json.loads(client.recv(5)) == {"kind": "added", "task": task}

        task["isDone"] = True
        changed = server.request("PUT", "/api/tasks/1", {"title": "Count", "isDone": True})
        assert (changed.status, changed.body) == (200, task)
        assert json.loads(client.recv(5)) == {"kind": "changed", "task": task}
        assert server.request("GET", "/api/tasks/1").body == task
        assert server.request("GET", "/api/tasks?done=true").body == [task]
        assert server.request("GET", "/api/tasks?done=false").body == []

        assert server.request("DELETE", "/api/tasks/1").status == 204
        assert json.loads(client.recv(5)) == {"kind": "removed", "task": task}
        assert server.request("DELETE", "/api/tasks/1").status == 404

        def refused(body, **fields):
            response = server.request("POST", "/api/tasks", body, **fields)
            return response.status, response.body["detail"]

        assert refused({}) == (422, "title: The member is missing.")
        assert refused({"title": ""}) == (422, "title: it is empty")
        assert refused({"title": 7})[0] == 422
        assert refused("{", Content_Type="application/json")[0] == 400
        assert refused("title=x", Content_Type="application/x-www-form-urlencoded")[0] == 415
        assert server.request("GET", "/api/tasks/first").status == 422
        server.request("GET", "/none")
        # The access log has upgrades and 404s, too.
        for words in ("GET.*/changes.*101|101.*/changes", "/none.*404|404.*/none"):
            assert server.log.wait_for(lambda lines, words=words: any(
                re.search(words, line) for line in lines), 5), server.log.text()


def test_publisher():
    with Example("example-publisher") as server, server.connect("/prices") as client:
        symbols = set()
        while symbols != {"APUS", "PICA", "CORVUS"}:
            price = json.loads(client.recv(5))
            assert price["price"] >= 1
            symbols.add(price["symbol"])
        server.process.send_signal(signal.SIGTERM)
        assert closed(client)[0] == 1012


def test_files():
    with Example("example-files") as server:
        page = server.request("GET", "/")
        assert page.body == (EXAMPLES / "files/public/index.html").read_text()
        assert page.headers["Content-Type"].startswith("text/html")
        script = server.request("GET", "/board.js")
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert server.request("GET", "/board.js", If_None_Match=script.headers["ETag"]).status == 304
        for path in ("/none", "/../main.swift", "/%2e%2e/main.swift"):
            assert server.request("GET", path).status in (400, 404), path
        with pytest.raises(websockets.InvalidStatus, match="403"):
            server.connect("/board", origin="http://elsewhere.example")


def test_the_page_of_the_files(program):
    with (
        Example("example-files") as server,
        chromium(program("chromium", "chromium-browser", package="chromium")) as browser,
    ):
        ada, bob = (browser.page(f"http://127.0.0.1:{server.port}/") for _ in range(2))
        for page in (ada, bob):
            page.wait_for_text("state", "Connected")
        ada.type("text", "grüße <b>")
        ada.press_enter()
        for page in (ada, bob):
            page.wait_for_text("messages", "grüße <b>")
        assert ada.complaints == bob.complaints == []


@pytest.mark.skipif("hummingbird" not in DEVELOPMENT, reason="run by `make examples`")
def test_hummingbird():
    with Example("example-hummingbird", "0") as server, server.connect("/news") as reader:
        apus = server.port
        server.port = server.find_port(re.compile(r"listening on 127\.0\.0\.1:(\d+)"))
        assert server.port != apus
        assert server.request("POST", "/news", {"title": "Swifts"}).status == 202
        assert json.loads(reader.recv(5)) == {"title": "Swifts"}
        assert server.request("GET", "/health").body == "1 connections\n"
        server.process.send_signal(signal.SIGTERM)
        assert closed(reader)[0] == 1012


@pytest.mark.parametrize("name", ["Apus", "FastAPI"])
def test_the_same_application(name):
    if name == "Apus":
        command = [example_binary("example-rooms")]
    else:
        command = [sys.executable, "fastapi_app.py"]
    refused, code, log = check.check(command)
    assert code == 1012
    assert refused["no token"].startswith("401 WWW-Authenticate: Bearer")
    assert refused["no room"].startswith("404 ")
    assert refused["missing member"].startswith("422 ")
    assert refused["wrong type"].startswith("422 ")
    assert refused["name too long"].startswith("422 ")
    for word in ("/api/rooms", "/none", "/rooms/birds"):
        assert word in log, f"no access log of {word}:\n{log}"


def page(name):
    return (ROOT / name).read_text()


def test_the_page_shows_the_programs():
    programs = [(EXAMPLES / "compared" / name).read_text() for name in COMPARED.values()]
    blocks = Page(ROOT / "docs/compared.md", ROOT).blocks
    assert programs[0] in [block.text for block in blocks]
    for block in blocks:
        # The others are parts of the programs, in a type.
        indented = textwrap.indent(block.text, "    ")
        assert any(text in program for program in programs for text in (block.text, indented))


def test_the_lines_of_the_programs_are_counted():
    row = re.search(r"^\| Lines .*\|$", page("docs/compared.md"), re.MULTILINE)[0]
    counted = [cell.strip() for cell in row.strip("|").split("|")][1:]
    files = [(EXAMPLES / "compared" / name).read_text() for name in COMPARED.values()]
    assert counted == [str(sum(bool(line.strip()) for line in f.splitlines())) for f in files]


def test_each_example_is_listed():
    listed = re.findall(r"\]\((\w[\w-]*)/", page("Examples/README.md"))
    folders = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "Examples"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == {name.split("/")[1] for name in folders if name.count("/") > 1}
