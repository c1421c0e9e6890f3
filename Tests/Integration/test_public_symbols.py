"""The public symbols of the library products change only on purpose."""

import difflib
import pathlib

import public_symbols
import pytest
from apus import binary


@pytest.mark.parametrize("product", public_symbols.PRODUCTS)
def test_public_symbols_are_those_of_the_list(product):
    build = pathlib.Path(binary()).resolve().parent
    if not (build / f"Modules/{product}.swiftmodule").exists():
        pytest.skip(f"{build} has no module {product}")
    name = f"Tests/PublicSymbols/{product}.txt"
    listed = (public_symbols.LISTS / f"{product}.txt").read_text()
    found = public_symbols.symbols(product, build)
    difference = difflib.unified_diff(
        listed.splitlines(), found.splitlines(), name, "the build", n=0, lineterm="")
    if listed != found:
        pytest.fail(
            "The public symbols have changed. If that is intended, run `make symbols` and commit "
            f"{name}; tell users in CHANGELOG.md.\n" + "\n".join(difference),
            pytrace=False,
        )
