"""What the documents show is what the project holds."""

import re
import subprocess

import pytest
from apus import ROOT, binary, clean_environment

README = (ROOT / "README.md").read_text()

# What the README says where the default is 0.
ZERO = {"off", "as a message", "from `RLIMIT_NOFILE`"}


def test_the_readme_shows_the_example_that_is_compiled():
    example = (ROOT / "Tests/Example/main.swift").read_text()
    assert f"```swift\n{example}```" in README


def tables(markdown):
    """Each table as a list of rows, a dictionary each."""
    for block in re.findall(r"(?:^\|.*\|\n)+", markdown, re.MULTILINE):
        head, _, *rows = [re.split(r" *\| *", line.strip("| ")) for line in block.splitlines()]
        yield [dict(zip(head, row, strict=False)) for row in rows]


def documented():
    """The keys and defaults of the README's tables that have a column for each."""
    for table in tables(README):
        for row in table:
            named = re.findall(r"`([\w.]+)`", row.get("Key", ""))
            if not named or "Default" not in row:
                continue
            # `.size` behind `limits.handshake.timeout` is that with another last word.
            keys = [named[0].rpartition(".")[0] + key if key[0] == "." else key for key in named]
            yield from zip(keys, row["Default"].split(", "), strict=True)


@pytest.fixture(scope="module")
def defaults():
    command = [binary(), "config", "defaults", "--markdown"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (table,) = tables(done.stdout)
    return {row["key"].strip("`"): row["default"].strip("`") for row in table}


DOCUMENTED = dict(documented())


def test_the_readme_has_tables_of_keys():
    assert len(DOCUMENTED) > 20
    assert DOCUMENTED["limits.handshake.size"] == "8 KiB"


@pytest.mark.parametrize("key", DOCUMENTED)
def test_a_key_in_the_readme_has_the_default_that_it_names(defaults, key):
    # What a 0 means may follow a colon.
    said = DOCUMENTED[key].split(": ")[0]
    if said in ZERO:
        assert defaults[key] in ("0", "0s")
    elif said == "none":
        assert defaults[key] == "empty"
    else:
        assert defaults[key] == re.sub("[ ,`]|in$|bytes$", "", said)  # 1 min is 1m
