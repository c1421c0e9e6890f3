"""A page of the documentation, taken apart: its blocks, headings, links and tables.

Lines are counted from 1. A fault is a text such as `docs/limits.md:12: no file 'x.md'`.
"""

import functools
import pathlib
import re
import subprocess
import unicodedata
import urllib.parse
from dataclasses import dataclass

FENCE = re.compile(r"^(?P<indent>\s*)(?P<marks>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
MARK = re.compile(r"^\s*<!-- not run:(?P<reason>.*)-->\s*$")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(?P<text>.*?)(?:\s+#+)?\s*$")
CODE_SPAN = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:.|\n(?!\s*\n))+?)(?<!`)(?P=ticks)(?!`)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# The alternatives: `[text](target "title")`, `[name]: target`, `<https://…>`, and HTML.
LINK = re.compile(
    r"""\]\(\s*(?:<([^>\n]*)>|((?:[^\s()]|\([^\s()]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)"""
    r"""|^\ {0,3}\[[^\]\n]+\]:\s*<?([^\s>]+)"""
    r"""|<([a-z][a-z0-9+.-]*:[^\s>]*)>"""
    r"""|<[a-z]+\s[^>]*\b(?:href|src|srcset)="([^"]*)\"""",
    re.MULTILINE,
)
REFERENCE = re.compile(r"\[[^\[\]\n]+\]\[([^\[\]\n]*)\]")
DEFINITION = re.compile(r"^ {0,3}\[([^\]\n]+)\]:", re.MULTILINE)

# Languages of blocks that are run or checked, and of those that are only shown.
CHECKED = {"console", "swift", "python", "javascript", "yaml"}
SHOWN = {
    "c", "dockerfile", "go", "haproxy", "html", "http", "ini", "json", "mermaid", "nginx", "text",
}


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    text: str
    #: The line of its opening fence.
    line: int
    #: Why it isn't run; `None` if it is.
    reason: str | None

    @property
    def is_run(self):
        return self.reason is None


def blank(match):
    """Spaces in the place of a match, so that all that follows keeps its place."""
    return re.sub(r"[^\n]", " ", match[0])


class Page:
    """A Markdown file below `root`."""

    def __init__(self, path, root):
        self.path = pathlib.Path(path)
        self.root = pathlib.Path(root)
        self.name = str(self.path.relative_to(self.root))
        self.text = self.path.read_text()
        self.blocks = []
        #: Faults of its fences and marks.
        self.faults = []
        self._take_apart()

    def _take_apart(self):
        prose = []
        lines = iter(enumerate(self.text.splitlines(), 1))
        mark = None  # the line and the reason of a mark on the line above
        for number, line in lines:
            if fence := FENCE.match(line):
                content, closed = self._read_block(lines, fence)
                if not closed:
                    self.fault(number, "this block has no end")
                reason = mark[1] if mark else None
                self.blocks.append(Block(fence["language"], "".join(content), number, reason))
                # The prose keeps its line numbers.
                prose += [""] * (len(content) + 1 + closed)
                mark = None
                continue
            if mark:
                self.fault(mark[0], "a not-run mark must be on the line above a block")
            mark = None
            if found := MARK.match(line):
                mark = number, found["reason"].strip()
                if not mark[1]:
                    self.fault(number, "a not-run mark gives a reason")
            elif re.match(r"\s*<!--\s*not run", line):
                self.fault(number, "a not-run mark is a line of its own: <!-- not run: REASON -->")
            prose.append(line)
        if mark:
            self.fault(mark[0], "a not-run mark must be on the line above a block")
        self.prose = COMMENT.sub(blank, "\n".join(prose) + "\n")

    def _read_block(self, lines, fence):
        """The block's lines without the fence's indentation, and whether there is an end."""
        content = []
        for _, line in lines:
            end = FENCE.match(line)
            if (
                end and not end["language"] and line.strip() == end["marks"]
                and end["marks"].startswith(fence["marks"])
            ):
                return content, True
            indent = min(len(fence["indent"]), len(line) - len(line.lstrip()))
            content.append(line[indent:] + "\n")
        return content, False

    def fault(self, line, what):
        self.faults.append(self.at(line, what))

    def at(self, line, what):
        return f"{self.name}:{line}: {what}"

    def line_of(self, offset):
        return self.prose.count("\n", 0, offset) + 1

    @functools.cached_property
    def anchors(self):
        """What a link to a part of this page may name."""
        seen = {}
        names = set()
        for line in self.prose.splitlines():
            if heading := HEADING.match(line):
                name = anchor(heading["text"])
                seen[name] = seen.get(name, -1) + 1
                names.add(f"{name}-{seen[name]}" if seen[name] else name)
        return names | set(re.findall(r'<a\s[^>]*\b(?:id|name)="([^"]+)"', self.prose))

    @functools.cached_property
    def _without_code(self):
        return CODE_SPAN.sub(blank, self.prose)

    @property
    def links(self):
        """The line and the target of each link and image."""
        for match in LINK.finditer(self._without_code):
            yield self.line_of(match.start()), next(g for g in match.groups() if g is not None)

    @property
    def code_spans(self):
        """The line and the text of each."""
        for match in CODE_SPAN.finditer(self.prose):
            yield self.line_of(match.start()), match["code"]

    @property
    def tables(self):
        """Each table as a list of rows: the line and a dictionary by column."""
        for match in re.finditer(r"(?:^\|.*\|[ \t]*\n)+", self.prose, re.MULTILINE):
            first = self.line_of(match.start())
            head, *rows = [cells(line) for line in match[0].splitlines()]
            yield [
                (number, dict(zip(head, row, strict=False)))
                for number, row in enumerate(rows[1:], first + 2)
            ]

    def undefined_references(self):
        defined = {name.lower() for name in DEFINITION.findall(self._without_code)}
        for match in REFERENCE.finditer(self._without_code):
            if match[1] and match[1].lower() not in defined:
                yield self.line_of(match.start()), match[1]


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def anchor(heading):
    """The name that GitHub gives to a heading, before it numbers those of one name."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", heading)
    text = re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    parts = re.split(r"(`+)(.+?)\1", text)
    # Outside code, markers of emphasis go: `*` always, `_` only around words.
    for index in range(0, len(parts), 3):
        parts[index] = re.sub(r"\*+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|<[^>]*>", "", parts[index])
    text = "".join(part for index, part in enumerate(parts) if index % 3 != 1)
    kept = (c for c in text.strip().lower() if c in " -_" or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def published_files(root):
    """The files that a reader of the repository finds; `None` outside a Git checkout."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True,
    )
    if done.returncode != 0 or not (pathlib.Path(root) / ".git").exists():
        return None
    return {pathlib.Path(root, name) for name in done.stdout.split("\0") if name}


def link_faults(page, published=None):
    """What is wrong with the links and images of a page; asks no other machine."""
    for line, name in page.undefined_references():
        yield page.at(line, f"no definition of the link [{name}]")
    for line, target in page.links:
        if fault := link_fault(page, target, published):
            yield page.at(line, f"{fault}: {target!r}")


def link_fault(page, target, published):
    if not target:
        return "an empty link"
    try:
        url = urllib.parse.urlsplit(target)
        port_is_valid = url.port is None or url.port > 0
    except ValueError as error:
        return str(error)
    if url.scheme == "doc" and page.path.parent.suffix == ".docc":
        article = page.path.parent / f"{url.path}.md"
        return None if article.exists() else "no such article"
    if url.scheme or url.netloc:
        if url.scheme not in ("http", "https"):
            return "an external link begins with https:// or http://"
        return None if url.hostname and port_is_valid else "no host in the link"
    if target.startswith("/"):
        return "a link within the project is relative"
    path = urllib.parse.unquote(url.path)
    file = (page.path.parent / path).resolve() if path else page.path
    if not file.is_relative_to(page.root.resolve()):
        return "the link leaves the project"
    if not file.exists():
        return "no such file"
    if published is not None and not any(f == file or file in f.parents for f in published):
        return "Git ignores the file, so that readers don't have it"
    return anchor_fault(page, file, urllib.parse.unquote(url.fragment))


def anchor_fault(page, file, fragment):
    if not fragment:
        return None
    if file.suffix == ".md":
        anchors = page.anchors if file == page.path else Page(file, page.root).anchors
        return None if fragment in anchors else f"no heading #{fragment}"
    lines = re.fullmatch(r"L(\d+)(?:-L(\d+))?", fragment)
    if not lines or file.is_dir():
        return f"no anchor #{fragment}"
    count = file.read_text().count("\n")
    return None if int(lines[lines.lastindex]) <= count else f"the file has only {count} lines"


def block_faults(page):
    """What is wrong with a page's fences, marks and languages."""
    yield from page.faults
    for block in page.blocks:
        if not block.language:
            yield page.at(block.line, "a block without a language; if nothing fits, it is text")
        elif block.language not in CHECKED | SHOWN:
            yield page.at(
                block.line, f"unknown language {block.language!r}; "
                f"known are {', '.join(sorted(CHECKED | SHOWN))}")
        elif block.language in SHOWN and not block.is_run:
            yield page.at(block.line, f"{block.language} is never run, and needs no mark")
