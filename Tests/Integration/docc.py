"""The reference documentation of the library, made by DocC.

As a program, `docc.py BUILD FOLDER`, it writes the documentation into a folder, for a web server or
`docc preview`. `BUILD` is a folder such as `.build/debug`.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import symbol_graphs

PRODUCT = "WebSocketServer"
CATALOGUE = symbol_graphs.SOURCES / PRODUCT / f"{PRODUCT}.docc"
# A parameter whose name says it all has no sentence of its own.
ACCEPTED = re.compile(r"warning: Parameter '\w+' is missing documentation")


def convert(build, output):
    """Writes the documentation of the library, and returns DocC's warnings."""
    with tempfile.TemporaryDirectory() as name:
        graphs = pathlib.Path(name)
        symbol_graphs.extract(PRODUCT, build, graphs, extends=True)
        done = subprocess.run(
            [
                "docc", "convert", str(CATALOGUE),
                "--additional-symbol-graph-dir", str(graphs), "--output-path", str(output),
                "--fallback-display-name", PRODUCT, "--fallback-bundle-identifier", PRODUCT,
            ],
            capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    warnings = (done.stderr + done.stdout).strip().split("\n\n")
    return "\n\n".join(one for one in warnings if not ACCEPTED.match(one))


if __name__ == "__main__":
    print(convert(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()))
