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
    return [run for run in runs if not run.get("error") and not run.get("errors")]


def median(runs: list[dict], *keys: str) -> float:
    def value(run: dict) -> float:
        found = run
        for key in keys:
            found = found[key]
        return float(found)

    return statistics.median(value(run) for run in runs)


def spread(runs: list[dict], key: str) -> float:
    values = [run[key] for run in runs]
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


HEADER = [
    "Server", "µs/message", "user µs", "messages/s", "p50 µs", "p99 µs", "bytes back",
    "server %", "generator %", "other %", "spread %", "runs",
]


def row(name: str, runs: list[dict]) -> list[str]:
    good = clean(runs)
    counted = f"{len(good)}/{len(runs)}"
    if not good:
        reason = runs[0].get("error") or runs[0].get("first_error") or "failed"
        return [name, f"failed: {reason}"[:100].replace("|", "/"), *[""] * 9, counted]
    return [
        name,
        number(median(good, "server_cpu_us_per_msg")),
        number(median(good, "server_user_us_per_msg")),
        number(median(good, "msgs_per_s")),
        number(median(good, "lat_us", "p50")),
        number(median(good, "lat_us", "p99")),
        # Not everything that drives a server counts them.
        number(median(good, "wire_in_per_msg")) if "wire_in_per_msg" in good[0] else "",
        *[
            f"{100 * median(good, f'{who}_cpu_share'):.0f}" for who in ("server", "gen", "other")
        ],
        f"{100 * spread(good, 'server_cpu_us_per_msg'):.0f}",
        counted,
    ]


def cost(runs: list[dict]) -> float:
    good = clean(runs)
    return median(good, "server_cpu_us_per_msg") if good else float("inf")


def case_table(by_server: dict[str, list[dict]]) -> str:
    """The cheapest server first."""
    ordered = sorted(by_server.items(), key=lambda item: cost(item[1]))
    return table(HEADER, [row(name, runs) for name, runs in ordered])
