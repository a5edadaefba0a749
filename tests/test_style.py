"""Plain technical English: turns of phrase that slow a reader down are found, with the place and what to write."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READ = ("zoomdiff/**/*.py", "app/**/*.py", "benchmarks/**/*.py", "docs/**/*.md", "*.md")
TICS = {  # what is found: what to write instead
    r"\b[Tt]old\b": "given, said, reported, known",
    r"(?<![.\w])[Tt]ell(s|ing)?\b(?! apart)": "says, reports, shows, passes",
    r"\b[Bb]esides\b": "also, in addition to",
    r"\bof (its|one's|their|your|her|his) own\b|\bone's own\b": "its own, your own, or nothing",
    r"\bthat there (is|are) not\b": "unknown, missing",
    r"\b(keeps?|kept) to (himself|themselves)\b": "undisclosed",
    r"\bwhat (it|they|the callbacks?) raises? ends\b": "an exception it raises ends",
    r"\b[Nn]obody knows\b": "unknown",
    r"\b[Ww]hatever (it|they|that) (is|are|may)\b": "the error, the value: its name",
    r"\bstands? (in|on|here|before|behind|above|below)\b(?! (the open|a town)\b)|\bstood\b": "is, is listed",
}


def lines() -> list[tuple[str, str]]:
    """What people read of this repository: (file:line, words)."""
    files = sorted({path for pattern in READ for path in ROOT.glob(pattern)} - {ROOT / "CHANGELOG.md"})
    assert len(files) > 80, "the folders have moved"
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in files
        if not {"node_modules", ".venv"} & set(path.parts)
        for number, line in enumerate(path.read_text().splitlines(), 1)
    ]


@pytest.mark.parametrize("tic", TICS)
def test_prose_is_plain(tic: str):
    found = [f"{place}  {line.strip()}" for place, line in lines() if re.search(tic, line)]
    assert not found, f"write {TICS[tic]}:\n" + "\n".join(found)
