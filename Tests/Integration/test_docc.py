"""The reference documentation is complete, and DocC finds nothing wrong with it.

`test_docs.py` and `test_docs_swift.py` check its articles like all other pages.
"""

import functools
import json
import pathlib
import re

import docc
import public_symbols
import pytest
import symbol_graphs
from apus import ROOT, binary
from docs_pages import Page

ARTICLES = sorted(str(path.relative_to(ROOT)) for path in docc.CATALOGUE.glob("*.md"))
LINK = re.compile(r"``(\w+)/(\w+)``")
PLACE = re.compile(r"(?:docs|Examples)/[\w./-]+")


@functools.cache
def build():
    return pathlib.Path(binary()).resolve().parent


@functools.cache
def comments(product):
    return symbol_graphs.comments(product, build())


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """DocC's warnings and the folder of its pages."""
    folder = tmp_path_factory.mktemp("docc")
    return docc.convert(build(), folder), folder


def must_be_empty(faults):
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def test_the_reference_documentation_has_no_warnings(converted):
    warnings, _ = converted
    if warnings:
        pytest.fail(f"DocC, which `make docs` runs, warns:\n{warnings}", pytrace=False)


def test_the_first_page_groups_all_symbols(converted):
    _, folder = converted
    first = json.loads((folder / "data/documentation/websocketserver.json").read_text())
    must_be_empty([
        f"no group on {docc.CATALOGUE.name}'s first page has {name.rpartition('/')[2]}"
        for section in first["topicSections"] if section.get("generated")
        for name in section["identifiers"]
    ])


@pytest.mark.parametrize("product", public_symbols.PRODUCTS)
def test_public_symbols_have_comments(product):
    if not (build() / f"Modules/{product}.swiftmodule").exists():
        pytest.skip(f"{build()} has no module {product}")
    must_be_empty([
        f"{product}: no comment: {path}: {declaration}"
        for (path, declaration), text in sorted(comments(product).items()) if not text
    ])


@pytest.mark.parametrize("name", ARTICLES)
def test_tables_of_properties_repeat_their_comments(name):
    page = Page(ROOT / name, ROOT)
    of_path = {path: text for (path, _), text in comments(docc.PRODUCT).items()}
    faults = []
    for line, row in (row for table in page.tables for row in table if "Property" in row[1]):
        path = "/".join(LINK.fullmatch(row["Property"]).groups())
        text = of_path.get(path, "")
        if not re.search(rf"Default {re.escape(row['Default'])}(?!\w)", text):
            faults.append(page.at(line, f"the comment of {path} has another default: {text}"))
        if row["Range"] not in text:
            faults.append(page.at(line, f"the comment of {path} has another range: {text}"))
    must_be_empty(faults)


@pytest.mark.parametrize("name", ARTICLES)
def test_files_that_articles_name_exist(name):
    page = Page(ROOT / name, ROOT)
    must_be_empty([
        page.at(line, f"no such file: {code}") for line, code in page.code_spans
        if PLACE.fullmatch(code) and not (ROOT / code).exists()
    ])
