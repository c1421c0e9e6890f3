"""Runs the Python and JavaScript programs of a page."""

import re
import subprocess
import sys

from apus import clean_environment

SECONDS_A_PROGRAM = 20


def program_file(block, folder, node):
    """Where to write a Python or JavaScript block, and the command that runs it."""
    if block.language == "python":
        file = folder / f"line-{block.line}.py"
        return file, [sys.executable, str(file)]
    is_module = re.search(r"^(?:import|export|await|for await|const .*= await)\b", block.text, re.M)
    file = folder / f"line-{block.line}.{'mjs' if is_module else 'cjs'}"
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to("/usr/share/nodejs")
    return file, [node, str(file)]


def program_faults(page, block, command, folder):
    """Runs a program to its end; what is wrong with it."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_A_PROGRAM)
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace")
        yield page.at(block.line, f"still running after {SECONDS_A_PROGRAM} s\n{output}")
        return
    if done.returncode != 0:
        yield page.at(block.line, f"exit status {done.returncode}\n{done.stdout}")
