"""A small study with an edge section, for the tests of all attachments."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

from harness.execute.inline import InlineExecutor
from harness.jobs import Job
from harness.ledger import Ledger
from harness.plan import Plan, make_plan
from harness.study import read_study

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [{methods}]
label_rate: 0.3
seeds: 1
stage1: {{epochs: 1}}
stage2: {{epochs: 4, evaluate_every: 4}}
options:
  fantasy-device: {{series: 6, seconds: 12}}
  cosmo: {{quality: {{restarts: 1, subsets: 0}}}}
edge:
  devices: {devices}
  meter: {meter}
  hertz: 100
  idle_seconds: {idle}
  batch_sizes: [1, 8]
  latency: {{seconds: {seconds}, count: 12, warmup: 1}}
"""


def planned(
    folder: Path,
    devices: str = "[cpu]",
    meter: str = "none",
    idle: float = 0,
    seconds: float = 0.05,
    methods: str = "deepsense",
) -> tuple[Plan, Ledger]:
    """The plan of the study, and its ledger in ``folder``. Nothing is run."""
    (folder / "study.yaml").write_text(
        STUDY.format(devices=devices, meter=meter, idle=idle, seconds=seconds, methods=methods)
    )
    plan = make_plan(read_study(folder / "study.yaml"), None)
    ledger = Ledger(folder / "run")
    ledger.write_plan(plan.study_json(), plan.to_json())
    return plan, ledger


def run(plan: Plan, ledger: Ledger, *attachments: str, observer: Any = None) -> None:
    """Run the jobs with these attachments that are not done, in this process."""
    jobs = [job for job in plan.jobs.values() if job.attachment in attachments and not ledger.is_done(job.key)]
    InlineExecutor().run(jobs, plan.data, ledger, observer or Mock())


def profiles(plan: Plan) -> list[Job]:
    return [job for job in plan.jobs.values() if job.kind == "profile"]


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    """What must be equal wherever the same trial is measured on the same kind of machine."""
    training = result["training"]
    return {
        "trial": result["trial"],
        "meter": result["meter"],
        "epochs": training["epochs"],
        "loss": [repeat["loss"] for repeat in training["repeats"]],
        "inference": [
            {name: row.get(name) for name in ("runtime", "precision", "batch_size", "agreement")}
            for row in result["inference"]
        ],
    }
