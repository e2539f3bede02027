"""Retired words and sentences stay out of code and docs: one word, one meaning (docs/glossary.md)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    *(path for room in ("harness", "reports", "baselines") for path in sorted((ROOT / room).rglob("*.py"))),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
]
RETIRED = {
    "looks": r"\blooks? (at|among)\b.*\bepoch|\bselected_look\b|\blook_among\b",
    "material": r"\b[Mm]aterial(_of)?\b",
    "classes": r"\b(Handout|Courier|Desk|Told|Looks?)\b",
    "riddles": (
        r"what precedes it is it, too|who wants that sets it|than which nothing|which no source speaks of"
        r"|can't be told apart from|\bis told\b"
    ),
    "aliases": r"^(Kind|Path|Point) = ",
}


def test_the_search_finds_the_sources() -> None:
    assert len(SOURCES) > 150


@pytest.mark.parametrize("name", RETIRED)
def test_no_retired_word(name: str) -> None:
    pattern = re.compile(RETIRED[name])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
