"""The symbol graphs of a library product: its public declarations with their comments.

They come from the modules of a build, which takes a second. Types that a product re-exports from the
project's other modules are among them.
"""

import json
import pathlib
import platform
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "Sources"
REEXPORT = re.compile(
    r"^@_exported public import (?:(?:struct|class|enum|protocol|typealias|func) )?(\w+)",
    re.MULTILINE,
)


def reexports(product):
    """The modules from which a product re-exports something: the project's, and others."""
    text = "".join(path.read_text() for path in sorted((SOURCES / product).rglob("*.swift")))
    modules = set(REEXPORT.findall(text))
    own = {module for module in modules if (SOURCES / module).is_dir()}
    return own, modules - own


def extract(product, build, folder, extends=False):
    """Writes a product's symbol graphs into a folder, and returns their files.

    With `extends`, the types of other modules that the product extends are symbols, too: DocC shows
    nothing of an extension without them.
    """
    own, _ = reexports(product)
    command = [
        "swift", "symbolgraph-extract", "-module-name", product, "-output-dir", str(folder),
        "-I", str(build / "Modules"), "-module-cache-path", str(build / "symbols-module-cache"),
        "-target", f"{platform.machine()}-unknown-linux-gnu", "-minimum-access-level", "public",
        "-skip-synthesized-members",
        "-emit-extension-block-symbols" if extends else "-omit-extension-block-symbols",
        f"-experimental-allowed-reexported-modules={','.join(sorted(own))}",
    ]
    for modules in sorted(SOURCES.glob("C*/**/module.modulemap")):
        command += ["-Xcc", f"-fmodule-map-file={modules}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{product}: {done.stderr.strip()}")
    return sorted(folder.glob("*.symbols.json"))


def comments(product, build):
    """The documentation comment of each symbol, as one line, by its path and its declaration.

    A path is such as `Limits/outboxMax`. A comment is empty if there is none.
    """
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for path in extract(product, build, pathlib.Path(name)):
            for symbol in json.loads(path.read_text())["symbols"]:
                declaration = "".join(part["spelling"] for part in symbol["declarationFragments"])
                lines = symbol.get("docComment", {}).get("lines", [])
                text = " ".join(" ".join(line["text"] for line in lines).split())
                found["/".join(symbol["pathComponents"]), declaration] = text
    return found
