"""The folders of the library refer to each other in one direction.

Two folders that know each other are one part in two places. A type's name in another folder's code
counts as a reference; comments and texts don't.
"""

import re
from itertools import combinations

from apus import ROOT

LIBRARY = ROOT / "Sources" / "WebSocketServer"

DECLARATION = re.compile(
    r"^(?:@\w+\s+)*(?:(?:public|package|private|fileprivate|open|final|indirect)\s+)*"
    r"(?:class|struct|enum|protocol|actor|typealias)\s+(\w+)",
    re.MULTILINE,
)
# Strings go before comments, since `//` may stand in one; what they interpolate goes with them.
IGNORED = re.compile(
    r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*(?:.|\n)*?\*/', re.MULTILINE
)


def sources() -> dict[str, str]:
    """The code of each folder, without comments and texts."""
    code: dict[str, str] = {}
    for path in sorted(LIBRARY.rglob("*.swift")):
        folder = path.relative_to(LIBRARY).parts[0]
        if folder != path.name:
            code[folder] = code.get(folder, "") + IGNORED.sub(" ", path.read_text()) + "\n"
    return code


def references() -> dict[tuple[str, str], set[str]]:
    """The names of the second folder's types that the first one's code mentions."""
    code = sources()
    declared = {folder: set(DECLARATION.findall(text)) for folder, text in code.items()}
    words = {folder: set(re.findall(r"(?<![.\w])[A-Z]\w*", text)) for folder, text in code.items()}
    return {
        (one, other): found
        for one in code
        for other in code
        if one != other and (found := words[one] & declared[other] - declared[one])
    }


def test_folders_refer_to_each_other_in_one_direction():
    found = references()
    assert found, "no folder refers to another: is the library somewhere else?"
    mutual = [
        f"{one} -> {other}: {sorted(found[one, other])}, "
        f"{other} -> {one}: {sorted(found[other, one])}"
        for one, other in combinations(sorted({one for one, _ in found}), 2)
        if (one, other) in found and (other, one) in found
    ]
    assert not mutual, "\n".join(mutual)
