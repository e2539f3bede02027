"""`harness logs`: what a job printed, found by the beginning of its key."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from harness.errors import InputError
from harness.jobs import Failure
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.results.run import RunResults
from harness.show.tables import show_failures
from harness.study import read_study
from tests.cli.in_process import harness

STUDY = """\
study: logged
datasets: [fantasy-device]
methods: [deepsense]
seeds: 3
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, run_study: Callable[..., Ledger]) -> RunResults:
    """A run with three jobs: one that printed something, one that printed nothing, one that failed."""
    ledger = run_study(STUDY, tmp_path_factory.mktemp("logs"))
    results = RunResults.open(ledger.root)
    jobs = make_plan(read_study(ledger.root.parent / "study.yaml"), None).jobs
    first, _, third = results.plan.jobs
    (ledger.root / "logs").mkdir()
    (ledger.root / "logs" / f"{first}.txt").write_text("[bold]as it was printed[/bold]\n\x1b[31m\x1b]0;x\x07red\u202e")
    ledger.write_failed(jobs[third], Failure("ValueError", "no such luck", "Traceback of it\n", log="before it\n"))
    return RunResults.open(ledger.root)


def test_a_log_is_printed_as_it_was_but_controls_no_terminal(run: RunResults) -> None:
    first, second, third = run.plan.jobs
    assert harness("logs", run.folder, first[:6]).stdout == "[bold]as it was printed[/bold]\nred\n"
    assert harness("logs", run.folder, third).stdout == "before it\nTraceback of it\n"
    silent = harness("logs", run.folder, second)
    assert (silent.returncode, silent.stdout) == (0, "")
    assert f"({second}) printed nothing" in silent.stderr


def test_a_run_without_logs_shows_the_traceback_of_the_record(run: RunResults) -> None:
    third = list(run.plan.jobs)[2]
    path = run.folder / "logs" / f"{third}.txt"
    text = path.read_text()
    path.unlink()
    assert run.log(third) == "Traceback of it\n"
    path.write_text(text)


def test_an_unknown_key_is_bad_input_with_the_nearest_keys(run: RunResults) -> None:
    first = next(iter(run.plan.jobs))
    wrong = "x" + first[1:]
    done = harness("logs", run.folder, wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{wrong!r} is not a job: no job has a key that begins with it" in done.stderr
    assert f"{first}  {run.plan.jobs[first].title}" in done.stderr
    assert "Traceback" not in done.stderr


def test_text_near_to_no_key_points_to_the_table_of_trials(run: RunResults) -> None:
    with pytest.raises(InputError, match=r"`harness records RUN` shows the keys"):
        run.find_key("zzzz")


def test_a_beginning_of_several_keys_is_not_guessed(run: RunResults) -> None:
    copy = RunResults.open(run.folder)
    keys = ["abc1" * 5, "abc2" * 5]
    copy.plan.jobs.clear()
    copy.plan.jobs.update(zip(keys, run.plan.jobs.values(), strict=False))
    assert copy.find_key("abc1") == keys[0]
    with pytest.raises(InputError, match=r"'abc' is not a job: 2 jobs have keys that begin with it:"):
        copy.find_key("abc")


def test_a_failed_job_is_shown_with_the_command_that_prints_its_log(run: RunResults) -> None:
    third = list(run.plan.jobs)[2]
    console = Console(file=io.StringIO(), width=300)
    show_failures(run, console)
    assert f"no such luck (harness logs {run.folder} {third[:8]})" in console.file.getvalue()


def test_jobs_that_failed_with_one_error_are_one_line(run: RunResults, monkeypatch: pytest.MonkeyPatch) -> None:
    (failed,) = run.failed()
    monkeypatch.setattr(RunResults, "failed", lambda self: [failed] * 3)
    console = Console(file=io.StringIO(), width=300)
    show_failures(run, console)
    assert len(console.file.getvalue().splitlines()) == 1
    assert console.file.getvalue().startswith("failed: 3 jobs: ")


def test_a_locale_without_a_letter_ends_no_command() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "harness", "describe", "cosmo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert re.search(r"\\u[0-9a-f]{4}|\\x[0-9a-f]{2}", done.stdout)
