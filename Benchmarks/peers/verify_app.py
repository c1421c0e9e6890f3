"""Checks that a server does the application's work, so that two of them can be compared."""

from __future__ import annotations

import http.client
import json

from verify import DEADLINE, messages
from websockets.sync.client import ClientConnection, connect


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{what}: {str(found)[:80]!r}, not {str(wanted)[:80]!r}")


def client(port: int, path: str) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{port}{path}", max_size=None, ping_interval=None,
        open_timeout=DEADLINE)


def request(port: int, method: str, path: str, body: object = None) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or "null")
    finally:
        connection.close()


def check_echo(port: int) -> None:
    with client(port, "/ws") as connection:
        for message in messages(40):
            prefix = "Message received: "
            connection.send(message)
            wanted = prefix + message if isinstance(message, str) else prefix.encode() + message
            expect("echo", connection.recv(timeout=DEADLINE), wanted)


def check_chat(port: int) -> None:
    with client(port, "/ws/8") as other:
        # Answered once it is a member.
        other.send("here")
        expect("chat", other.recv(timeout=DEADLINE), "Client 8: here")
        with client(port, "/ws/7") as member:
            for text in (message for message in messages(40) if isinstance(message, str)):
                member.send(text)
                for each in (member, other):
                    expect("chat", each.recv(timeout=DEADLINE), f"Client 7: {text}")
        expect("leaving", other.recv(timeout=DEADLINE), "Client 7 left the chat")


def check_tasks(port: int) -> None:
    task = {"id": 1, "title": "Zürich", "description": "a first one"}
    with client(port, "/ws/notifications/tasks") as subscriber:
        # A server may answer the opening handshake before it subscribes the connection.
        subscriber.ping().wait(DEADLINE)
        expect("POST", request(port, "POST", "/tasks", task),
               (200, {"message": "Task created successfully"}))
        expect("notification", subscriber.recv(timeout=DEADLINE), "New task created: Zürich")
    status, tasks = request(port, "GET", "/tasks")
    expect("GET", (status, [{key: each[key] for key in task} for each in tasks]), (200, [task]))
    expect("created_at", type(tasks[0]["created_at"]), str)
    expect("again", request(port, "POST", "/tasks", task)[0], 409)
    del task["title"]
    status, answer = request(port, "POST", "/tasks", task)
    expect("without a title", (status, answer["detail"][0]["loc"]), (422, ["body", "title"]))


CHECKS = {"echo": check_echo, "chat": check_chat, "notifications": check_tasks}


def verify_work(work: str, port: int) -> str | None:
    """What is wrong, if anything; the server has no tasks."""
    try:
        CHECKS[work](port)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:160]
    return None
