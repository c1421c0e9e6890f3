"""HAProxy's log of requests with a token in their URL."""

import re

from balancers import balanced  # noqa: F401
from tokens import KEYED, PATH, token


def test_paths_are_logged_without_the_tokens_after_them(balanced):
    haproxy, *_ = balanced(KEYED, "auth.query_token=true", "auth.required_for=publish")
    text = token()
    with haproxy.connect(f"{PATH}?token={text}") as connection:
        connection.send("x")
        assert connection.recv(timeout=60) == "ada: x"
    wire, outcome = haproxy.attempt(f"/ws/secure/refused?a=b&token={text}.x")
    assert outcome == 401
    wire.close()
    assert haproxy.post(f"/publish/news?message=x&token={text}").status == 200
    # Requests that HAProxy itself refuses: one that is too long, and one that isn't HTTP.
    assert haproxy.post(f"/publish/long?token={text}{'a' * 20_000}").status == 400
    faulty = f"GET /\x01?token={text} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert haproxy.ask(faulty.encode()).status == 400

    for status, request in (
        (101, f"GET {PATH} HTTP/1.1"), (401, "GET /ws/secure/refused HTTP/1.1"),
        (200, "POST /publish/news HTTP/1.1"), (400, "<BADREQ> <BADREQ> <BADREQ>"),
    ):
        line = re.compile(rf' {status} .* "{re.escape(request)}"$')
        count = 2 if status == 400 else 1
        found = haproxy.log.wait_for(lambda lines: len([*filter(line.search, lines)]) >= count, 60)
        assert found, f"{request}\n{haproxy.log.text()}"
    haproxy.stop()
    for part in text.split("."):
        assert part not in haproxy.log.text()
