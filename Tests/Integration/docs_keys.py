"""Keys and defaults that the documentation names, beside those of `apus`.

As a program, `docs_keys.py APUS PAGE`, it writes the table of all keys into a page.
"""

import pathlib
import re
import subprocess
import sys

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"
TABLE = re.compile(f"(?<={BEGIN}\n).*?(?=^{END}$)", re.DOTALL | re.MULTILINE)

# What pages say where the default is 0.
ZERO = {
    "as `limits.message.max`", "as a message", "as many as cores", "from `RLIMIT_NOFILE`", "off",
}
# Sections whose names no program uses for something else: `server.run` is no key.
SECTIONS = (
    "limits", "heartbeat", "drain", "compression", "topics", "broker", "proxies", "tasks", "auth",
    "routes", "log", "origins",
)
KEY = re.compile(rf"(?:{'|'.join(SECTIONS)})(?:\.[a-z0-9_]+)+(?==|$)")


def markdown_table(apus):
    """The table that `apus config defaults --markdown` prints."""
    done = subprocess.run(
        [apus, "config", "defaults", "--markdown"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def defaults(table):
    """The default by key, from that table."""
    rows = [re.split(r" *(?<!\\)\| *", line.strip("| ")) for line in table.splitlines()[2:]]
    return {row[0].strip("`"): row[1].strip("`") for row in rows}


def is_default(said, default):
    """Whether a page's words for a default mean it: 1 min is 1m, and so is `1m`."""
    # What a 0 means may follow a colon.
    said = said.split(": ")[0]
    if said in ZERO:
        return default in ("0", "0s")
    if said in ("none", "empty"):
        return default == "empty"
    return default == re.sub("[ ,`]|in$|bytes$", "", said)


def default_faults(page, known):
    """What is wrong in the page's tables that have a column `Key` and a column `Default`."""
    for table in page.tables:
        for line, row in table:
            named = re.findall(r"`([\w.]+)`", row.get("Key", ""))
            if not named or "Default" not in row:
                continue
            # `.size` behind `limits.handshake.timeout` is that with another last word.
            keys = [named[0].rpartition(".")[0] + key if key[0] == "." else key for key in named]
            said = row["Default"].split(", ")
            if len(said) != len(keys):
                yield page.at(line, f"{len(keys)} keys, but {len(said)} defaults")
                continue
            for key, words in zip(keys, said, strict=True):
                if key not in known:
                    yield page.at(line, f"no such key: {key}")
                elif not is_default(words, known[key]):
                    yield page.at(line, f"the default of {key} is {known[key]}, not {words}")


def count_of_defaults(page):
    """How many rows of tables `default_faults` looks at."""
    return sum("Key" in row and "Default" in row for table in page.tables for _, row in table)


def name_faults(page, known):
    """Names in code spans that look like keys and aren't."""
    sections = {key[:index] for key in known for index in range(len(key)) if key[index] == "."}
    for line, code in page.code_spans:
        key = KEY.match(code)
        if key and key[0] not in known and key[0] not in sections:
            yield page.at(line, f"no such key: {key[0]}")


def table_faults(page, table):
    """Whether the table of all keys, where the page has one, is the one that `apus` prints."""
    marks = [page.text.count(mark) for mark in (BEGIN, END)]
    if marks == [0, 0]:
        return
    written = TABLE.findall(page.text)
    line = page.text[: page.text.find(BEGIN)].count("\n") + 1
    if marks != [1, 1] or len(written) != 1:
        yield page.at(line, f"the table of keys stands between one {BEGIN!r} and one {END!r}")
    elif written[0].strip() != table.strip():
        yield page.at(line, "the table of keys is out of date: run `make docs-keys`")


def write_table(path, table):
    """Writes the table into a page that has the marks for it."""
    text = path.read_text()
    if len(TABLE.findall(text)) != 1:
        raise ValueError(f"{path} has no place for the keys: {BEGIN!r} and {END!r}")
    path.write_text(TABLE.sub(lambda _: f"\n{table.strip()}\n\n", text))


if __name__ == "__main__":
    program, page = sys.argv[1:]
    write_table(pathlib.Path(page), markdown_table(program))
