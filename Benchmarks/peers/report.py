"""Markdown for what was measured: the machine, medians by case and server, and how they ran."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
from pathlib import Path


def machine() -> str:
    """CPU, kernel and date, in one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    release = re.search(r'PRETTY_NAME="(.+)"', Path("/etc/os-release").read_text())
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores; "
        f"Linux {platform.release()}; {release[1] if release else '?'}; "
        f"{datetime.date.today().isoformat()}")


def clean(runs: list[dict]) -> list[dict]:
    return [run for run in runs if "error" not in run]


def value(run: dict, *keys: str | int) -> float:
    """A figure under the name that it has in the JSON of `apus bench`."""
    found = run["bench"]
    for key in keys:
        found = found[key]
    return float(found)


def median(runs: list[dict], *keys: str | int) -> float:
    return statistics.median(value(run, *keys) for run in runs)


def spread(runs: list[dict], *keys: str | int) -> float:
    values = [value(run, *keys) for run in runs]
    return (max(values) - min(values)) / statistics.median(values) if values[0] else 0


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 1000:
        return f"{round(value, -(len(str(int(value))) - 3)):,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    rule = [":--" if index < left else "--:" for index in range(len(header))]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# The server's CPU time of a message, as `apus bench --json` names it.
CPU = ("server", "cpu_microseconds_per_message")
HEADER = [
    "Server", "µs/message", "user µs", "messages/s", "p50 µs", "p99 µs", "bytes back",
    "server %", "generator %", "other %", "spread %", "runs",
]


def row(name: str, runs: list[dict]) -> list[str]:
    good = clean(runs)
    counted = f"{len(good)}/{len(runs)}"
    if not good:
        return [name, f"failed: {runs[0]['error']}"[:100].replace("|", "/"), *[""] * 9, counted]
    # Not everything that drives a server counts them.
    bytes_back = "wire_bytes_per_message_in"
    shares = [("server", "busy"), ("generator_busy", 0), ("machine", "other_busy")]
    return [
        name,
        number(median(good, *CPU)),
        number(median(good, "server", "user_microseconds_per_message")),
        number(median(good, "messages_per_second")),
        number(median(good, "latency_microseconds", "p50")),
        number(median(good, "latency_microseconds", "p99")),
        number(median(good, bytes_back)) if bytes_back in good[0]["bench"] else "",
        *[f"{100 * median(good, *keys):.0f}" for keys in shares],
        f"{100 * spread(good, *CPU):.0f}",
        counted,
    ]


def cost(runs: list[dict]) -> float:
    good = clean(runs)
    return median(good, *CPU) if good else float("inf")


def case_table(by_server: dict[str, list[dict]]) -> str:
    """The cheapest server first."""
    ordered = sorted(by_server.items(), key=lambda item: cost(item[1]))
    return table(HEADER, [row(name, runs) for name, runs in ordered])
