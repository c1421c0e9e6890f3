"""Swift in the documentation compiles."""

import docs_swift
import pytest
from test_docs import must_be_true, page_of, pages


@pages("swift")
def test_swift_compiles(name, tmp_path):
    must_be_true(docs_swift.check(page_of(name), tmp_path))


def test_imports_are_found():
    text = "@testable import A\npublic import B\nimport struct C.D\nimport E\nvar f = 1\n"
    assert docs_swift.imported(text) == {"A", "B", "C", "E"}
