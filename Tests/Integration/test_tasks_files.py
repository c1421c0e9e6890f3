"""The tasks' file: surviving the server's end, sharing, and refusing an unusable file."""

import http.client
import json
import random
import resource
import sqlite3
import subprocess
import threading

import apus
import pytest
from task_client import CREATED, TIME, ask, create, database, statuses_at_once, tasks


def test_tasks_survive_a_stop(start, tmp_path):
    server = start(database(tmp_path))
    assert create(server, 1, "é", description="d")[0] == 200
    before = tasks(server)
    server.stop()
    # The file alone contains them, as a copy of it would.
    with sqlite3.connect(f"file:{tmp_path}/tasks.sqlite?immutable=1", uri=True) as file:
        assert file.execute("SELECT id, title, description FROM tasks").fetchall() == [
            (1, "é", "d")
        ]
    assert tasks(start(database(tmp_path))) == before


class Poster(threading.Thread):
    """Posts tasks until the server is gone. Records what was sent and what was answered."""

    def __init__(self, server, first, on_answer):
        super().__init__(daemon=True)
        self.server, self.first, self.on_answer = server, first, on_answer
        self.sent, self.answered, self.other = [], [], []

    def run(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        for id in range(self.first, self.first + 100_000):
            self.sent.append(id)
            try:
                body = json.dumps({"id": id, "title": f"task {id}", "description": f"{id} " * 500})
                connection.request("POST", "/tasks", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException):
                return
            if response.status != 200 or json.loads(answer) != CREATED:
                self.other.append((id, response.status, answer))
                return
            self.answered.append(id)
            self.on_answer()


@pytest.mark.parametrize("seed", range(5))
def test_each_answered_task_survives_kill_9(start, tmp_path, seed):
    chosen = random.Random(seed)
    for turn in range(2):
        server = start(database(tmp_path))
        moment, answers = chosen.randrange(1, 400), iter(range(1, 1_000_000))
        posters = [
            Poster(server, (turn * 8 + n) * 1_000_000,
                   lambda: next(answers) == moment and server.process.kill())
            for n in range(8)
        ]
        for poster in posters:
            poster.start()
        for poster in posters:
            poster.join(60)
            assert not poster.is_alive()
        server.process.wait()
        assert not any(poster.other for poster in posters)
        again = start(database(tmp_path))
        stored = {task["id"]: task for task in tasks(again)}
        for poster in posters:
            assert set(poster.answered) <= set(stored), "an answered task is gone"
            for id in poster.sent:
                if task := stored.get(id):
                    assert (task["title"], task["description"]) == (f"task {id}", f"{id} " * 500)
                    assert TIME.fullmatch(task["created_at"])
            assert create(again, poster.answered[0])[0] == 409 if poster.answered else True
        assert sum(len(poster.answered) for poster in posters) >= moment
        assert set(stored) <= {
            id for t in range(turn + 1) for n in range(8)
            for id in range((t * 8 + n) * 1_000_000, (t * 8 + n) * 1_000_000 + 100_000)
        }
        again.stop()


def test_two_servers_share_a_file(start, tmp_path):
    servers = [start(database(tmp_path)) for _ in range(2)]
    for id in range(20):
        assert create(servers[id % 2], id)[0] == 200
        assert create(servers[(id + 1) % 2], id)[0] == 409
    lists = [tasks(server) for server in servers]
    assert lists[0] == lists[1]
    assert [task["id"] for task in lists[0]] == list(range(20))
    # The end of one server doesn't affect the other.
    servers[0].kill()
    assert create(servers[1], 20)[0] == 200


def test_servers_that_start_at_once_create_one_database(start, tmp_path):
    for turn in range(3):
        path = f"tasks.database={tmp_path}/tasks{turn}.sqlite"
        servers = [start(path, ready=False) for _ in range(3)]
        for server in servers:
            server.addresses = server.wait_for_listeners(seconds=30)
        urls = [server.url("/tasks") for server in servers]
        # Each id is given to each of them once.
        statuses = statuses_at_once(urls, [id // 3 for id in range(150)])
        assert (statuses.count(200), statuses.count(409)) == (50, 100)
        for server in servers:
            assert [task["id"] for task in tasks(server)] == list(range(50))


def test_echoes_continue_while_a_task_waits_for_the_disk(start, client, tmp_path):
    server = start("server.loops=1", database(tmp_path))
    other = sqlite3.connect(tmp_path / "tasks.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(create(server, 1)))
    waiting.start()
    echo = client(server)
    for n in range(50):
        echo.send(f"{n}")
        assert echo.recv(timeout=30) == f"Message received: {n}"
    assert tasks(server) == []
    assert answers == []
    other.execute("ROLLBACK")
    waiting.join(30)
    assert answers == [(200, CREATED)]


def test_a_file_that_must_not_grow_is_503_and_loses_nothing(start, tmp_path):
    server = start(database(tmp_path))
    assert create(server, 1)[0] == 200
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    size = (tmp_path / "tasks.sqlite-wal").stat().st_size
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))
    status, problem, fields = ask(server, body={"id": 2, "title": "t"})
    assert status == 503 and problem["detail"].startswith("The task was not stored: "), problem
    assert fields["Retry-After"] == "1"
    assert [task["id"] for task in tasks(server)] == [1]
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert create(server, 2)[0] == 200
    server.kill()
    assert [task["id"] for task in tasks(start(database(tmp_path)))] == [1, 2]


def refused(path):
    """Returns the error of a server that can't use a database; exit status 78."""
    done = apus.run("serve", "--port", "0", "--set", f"tasks.database={path}")
    assert done.returncode == 78, done
    assert done.stdout == ""
    assert f"tasks.database: {path} can't be used: " in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", ["tasks.sqlite", "tasks.sqlite-wal"])
def test_a_removed_database_answers_503_until_it_is_back(start, tmp_path, name):
    server = start(database(tmp_path))
    assert create(server, 1) == (200, CREATED)
    path, away = tmp_path / name, tmp_path / "away"
    path.rename(away)
    assert create(server, 2)[0] == 503
    status, readiness, _ = ask(server, "/readyz")
    assert status == 503 and readiness["faults"] == ["tasks.database: its file is gone"]
    assert server.stderr.text().count("the tasks' database can't be used") == 1
    path.write_bytes(b"")
    _, readiness, _ = ask(server, "/readyz")
    assert readiness["faults"] == ["tasks.database: its file was replaced by another"]
    away.rename(path)
    assert ask(server, "/readyz")[0] == 200
    assert create(server, 3) == (200, CREATED)
    server.stop()
    assert [task["id"] for task in tasks(start(database(tmp_path)))] == [1, 3]


def test_an_unusable_database_is_reported_at_the_start(tmp_path):
    none = tmp_path / "none"
    told = refused(none / "tasks.sqlite")
    assert f"unable to open database file: its folder {none}: No such file or directory" in told
    assert "--set tasks.database=" in told
    assert "unable to open database file: it is a folder" in refused(tmp_path)
    # Root may write in any folder but those of the kernel.
    assert "unable to open database file: its folder /proc" in refused("/proc/none/tasks.sqlite")
    (tmp_path / "letter").write_text("Dear server, this is a letter, and none too short a one.")
    assert "not a database" in refused(tmp_path / "letter")


def test_a_read_only_database_is_reported_at_the_start(start, tmp_path):
    server = start(database(tmp_path))
    assert create(server, 1)[0] == 200
    server.stop()
    # The write version in the header, as of a later SQLite whose files are read-only for this one.
    path = tmp_path / "tasks.sqlite"
    content = bytearray(path.read_bytes())
    content[18] = 3
    path.write_bytes(content)
    assert "readonly" in refused(path)


def test_the_log_says_where_the_tasks_are(tmp_path):
    process = subprocess.Popen(
        [apus.binary(), "serve", "--port", "0"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=apus.clean_environment(),
    )
    lines = apus.Lines(process.stderr)
    try:
        with process.stdout:
            assert process.stdout.readline().startswith("listening on ")
        words = f"path={tmp_path}/apus.sqlite [apus] tasks are stored in an SQLite file"
        assert lines.wait_for(lambda lines: any(words in line for line in lines), 10), lines.text()
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
