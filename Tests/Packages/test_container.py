"""The steps of Packaging/Containerfile's second stage, in a folder with Debian.

No engine builds the image here, so this runs what an engine would: the commands as root, then the
program as the image says, as process 1, in a root file system that is read-only.
"""

import asyncio
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time

from machine import PATH, ROOT, run
from manager import SECONDS
from websockets.asyncio.client import connect


def instructions():
    """The instructions of the second stage, as (name, arguments)."""
    text = (ROOT / "Packaging/Containerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    stage = lines.replace("\\\n", " ").split("\nFROM ")[-1]
    found = [line.split(None, 1) for line in stage.splitlines()[1:] if line.strip()]
    return [(name, arguments.strip()) for name, arguments in found]


class Image:
    """What the instructions have said."""

    def __init__(self, machine, package):
        self.user, self.folder, self.environment = "root", "/", {"PATH": PATH}
        self.command, self.entry, self.health, self.volumes = [], [], [], []
        for name, arguments in instructions():
            if name == "COPY":
                source, target = re.fullmatch(r"--from=build (\S+) (\S+)", arguments).groups()
                assert source == "/apus.deb"
                shutil.copy(package, machine.path(target))
            elif name == "RUN":
                machine.run("sh", "-c", arguments)
            elif name == "USER":
                self.user = arguments
            elif name == "WORKDIR":
                self.folder = arguments
            elif name == "ENV":
                self.environment |= dict([arguments.split("=", 1)])
            elif name == "VOLUME":
                self.volumes.append(arguments)
            elif name == "CMD":
                self.command = json.loads(arguments)
            elif name == "ENTRYPOINT":
                self.entry = json.loads(arguments)
            elif name == "HEALTHCHECK":
                self.health = json.loads(re.search(r"CMD (\[.*\])", arguments)[1])
            else:
                assert (name, arguments) in (("EXPOSE", "8080"), ("STOPSIGNAL", "SIGTERM"))


class Container:
    """The program in a read-only copy of the image's files, as process 1."""

    def __init__(self, machine, image):
        self.image = image
        self.root = machine.folder / "container"
        self.root.mkdir()
        run("mount", "--bind", machine.root, self.root)
        run("mount", "-o", "remount,bind,ro", self.root)
        for folder in image.volumes:
            run("mount", "--bind", machine.path(folder), self.root / folder.lstrip("/"))
        run("mount", "-t", "tmpfs", "tmp", self.root / "tmp")
        for name in ("dev", "proc"):
            run("mount", "--rbind", f"/{name}", self.root / name)
        self.log = machine.folder / "container.log"
        with open(self.log, "wb") as log:
            self.outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child=KILL",
                 *self.inside(*image.entry, *image.command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=image.environment)

    def inside(self, *command):
        user = self.image.user
        return [
            "/usr/sbin/chroot", self.root, "setpriv", "--reuid", user, "--regid", user, "--init-groups",
            "--no-new-privs", "--bounding-set", "-all", "env", "-C", self.image.folder, *command,
        ]

    def wait_for(self, condition, what):
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.outer.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, (what, self.log.read_text())
            time.sleep(0.02)

    def wait_logged(self, words):
        self.wait_for(lambda: words in self.log.read_text(), words)

    @property
    def pid(self):
        (child,) = pathlib.Path(
            f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        return int(child)

    def close(self):
        self.outer.kill()
        self.outer.wait()
        run("umount", "--recursive", "--lazy", self.root)


def test_the_image_runs_as_process_1_without_root_and_without_writing(machine, package):
    shutil.rmtree(machine.path("/run/systemd"))
    image = Image(machine, package)
    assert image.user == "apus"
    container = Container(machine, image)
    try:
        container.wait_logged("listening on http://0.0.0.0:8080")
        pid = container.pid
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^NSpid:.*\t1$", status, re.MULTILINE)
        uid = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1]
        assert uid == machine.run("id", "-u", "apus").stdout.strip() != "0"
        wrote = run(*container.inside("touch", "/usr/file"), check=False)
        assert "Read-only file system" in wrote.stderr
        run(*container.inside(*image.health), env=image.environment)
        os.kill(pid, signal.SIGHUP)
        container.wait_logged("configuration reloaded")
        asyncio.run(drained(pid))
        assert container.outer.wait(SECONDS) == 0, container.log.read_text()
    finally:
        container.close()
    assert shlex.join(image.entry + image.command).startswith("/usr/bin/apus serve")


async def drained(pid):
    """SIGTERM closes a connection with 1012."""
    async with connect("ws://127.0.0.1:8080/ws", proxy=None, open_timeout=60) as client:
        await client.send("hello")
        assert await client.recv() == "Message received: hello"
        os.kill(pid, signal.SIGTERM)
        await asyncio.wait_for(client.wait_closed(), SECONDS)
        assert client.close_code == 1012
