"""A service manager for one service: what systemd would do with its unit, as far as tests need it."""

import os
import pathlib
import resource
import shlex
import signal
import socket
import subprocess
import threading
import time

UNIT = "apus.service"
NOTIFY = "run/notify.sock"
SECONDS = 120


def read_unit(path):
    """The settings of a unit by their name: the values of each, in order."""
    unit = {}
    for line in path.read_text().splitlines():
        name, found, value = line.partition("=")
        if found and not line.startswith("#"):
            unit.setdefault(name, []).append(value)
    return unit


def seconds(span):
    return int(span.removesuffix("s"))


class Manager:
    """Starts, stops and reloads the service in the folder `root`, as `systemctl` in it asks."""

    def __init__(self, root, log):
        self.root = pathlib.Path(root)
        self.log = log
        self.process = None
        self.starts = 0
        self.requests = []
        self.faults = []
        self.environment = {}
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.root / NOTIFY))
        (self.root / NOTIFY).chmod(0o666)
        self._notify.settimeout(1)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.root / "run/manager.sock"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        # Closing the socket alone would not end the thread that waits for it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._listener.close()
        self._notify.close()
        if self.is_active:
            self.process.kill()
            self.process.wait()

    @property
    def is_active(self):
        return self.process is not None and self.process.poll() is None

    @property
    def unit(self):
        return read_unit(self.root / "lib/systemd/system" / UNIT)

    def _serve(self):
        while True:
            try:
                asker, _ = self._listener.accept()
            except OSError:
                return
            with asker, asker.makefile("rw") as stream:
                words = stream.readline().split()
                self.requests.append(words)
                try:
                    status, text = self._answer(words)
                except Exception as fault:
                    self.faults.append(f"{words}: {fault!r}")
                    status, text = 1, ""
                try:
                    stream.write(f"{status}\n{text}")
                    stream.flush()
                except OSError as fault:
                    self.faults.append(f"{words}: {fault!r}")

    def _answer(self, words):
        verb, *units = [word for word in words if not word.startswith("-")]
        if verb == "daemon-reload":
            return 0, ""
        names = [unit.strip("'") for unit in units]
        assert names == [UNIT], words
        link = self.root / f"etc/systemd/system/{self.unit['WantedBy'][-1]}.wants" / UNIT
        if verb == "preset":
            # Debian enables all services.
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(f"/lib/systemd/system/{UNIT}")
            return 0, ""
        if verb == "is-enabled":
            return (0, "enabled\n") if link.is_symlink() else (1, "disabled\n")
        if verb == "is-active":
            return (0, "active\n") if self.is_active else (3, "inactive\n")
        {"start": self.start, "stop": self.stop, "restart": self.restart,
         "reload": self.reload}[verb]()
        return 0, ""

    def start(self):
        if self.is_active:
            return
        unit = self.unit
        user = unit["User"][-1]
        for setting, parent in (("StateDirectory", "var/lib"), ("RuntimeDirectory", "run")):
            folder = self.root / parent / unit[setting][-1]
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
            # As systemd does, which changes a folder that belongs to someone else, with its files.
            self.inside("chown", "-R", f"{user}:{user}", f"/{folder.relative_to(self.root)}")
        self.environment = {
            "PATH": "/usr/bin", "NOTIFY_SOCKET": f"/{NOTIFY}",
            "WATCHDOG_USEC": str(seconds(unit["WatchdogSec"][-1]) * 1_000_000),
        }
        extra = self.root / unit["EnvironmentFile"][-1].lstrip("-/")
        if extra.exists():
            self.environment |= dict(
                line.split("=", 1) for line in extra.read_text().splitlines() if "=" in line)
        # In a container, root may not raise the hard limit.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = min(int(unit["LimitNOFILE"][-1]), hard)
        self._forget_reports()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self._as_service(user), *shlex.split(unit["ExecStart"][-1])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
        assert unit["Type"] == ["notify"]
        self._wait_ready()
        self.starts += 1

    def _forget_reports(self):
        """Drops what an earlier process has reported, such as the end of a reload."""
        self._notify.setblocking(False)
        try:
            while True:
                self._notify.recv(4_096)
        except BlockingIOError:
            self._notify.settimeout(1)

    def _wait_ready(self):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"exited with {self.process.returncode}"
            try:
                report = self._notify.recv(4_096).decode()
            except TimeoutError:
                continue
            if "READY=1" in report.split("\n"):
                return
        raise AssertionError("the service doesn't get ready")

    def _as_service(self, user):
        """The command that runs another one as the service: in the folder, without privileges."""
        capability = "-all,+net_bind_service"
        return [
            "/usr/sbin/chroot", self.root, "setpriv", "--reuid", user, "--regid", user, "--init-groups",
            "--no-new-privs", "--bounding-set", capability, "--inh-caps", capability,
            "--ambient-caps", capability, "env", "-C", "/var/lib/apus",
        ]

    def stop(self):
        if not self.is_active:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds(self.unit["TimeoutStopSec"][-1]))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert status == 0, f"stopped with status {status}"

    def restart(self):
        self.stop()
        self.start()

    def reload(self):
        unit = self.unit
        command = unit["ExecReload"][-1].replace("$MAINPID", str(self.process.pid))
        subprocess.run(
            [*self._as_service(unit["User"][-1]), *shlex.split(command)], check=True,
            env={"PATH": "/usr/bin"}, timeout=SECONDS)

    def inside(self, *command):
        subprocess.run(
            ["chroot", self.root, *command], check=True, timeout=SECONDS,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/")})
