"""Measures the overhead of the harness per trial, on 200 tiny trials on a local Ray with two cores.

    python benchmarks/cost_per_trial.py [--trials 200]

Overhead = (wall time of planning and running − time of training and evaluation divided by the number of cores) /
trials. It includes moving data, starting workers, building networks, computing metrics and writing records, but not the
start of Ray. The exit status is 1 if the overhead is above 0.3 seconds.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from harness.execute.ray_tune import RayExecutor
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.show.progress import PlainProgress
from harness.show.run_progress import RunProgress
from harness.study import read_study

STUDY = """\
study: tiny
datasets: [fantasy-device]
methods: [deepsense]
seeds: {trials}
stage2: {{epochs: 1}}
options:
  fantasy-device: {{series: 6, seconds: 12}}
"""
CORES = 2
MAX_SECONDS = 0.3


def run(folder: Path, trials: int) -> tuple[float, float]:
    """Run ``trials`` trials.

    Returns the wall time from reading the study to the last record, and the total time of training and evaluation.
    """
    (folder / "tiny.yaml").write_text(STUDY.format(trials=trials), encoding="utf-8")
    begun = time.perf_counter()
    plan, ledger = make_plan(read_study(folder / "tiny.yaml"), None), Ledger(folder / "run")
    ledger.write_plan(plan.study_json(), plan.to_json())
    jobs = list(plan.jobs.values())
    with PlainProgress(Console(file=io.StringIO()), RunProgress(jobs)) as observer:
        RayExecutor().run(jobs, plan.data, ledger, observer)
    wall = time.perf_counter() - begun
    results = [record["result"] for record in ledger.records()]
    assert len(results) == trials
    return wall, sum(result["train_seconds"] + result["evaluation_seconds"] for result in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    trials: int = parser.parse_args().trials
    import ray

    begun = time.perf_counter()
    ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    start = time.perf_counter() - begun
    with tempfile.TemporaryDirectory(prefix="cost-", ignore_cleanup_errors=True) as folder:
        wall, training = run(Path(folder), trials)
    overhead = (wall - training / CORES) / trials
    print(f"{trials} trials on {CORES} cores: {wall:.1f} s (without the start of Ray, {start:.1f} s)")
    print(f"training and evaluation: {training:.1f} s in total, {training / CORES:.1f} s of the wall time")
    print(f"overhead: {overhead:.3f} s per trial (limit {MAX_SECONDS} s); load at the end: {os.getloadavg()[0]:.1f}")
    sys.exit(overhead > MAX_SECONDS)


if __name__ == "__main__":
    main()
