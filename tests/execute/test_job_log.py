"""What jobs print is kept, in whatever process they run; the record of a job stays as it is."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from stubs import DATA, RecordingObserver, make_job, outcome, speak

from harness.execute.inline import InlineExecutor
from harness.execute.job_log import JobLog, logged
from harness.jobs import Failure, Outcome, Progress
from harness.ledger import Ledger

SPOKEN = ["out 1", "err 1", "odd", "out 2", "err 2"]


def end_of(job: Generator[Progress, None, Outcome]) -> Outcome:
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def in_order(text: str, parts: list[str]) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def executors() -> list[Any]:
    return ["inline", pytest.param("ray", marks=pytest.mark.ray)]


@pytest.fixture(params=executors())
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A run of two jobs that speak, the second of which then fails."""
    ledger, jobs = Ledger(tmp_path / "run"), [make_job("speaks"), make_job("speaks and fails")]
    ledger.root.mkdir()
    executor: Any = InlineExecutor(speak)
    if request.param == "ray":
        request.getfixturevalue("local_ray")
        from harness.execute.ray_tune import RayExecutor

        executor = RayExecutor(perform=speak)
    executor.run(jobs, DATA, ledger, RecordingObserver())
    return ledger


def test_what_a_job_prints_is_kept_in_the_runs_folder(ledger: Ledger) -> None:
    speaks, fails = make_job("speaks"), make_job("speaks and fails")
    assert in_order(ledger.log(speaks.key), SPOKEN)
    assert "Traceback" not in ledger.log(speaks.key)
    assert in_order(ledger.log(fails.key), [*SPOKEN, "Traceback", "in speak", "ValueError: no such luck"])
    assert {path.name for path in (ledger.root / "logs").iterdir()} == {f"{job.key}.txt" for job in (speaks, fails)}
    done, failed = ledger.record(speaks.key), ledger.record(fails.key)
    assert done is not None
    assert failed is not None
    assert "log" not in done
    assert set(failed["error"]) == {"type", "message", "traceback"}


def test_a_warning_is_kept_once_a_job_and_once_for_each_job(ledger: Ledger) -> None:
    for job in (make_job("speaks"), make_job("speaks and fails")):
        assert ledger.log(job.key).count("UserWarning: odd") == 1


def test_what_a_job_prints_still_goes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    list(logged(speak(make_job("speaks"), DATA[make_job("speaks").data], {})))
    out, err = capsys.readouterr()
    assert out == "out 1\nout 2\n"
    assert in_order(err, ["err 1", "err 2"])


def test_between_two_epochs_nothing_is_kept() -> None:
    job = logged(speak(make_job("speaks"), DATA[make_job("speaks").data], {}))
    before = sys.stdout, sys.stderr, warnings.showwarning
    next(job)
    assert (sys.stdout, sys.stderr, warnings.showwarning) == before
    print("not the job's")
    assert "not the job's" not in end_of(job).log


def test_a_job_that_prints_nothing_leaves_no_file(tmp_path: Path) -> None:
    ledger, job = Ledger(tmp_path), make_job("quiet")
    ledger.write_failed(job, Failure("ValueError", "no such luck", "Traceback …", log="said\n"))
    assert ledger.log(job.key) == "said\nTraceback …"
    ledger.write_done(job, outcome({}))
    assert ledger.log(job.key) == ""
    assert not list((tmp_path / "logs").iterdir())


def test_a_log_holds_its_last_characters() -> None:
    log = JobLog(limit=10)
    for number in range(10_000):
        log.write(f"{number}\n")
    head, _, tail = log.text.partition("\n")
    assert tail == "9998\n9999\n"
    assert head == "[the first 48880 characters are left out]"
    assert len("".join(f"{number}\n" for number in range(10_000))) == 48890
