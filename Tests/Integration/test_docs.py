"""What the documents show is what the project holds."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_the_example_that_is_compiled():
    example = (ROOT / "Tests/Example/main.swift").read_text()
    assert f"```swift\n{example}```" in (ROOT / "README.md").read_text()
