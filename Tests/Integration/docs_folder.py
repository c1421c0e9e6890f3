"""The folder and the environment in which a page's commands run."""

import os
import pathlib
import re
import sys

from apus import ROOT, binary, clean_environment, port_that_no_client_gets

PAGE_PORTS = ("8080", "8081", "9000")
PORTS = re.compile(rf"(?<![\d.,])({'|'.join(PAGE_PORTS)})(?![\d.,]*\d)")


class Ports:
    """Free ports in the place of those that pages name."""

    def __init__(self):
        self._free = {}

    def __getitem__(self, port):
        if port not in self._free:
            while (free := port_that_no_client_gets()) in self._free.values():
                pass
            self._free[port] = free
        return self._free[port]

    def put_into(self, text):
        return PORTS.sub(lambda match: str(self[match[1]]), text)

    def named_in(self, output):
        """The output with the ports that the page names."""
        for port, free in self._free.items():
            output = output.replace(str(free), port)
        return output


# Replaces the port where it is not the page that names it, and cuts loads to half a second.
WRAPPER = """\
#!/usr/bin/env bash
has_port() {{ grep -qsE '^ *(port: |socket: *[^" ])' -- "${{@#--config=}}"; }}
case "$1 $*" in
    "config config defaults") {binary} "$@" | sed 's/port: 8080/port: {free}/'; exit ;;
    serve*--port*|serve*server.port*|serve*server.socket*) ;;
    serve*) has_port "$@" || export APUS_SERVER_PORT=${{APUS_SERVER_PORT-{free}}} ;;
    *--help*) ;;
    "bench bench compare"*) set -- "$@" --quick --duration 200ms --repeats 1 --sizes 1KiB ;;
    bench*) set -- "$@" --duration 500ms --warmup 100ms ;;
esac
exec {binary} "$@"
"""


def furnish(folder, ports):
    """Makes a folder in which a page's commands work; returns their environment."""
    programs = folder / ".build" / "bin"
    programs.mkdir(parents=True)
    (folder / "config").mkdir()
    for file in (ROOT / "config").iterdir():
        (folder / "config" / file.name).write_text(ports.put_into(file.read_text()))
    for name in ("Tests", "Benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    wrapper = programs / "apus"
    wrapper.write_text(WRAPPER.format(binary=binary(), free=ports["8080"]))
    wrapper.chmod(0o755)
    for build in ("release", "debug"):
        (folder / ".build" / build).mkdir()
        (folder / ".build" / build / "apus").symlink_to(wrapper)
    venv = pathlib.Path(sys.executable).parent
    (folder / ".build" / "venv").mkdir()
    (folder / ".build" / "venv" / "bin").symlink_to(venv)
    path = [str(programs), str(venv), os.environ["PATH"], "/usr/sbin"]
    return clean_environment(PATH=os.pathsep.join(path), HOME=str(folder))
