"""The manual pages, which Packaging/man-pages writes from the texts of the program."""

import re
import subprocess

import apus
import pytest
from test_help import COMMANDS

GENERATOR = apus.ROOT / "Packaging/man-pages"
SHELLS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    subprocess.run(["python3", GENERATOR, apus.binary(), folder], check=True, timeout=60)
    return sorted(folder.iterdir())


def rendered(page):
    """The page as plain text in one line, without the breaks of lines."""
    done = subprocess.run(
        ["mandoc", "-Tutf8", "-Owidth=900", page], capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", done.stdout))


def plain(text):
    return re.sub(r"\s+", " ", text.replace("`", ""))


def test_mandoc_finds_nothing_wrong(pages, program):
    mandoc = program("mandoc", package="mandoc")
    done = subprocess.run(
        [mandoc, "-Tlint", "-Wstyle", *pages], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_man_has_no_warnings(pages, program):
    man = program("man", package="man-db")
    for page in pages:
        done = subprocess.run(
            [man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
            capture_output=True, text=True, timeout=60,
            env=apus.clean_environment(LC_ALL="C.UTF-8", MANROFFSEQ="", MANWIDTH="80"))
        assert (done.stderr, done.returncode) == ("", 0), page.name


def test_each_command_has_its_options_and_examples_on_a_page(pages, program):
    program("mandoc", package="mandoc")
    texts = {page.name: rendered(page) for page in pages}
    for command in COMMANDS:
        words = command.split()
        text = texts[f"apus-{words[0]}.1" if words else "apus.1"]
        assert " ".join(["apus", *words]) in text
        printed = apus.run(*words, "--help").stdout
        usage = re.search(r"^USAGE: (.*)$", printed, re.MULTILINE)[1]
        for option in re.findall(r"--[a-z-]+", usage):
            assert f" {option} " in text, (command, option)
        block = printed.partition("EXAMPLES:\n")[2].partition("\n\n")[0]
        for example in block.splitlines():
            assert plain(example.strip()) in text, (command, example)


def test_each_key_is_on_the_page_of_the_configuration(pages, program):
    program("mandoc", package="mandoc")
    (page,) = [page for page in pages if page.name == "apus.yaml.5"]
    text = rendered(page)
    rows = apus.run("config", "defaults", "--markdown").stdout.splitlines()[2:]
    assert rows
    for row in rows:
        name, initial, allowed, _, meaning = [
            plain(cell).strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        initial = "Empty by default." if initial == "empty" else f"The default is {initial}."
        expected = f"{name} {meaning} Allowed: {allowed}. {initial}".replace("\\|", "|")
        assert expected in text, name


def test_pages_of_the_same_program_are_the_same(pages, tmp_path):
    subprocess.run(["python3", GENERATOR, apus.binary(), tmp_path], check=True, timeout=60)
    for page in pages:
        assert (tmp_path / page.name).read_bytes() == page.read_bytes()


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_valid(shell, program, tmp_path):
    program(shell, package=shell)
    script = tmp_path / "completions"
    done = apus.run("--generate-completion-script", shell)
    assert done.returncode == 0 and done.stderr == ""
    script.write_text(done.stdout)
    checked = subprocess.run(
        [*SHELLS[shell], script], capture_output=True, text=True, timeout=60)
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)
