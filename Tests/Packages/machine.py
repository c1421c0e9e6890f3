"""A machine with Debian alone, in a folder: the cached base, and a layer of its own above it."""

import contextlib
import os
import pathlib
import shutil
import ssl
import subprocess
import sys

from manager import SECONDS, Manager

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build-dist"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command, check=True, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=10 * SECONDS, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Machine:
    """Debian without systemd and Swift. `manager` starts the service, in systemd's place."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "root"
        self.log = folder / "service.log"
        self.log.touch()
        layers = [folder / name for name in ("upper", "work", "root")]
        for layer in layers:
            layer.mkdir()
        upper, work, root = layers
        run("mount", "-t", "tmpfs", "layer", folder / "upper")
        upper, work = folder / "upper/files", folder / "upper/work"
        upper.mkdir()
        work.mkdir()
        run(
            "mount", "-t", "overlay", "machine", "-o",
            f"lowerdir={BUILD / 'root'},upperdir={upper},workdir={work}", root)
        for name in ("proc", "dev"):
            run("mount", "--rbind", f"/{name}", root / name)
        # Says that systemd runs, so that the package's scripts call systemctl.
        (root / "run/systemd/system").mkdir(parents=True)
        shutil.copy(pathlib.Path(__file__).parent / "systemctl", root / "usr/bin/systemctl")
        self.manager = Manager(root, self.log)

    def close(self):
        self.manager.close()
        for name in ("root/proc", "root/dev", "root", "upper"):
            run("umount", "--recursive", "--lazy", self.folder / name)

    def run(self, *command, check=True, user=None, text="", environment=None):
        """Runs a command in the machine, as root or as another user."""
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        return run(
            "chroot", self.root, *as_user, *command, check=check, input=text,
            env={"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"} | (environment or {}))

    def dpkg(self, *arguments, check=True):
        done = self.run("dpkg", *arguments, check=check)
        assert self.manager.faults == [], (self.manager.faults, self.log.read_text())
        return done

    def systemctl(self, verb):
        done = self.run("systemctl", verb, "apus.service", check=False)
        assert done.returncode == 0, (done.stderr, self.manager.faults, self.log.read_text())

    def install(self, package, *options):
        shutil.copy(package, self.root / "tmp")
        done = self.dpkg(*options, "--install", f"/tmp/{package.name}")
        assert self.manager.is_active, (self.manager.requests, done.stdout, done.stderr)

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text):
        self.path(name).write_text(text)

    def permissions(self, name):
        return self.run("stat", "-c", "%U:%G %a", name).stdout.strip()

    def trust(self, certificate):
        """What makes a client trust that certificate."""
        return ssl.create_default_context(cadata=self.path(certificate).read_text())


@contextlib.contextmanager
def machine(folder):
    machine = Machine(folder)
    try:
        yield machine
    finally:
        if sys.exc_info()[0] is not None:
            print(machine.log.read_text()[-4_000:])
        machine.close()


def binary_of(process):
    """The program of a process, which has been replaced if it ends in `(deleted)`."""
    return os.readlink(f"/proc/{process.pid}/exe")
