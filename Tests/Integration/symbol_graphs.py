"""The symbol graphs of a library product: its public declarations with their comments.

They come from the modules of a build, which takes a second. Types that a product re-exports from the
project's other modules are among them.
"""

import pathlib
import platform
import re
import subprocess

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


def extract(product, build, folder):
    """Writes a product's symbol graphs into a folder, and returns their files."""
    own, _ = reexports(product)
    command = [
        "swift", "symbolgraph-extract", "-module-name", product, "-output-dir", str(folder),
        "-I", str(build / "Modules"), "-module-cache-path", str(build / "symbols-module-cache"),
        "-target", f"{platform.machine()}-unknown-linux-gnu", "-minimum-access-level", "public",
        "-skip-synthesized-members", "-omit-extension-block-symbols",
        f"-experimental-allowed-reexported-modules={','.join(sorted(own))}",
    ]
    for modules in sorted(SOURCES.glob("C*/**/module.modulemap")):
        command += ["-Xcc", f"-fmodule-map-file={modules}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{product}: {done.stderr.strip()}")
    return sorted(folder.glob("*.symbols.json"))
