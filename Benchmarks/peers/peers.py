"""The servers that are compared: how each is started, what it can do, and what it is."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / ".build" / "peers"
LOAD = HERE.parent / "load"
PYTHON = BUILD / "venv" / "bin" / "python"

PLAIN = ("plain", "fanout")
COMPRESSED = ("deflate", "takeover", "fanoutdef", "fanouttake")


def debian(package: str) -> str:
    """The version of one of Debian's packages, as it is installed."""
    result = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else "?"


def output(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return (result.stdout + result.stderr).strip()


def apus_version(apus: str) -> str:
    return output(apus, "--version").splitlines()[0].removeprefix("apus ")


@dataclass
class Peer:
    """A server, and the kinds of case it takes part in (those of load/run_case.py)."""

    name: str
    command: str
    kinds: tuple[str, ...]
    version: str
    settings: str
    echo_path: str = "/echo"
    broadcast_path: str = "/broadcast"
    # Where a broadcast is sent, if not where it is received.
    publish_path: str | None = None
    # Whether what is broadcast goes to its sender too.
    answers_sender: bool = True
    # Bytes of the longest messages that it is checked with when they are compressed.
    compressed_max: int = 65536
    environment: dict[str, str] = field(default_factory=dict)

    def takes(self, kind: str) -> bool:
        return kind in self.kinds

    def for_run_case(self, kinds: list[str]) -> dict[str, object]:
        fanout = f"--path {self.broadcast_path}"
        if self.publish_path:
            fanout += f" --publish-path {self.publish_path}"
        return {
            "name": self.name, "cmd": self.command, "tags": kinds, "env": self.environment,
            "opts": f"--path {self.echo_path}", "fanopts": fanout,
        }

    def argv(self, port: int, kind: str) -> list[str]:
        compression = "none" if kind in PLAIN else "deflate"
        mode = "fanout" if kind.startswith("fanout") else "echo"
        return [
            part.format(port=port, mode=mode, comp=compression)
            for part in shlex.split(self.command)
        ]


def apus_binary() -> str:
    default = HERE.parent.parent / ".build" / "release" / "apus"
    return os.path.abspath(os.environ.get("APUS_BIN", default))


def all_peers(apus: str, arguments: str = "") -> list[Peer]:
    """Every peer that is installed here; `arguments` are more of them for Apus."""
    python = shlex.quote(str(PYTHON))
    servers = shlex.quote(str(HERE / "servers"))
    build = shlex.quote(str(BUILD))
    on_python = f"Python {platform.python_version()}, uvloop {version('uvloop')}"
    nginx = re.search(r"nginx/(\S+)", output("/usr/sbin/nginx", "-v"))
    more = f"; {arguments}" if arguments else ""
    return [
        Peer(
            "apus",
            f"{shlex.quote(apus)} serve --port {{port}} --loops 1 --tools "
            f"--set log.level=error --set tasks.database= {arguments}",
            PLAIN + COMPRESSED, f"{apus_version(apus)}, {source()}",
            f"one loop, release build{more}"),
        Peer(
            "floor-epoll", f"{shlex.quote(str(LOAD / 'limit_echo'))} {{port}} {{mode}}", PLAIN,
            f"ours, {gcc()}",
            "-O3 -march=native; the least C that echoes frames; no protocol checks, no compression",
            answers_sender=False),
        Peer(
            "libwebsockets", f"{build}/lws {{port}}", PLAIN + COMPRESSED,
            f"{debian('libwebsockets-dev')}, {gcc()}",
            "-O3; one service thread; library's deflate settings"),
        Peer(
            "gorilla", f"{build}/gorilla {{port}}", PLAIN + COMPRESSED,
            f"{debian('golang-github-gorilla-websocket-dev')}, {go_version()}",
            "one core; deflate level 1, never takeover; broadcast by PreparedMessage"),
        Peer(
            "node-ws", f"node {servers}/node_ws.js {{port}}", PLAIN + COMPRESSED,
            f"{debian('node-ws')}, Node {output('node', '--version')}",
            "deflate at any size, zlib's default level, in libuv's thread pool",
            # For a Node that isn't Debian's.
            environment={"NODE_PATH": "/usr/share/nodejs"}),
        Peer(
            "nchan", f"{servers}/nchan {{port}} {{comp}}", ("fanout", "fanoutdef", "fanouttake"),
            f"{debian('libnginx-mod-nchan')}, nginx {nginx[1] if nginx else '?'}",
            "one process; deflate level 6, once a message; checked to 4 KiB, as compressed "
            "messages of 16 KiB and more make it free memory twice now and then",
            broadcast_path="/subscribe", publish_path="/publish",
            answers_sender=False, compressed_max=4096),
        Peer(
            "websockets", f"{python} {servers}/python_websockets.py {{port}}",
            PLAIN + COMPRESSED, f"{version('websockets')}, {on_python}",
            "deflate level 6, 12 window bits; broadcast()"),
        Peer(
            "picows", f"{python} {servers}/python_picows.py {{port}}", PLAIN,
            f"{version('picows')}, {on_python}", "core API, no compression"),
        Peer(
            "aiohttp", f"{python} {servers}/python_aiohttp.py {{port}}", PLAIN + COMPRESSED,
            f"{version('aiohttp')}, {on_python}", "deflate level 1; a loop of sends"),
        Peer(
            "fastapi", f"{uvicorn('fastapi_tools')}", PLAIN + COMPRESSED, fastapi_version(),
            "uvicorn's deflate settings; a loop of sends",
            environment={"PYTHONPATH": str(HERE / "servers")}),
        *uwebsockets(),
    ]


def uwebsockets() -> list[Peer]:
    """uWebSockets in each way that makes a difference, where it is built."""
    if not (BUILD / "uwebsockets.version").exists():
        return []
    program = shlex.quote(str(BUILD / "uwebsockets"))
    built = f"{(BUILD / 'uwebsockets.version').read_text().strip()}, {gcc()}"
    settings = "-O3 -flto; zlib's default level; "
    return [
        Peer(
            "uwebsockets", f"{program} {{port}} {{comp}}", PLAIN + COMPRESSED, built,
            settings + "shared compressor; publish()"),
        Peer(
            "uws-libdeflate", f"{program}-libdeflate {{port}} {{comp}}", ("deflate",),
            f"{built}, libdeflate {debian('libdeflate-dev')}",
            settings + "shared compressor, libdeflate where it can"),
        Peer(
            "uws-prepared", f"{program} {{port}} prepared", ("fanoutdef", "fanouttake"), built,
            settings + "publishPrepared(): compressed once for all"),
        Peer(
            "uws-dedicated", f"{program} {{port}} dedicated", ("takeover", "fanouttake"), built,
            settings + "a compressor for each connection: asked for one of 256 KiB, it "
            "makes one of 3 KiB"),
    ]


@cache
def gcc() -> str:
    return f"gcc {output('gcc', '-dumpfullversion')}"


@cache
def source() -> str:
    """The commit that is checked out, and the compiler, which the binary is thought to be of."""
    swift = re.search(r"Swift version (\S+)", output("swift", "--version"))
    commit = output("git", "-C", str(HERE), "describe", "--always", "--dirty")
    return f"commit {commit}, Swift {swift[1] if swift else '?'}"


@cache
def go_version() -> str:
    return output("go", "version").split()[2]


def fastapi_version() -> str:
    return (
        f"{version('fastapi')}, uvicorn {version('uvicorn')}, websockets "
        f"{version('websockets')}, httptools {version('httptools')}, "
        f"Python {platform.python_version()}, uvloop {version('uvloop')}")


def uvicorn(module: str) -> str:
    """Runs one of our modules as uvicorn[standard] does by default, in one process."""
    return (
        f"{shlex.quote(str(PYTHON))} -m uvicorn --host 127.0.0.1 --port {{port}} --backlog 4096 "
        f"--no-access-log --log-level warning {module}:app")
