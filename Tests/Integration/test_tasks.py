"""Tasks over HTTP: storing, listing and refusals."""

import json
import pathlib
import subprocess
import time

import pytest
from apus import wait_until
from channels import wait_logged, wait_ready
from redis_server import redis  # noqa: F401
from task_client import CREATED, TIME, ask, create, statuses_at_once, tasks

# The answers of FastAPI 0.165 with pydantic 2.14 to the same requests, without `input`; for whole
# numbers in quotes, those of pydantic 2.13.
ANSWERS = json.loads((pathlib.Path(__file__).parent / "fastapi_answers.json").read_text())


def test_a_task_is_stored_and_listed_by_curl(server, program):
    curl = [program("curl", package="curl"), "-sS", "--noproxy", "*", "--max-time", "30"]
    body = '{"id": 70, "title": "Fütter die Segler 🐦", "description": "täglich", "created_at": "x"}'
    made = subprocess.run(
        [*curl, "-H", "Content-Type: application/json", "-d", body, "-w", " %{http_code}",
         server.url("/tasks")], capture_output=True, text=True, check=True,
    )
    assert made.stdout == '{"message":"Task created successfully"} 200'
    listed = subprocess.run(
        [*curl, server.url("/tasks?after=69&limit=1")], capture_output=True, text=True, check=True
    )
    (task,) = json.loads(listed.stdout)
    assert TIME.fullmatch(task.pop("created_at"))
    assert task == {"id": 70, "title": "Fütter die Segler 🐦", "description": "täglich"}


def test_an_id_can_be_used_once(start):
    server = start()
    assert create(server, 1, "first") == (200, CREATED)
    status, problem = create(server, 1, "second")
    assert (status, problem["detail"]) == (409, "There is a task with id 1 already.")
    assert [task["title"] for task in tasks(server)] == ["first"]


def test_all_are_listed_in_the_order_of_their_ids_and_in_pages(start):
    server = start()
    assert tasks(server) == []
    ids = [5, -1, 3, 2**63 - 1, 4]
    for id in ids:
        assert create(server, id)[0] == 200
    assert [task["id"] for task in tasks(server)] == sorted(ids)
    assert [task["id"] for task in tasks(server, "?limit=2")] == [-1, 3]
    assert [task["id"] for task in tasks(server, "?limit=2&after=3")] == [4, 5]
    assert tasks(server, f"?after={2**63 - 1}") == []


def test_errors_are_answered_as_by_fastapi(start):
    server = start()
    for row in ANSWERS:
        if "query" in row:
            status, answer, _ = ask(server, "/tasks?" + row["query"])
        else:
            status, answer, _ = ask(
                server, body=row["body"], type=row.get("type", "application/json"))
        if row["faults"] is None:
            # Some of the valid ones have the same id.
            assert status in (200, 409), (row, answer)
        else:
            assert (status, answer) == (422, {"detail": row["faults"]}), row


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ('{"id":1,"title":"\\ud800"}', ["body", "title"], "string_unicode"),
        ('{"id":1,"title":"a\\u0000b"}', ["body", "title"], "value_error"),
        ('{"id":1e400,"title":"a"}', ["body", "id"], "finite_number"),
        ('{"id":9223372036854775808,"title":"a"}', ["body", "id"], "int_parsing_size"),
        ('{"id":NaN,"title":"a"}', ["body", 6], "json_invalid"),
        ("[" * 30_000, ["body", 100], "json_invalid"),
    ],
)
def test_requests_that_crash_fastapi_are_errors_too(server, body, place, kind):
    status, answer, _ = ask(server, body=body)
    assert status == 422
    assert [(fault["loc"], fault["type"]) for fault in answer["detail"]] == [(place, kind)]


def test_a_body_larger_than_the_limit_is_refused(server):
    status, _, _ = ask(server, body={"id": 1, "title": "t", "description": "x" * 100_000})
    assert status == 413


def test_each_of_many_at_once_is_answered(start):
    server = start("server.loops=2")
    statuses = statuses_at_once([server.url("/tasks")], [id % 300 for id in range(600)])
    assert (statuses.count(200), statuses.count(409)) == (300, 300)
    assert [task["id"] for task in tasks(server)] == list(range(300))


def test_without_a_database_there_are_no_tasks(start):
    server = start("tasks.database=")
    assert ask(server)[0] == 404
    assert create(server, 1)[0] == 404


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_task_is_stored_at_once_although_redis_is_unreachable(redis, start, client, how):
    broker = redis()
    server = start(f"broker.url={broker.url}")
    wait_ready(server)
    topic = "apus:notifications/tasks"
    listener = client(server, "/ws/notifications/tasks")
    wait_until(lambda: broker.subscribers(topic) == 1, "the subscription", 30)
    broker.kill() if how == "killed" else broker.pause()
    began = time.monotonic()
    for id in range(10):
        assert create(server, id, "untold") == (200, CREATED)
    # Before the paused Redis counts as unreachable, after 5 s.
    assert time.monotonic() - began < 4
    assert [task["id"] for task in tasks(server)] == list(range(10))
    # Logged once for all of them.
    wait_logged(server, "a new task was not announced")
    broker.start() if how == "killed" else broker.resume()
    wait_ready(server)
    wait_until(lambda: broker.subscribers(topic) == 1, "the subscription", 30)
    assert create(server, 10, "told") == (200, CREATED)
    while (heard := listener.recv(timeout=30)) != "New task created: told":
        # Data that a paused Redis has not read yet may arrive.
        assert how == "paused" and heard == "New task created: untold"
    assert [task["id"] for task in tasks(server)] == list(range(11))
    assert server.stderr.text().count("a new task was not announced") == 1
