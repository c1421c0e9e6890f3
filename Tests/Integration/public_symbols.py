"""The public symbols of the library products, one a line, from the modules of a build.

As a program, `public_symbols.py BUILD`, it writes the lists in `Tests/PublicSymbols`. `BUILD` is a
folder such as `.build/debug`.
"""

import json
import pathlib
import sys
import tempfile

import symbol_graphs

LISTS = symbol_graphs.ROOT / "Tests" / "PublicSymbols"
PRODUCTS = ("WebSocketServer", "RedisBroker", "WebSocketTesting")

# Every type has these, or the compiler derives them.
IMPLIED = {"Copyable", "Escapable", "SendableMetatype", "BitwiseCopyable"}
TYPES = {"actor", "class", "enum", "protocol", "struct"}


def conformances(graph):
    """The protocols and superclasses of each type, by its identifier."""
    names = {s["identifier"]["precise"]: s["pathComponents"][-1] for s in graph["symbols"]}
    found = {}
    for relation in graph["relationships"]:
        if relation["kind"] in ("conformsTo", "inheritsFrom"):
            target = relation.get("targetFallback") or names.get(relation["target"], "?")
            target = target.rpartition(".")[2]
            if target not in IMPLIED:
                found.setdefault(relation["source"], set()).add(target)
    return found


def describe(symbol, bases):
    """The line of a symbol, after the key that it is sorted by."""
    kind = symbol["kind"]["identifier"].removeprefix("swift.")
    declaration = "".join(part["spelling"] for part in symbol["declarationFragments"])
    declaration = " ".join(declaration.split())
    path = symbol["pathComponents"]
    if kind in TYPES:
        owner = ".".join(path)
        shown = declaration.replace(f" {path[-1]}", "", 1)
        parts = [shown, *sorted(bases.get(symbol["identifier"]["precise"], ()))]
        return (owner, 0, kind), f"{owner}: {', '.join(parts)}"
    owner = ".".join(path[:-1])
    return (owner, 1, declaration), f"{owner}: {declaration}" if owner else declaration


def symbols(product, build):
    """The text of a product's list."""
    _, others = symbol_graphs.reexports(product)
    found = {f"import {module}": ("", 0, module) for module in others}
    with tempfile.TemporaryDirectory() as name:
        for path in symbol_graphs.extract(product, build, pathlib.Path(name)):
            graph = json.loads(path.read_text())
            bases = conformances(graph)
            for symbol in graph["symbols"]:
                key, line = describe(symbol, bases)
                found[line] = key
    return "".join(f"{line}\n" for line in sorted(found, key=lambda line: (found[line], line)))


if __name__ == "__main__":
    LISTS.mkdir(exist_ok=True)
    for product in PRODUCTS:
        (LISTS / f"{product}.txt").write_text(symbols(product, pathlib.Path(sys.argv[1]).resolve()))
