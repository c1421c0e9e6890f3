"""Refusals of tokens reveal nothing: no byte of the answer depends on the error or its place."""

import itertools
import json
import re
import time

import pytest
from conftest import shared
from tokens import KEYED, PATH, closed_with, encoded, message, token
from wire import Wire, upgrade_request

FEATURES = "echo, chat, notifications, tasks, publish, channels"
WAYS = [
    ("GET", PATH), ("GET", "/ws"), ("GET", "/ws/7"), ("GET", "/ws/notifications/room"),
    ("GET", "/ws/redis/room"), ("GET", "/tasks"), ("POST", "/tasks"), ("POST", "/publish/room"),
]
GOOD = {"aud": "apus"}


def bad_tokens():
    """One token for each reason to refuse one."""
    good = token(**GOOD)
    none = encoded({"alg": "none", "typ": "JWT"})
    claims = encoded({"sub": "ada", "exp": time.time() + 3_600} | GOOD)
    return {
        "none": f"{none}.{claims}.",
        "none, signed": f"{none}.{claims}.{good.split('.')[2]}",
        "no signature": good.rpartition(".")[0] + ".",
        "other secret": token(key="x" * 64, **GOOD),
        "other algorithm": token(algorithm="HS512", **GOOD),
        "other key": token(headers={"kid": "other"}, key="x" * 64, **GOOD),
        "expired": token(seconds=-1, **GOOD),
        "not yet valid": token(nbf=time.time() + 3_600, **GOOD),
        "wrong audience": token(aud="others"),
        "no audience": token(),
        "no sub": token(sub=None, **GOOD),
        "garbage": "garbage",
        "longer than any": "a" * 10_000,
    }


@pytest.fixture(scope="module")
def guarded():
    """Returns a server on which every feature requires a token, and accepts it in every place."""
    with shared(
        *[KEYED, "auth.jwt.audience=apus", "auth.query_token=true"],
        *[f"auth.required_for={FEATURES}", "limits.handshake.size=64KiB"],
    ) as server:
        yield server


def places(path):
    """Only WebSocket requests have subprotocols."""
    return ["header", "query", *(["subprotocol"] if path.startswith("/ws") else [])]


def asked(server, method, path, place, text, body=""):
    """Returns the answer to a request with a token in a place: its bytes, without the date."""
    headers = {}
    if place == "header":
        headers["Authorization"] = f"Bearer {text}"
    elif place == "subprotocol":
        headers["Sec_WebSocket_Protocol"] = f"bearer, {text}"
    else:
        path += f"?token={text}"
    if path.startswith("/ws"):
        request = upgrade_request(path, server.authority, **headers)
    else:
        headers |= {"Content-Type": "application/json", "Content-Length": len(body)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: {server.authority}\r\n{lines}\r\n"
        request = (head + body).encode()
    with Wire.to(server) as wire:
        wire.socket.settimeout(30)
        wire.send(request)
        head = wire.take_through(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
        content = wire.take(int(length[1])) if length else b""
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", head) + content


def refused(answer):
    """Returns the answer again, which must be a refusal in the form of RFC 6750 §3."""
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    assert b'\r\nwww-authenticate: bearer error="invalid_token"\r\n' in answer.lower(), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "A valid token is required."
    return answer


def test_every_invalid_token_has_the_same_answer_in_every_place(guarded):
    ids, bad, answers = itertools.count(), bad_tokens(), {}
    for method, path in WAYS:

        def ask(place, text):
            body = {"id": next(ids), "title": "t", "message": "m"}
            content = json.dumps(body) if method == "POST" else ""
            return asked(guarded, method, path, place, text, content)

        for place in places(path):
            for kind, text in bad.items():
                answers[method, path, place, kind] = refused(ask(place, text))
            # Only the token was refused.
            let_in = b"101" if path.startswith("/ws") else b"200"
            assert ask(place, token(**GOOD)).split()[1] == let_in, (method, path, place)
    first = next(iter(answers.values()))
    assert {key: answer for key, answer in answers.items() if answer != first} == {}, first


def test_a_token_of_a_mebibyte_is_refused_like_any_other(start, client):
    longest = token(pad="x" * 786_400)
    assert 1 << 20 <= len(longest) < (1 << 20) + 1_000
    texts = (longest, "a" * (1 << 20))
    everywhere = lambda server, text: [
        asked(server, "GET", PATH, place, text) for place in ("header", "subprotocol", "query")
    ]
    # The limit of a request head applies first, RFC 6585 §5 and RFC 9110 §15.5.15.
    server = start(KEYED, "auth.query_token=true", "auth.first_message=true")
    for text in texts:
        statuses = [answer.split()[1] for answer in everywhere(server, text)]
        assert statuses == [b"431", b"431", b"414"]
    waiting = client(server, PATH)
    waiting.send(message(longest))
    assert closed_with(waiting)[0] == 1009
    # With the largest limits, the limit of the token applies. A URL has no other limit than the
    # head.
    server = start(KEYED, "auth.query_token=true", "limits.handshake.size=2MiB")
    like_any_other = refused(asked(server, "GET", PATH, "header", "garbage"))
    for text in (*texts, token(pad="x" * 7_000)):
        assert everywhere(server, text) == [like_any_other] * 3
    for answer in everywhere(server, token(pad="x" * 5_500)):
        assert answer.split()[1] == b"101"
