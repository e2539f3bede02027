"""Runs whose jobs were not all done in the same environment are warned of and marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.results.environments import caution_of, mixed

OLD, NEW = {"torch": "2.9.0", "processor": "A", "device": "cpu"}, {"torch": "2.13.0", "processor": "A", "device": "cpu"}
STUDY = """\
study: tiny
datasets: [fantasy-device]
methods: [deepsense]
seeds: 1
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""


def test_what_differs_is_named() -> None:
    assert mixed([OLD, OLD, {}]) == {}
    assert mixed([OLD, NEW, {**NEW, "processor": "B"}]) == {"torch": ["2.13.0", "2.9.0"], "processor": ["A", "B"]}


def test_a_caution_names_both_sides() -> None:
    assert caution_of([], NEW) is None
    assert caution_of([NEW, {}], {"torch": "2.13.0"}) is None
    text = caution_of([OLD, NEW], {"torch": "2.13.0", "processor": "B"})
    assert text is not None
    assert text.startswith("jobs of this run were done with torch 2.9.0, now 2.13.0; processor A, now B: keys do not")


def test_a_run_that_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(STUDY)
    harness.run("tiny.yaml", inline=True)
    assert "jobs of this run were done with" not in "".join(capsys.readouterr())
    (path,) = (tmp_path / "runs/tiny/records").iterdir()
    record = json.loads(path.read_text())
    record["environment"] |= {"torch": "1.0.0", "processor": "an i386"}
    path.write_text(json.dumps(record))
    harness.run("tiny.yaml", overrides={"seeds": 2}, inline=True)
    told = " ".join("".join(capsys.readouterr()).split())
    assert told.count("jobs of this run were done with torch 1.0.0, now ") == 1
    assert "processor an i386, now " in told
    report = (tmp_path / "runs/tiny/report.html").read_text()
    assert report.count("Mixed: the jobs did not all run in the same environment (torch: 1.0.0 and ") == 2
