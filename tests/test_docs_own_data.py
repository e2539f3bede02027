"""The walk-through of docs/own_data.md, from a folder of CSV files to a report."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"<!-- commands -->\n```sh\n(.*?)```", re.DOTALL)


def _writer():
    spec = importlib.util.spec_from_file_location("csv_files", ROOT / "tests/data/importing/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_two_sensors


def test_from_csv_files_to_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    _writer()(tmp_path / "recordings")
    for name, content in FILE.findall(PAGE):
        (tmp_path / name).write_text(content, encoding="utf-8")
    output = {}
    for command in "".join(COMMANDS.findall(PAGE)).splitlines():
        done = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        output[command.split()[2]] = done.output
    assert "unlabelled: 76" in output["import"]
    assert re.search(r"without a label +76", output["info"])
    about = json.loads((tmp_path / "data/mine/index.json").read_text(encoding="utf-8"))
    assert about["modalities"]["gyro"] == {
        "kind": "series",
        "unit": "rad/s",
        "rate_hz": 50,
        "channels": ["gx", "gy", "gz"],
    }
    plan = json.loads((tmp_path / "runs/mine/plan.json").read_text(encoding="utf-8"))
    assert plan["data"]["arrays:mine"]["subjects"] == {
        "train": ["anna", "bob", "cem"],
        "validation": [],
        "test": ["dora"],
    }
    assert {trial["counts"]["labelled"] for trial in plan["trials"]} == {15}
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 76
    assert [list(rows[0])] == [line.split(",") for line in PAGE.splitlines() if line.startswith("sample,subject,")]
    assert {row["subject"] for row in rows} == {"anna", "bob", "cem", "dora"}
    assert {row["predicted"] for row in rows} <= {"rest", "walk", "run"}
    report = (tmp_path / "runs/mine/report.html").read_text(encoding="utf-8")
    assert ">Without a label<" in report
    assert "anna, bob, cem" in report


def test_the_draft_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _writer()(tmp_path / "recordings")
    drafted = CliRunner().invoke(app, ["data", "import", "recordings", "--init"], catch_exceptions=False).stdout
    (tmp_path / "import.yaml").write_text(drafted, encoding="utf-8")
    for line in (
        "time_unit: ms",
        "rate: 50",
        "rate: 100",
        "columns: [gx, gy, gz]",
        "label: {column: activity, of: acc}",
    ):
        assert line in drafted
    done = CliRunner().invoke(
        app, shlex.split("data import recordings --config import.yaml --out data/mine"), catch_exceptions=False
    )
    assert "4 subjects; use arrays:mine" in done.output
