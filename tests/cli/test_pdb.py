"""`--pdb`: the debugger opens where an unexpected error was raised, or where a job failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.execute import perform_job
from tests.cli.in_process import harness

STUDY = """\
study: broken
datasets: [fantasy-device]
methods: [deepsense, attnsense]
seeds: 1
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study whose jobs fail."""

    def broken(*_: Any) -> None:
        number_in_the_frame = 6  # noqa: F841  # the debugger prints it
        raise ValueError("no such luck")

    monkeypatch.setattr(perform_job, "_train", broken)
    (tmp_path / "broken.yaml").write_text(STUDY)
    return tmp_path


@pytest.mark.parametrize("arguments", [("run", "--pdb"), ("--pdb", "run")])
def test_the_debugger_opens_at_the_first_job_that_fails(folder: Path, arguments: tuple[str, ...]) -> None:
    done = harness(*arguments, "broken.yaml", "--inline", cwd=folder, typed="p number_in_the_frame * 7\nq\n")
    assert done.returncode == 1
    assert "(Pdb) 42" in done.stdout
    assert "ValueError: no such luck" in done.stderr
    assert "failed: train deepsense · fantasy-device · seed 0" in done.stderr
    assert "This is a bug" not in done.stderr
    records = [json.loads(path.read_text()) for path in (folder / "runs/broken/records").iterdir()]
    assert [record["status"] for record in records] == ["failed"]  # it is kept, and the second job is left


def test_without_it_a_failed_job_stops_nothing(folder: Path) -> None:
    done = harness("run", "broken.yaml", "--inline", cwd=folder)
    assert done.returncode == 1
    assert "(Pdb)" not in done.stdout
    assert len(list((folder / "runs/broken/records").iterdir())) == 2


def test_the_debugger_opens_at_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "paths", lambda kind: 1 / 0)
    done = harness("--pdb", "list", "methods", typed="p kind\nq\n")
    assert done.returncode == 70
    assert "(Pdb) 'methods'" in done.stdout
    assert "and the output of `harness env`" in done.stderr


def test_bad_input_opens_no_debugger(folder: Path) -> None:
    done = harness("run", "--pdb", "broken.yaml", "--inline", "--set", "seeds=none", cwd=folder, typed="q\n")
    assert done.returncode == 2
    assert "(Pdb)" not in done.stdout
