"""Times the commands on a study of 10 000 trials that are all done, with made-up records.

    python benchmarks/scale.py [--trials 10000] [--json FILE]

The study compares five methods on the built-in data set. Its plan is real; the records and predictions of its jobs are
made up, of the size that real ones have. Each command runs in a process of its own. The program prints a table of what
was measured and its limit. The exit status is 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console

from harness.driver import Driver
from harness.jobs import Job, Outcome
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.study import read_study
from harness.training.job import npz_bytes

METHODS = ("deepsense", "attnsense", "cpc", "cmc", "cosmo")
SEEDS = 100
STUDY = """\
study: scale
datasets: [fantasy-device]
methods: [{methods}]
sweep: {{label_rate: {rates}}}
seeds: {seeds}
stage1: {{epochs: 100}}
stage2: {{epochs: 100, evaluate_every: 10}}
options:
  fantasy-device: {{series: 8, seconds: 60}}
"""
EPOCHS = tuple(range(10, 101, 10))
PLACE = {"host": "made-up", "machine": "x86_64", "processor": "none", "device": "cpu", "torch": "2.9.0"}
STARTED_AT = "2031-01-01T00:00:00Z"
CHUNK = 200  # records whose writing is timed


@dataclass(frozen=True)
class Measurement:
    """One row of the table."""

    what: str
    measured: float
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit


def write_study(folder: Path, trials: int) -> Path:
    """Write a study of about so many trials: five methods, label rates from 0.05 to 0.5, 100 seeds or fewer."""
    seeds = min(SEEDS, max(1, trials // len(METHODS)))
    rates = np.linspace(0.05, 0.5, max(1, trials // (len(METHODS) * seeds))).round(4).tolist()
    path = folder / "scale.yaml"
    path.write_text(STUDY.format(methods=", ".join(METHODS), rates=rates, seeds=seeds), encoding="utf-8")
    return path


def outcome(job: Job, random: np.random.Generator) -> Outcome:
    """A made-up outcome of a job."""
    loss = (2 / np.arange(1, job.epochs + 1)).tolist()
    if job.kind == "pretrain":
        result: dict[str, Any] = {"loss": loss, "train_seconds": 20.0, "n_parameters": 1000, "modal_distance": 0.3}
        return Outcome(result, {}, PLACE, STARTED_AT, 21.0)
    n_samples = len(job.indices["test"])
    truth = np.arange(n_samples, dtype=np.uint16) % 4
    share = np.linspace(0.4, 0.8, len(EPOCHS))[:, None]
    guesses = random.integers(4, size=(len(EPOCHS), n_samples), dtype=np.uint16)
    predicted = np.where(random.random((len(EPOCHS), n_samples)) < share, truth, guesses)
    accuracy = (predicted == truth).mean(axis=1).tolist()
    result = {
        "epochs_evaluated": list(EPOCHS),
        "curves": {"test": {"accuracy": accuracy, "macro_f1": accuracy}},
        "loss": loss,
        "train_seconds": 5.0,
        "n_parameters": 2000,
        "per_class": {"test": [0.7] * 4},
    }
    arrays = {"epochs": np.array(EPOCHS), "test_true": truth, "test_predicted": predicted}
    return Outcome(result, {"predictions.npz": npz_bytes(arrays)}, PLACE, STARTED_AT, 6.0)


def write_records(ledger: Ledger, jobs: Sequence[Job]) -> None:
    """Write the record of each job as a run does, but without waiting for the disk."""
    random = np.random.default_rng(0)
    with patch("os.fsync"):
        for job in jobs:
            ledger.write_done(job, outcome(job, random))


def growth(full: Ledger, empty: Ledger, jobs: Sequence[Job]) -> float:
    """How much longer a record takes to write to a full ledger than to an empty one, as a ratio of medians."""
    random, times = np.random.default_rng(0), dict[Ledger, list[float]]({full: [], empty: []})
    with patch("os.fsync"):
        for job in jobs:
            made = outcome(job, random)
            for ledger, seconds_of in times.items():  # in turn, since the speed of the machine varies
                seconds_of.append(seconds(lambda ledger=ledger, job=job, made=made: ledger.write_done(job, made)))
    return median(times[full]) / median(times[empty])


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def harness(*arguments: object) -> None:
    """Run a command of the harness. Raises RuntimeError with its output if it fails."""
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def measure(folder: Path, trials: int) -> Iterator[Measurement]:
    path, run = write_study(folder, trials), folder / "run"
    study = read_study(path)
    make_plan(read_study(path, ["seeds=1"]), None)  # imports the methods
    yield Measurement("plan", seconds(lambda: make_plan(study, None)), 5, "s")
    plan = make_plan(study, None)
    ledger = Ledger(run)
    ledger.write_plan({**plan.study_json(), "command": "harness run scale.yaml"}, plan.to_json())
    jobs = list(plan.jobs.values())
    write_records(ledger, jobs[:-CHUNK])
    ratio = growth(ledger, Ledger(folder / "empty"), jobs[-CHUNK:])
    yield Measurement("write a record, relative to an empty ledger", ratio, 1.5, "x")
    yield Measurement("harness status", seconds(lambda: harness("status", run)), 1, "s")
    resume = seconds(lambda: Driver.from_file(path, run, None, [], "", Console(quiet=True)).todo)
    yield Measurement("resume: plan, and find that all is done", resume, 5, "s")
    for which in ("first", "second"):
        dry = seconds(lambda: harness("run", path, "--out", run, "--dry-run"))
        yield Measurement(f"harness run --dry-run, the {which} time", dry, 5, "s")
    yield Measurement("harness report", seconds(lambda: harness("report", run)), 30, "s")
    yield Measurement("size of report.html", (run / "report.html").stat().st_size / 1e6, 5, "MB")
    yield Measurement("harness run, all done", seconds(lambda: harness("run", path, "--out", run)), 35, "s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, metavar="N", help="how many trials, about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements here")
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_CACHE"] = str(Path(folder) / "cache")  # so that the first time is the first
        print(f"{'what':46} {'measured':>10} {'limit':>8}")
        for one in measure(Path(folder), arguments.trials):
            exceeded = "" if one.holds else "  exceeded"
            print(f"{one.what:46} {one.measured:8.2f} {one.unit} {one.limit:6g} {one.unit}{exceeded}")
            found.append(one)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
