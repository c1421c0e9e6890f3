"""Measures the application on FastAPI and on Apus, and writes the ratio.

The work: `echo` (/ws), `chat` (/ws/{client_id}, each message to 1,000), and `notifications` (POST
/tasks into SQLite at a steady rate, each to all subscribers of /ws/notifications/tasks). Both are
checked first to do the same. Runs are interleaved, a fresh server each time on one core, one
process; what drives it runs on another.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import report
from notifications import Load, measure
from peers import BUILD, HERE, LOAD, Peer, apus_binary, apus_version, fastapi_version, uvicorn
from verify import GENERATOR_CORE, SERVER_CORE, raise_descriptor_limit, running
from verify_app import CHECKS, verify_work

sys.path.insert(0, str(LOAD))
from run_case import GENERATOR  # noqa: E402

# The cases of load/run_case.py that stand for a work; the rest has a driver of its own.
CASES = {"echo": "appecho", "chat": "appchat"}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="Benchmarks/peers/app", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="APUS_BIN is the server's binary, APUS_ARGS more arguments for it.")
    parser.add_argument("work", nargs="*", metavar="WORK", help=", ".join(CHECKS))
    parser.add_argument("--seconds", type=float, default=5, help="of each run (5)")
    parser.add_argument("--repeats", type=int, default=5, help="of each work (5)")
    parser.add_argument("--quick", action="store_true", help="a second, once")
    parser.add_argument(
        "--generator", default=str(GENERATOR), metavar="PATH", help="(.build/release/apus)")
    parser.add_argument("--subscribers", type=int, default=200, help="to notifications (200)")
    parser.add_argument("--rate", type=float, default=25, help="tasks posted a second (25)")
    parser.add_argument(
        "--out", type=Path, default=BUILD / "app.md",
        help="the table (Benchmarks/.build/peers/app.md)")
    options = parser.parse_args()
    if unknown := set(options.work) - set(CHECKS):
        parser.error(f"no work {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    options.work = options.work or list(CHECKS)
    if options.quick:
        options.seconds, options.repeats = 1, 1
    return options


def servers(apus: str, arguments: str, folder: Path) -> list[Peer]:
    """Each with an empty database of its own in that folder, which is one of a disk."""
    return [
        Peer(
            "FastAPI", uvicorn("fastapi_app"), ("app",), fastapi_version(),
            "uvicorn, one process", environment={
                "PYTHONPATH": str(HERE), "TASKS_DB": str(folder / "fastapi.db")}),
        Peer(
            "Apus",
            f"{shlex.quote(apus)} serve --port {{port}} --loops 1 --set log.level=error "
            f"--set {shlex.quote('tasks.database=' + str(folder / 'apus.db'))} {arguments}",
            ("app",), apus_version(apus), f"one loop{'; ' if arguments else ''}{arguments}"),
    ]


class Comparison:
    """Every run of both servers, by work."""

    def __init__(self, options: argparse.Namespace, apus: str, arguments: str) -> None:
        self.options = options
        self.apus = apus
        self.arguments = arguments
        self.port = 9600
        self.runs: dict[str, dict[str, list[dict]]] = {}

    def fresh(self) -> tuple[tempfile.TemporaryDirectory, list[Peer]]:
        folder = tempfile.TemporaryDirectory(dir=BUILD, prefix="tasks-")
        return folder, servers(self.apus, self.arguments, Path(folder.name))

    def next_port(self) -> int:
        self.port += 1
        return self.port

    def verify(self) -> list[str]:
        faults = []
        for work in self.options.work:
            for index in range(2):
                folder, both = self.fresh()
                with folder:
                    port, server = self.next_port(), both[index]
                    try:
                        with running(server, port, "plain", self.log(server)):
                            fault = verify_work(work, port)
                    except RuntimeError as error:
                        fault = str(error)
                    print(f"{server.name:8} {work:14} {fault or 'right'}", flush=True)
                    if fault:
                        faults.append(f"{server.name}, {work}: {fault}")
        return faults

    @staticmethod
    def log(server: Peer) -> Path:
        return BUILD / "logs" / f"{server.name}.log"

    def measure(self, work: str) -> None:
        print(f"{work}: {2 * self.options.repeats} runs of {self.options.seconds:g} s", flush=True)
        self.runs[work] = {}
        (self.by_generator if work in CASES else self.notifications)(work)

    def by_generator(self, work: str) -> None:
        folder, both = self.fresh()
        with folder, tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(
                [{"name": server.name, "cmd": server.command, "env": server.environment}
                 for server in both], file)
            file.flush()
            results = Path(folder.name) / "runs.jsonl"
            subprocess.run([
                sys.executable, str(LOAD / "run_case.py"), "--servers-file", file.name,
                "--case", CASES[work], "--repeats", str(self.options.repeats),
                "--seconds", str(self.options.seconds), "--port", str(self.port + 100),
                "--logdir", str(BUILD / "logs"), "--json", str(results),
                "--generator", self.options.generator,
                "--server-cpu", str(SERVER_CORE), "--gen-cpu", str(GENERATOR_CORE),
            ], check=True, stdout=subprocess.DEVNULL)
            for line in results.read_text().splitlines():
                run = json.loads(line)
                self.runs[work].setdefault(run["server"], []).append(run)

    def notifications(self, work: str) -> None:
        load = Load(self.options.subscribers, self.options.rate, self.options.seconds)
        for repeat in range(self.options.repeats):
            for index in (0, 1) if repeat % 2 == 0 else (1, 0):
                folder, both = self.fresh()
                with folder:
                    port, server = self.next_port(), both[index]
                    with running(server, port, "plain", self.log(server)) as process:
                        run = measure(port, process.pid, load)
                    self.runs[work].setdefault(server.name, []).append(run)


def titles(options: argparse.Namespace) -> dict[str, str]:
    return {
        "echo": "echo: 100 connections, one message of 128 bytes under way on each",
        "chat": "chat: each message of 128 bytes to 1,000 connections",
        "notifications": f"notifications: {options.rate:g} tasks a second posted, each to "
        f"{options.subscribers} subscribers",
    }


def ratios(runs: dict[str, dict[str, list[dict]]], names: dict[str, str]) -> list[list[str]]:
    rows = []
    for work, by_server in runs.items():
        fastapi, apus = (report.clean(by_server[name]) for name in ("FastAPI", "Apus"))
        if not fastapi or not apus:
            rows.append([names[work], *["failed"] * 6])
            continue
        cpu = [report.median(each, *report.CPU) for each in (fastapi, apus)]
        rate = [report.median(each, "messages_per_second") for each in (fastapi, apus)]
        # Where the rate is given, it says nothing.
        faster = "" if work == "notifications" else f"**{rate[1] / rate[0]:.1f}**"
        less = f"**{cpu[0] / cpu[1]:.1f}**" if cpu[1] else "too little to tell"
        rows.append([
            names[work], report.number(cpu[0]), report.number(cpu[1]), less,
            report.number(rate[0]), report.number(rate[1]), faster])
    return rows


def write(comparison: Comparison, both: list[Peer]) -> None:
    options, names = comparison.options, titles(comparison.options)
    parts = [
        f"Machine: {report.machine()}. Medians of {options.repeats} runs of "
        f"{options.seconds:g} s, interleaved; server on one core, its driver on another.",
        report.table(
            ["Server", "Version", "Settings"],
            [[server.name, server.version, server.settings] for server in both], left=3),
        report.table(
            ["Work", "FastAPI µs/message", "Apus µs/message", "times less CPU",
             "FastAPI messages/s", "Apus messages/s", "times faster"],
            ratios(comparison.runs, names)),
    ]
    for work, by_server in comparison.runs.items():
        parts += [names[work].capitalize() + ".", report.case_table(by_server)]
    options.out.write_text("\n\n".join(parts) + "\n")
    print(f"\n{options.out.read_text()}\nwritten to {os.path.relpath(options.out)}")


def main() -> None:
    options = parse()
    apus, arguments = apus_binary(), os.environ.get("APUS_ARGS", "")
    # What is left of ours in the environment would be settings for the server.
    for name in [name for name in os.environ if name.startswith("APUS_")]:
        del os.environ[name]
    if not os.access(apus, os.X_OK):
        sys.exit(f"no server at {apus}: swift build -c release --product apus")
    raise_descriptor_limit()
    # The driver of notifications is this process; the servers choose their own core.
    os.sched_setaffinity(0, {GENERATOR_CORE})
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(options, apus, arguments)
    if faults := comparison.verify():
        sys.exit("not the same work, so nothing is measured:\n" + "\n".join(faults))
    for work in options.work:
        comparison.measure(work)
    folder, both = comparison.fresh()
    folder.cleanup()
    write(comparison, both)
    runs = [run for by_server in comparison.runs.values() for each in by_server.values()
            for run in each]
    sys.exit(1 if len(report.clean(runs)) < len(runs) else 0)


main()
