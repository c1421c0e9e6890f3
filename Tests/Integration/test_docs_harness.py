"""What checks the documentation finds what is wrong: small pages, each with one fault."""

import docs_keys
import docs_swift
import pytest
from docs_pages import Page, anchor, block_faults, link_faults
from docs_sample import page  # noqa: F401, a fixture

KNOWN = {
    "limits.message.max": "1MiB", "limits.frame.max": "0", "auth.users": "empty",
    "limits.handshake.timeout": "10s", "limits.handshake.size": "8KiB",
}


@pytest.mark.parametrize(
    "heading, name",
    [
        ("Plain frames", "plain-frames"),
        ("`apus config check`, and more", "apus-config-check-and-more"),
        ("What's *new* in `limits.rate`?", "whats-new-in-limitsrate"),
        ("[Keys](#x) – all of them", "keys--all-of-them"),
        ("A snake_case name, _slanted_", "a-snake_case-name-slanted"),
        ("Größe & Zahl: 1,024", "größe--zahl-1024"),
        ("`/ws/{client_id}`", "wsclient_id"),
        ("1. An echo", "1-an-echo"),
    ],
)
def test_headings_have_githubs_anchors(heading, name):
    assert anchor(heading) == name


@pytest.mark.parametrize(
    "link",
    [
        "[a](other.md)", "[a](other.md#limits)", "[a](other.md#limits-1)", "[a](#here)",
        "[`a`](../docs/other.md 'title')", "![a](image.svg)", "[![a](image.svg)](other.md)",
        "[a](../docs)", "[a](image.svg#L1)", "<https://example.com/a_(b)>",
        "[a][b]\n\n[b]: other.md", "`[a](none.md)`", "<!-- [a](none.md) -->",
        "[a](https://example.com:80/x#y)",
        '<a href="other.md">a</a>', "[a\nb](other.md)",
    ],
)
def test_good_links_pass(page, link):
    assert not list(link_faults(page("# Here", "", link)))


@pytest.mark.parametrize(
    "link, what",
    [
        ("[a](none.md)", "no such file"),
        ("[a](Other.md)", "no such file"),
        ("[a](other.md#none)", "no heading #none"),
        ("[a](other.md#limits-2)", "no heading"),
        ("[a](#none)", "no heading"),
        ("![a](none.svg)", "no such file"),
        ("[![a](none.svg)](other.md)", "no such file"),
        ("[![a](image.svg)](none.md)", "no such file"),
        ("[a](../../outside)", "leaves the project"),
        ("[a](/docs/other.md)", "is relative"),
        ("[a]()", "an empty link"),
        ("[a](https://)", "no host"),
        ("[a](https://host:port/)", "Port"),
        ("[a](htps://example.com)", "begins with"),
        ("[a](mailto:me@example.com)", "begins with"),
        ("<doc:Article>", "begins with"),
        ("[a][b]", "no definition"),
        ("[a][b]\n\n[b]: none.md", "no such file"),
        ('<img src="none.svg">', "no such file"),
        ('<source media="a" srcset="none.svg">', "no such file"),
        ("[a](image.svg#L2)", "only 1 lines"),
        ("[a](image.svg#top)", "no anchor"),
    ],
)
def test_broken_links_are_found(page, link, what):
    (fault,) = link_faults(page("# Here", "", link))
    assert what in fault and fault.startswith("docs/page.md:"), fault


def test_a_link_to_a_file_that_git_ignores_is_found(page):
    made = page("[a](other.md)", "[b](image.svg)", "[c](../docs)")
    (fault,) = link_faults(made, {made.root / "docs/other.md"})
    assert fault.startswith("docs/page.md:2: Git ignores")


def test_articles_link_to_articles_of_their_catalogue(tmp_path):
    catalogue = tmp_path / "Library.docc"
    catalogue.mkdir()
    (catalogue / "There.md").write_text("# There\n")
    here = catalogue / "Here.md"
    here.write_text("# Here\n\n- <doc:There>\n- <doc:Nowhere>\n")
    (fault,) = link_faults(Page(here, tmp_path))
    assert fault == "Library.docc/Here.md:4: no such article: 'doc:Nowhere'"


@pytest.mark.parametrize(
    "lines, fault",
    [
        (["```", "a", "```"], "1: a block without a language"),
        (["```perl", "a", "```"], "1: unknown language 'perl'"),
        (["", "```text", "a"], "2: this block has no end"),
        (["<!-- not run: -->", "```swift", "```"], "1: a not-run mark gives a reason"),
        (["<!-- not run -->", "```swift", "```"], "1: a not-run mark is a line of its own"),
        (["<!-- not run: why -->", "", "```swift", "```"], "1: a not-run mark must be on the line"),
        (["a", "<!-- not run: why -->"], "2: a not-run mark must be on the line"),
        (["<!-- not run: why -->", "```text", "```"], "2: text is never run"),
    ],
)
def test_broken_blocks_are_found(page, lines, fault):
    (found,) = block_faults(page(*lines))
    assert found.startswith(f"docs/page.md:{fault}"), found


def test_blocks_in_lists_and_in_longer_fences_are_read(page):
    made = page("- a", "", "  ```console", "  $ true", "  ```", "", "````text", "```", "````")
    assert [(block.language, block.text) for block in made.blocks] == [
        ("console", "$ true\n"), ("text", "```\n")]
    assert not list(block_faults(made))


PROGRAM = [
    "```swift", "import WebSocketServer", "let rooms = ['a']", "var router = Router()", "```",
]


@pytest.mark.parametrize(
    "lines, fault",
    [
        ([], None),
        (["```swift", "router.get('/') { _ in Response(status: .ok) }", "_ = rooms", "```"], None),
        (["```swift", "try await server.run()", "connection.send('a')", "```"], None),
        (["```swift", "import Logging", "let a: Int = ''", "```"], "docs/page.md:8:14: error: "),
        (["```swift", "let a: Int = ''", "```"], "docs/page.md:7:14: error: cannot convert"),
        (["```swift", "print(room)", "```"], "docs/page.md:7:7: error: cannot find "),
        (["```swift", "configuration.limits.none = 1", "```"], "docs/page.md:7:22: error: "),
        (["<!-- not run: an error -->", "```swift", "let a: Int = ''", "```"], None),
        (["```swift", "// swift-tools-version: 6.2", "import PackageDescription",
          "let package = Package(name: 'a', targets: [.target(nam: 'b')])", "```"],
         "docs/page.md:9:"),
    ],
)
def test_errors_in_swift_are_found(page, tmp_path, lines, fault):
    lines = [line.replace("'", '"') for line in (*PROGRAM, *lines)]
    found = docs_swift.check(page(*lines), tmp_path)
    assert (fault is None) == (not found), found
    assert fault is None or fault in found[0], found


@pytest.mark.parametrize(
    "row, fault",
    [
        ("`limits.message.max` | 1 MiB", None),
        ("`limits.message.max` | `1MiB`", None),
        ("`limits.handshake.timeout`, `.size` | 10 s, 8 KiB", None),
        ("`limits.frame.max` | as a message", None),
        ("`limits.frame.max` | off: the same", None),
        ("`auth.users` | none", None),
        ("none of these | 3", None),
        ("`limits.message.max` | 2 MiB", "the default of limits.message.max is 1MiB, not 2 MiB"),
        ("`limits.massage.max` | 1 MiB", "no such key: limits.massage.max"),
        ("`limits.handshake.timeout`, `.size` | 10 s", "2 keys, but 1 defaults"),
    ],
)
def test_wrong_defaults_are_found(page, row, fault):
    made = page("| Key | Default | |", "|---|---|---|", f"| {row} | |")
    expected = [f"docs/page.md:3: {fault}"] if fault else []
    assert list(docs_keys.default_faults(made, KNOWN)) == expected


def test_names_of_no_key_are_found(page):
    made = page(
        "`limits.message.max=1MiB`, `limits.message`, `server.run()`, `limits.messageSizeMax`,",
        "`limits.massage`")
    assert list(docs_keys.name_faults(made, KNOWN)) == [
        "docs/page.md:2: no such key: limits.massage"]


def test_a_stale_table_of_keys_is_found(page):
    table = "| key |\n|---|\n| a |\n"
    marks = docs_keys.BEGIN, docs_keys.END
    assert not list(docs_keys.table_faults(page("no table"), table))
    assert not list(docs_keys.table_faults(page(marks[0], table, marks[1]), table))
    for lines, what in [
        ([marks[0], table.replace("a", "b"), marks[1]], "out of date"),
        ([marks[0], table], "between one"),
        ([marks[1], table, marks[0]], "between one"),
    ]:
        (fault,) = docs_keys.table_faults(page("", *lines), table)
        assert what in fault, fault
