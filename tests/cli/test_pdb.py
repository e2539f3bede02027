"""`--pdb`: the debugger opens where an unexpected error was raised, or where a job failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """\
study: broken
datasets: [fantasy-device]
methods: [deepsense, attnsense]
seeds: 1
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""
BREAK = """\
import sys
import harness.cli
from harness.execute import perform_job

def broken(*arguments):
    number_in_the_frame = 6
    raise ValueError("no such luck")

perform_job._train = broken
sys.argv = ["harness", *sys.argv[1:]]
harness.cli.entry()
"""


def run(folder: Path, program: str, *arguments: str, typed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "broken.yaml").write_text(STUDY)
    return tmp_path


@pytest.mark.parametrize("arguments", [("run", "--pdb"), ("--pdb", "run")])
def test_the_debugger_opens_at_the_first_job_that_fails(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(folder, BREAK, *arguments, "broken.yaml", "--inline", typed="p number_in_the_frame * 7\nq\n")
    assert done.returncode == 1
    assert "(Pdb) 42" in done.stdout
    assert "ValueError: no such luck" in done.stderr
    assert "failed: train deepsense · fantasy-device · seed 0" in done.stderr
    assert "This is a bug" not in done.stderr
    records = [json.loads(path.read_text()) for path in (folder / "runs/broken/records").iterdir()]
    assert [record["status"] for record in records] == ["failed"]  # it is kept, and the second job is left


def test_without_it_a_failed_job_stops_nothing(folder: Path) -> None:
    done = run(folder, BREAK, "run", "broken.yaml", "--inline", typed="")
    assert done.returncode == 1
    assert "(Pdb)" not in done.stdout
    assert len(list((folder / "runs/broken/records").iterdir())) == 2


def test_the_debugger_opens_at_a_bug(folder: Path) -> None:
    program = (
        "import sys, harness.cli as c; from harness import registry; registry.paths = lambda kind: 1 / 0; "
        "sys.argv = ['harness', *sys.argv[1:]]; c.entry()"
    )
    done = run(folder, program, "--pdb", "list", "methods", typed="p kind\nq\n")
    assert done.returncode == 70
    assert "(Pdb) 'methods'" in done.stdout
    assert "and the output of `harness env`" in done.stderr


def test_bad_input_opens_no_debugger(folder: Path) -> None:
    done = run(folder, BREAK, "run", "--pdb", "broken.yaml", "--inline", "--set", "seeds=none", typed="q\n")
    assert done.returncode == 2
    assert "(Pdb)" not in done.stdout
