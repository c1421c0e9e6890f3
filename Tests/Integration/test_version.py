"""`apus --version`, and the commit that make writes into a build."""

import os
import re
import shutil
import subprocess

import pytest
from apus import ROOT, clean_environment, run

LIBRARIES = ["Swift", "libuv", "OpenSSL", "zlib", "ISA-L", "SQLite"]
SOURCES = "Sources/CBuildInfo"


def test_the_version_the_commit_and_the_libraries_are_printed():
    done = run("--version")
    assert done.returncode == 0 and done.stderr == ""
    first, commit, *libraries = done.stdout.splitlines()
    assert re.fullmatch(r"apus \d+\.\d+\.\d+", first)
    assert re.fullmatch(
        r"commit   ([0-9a-f]{12}(, with local changes)?"
        r"|unknown: not built by make from a Git checkout)", commit
    )
    assert [line.split()[0] for line in libraries] == LIBRARIES
    assert all(re.search(r" \d+\.\d+|not built in$", line) for line in libraries)


def test_the_changelog_has_an_entry_for_the_version():
    number = run("--version").stdout.splitlines()[0].split()[1]
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(re.escape(number) + r" - \d{4}-\d{2}-\d{2}", headings[1])


class Checkout:
    """A copy of what writes and reads the commit, in a repository of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.header = folder / SOURCES / "commit.h"
        self.source = folder / SOURCES / "build_info.c"
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/commit", folder / ".ci")
        shutil.copytree(
            ROOT / SOURCES, folder / SOURCES, ignore=shutil.ignore_patterns("commit.h"))
        (folder / ".gitignore").write_text("commit.h\nasks*\n")

    def call(self, *command):
        hidden = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": ""}
        done = subprocess.run(
            command, cwd=self.folder, env=clean_environment(**hidden), capture_output=True,
            text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self):
        self.call("git", "add", ".")
        self.call(
            "git", "-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "--quiet",
            "--allow-empty", "--message", "a change")
        return self.call("git", "rev-parse", "--short=12", "HEAD").strip()

    def write(self):
        self.call(".ci/commit")

    def age(self):
        """Makes both files old, so that a new time shows; returns the times."""
        for file in (self.header, self.source):
            if file.exists():
                os.utime(file, (1_000_000_000, 1_000_000_000))
        return self.times()

    def times(self):
        return [
            file.exists() and file.stat().st_mtime for file in (self.header, self.source)
        ]

    def built(self):
        """What a program that was built from these sources says of its commit."""
        main = self.folder / "asks.c"
        main.write_text(
            '#include <stdio.h>\n#include "build_info.h"\n'
            "int main(void) { puts(apus_commit()); }\n")
        self.call(
            "cc", f"-I{self.folder / SOURCES / 'include'}", "-o", "asks", main.name,
            f"{SOURCES}/build_info.c", "-lsqlite3")
        return self.call("./asks").strip()


@pytest.fixture
def checkout(tmp_path, program):
    program("cc", package="gcc")
    program("git", package="git")
    checkout = Checkout(tmp_path)
    checkout.call("git", "init", "--quiet")
    return checkout


def test_a_build_has_the_commit_of_its_checkout(checkout):
    assert checkout.built() == ""
    first = checkout.commit()
    checkout.write()
    assert checkout.built() == first
    second = checkout.commit()
    checkout.write()
    assert checkout.built() == second != first


def test_changes_that_are_not_committed_show(checkout):
    commit = checkout.commit()
    (checkout.folder / ".gitignore").write_text("commit.h\nasks*\n*.o\n")
    checkout.write()
    assert checkout.built() == f"{commit}, with local changes"


def test_nothing_is_touched_while_the_commit_is_the_same(checkout):
    checkout.commit()
    checkout.write()
    times = checkout.age()
    checkout.write()
    assert checkout.times() == times


def test_the_source_is_compiled_again_when_its_header_comes_or_goes(checkout):
    checkout.commit()
    before = checkout.age()
    checkout.write()
    assert checkout.times()[1] > before[1]
    before = checkout.age()
    shutil.rmtree(checkout.folder / ".git")
    checkout.write()
    assert not checkout.header.exists()
    assert checkout.times()[1] > before[1]


def test_an_unpacked_archive_has_no_commit(checkout, tmp_path_factory):
    checkout.commit()
    inner = checkout.folder / "inner"
    inner.mkdir()
    archive = Checkout(inner)
    archive.write()
    assert not archive.header.exists()
