"""DocC finds nothing wrong with the documentation comments, such as a link to nothing."""

import pathlib

import docc
import pytest
from apus import binary


def test_the_reference_documentation_has_no_warnings(tmp_path):
    warnings = docc.convert(pathlib.Path(binary()).resolve().parent, tmp_path / "docs")
    if warnings:
        pytest.fail(f"DocC, which `make docs` runs, warns:\n{warnings}", pytrace=False)
