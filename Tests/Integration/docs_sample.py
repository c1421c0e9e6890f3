"""A page of a project that has little else, for the tests of what checks pages."""

import pytest
from docs_pages import Page


@pytest.fixture
def page(tmp_path):
    """Makes a page of a project that has little else: `page("# A heading", …)`, a line each."""
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "other.md").write_text("# Other things\n\n## Limits\n\n## Limits\n")
    (root / "docs" / "image.svg").write_text("<svg/>\n")

    def make(*lines):
        path = root / "docs" / "page.md"
        path.write_text("\n".join(lines) + "\n")
        return Page(path, root)

    return make
