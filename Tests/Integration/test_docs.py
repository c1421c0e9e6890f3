"""Links, tables, commands and programs in the documentation are true.

Each page is a parameter; a failure names the page and the line. CONTRIBUTING.md explains the rules
for those who write a page.
"""

import functools
import re
import subprocess
import sys

import docs_console
import docs_keys
import docs_programs
import pytest
from apus import ROOT, binary, clean_environment
from docs_pages import CHECKED, Page, block_faults, link_faults, published_files

NAMES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "Benchmarks/README.md",
         "Examples/README.md"]
NAMES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("**/*.md"))
# The articles of the reference documentation.
NAMES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "Sources").glob("*/*.docc/*.md"))
README_WORDS = 800

page_of = functools.cache(lambda name: Page(ROOT / name, ROOT))
published = functools.cache(lambda: published_files(ROOT))


@functools.cache
def table():
    return docs_keys.markdown_table(binary())


def must_be_true(faults):
    if faults := list(faults):
        pytest.fail("\n".join(faults), pytrace=False)


def pages(*languages):
    """The pages, or those with blocks of these languages that are run, as parameters of a test."""
    names = [
        name for name in NAMES
        if not languages or (ROOT / name).exists() and any(
            block.language in languages and block.is_run for block in page_of(name).blocks)
    ]
    return pytest.mark.parametrize("name", names)


@pages()
def test_links_lead_somewhere(name):
    must_be_true(link_faults(page_of(name), published()))


@pages()
def test_blocks_have_languages_and_marks_have_reasons(name):
    must_be_true([*block_faults(page_of(name)), *docs_console.command_faults(page_of(name))])


@pages()
def test_tables_name_the_defaults(name):
    must_be_true(docs_keys.default_faults(page_of(name), docs_keys.defaults(table())))


@pages()
def test_keys_that_are_named_exist(name):
    # The changelog also names keys of the past.
    if name != "CHANGELOG.md":
        must_be_true(docs_keys.name_faults(page_of(name), docs_keys.defaults(table())))


@pages()
def test_the_table_of_keys_is_up_to_date(name):
    must_be_true(docs_keys.table_faults(page_of(name), table()))


@pages("console", "yaml")
def test_commands_succeed_and_configurations_are_valid(name, tmp_path):
    must_be_true(filter(None, [docs_console.run_page(page_of(name), tmp_path)]))


@pages("python", "javascript")
def test_programs_end_well(name, tmp_path, start, node_24):
    server = start(args=["--tools"])
    faults = []
    for block in page_of(name).blocks:
        if not block.is_run or block.language not in ("python", "javascript"):
            continue
        file, command = docs_programs.program_file(block, tmp_path, node_24)
        file.write_text(block.text.replace("8080", str(server.port)))
        faults += docs_programs.program_faults(page_of(name), block, command, tmp_path)
    must_be_true(faults)


def test_the_index_links_to_every_page():
    index = page_of("docs/README.md")
    linked = {target.partition("#")[0] for _, target in index.links}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - linked == {"README.md"}


def test_the_readme_is_short():
    words = len(re.findall(r"\S+", page_of("README.md").text))
    assert words <= README_WORDS, f"README.md has {words} words; move details to docs/"


def test_the_readme_shows_the_example_that_is_compiled():
    example = (ROOT / "Tests/Example/main.swift").read_text()
    assert example in [block.text for block in page_of("README.md").blocks]


def test_there_is_something_to_check():
    made = [page_of(name) for name in NAMES]
    run = {block.language for page in made for block in page.blocks if block.is_run}
    assert run >= CHECKED
    assert sum(docs_keys.count_of_defaults(page) for page in made) > 40


def test_make_writes_the_table_of_keys(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Keys\n\n{docs_keys.BEGIN}\nold\n{docs_keys.END}\n\nThe end.\n")
    subprocess.run(
        [sys.executable, ROOT / "Tests/Integration/docs_keys.py", binary(), page], check=True,
        env=clean_environment())
    assert page.read_text().startswith(f"# Keys\n\n{docs_keys.BEGIN}\n\n| key | default |")
    assert page.read_text().endswith(f" |\n\n{docs_keys.END}\n\nThe end.\n")
    assert not list(docs_keys.table_faults(Page(page, tmp_path), table()))
