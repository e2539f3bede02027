"""A search with ASHA on Ray stops the worse part of its trials early, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stubs import DATA, JobGenerator, RecordingObserver, make_job, outcome

from harness.driver import Driver, Execution
from harness.execute.base import EarlyStopping
from harness.execute.ray_tune import RayExecutor
from harness.jobs import Inputs, Job, Progress
from harness.ledger import Ledger, Record
from harness.results.run import RunResults
from harness.results.table import trial_table

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

EPOCHS = 8
STUDY = """\
study: tuned
datasets: [fantasy-device]
methods: [deepsense]
label_rate: 0.3
split: {validation: [4]}
seeds: 2
stage2: {epochs: 8, evaluate_every: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
search:
  trials: 6
  scheduler: asha
  reduction_factor: 2
  space:
    stage2.lr: {choice: [0.05, 0.04, 1.0e-6, 1.1e-6, 1.2e-6, 1.3e-6]}
"""


def stub(job: Job, recordings: Any, inputs: Inputs) -> JobGenerator:
    """A job whose accuracy is that of its content, evaluated after each epoch."""
    good = job.content["good"]
    for epoch in range(1, EPOCHS + 1):
        yield Progress(epoch, EPOCHS, 0.0, validation_accuracy=good)
    return outcome(
        {"epochs_evaluated": list(range(1, EPOCHS + 1)), "curves": {"validation": {"accuracy": [good] * EPOCHS}}}
    )


def rivals(name: str, *goods: float) -> list[Job]:
    return [make_job(name, good=good, i=i, settings={"epochs": EPOCHS}) for i, good in enumerate(goods)]


def run(
    jobs: list[Job], ledger: Ledger, searches: list[list[Job]], observer: RecordingObserver | None = None
) -> list[Record]:
    stopping = EarlyStopping(
        tuple(tuple(job.key for job in search) for search in searches), grace_period=2, reduction_factor=2
    )
    todo = [job for job in jobs if (record := ledger.record(job.key)) is None or record["status"] == "failed"]
    RayExecutor(perform=stub, max_concurrent=1, stopping=stopping).run(
        todo, DATA, ledger, observer or RecordingObserver()
    )
    return [ledger.record(job.key) for job in jobs]


def test_each_search_is_compared_with_itself_and_other_jobs_run_to_their_end(tmp_path: Path) -> None:
    high, low, others = rivals("high", 0.9, 0.5, 0.95), rivals("low", 0.3, 0.1, 0.35), rivals("other", 0.0)
    ledger = Ledger(tmp_path)
    records = run([*high, *low, *others], ledger, [high, low])
    assert [record["status"] for record in records] == ["done", "stopped", "done", "done", "stopped", "done", "done"]
    assert records[1]["result"] == {
        "epochs_evaluated": [1, 2],
        "curves": {"validation": {"accuracy": [0.5, 0.5]}},
    }  # at the first rung
    assert "artefacts" not in records[1]
    assert not ledger.is_done(high[1].key)


def test_a_stopped_job_is_run_whole_where_nothing_stops_it(tmp_path: Path) -> None:
    ledger, jobs = Ledger(tmp_path), rivals("high", 0.9, 0.5)
    assert [record["status"] for record in run(jobs, ledger, [jobs])] == ["done", "stopped"]
    RayExecutor(perform=stub).run([jobs[1]], DATA, ledger, RecordingObserver())
    assert ledger.is_done(jobs[1].key)
    assert ledger.record(jobs[1].key)["attempts"] == 2


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    class Interrupting(RecordingObserver):
        def finished(self, job: Job, record: Record) -> None:
            super().finished(job, record)
            if len(self.events) > 0 and [event for event, _ in self.events].count("done") == 2:
                raise KeyboardInterrupt

    jobs = rivals("high", 0.5, 0.9, 0.7, 0.1, 0.8)
    whole = run(jobs, Ledger(tmp_path / "whole"), [jobs])
    ledger = Ledger(tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        run(jobs, ledger, [jobs], Interrupting())
    before = {record["key"]: record for record in ledger.records()}
    assert len(before) == 2
    records = run(jobs, ledger, [jobs])
    assert (
        [record["status"] for record in records]
        == [record["status"] for record in whole]
        == ["done", "done", "done", "stopped", "done"]
    )
    assert all(record == before.get(record["key"], record) for record in records)


def test_a_study_searches_with_asha(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)

    def driver(*overrides: str) -> Driver:
        console = Console(file=io.StringIO(), width=200)
        return Driver.from_file(tmp_path / "study.yaml", tmp_path / "run", None, list(overrides), "", console)

    first = driver()
    assert first.run(Execution()) == 0
    search = RunResults(first.ledger.root).plan.search
    (tuning,) = search["tunings"]
    by_status = {
        status: [one for one in tuning["candidates"] if one["status"] == status] for status in ("done", "stopped")
    }
    assert len(by_status["done"]) + len(by_status["stopped"]) == 6
    assert all(one["trials"][0]["epoch"] == 8 for one in by_status["done"])
    for one in by_status["stopped"]:
        assert one["trials"][0]["epoch"] < 8
        assert "test" not in first.ledger.record(one["trials"][0]["key"])["result"]["curves"]
    assert tuning["candidates"][tuning["chosen"] - 1]["accuracy"] == max(one["accuracy"] for one in by_status["done"])
    assert (trial_table(RunResults(first.ledger.root))["status"] == "done").all()
    assert "ASHA stopped the worse ones early" in (tmp_path / "run/report.html").read_text()

    assert driver().todo == []  # stopped is settled for this search
    whole = driver("search.scheduler=none")  # and for no other
    assert {job.key for job in whole.todo} == {one["trials"][0]["key"] for one in by_status["stopped"]}
