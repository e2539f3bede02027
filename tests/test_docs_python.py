"""docs/python.md: its code runs as it stands, from top to bottom, and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import harness

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```(?:\n\n<!-- output -->\n```text\n(.*?)```)?", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    for name, content in FILE.findall(PAGE):
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_the_code_runs_and_prints_what_the_page_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    blocks = CODE.findall(PAGE)
    assert len(blocks) >= 10
    for code, output in blocks:
        exec(compile(code, "docs/python.md", "exec"), names)
        printed = capsys.readouterr().out
        if output:
            assert printed == output
    assert names["run"].status == {"done": 2 * 2 * 3}
    assert names["run"].failed.empty
    for path in ("runs/labels/report.html", "runs/labels/report-csv/trials.csv", "runs/comparison.html"):
        assert (folder / path).is_file(), path


def test_every_call_of_the_table_exists() -> None:
    calls = set(re.findall(r'open_run\("RUN"\)\.(\w+)', PAGE))
    assert {"status", "trials", "log", "predict", "report", "compare"} == calls
    assert all(hasattr(harness.Run, name) for name in calls)
