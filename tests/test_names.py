"""One word, one meaning: no two public classes share a name."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_two_public_classes_share_a_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for package in ("harness", "baselines", "reports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    assert found["Ledger"] == ["harness/ledger.py"]  # the search finds what there is
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
