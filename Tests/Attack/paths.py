"""Makes the modules of `Tests/Integration` importable."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "Integration"))
