"""Type-checks the Swift blocks of a page with the modules that were built beside the server.

A block that begins with `import` is a program. Any other is a fragment: it becomes the body of a
function behind the nearest program above it, and sees what that declares.
"""

import os
import pathlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from apus import ROOT, binary

IMPORT = re.compile(
    r"^(?:@\w+ +)*(?:public +|internal +)?import +(?:(?:struct|class|enum|protocol|func) +)?(\w+)",
    re.MULTILINE,
)
FRAGMENT = """\
@MainActor func fragment{line}(
    server: Server, router: inout Router, configuration: inout ServerConfiguration,
    connection: Connection, logger: Logger
) async throws {{
{body}
}}
"""
# What a fragment has in scope comes from here.
FRAGMENT_IMPORTS = ("WebSocketServer", "Logging")


def is_program(block):
    """Whether a block is a whole program: comments apart, it begins with `import`."""
    for line in block.text.splitlines():
        if line.strip() and not line.startswith("//"):
            return bool(IMPORT.match(line))
    return False


def located(page, block):
    """The block's text, whose errors name their lines on the page."""
    return (
        f'#sourceLocation(file: "{page.name}", line: {block.line + 1})\n{block.text.rstrip()}\n'
        "#sourceLocation()"
    )


def fragment(page, block):
    if re.match(r"(?:public )?extension\b", block.text):
        return located(page, block)
    return FRAGMENT.format(line=block.line, body=located(page, block))


def sources(page):
    """The Swift files to check, each a program with the fragments below it; and their lines."""
    files = []
    for block in page.blocks:
        if block.language != "swift" or not block.is_run:
            continue
        if is_program(block):
            files.append((block.line, [located(page, block)]))
        else:
            if not files or "PackageDescription" in imported(files[-1][1][0]):
                files.append((block.line, []))
            files[-1][1].append(fragment(page, block))
    for line, parts in files:
        text = "\n".join(parts)
        if "@MainActor func fragment" in text:
            missing = [name for name in FRAGMENT_IMPORTS if name not in imported(text)]
            text = "".join(f"import {name}\n" for name in missing) + text
        yield line, text


def imported(text):
    return set(IMPORT.findall(text))


def module_folder(names):
    """A folder of built modules that has those of `names` that are the project's."""
    own = {folder.name for folder in (ROOT / "Sources").iterdir()}
    build = ROOT / ".build"
    folders = [pathlib.Path(binary()).resolve().parent, build / "debug", build / "release"]
    for folder in folders:
        if all((folder / f"Modules/{name}.swiftmodule").exists() for name in names & own):
            return folder
    raise FileNotFoundError(
        f"no built modules of {', '.join(sorted(names & own))} in {', '.join(map(str, folders))}: "
        "run `swift build --build-tests`")


def compiler_arguments(text):
    compiler = shutil.which("swiftc")
    if compiler is None:
        raise FileNotFoundError("no swiftc in the PATH")
    arguments = [compiler, "-typecheck", "-swift-version", "6", "-module-name", "page"]
    # Not that of a build, where modules of other flags would be in the way.
    cache = (ROOT / ".build").resolve() / "docs-module-cache"
    arguments += ["-module-cache-path", str(cache)]
    if "PackageDescription" in imported(text):
        library = pathlib.Path(os.path.realpath(compiler)).parents[1] / "lib/swift/pm/ManifestAPI"
        return [*arguments, "-I", str(library), "-package-description-version", "6.2.0"]
    folder = module_folder(imported(text))
    for modules in sorted((ROOT / "Sources").glob("C*/**/module.modulemap")):
        arguments += ["-Xcc", f"-fmodule-map-file={modules}"]
    if "@main" in text:
        arguments.append("-parse-as-library")
    return [*arguments, "-I", str(folder / "Modules")]


def check(page, folder):
    """Type-checks the page's blocks, two files at a time; returns the compiler's messages."""

    def check_one(numbered):
        line, text = numbered
        file = folder / f"line-{line}.swift"
        file.write_text(text)
        done = subprocess.run(
            [*compiler_arguments(text), str(file)], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return None
        return done.stderr.strip().replace(str(file), f"{page.name} (around its fragments)")

    with ThreadPoolExecutor(2) as pool:
        return [fault for fault in pool.map(check_one, sources(page)) if fault]
