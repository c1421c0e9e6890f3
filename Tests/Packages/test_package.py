"""The Debian package in a clean Debian: its service, users, TLS, upgrades and removal."""

import asyncio
import json
import pathlib
import shutil
import sqlite3

import websockets
from conftest import version
from machine import binary_of
from websockets.asyncio.client import connect

HERE = pathlib.Path(__file__).parent
PLAIN = "ws://127.0.0.1:8080/ws"
SECRET = "s" * 64


def curl(machine, *arguments):
    return machine.run("curl", "-sS", "--fail-with-body", "--max-time", "60", *arguments).stdout


def echo(url=PLAIN, **options):
    """Sends a message, and returns the answer."""

    async def once():
        async with connect(url, proxy=None, open_timeout=60, **options) as client:
            await client.send("hello")
            return await asyncio.wait_for(client.recv(), 60)

    return asyncio.run(once())


def test_install_use_remove_and_purge(machine, package):
    machine.install(package)
    assert machine.manager.is_active
    assert machine.run("apus", "--version").stdout.split("\n")[0] == f"apus {version()}"
    assert curl(machine, "http://127.0.0.1:8080/healthz") == '{"status":"ok"}'
    assert echo() == "Message received: hello"
    talked = machine.run("apus", "connect", PLAIN, text="hello\n")
    assert talked.stdout == "Message received: hello\n"
    # What each user may read.
    assert machine.permissions("/etc/apus/apus.yaml") == "root:apus 640"
    assert machine.permissions("/var/lib/apus") == "apus:apus 700"
    assert machine.run("dpkg", "--verify", "apus").stdout == ""
    # Data.
    body = '{"id": 1, "title": "first"}'
    curl(machine, "--json", body, "http://127.0.0.1:8080/tasks")
    assert machine.path("/var/lib/apus/apus.sqlite").exists()
    machine.systemctl("reload")
    # Removed, the package leaves the configuration and the data.
    process = machine.manager.process
    machine.dpkg("--remove", "apus")
    assert process.poll() == 0
    assert not machine.path("/usr/bin/apus").exists()
    assert machine.path("/etc/apus/apus.yaml").exists()
    machine.install(package)
    tasks = json.loads(curl(machine, "http://127.0.0.1:8080/tasks"))
    assert [task["title"] for task in tasks] == ["first"]
    machine.dpkg("--purge", "apus")
    assert not machine.manager.is_active
    for name in ("/etc/apus", "/var/lib/apus", "/usr/share/doc/apus", "/etc/systemd/system/"
                 "multi-user.target.wants/apus.service", "/lib/systemd/system/apus.service"):
        assert not machine.path(name).exists(), name


def test_purging_leaves_an_administrators_own_files(machine, package):
    machine.install(package)
    machine.write("/etc/apus/environment", "APUS_LOG_LEVEL=debug\n")
    machine.dpkg("--purge", "apus")
    assert [path.name for path in machine.path("/etc/apus").iterdir()] == ["environment"]


def test_a_user_signs_in(machine, package):
    machine.install(package)
    users = "/var/lib/apus/users"
    machine.run(
        "apus", "users", "add", "ada", "--file", users, user="apus",
        text="correct horse battery staple\n")
    assert machine.permissions(users) == "apus:apus 600"
    machine.write(
        "/etc/apus/environment",
        f"APUS_AUTH_USERS={users}\nAPUS_AUTH_JWT_SECRET={SECRET}\nAPUS_AUTH_REQUIRED_FOR=echo\n")
    machine.systemctl("restart")
    form = ("-d", "username=ada", "--data-urlencode", "password=correct horse battery staple")
    answer = json.loads(curl(
        machine, "-d", "grant_type=password", *form, "http://127.0.0.1:8080/token"))
    header = {"Authorization": f"Bearer {answer['access_token']}"}
    assert echo(additional_headers=header) == "Message received: hello"
    try:
        echo()
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 401
    else:
        raise AssertionError("accepted without a token")


def test_tls(machine, package):
    machine.install(package)
    folder = "/var/lib/apus/tls"
    machine.run("apus", "dev-certificate", "--out", folder, "--name", "localhost", user="apus")
    machine.write(
        "/etc/apus/environment",
        f"APUS_TLS_CERTIFICATE={folder}/certificate.pem\nAPUS_TLS_KEY={folder}/key.pem\n")
    machine.systemctl("restart")
    answer = curl(
        machine, "--cacert", f"{folder}/certificate.pem", "https://localhost:8080/healthz")
    assert answer == '{"status":"ok"}'
    trusted = machine.trust(f"{folder}/certificate.pem")
    assert echo("wss://localhost:8080/ws", ssl=trusted) == "Message received: hello"


class Crowd:
    """Clients that connect again when they are disconnected."""

    def __init__(self, count):
        self.count = count
        self.codes = []
        self.returned = 0

    async def _open(self):
        """A connection that has been answered: the server may be between two processes."""
        while True:
            try:
                client = await connect(PLAIN, proxy=None, open_timeout=60, compression=None)
            except (OSError, EOFError, websockets.exceptions.InvalidHandshake):
                # The server's port says when there is a new one.
                await asyncio.sleep(0.05)
                continue
            await client.send("hello")
            assert await client.recv() == "Message received: hello"
            return client

    async def _live(self, opened):
        client = await self._open()
        opened.release()
        await client.wait_closed()
        self.codes.append(client.close_code)
        client = await self._open()
        self.returned += 1
        return client

    async def outlive(self, restart):
        opened = asyncio.Semaphore(0)
        lives = [asyncio.create_task(self._live(opened)) for _ in range(self.count)]
        for _ in lives:
            await opened.acquire()
        await asyncio.to_thread(restart)
        clients = await asyncio.wait_for(asyncio.gather(*lives), 300)
        await asyncio.gather(*(client.close() for client in clients))


def test_an_upgrade_drains_500_connections_which_come_back(machine, package, next_package):
    machine.install(package)
    curl(machine, "--json", '{"id": 1, "title": "first"}', "http://127.0.0.1:8080/tasks")
    changed = machine.path("/etc/apus/apus.yaml").read_text().replace("spread: 10s", "spread: 3s")
    machine.write("/etc/apus/apus.yaml", changed)
    machine.systemctl("reload")
    first = machine.manager.process
    crowd = Crowd(500)
    asyncio.run(crowd.outlive(lambda: machine.install(next_package)))
    assert crowd.codes == [1012] * 500 and crowd.returned == 500
    assert first.poll() == 0 and machine.manager.starts == 2
    assert "(deleted)" not in binary_of(machine.manager.process)
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "apus").stdout.endswith("+next")
    # The changed configuration, its permissions and the data are still there.
    assert machine.path("/etc/apus/apus.yaml").read_text() == changed
    assert machine.permissions("/etc/apus/apus.yaml") == "root:apus 640"
    tasks = json.loads(curl(machine, "http://127.0.0.1:8080/tasks"))
    assert [task["title"] for task in tasks] == ["first"]


def test_a_hand_made_installation_of_0_2_is_taken_over(machine, package):
    """Its configuration and its tasks are used; its unit was in /etc/systemd/system."""
    machine.path("/etc/apus").mkdir()
    shutil.copy(HERE / "apus-0.2.yaml", machine.path("/etc/apus/apus.yaml"))
    machine.path("/etc/apus/apus.yaml").chmod(0o600)
    configuration = machine.path("/etc/apus/apus.yaml").read_text()
    machine.path("/var/lib/apus").mkdir()
    with sqlite3.connect(machine.path("/var/lib/apus/apus.sqlite")) as database:
        database.executescript((HERE / "tasks-0.2.sql").read_text())
    database.close()
    machine.install(package, "--force-confold")
    assert machine.path("/etc/apus/apus.yaml").read_text() == configuration
    assert machine.permissions("/etc/apus/apus.yaml") == "root:apus 640"
    tasks = json.loads(curl(machine, "http://127.0.0.1:8080/tasks"))
    assert [(task["id"], task["created_at"]) for task in tasks] == [
        (1, "2026-11-24T03:00:00.123456Z"), (2, "2026-11-25T04:00:00.654321Z")]
    assert echo() == "Message received: hello"
