import re

import pytest
from machine import BUILD, ROOT, machine as new_machine, run


def version():
    text = (ROOT / "Sources/apus/Version.swift").read_text()
    return re.search(r'static let number = "(.*)"', text)[1]


@pytest.fixture(scope="session")
def package():
    (found,) = (BUILD / "dist").glob(f"apus_{version()}_*.deb")
    return found


@pytest.fixture(scope="session")
def next_package(package):
    """The same program as another version."""
    number = f"{version()}+next"
    run(ROOT / "Packaging/dist", "--repack", number)
    (found,) = (BUILD / "dist").glob(f"apus_{number}_*.deb")
    yield found
    for file in (BUILD / "dist").glob(f"apus_{number}_*"):
        file.unlink()


@pytest.fixture
def machine(tmp_path):
    with new_machine(tmp_path) as machine:
        yield machine
