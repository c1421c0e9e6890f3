#!/usr/bin/env python3
"""Draws delivery-cost.svg, the README's chart, from the table in Benchmarks/charts/compare.md.

Run it without arguments after a new table has been recorded. Text and lines are of a grey that can
be read on light and on dark pages; the background is transparent.
"""

from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "../../Benchmarks/charts/compare.md"
LOAD, SIZE = "fanout to 1,000", "128 B"
# The table's name of each way, what the chart calls it, and its colour.
WAYS = [
    ("plain", "uncompressed", "#8b949e"),
    ("real takeover", "a context for each connection", "#8b949e"),
    ("shared context", "one shared context (default)", "#2da44e"),
]
# The table's column, the heading, the unit, and how a number is written.
PANELS = [("B/msg", "Bytes on the wire", "B"), ("CPU µs", "Server CPU", "µs")]
GREY = "#7d8590"
LABELS, BAR_MAX, GAP, ROW, TOP = 216, 170, 74, 30, 86


def rows():
    """The table's rows of the load and size, by way."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = (dict(zip(cells[0], row)) for row in cells if len(row) == len(cells[0]))
    return {row["way"]: row for row in found if row["load"] == LOAD and row["size"] == SIZE}


def text(x, y, words, size=13, weight=400, anchor="start", fill=GREY):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{words}</text>'
    )


def chart():
    table = rows()
    width = LABELS + len(PANELS) * (BAR_MAX + GAP)
    height = TOP + ROW * len(WAYS) + 8
    title = "A publication of 128 bytes to 1,000 subscribers: the cost of one delivery"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        """font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">""",
        f"<title>{title}</title>",
        text(0, 20, title, size=16, weight=600),
        text(0, 42, "Lower is better. JSON events, one event loop.", size=12),
    ]
    for number, (column, heading, unit) in enumerate(PANELS):
        x = LABELS + number * (BAR_MAX + GAP)
        parts.append(text(x, TOP - 14, heading, weight=600))
        largest = max(float(table[way][column]) for way, _, _ in WAYS)
        for row, (way, _, colour) in enumerate(WAYS):
            y = TOP + row * ROW
            length = round(float(table[way][column]) / largest * BAR_MAX, 1)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{length}" height="18" rx="2" fill="{colour}"/>'
            )
            parts.append(text(round(x + length + 6, 1), y + 14, f"{table[way][column]} {unit}"))
    for row, (_, label, _) in enumerate(WAYS):
        parts.append(text(LABELS - 12, TOP + row * ROW + 14, label, anchor="end"))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (HERE / "delivery-cost.svg").write_text(chart())
