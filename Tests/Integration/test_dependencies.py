"""A program that uses the library resolves only the packages that it needs."""

import json
import os
import re
import subprocess

from apus import ROOT

MANIFEST = """\
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "program",
    dependencies: [.package(path: "{root}", traits: ["ISAL"])],
    targets: [
        .executableTarget(
            name: "program",
            dependencies: [
                .product(name: "WebSocketServer", package: "{name}"),
                .product(name: "RedisBroker", package: "{name}"),
            ])
    ]
)
"""


def documented(answer):
    """The packages of docs/dependencies.md that a program with the library needs, or doesn't."""
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(rf"^\|(.*)\|[^|]*\| {answer} \|$", page, re.MULTILINE)
    links = re.findall(r"\]\(https://github\.com/[^/)]+/([^/)]+)\)", "".join(rows))
    return {name.lower() for name in links}


def resolved(tree):
    return set().union(*({one["identity"]} | resolved(one) for one in tree["dependencies"]))


def test_a_program_with_the_library_resolves_only_what_it_needs(tmp_path):
    (tmp_path / "Sources/program").mkdir(parents=True)
    (tmp_path / "Sources/program/main.swift").write_text("import WebSocketServer\n")
    manifest = MANIFEST.format(root=ROOT, name=ROOT.name)
    (tmp_path / "Package.swift").write_text(manifest)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("APUS_")}
    done = subprocess.run(
        ["swift", "package", "show-dependencies", "--format", "json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = resolved(json.loads(done.stdout)) - {ROOT.name.lower()}
    assert found == documented("yes") | {"swift-async-algorithms", "swift-collections"}
    assert not found & documented("no") and documented("no")
