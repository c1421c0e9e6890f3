"""Measures the server beside peers and writes the table.

Every peer is checked first: messages of all sizes, text and binary, with the compression of each
kind of case. Who is wrong in a kind is left out of its cases, and the table says so. Then the
cases run interleaved, a fresh server each time on one core, the generator on another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import report
from peers import BUILD, LOAD, Peer, all_peers, apus_binary
from verify import Verdict, raise_descriptor_limit, verify

sys.path.insert(0, str(LOAD))
from cases import CASES  # noqa: E402
from run_case import GENERATOR  # noqa: E402

KINDS = ("plain", "deflate", "takeover", "fanout", "fanoutdef", "fanouttake")
DEFAULT = [
    "echo20", "echo20p16", "echo1k", "echo64k", "defl1k", "defl4k", "defl64k", "take1k", "take4k",
    "fanout128", "fanout128k8", "fanout1k", "fanoutdefl1k", "fanouttake1k",
]
QUICK = ["echo20", "echo1k", "defl1k", "fanout128"]
# Starting a server, connecting and warming up.
OVERHEAD_S = 2.5


def parse() -> argparse.Namespace:
    known = [name for name, case in CASES.items()
             if case.kind in KINDS and case.scenario in ("echo", "fanout")]
    parser = argparse.ArgumentParser(
        prog="Benchmarks/peers/run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"cases: {' '.join(known)}\nAPUS_BIN is the server's binary, APUS_ARGS more "
        "arguments for it.")
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"default: {' '.join(DEFAULT)}")
    parser.add_argument("--peers", help="comma-separated names; default: all")
    parser.add_argument("--seconds", type=float, default=3, help="of each run (3)")
    parser.add_argument("--repeats", type=int, default=3, help="of each case (3)")
    parser.add_argument(
        "--quick", action="store_true", help=f"a second, once: {' '.join(QUICK)}")
    parser.add_argument("--verify", action="store_true", help="check the contents, no more")
    parser.add_argument(
        "--generator", default=str(GENERATOR), metavar="PATH", help="(.build/release/apus)")
    parser.add_argument(
        "--out", type=Path, default=BUILD / "peers.md",
        help="the table; the runs go beside it as .jsonl (Benchmarks/.build/peers/peers.md)")
    options = parser.parse_args()
    if unknown := [case for case in options.cases if case not in known]:
        parser.error(f"no case {', '.join(unknown)}; there are {' '.join(known)}")
    if options.quick:
        options.seconds, options.repeats = 1, 1
    if not options.cases:
        options.cases = QUICK if options.quick else DEFAULT
    return options


def choose(peers: list[Peer], names: str | None) -> list[Peer]:
    if not names:
        return peers
    wanted = names.split(",")
    if unknown := set(wanted) - {peer.name for peer in peers}:
        sys.exit(f"no peer {', '.join(unknown)}; there are "
                 f"{', '.join(peer.name for peer in peers)}")
    return [peer for peer in peers if peer.name in wanted]


def check(peers: list[Peer], kinds: list[str]) -> dict[tuple[str, str], Verdict]:
    verdicts = {}
    port = 9800
    for peer in peers:
        for kind in filter(peer.takes, kinds):
            verdict = verify(peer, kind, port, BUILD / "logs" / f"{peer.name}.log")
            verdicts[peer.name, kind] = verdict
            print(f"{peer.name:14} {kind:11} {verdict.fault or 'right'} [{verdict.extension}]")
            sys.stdout.flush()
            port += 1
    return verdicts


def measure(
    options: argparse.Namespace, peers: list[Peer], verdicts: dict[tuple[str, str], Verdict]
) -> list[dict]:
    servers = []
    for peer in peers:
        kinds = [kind for kind in KINDS
                 if (verdict := verdicts.get((peer.name, kind))) and not verdict.fault]
        if kinds:
            servers.append(peer.for_run_case(kinds))
    runs = sum(1 for case in options.cases for server in servers
               if CASES[case].kind in server["tags"]) * options.repeats
    print(f"{runs} runs, some {runs * (options.seconds + OVERHEAD_S) / 60:.0f} minutes",
          flush=True)
    results = options.out.with_suffix(".jsonl")
    results.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(servers, file)
        file.flush()
        command = [
            sys.executable, str(LOAD / "run_case.py"), "--servers-file", file.name,
            "--repeats", str(options.repeats), "--seconds", str(options.seconds),
            "--warmup", "0.7", "--generator", options.generator,
            "--logdir", str(BUILD / "logs"), "--json", str(results),
        ]
        for case in options.cases:
            command += ["--case", case]
        subprocess.run(command, check=True)
    return [json.loads(line) for line in results.read_text().splitlines()]


def write(
    options: argparse.Namespace, peers: list[Peer], verdicts: dict[tuple[str, str], Verdict],
    runs: list[dict]
) -> None:
    parts = [
        f"Machine: {report.machine()}. Medians of {options.repeats} runs of "
        f"{options.seconds:g} s, interleaved; server on one core, generator on another.",
        report.table(
            ["Server", "Version", "Settings"],
            [[peer.name, peer.version, peer.settings] for peer in peers], left=3),
    ]
    for case in options.cases:
        kind = CASES[case].kind
        by_server: dict[str, list[dict]] = {}
        for run in runs:
            if run["case"] == case:
                by_server.setdefault(run["server"], []).append(run)
        parts.append(f"### {case}\n\n`{CASES[case].command}`")
        if by_server:
            parts.append(report.case_table(by_server))
        if kind not in ("plain", "fanout"):
            agreed = [f"{name}: `{verdicts[name, kind].extension}`" for name in by_server]
            parts.append("Agreed on: " + "; ".join(agreed) + ".")
        if wrong := [f"{peer.name}: {verdict.fault}" for peer in peers
                     if (verdict := verdicts.get((peer.name, kind))) and verdict.fault]:
            parts.append("Left out: " + "; ".join(wrong) + ".")
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
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    peers = choose(all_peers(apus, arguments), options.peers)
    used = {CASES[case].kind for case in options.cases}
    verdicts = check(peers, list(KINDS) if options.verify else [k for k in KINDS if k in used])
    if options.verify:
        sys.exit(1 if any(verdict.fault for verdict in verdicts.values()) else 0)
    runs = measure(options, peers, verdicts)
    write(options, peers, verdicts, runs)
    failed = [name for (name, _), verdict in verdicts.items() if verdict.fault]
    failed += [run["server"] for run in runs if "error" in run]
    if "apus" in failed:
        sys.exit("apus failed, see above")


main()
