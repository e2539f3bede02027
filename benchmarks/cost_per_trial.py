"""The harness's own cost per trial: 200 tiny trials on a local Ray with two cores.

    python benchmarks/cost_per_trial.py [--trials 200]

Own cost = (wall time of planning and running − time of training and evaluation, shared by the cores) / trials. Ray's start
is left out; moving data, starting workers, building networks, metrics and writing records are all in. Exit status 1 above
0.3 seconds.
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
from harness.show.progress import PlainProgress, RunProgress
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
MOST_SECONDS = 0.3


def run(folder: Path, trials: int) -> tuple[float, float]:
    """Run so many trials: the wall time from the study's text to the last record, and the sum of their training and evaluation."""
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
    own = (wall - training / CORES) / trials
    print(f"{trials} trials on {CORES} cores: {wall:.1f} s (Ray's start of {start:.1f} s left out)")
    print(f"training and evaluation: {training:.1f} s in all, {training / CORES:.1f} s of the wall time")
    print(f"own cost: {own:.3f} s per trial (at most {MOST_SECONDS} s); load when it ended: {os.getloadavg()[0]:.1f}")
    sys.exit(own > MOST_SECONDS)


if __name__ == "__main__":
    main()
