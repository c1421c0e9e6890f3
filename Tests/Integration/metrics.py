"""The metrics of `apus`: scraped from the admin listener, and parsed without a library."""

import re
import urllib.request
from dataclasses import dataclass, field

ADMIN = "admin.listen=127.0.0.1:0"
READY = "the admin listener is ready"
URL = re.compile(r"http://[\w.:\[\]]+")
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)"(?:,|$)')
ESCAPES = {r"\\": "\\", r"\n": "\n", r"\"": '"'}


@dataclass
class Family:
    name: str
    kind: str
    help: str
    # By the sample's name and its labels.
    samples: dict = field(default_factory=dict)


def admin_url(server):
    """Returns the URL of a server's admin listener."""

    def found(lines):
        return next((URL.search(line)[0] for line in lines if READY in line), None)

    url = server.stderr.wait_for(found, 5)
    assert url, server.stderr.text()
    return url


def fetch(server, path="/metrics", **headers):
    request = urllib.request.Request(admin_url(server) + path, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        return response


def text_of(server):
    with urllib.request.urlopen(admin_url(server) + "/metrics", timeout=5) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return response.read().decode()


def labels_of(text):
    found = {}
    rest = text
    while rest:
        match = LABEL.match(rest)
        assert match, f"no label: {rest!r}"
        found[match[1]] = re.sub(r'\\[\\n"]', lambda escape: ESCAPES[escape[0]], match[2])
        rest = rest[match.end() :]
    return frozenset(found.items())


def parse(text):
    """Returns the families by name. Each begins with its description and its type."""
    families = {}
    family = None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in families, f"{name} is there twice"
            family = families[name] = Family(name, "", words)
        elif line.startswith("# TYPE "):
            _, _, name, family.kind = line.split(" ")
            assert name == family.name
        else:
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            suffix = name.removeprefix(family.name)
            assert suffix == "" or family.kind == "histogram" and suffix in (
                "_bucket", "_sum", "_count"), line
            key = (name, labels_of(labels or ""))
            assert key not in family.samples, line
            family.samples[key] = float(value)
    return families


class Scrape:
    """The metrics at one moment."""

    def __init__(self, server):
        self.families = parse(text_of(server))

    def __call__(self, name, **labels):
        """Returns a value; the sum of those that have the labels among others."""
        wanted = labels.items()
        family = next(
            found for found in self.families.values()
            if name == found.name or found.kind == "histogram" and name.startswith(found.name))
        values = [
            value for (sample, known), value in family.samples.items()
            if sample == name and wanted <= known
        ]
        return sum(values)

    def series(self):
        """Returns what identifies each value."""
        return {key for family in self.families.values() for key in family.samples}


# The table in the documentation

BEGIN, END = "<!-- metrics: begin -->", "<!-- metrics: end -->"
TABLE = re.compile(f"(?<={BEGIN}\n).*?(?=^{END}$)", re.DOTALL | re.MULTILINE)


def table(families):
    """Returns the table of all metrics; a label is known if there is a value with it."""
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for family in families.values():
        names = sorted({
            name for _, labels in family.samples for name, _ in labels if name != "le"})
        labels = ", ".join(f"`{name}`" for name in names)
        rows.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(rows)


def all_families(server):
    """Returns the metrics of a server that has answered a request."""
    with urllib.request.urlopen(server.url("/healthz"), timeout=5):
        pass
    return Scrape(server).families


if __name__ == "__main__":
    import pathlib
    import sys

    from apus import Apus

    page = pathlib.Path(sys.argv[1])
    server = Apus(ADMIN)
    try:
        found = table(all_families(server))
        page.write_text(TABLE.sub(lambda _: f"\n{found}\n\n", page.read_text()))
    finally:
        server.stop()
        server.kill()
