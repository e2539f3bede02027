"""Compares a whole study on UTD-MHAD with the same trials in their plain form, one after another.

    python benchmarks/studies.py label_rate --data DIR [--seeds 3] [--stage1 4] [--stage2 8] [--json FILE]

The harness runs the shipped study with `harness run` on a local Ray, which shares stage 1 between trials and runs as
many jobs at once as there are cores. The plain form starts a process for each trial, which trains its own stage 1 and
uses all cores. Both times include the start of their processes and reading the data.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from plain import as_list, plain_trial
from rich.console import Console

from harness import registry
from harness.data.base import Recordings
from harness.data.normalise import Normaliser
from harness.jobs import Job
from harness.method import Task
from harness.options import Stage1, Stage2
from harness.plan import Plan, make_plan
from harness.provenance import processor
from harness.study import read_study

STUDIES = Path(__file__).resolve().parents[1] / "studies"
LIMITS = {"label_rate": 10, "lambda": 15}


def overrides(arguments: argparse.Namespace) -> list[str]:
    """The same for both forms: one data set, fewer epochs and seeds, one evaluation."""
    return [
        "datasets=[utd-mhad]",
        f"seeds={arguments.seeds}",
        f"stage1.epochs={arguments.stage1}",
        f"stage2.epochs={arguments.stage2}",
        f"stage2.evaluate_every={arguments.stage2}",
    ]


def run_trial(job: Job, pretraining: Job | None, recordings: Recordings) -> None:
    """Runs in a process of its own."""
    torch.set_num_threads(os.cpu_count() or 1)
    normaliser = Normaliser.fit(recordings.arrays, job.indices["train"], recordings.modalities)
    arrays = {name: normaliser.apply(name, array) for name, array in recordings.arrays.items()}
    method = registry.get("methods", job.content["method"]["name"])()
    stage1 = Stage1.from_plain(pretraining.content["settings"]) if pretraining else Stage1()
    options: dict[str, Any] = {**(pretraining.content["options"] if pretraining else {}), **job.content["options"]}
    unlabelled = pretraining.indices["unlabelled"] if pretraining else []
    plain_trial(
        method,
        Task(recordings.modalities, recordings.n_classes),
        as_list(arrays, recordings.label, list(unlabelled)),
        as_list(arrays, recordings.label, list(job.indices["labelled"])),
        as_list(arrays, recordings.label, list(job.indices["test"])),
        stage1,
        Stage2.from_plain(job.content["settings"]),
        options,
        str(job.content["row"]),
    )


def plain_seconds(plan: Plan) -> list[float]:
    """The time of each trial, in a process of its own."""
    context, seconds = multiprocessing.get_context("spawn"), []
    for job in plan.jobs.values():
        if job.kind != "train":
            continue
        pretraining = plan.jobs[job.needs[0]] if job.needs else None
        started = time.perf_counter()
        process = context.Process(target=run_trial, args=(job, pretraining, plan.data[job.data]))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"the plain form of {job.title} failed")
        seconds.append(time.perf_counter() - started)
    return seconds


def harness_seconds(study: Path, data: Path, settings: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness", "run", str(study), "--data", str(data), "--out", f"{folder}/run"]
        for setting in settings:
            command += ["--set", setting]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=sorted(LIMITS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stage1", type=int, default=4, help="epochs of stage 1")
    parser.add_argument("--stage2", type=int, default=8, help="epochs of stage 2")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    study, settings = STUDIES / f"{arguments.study}.yaml", overrides(arguments)
    ours = harness_seconds(study, arguments.data, settings)
    trials = plain_seconds(make_plan(read_study(study, settings), arguments.data))
    plain, limit = sum(trials), LIMITS[arguments.study]
    Console(width=120).print(
        f"{arguments.study}, {len(trials)} trials, {arguments.stage1} + {arguments.stage2} epochs, {processor()}, "
        f"{os.cpu_count()} cores: plain {plain:.0f} s, harness {ours:.0f} s, ratio {plain / ours:.1f} (limit {limit})"
    )
    if arguments.json:
        content = {**vars(arguments), "plain_seconds": trials, "harness_seconds": ours, "ratio": plain / ours}
        arguments.json.write_text(json.dumps(content, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
