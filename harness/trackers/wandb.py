"""Weights & Biases: one of its runs for each job, grouped by study."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.trackers.tracker import COMPLETE, MetricValue, Status, TrackedJob, TrackedRun, Tracker

COMPLETED = "completed"  # a file in the folder of an offline run whose job is complete
TIMEOUT = 30  # seconds for a request


class WeightsAndBiases(Tracker):
    """A project of Weights & Biases, online or, with WANDB_MODE=offline, in ./wandb for `wandb sync`."""

    name, title, usage = "wandb", "Weights & Biases, online or offline", "wandb:PROJECT"
    package = "wandb"

    def __init__(self, target: str, study: str):
        super().__init__(target, study)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        entity, _, self._project = target.rpartition("/")
        self._entity = entity or None
        self._offline = os.environ.get("WANDB_MODE") in ("offline", "dryrun", "disabled")
        if not self._offline:
            if not wandb.login(key=os.environ.get("WANDB_API_KEY"), verify=True, timeout=TIMEOUT):
                raise InputError("no API key is configured: `wandb login` stores one, or set WANDB_MODE=offline")
            self._api = wandb.Api(timeout=TIMEOUT)

    def logged(self) -> set[str]:
        if self._offline:
            return {_key(path.parent.name) for path in _folder().glob(f"offline-run-*/{COMPLETED}")}
        path = f"{self._entity or self._api.default_entity}/{self._project}"
        try:
            return {_key(run.id) for run in self._api.runs(path, {"group": self.study, "state": "finished"})}
        except ValueError:  # there is no such project yet
            return set()

    def begin(self, job: TrackedJob) -> TrackedRun:
        import wandb

        settings = wandb.Settings(
            console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True
        )
        return WeightsAndBiasesRun(
            wandb.init(
                project=self._project,
                entity=self._entity,
                id=f"{job.key}-{secrets.token_hex(3)}",
                name=job.title,
                group=job.study,
                job_type=job.kind,
                config={**job.parameters, **job.tags, "key": job.key},
                reinit="create_new",
                settings=settings,
            )
        )


class WeightsAndBiasesRun(TrackedRun):
    """A run of Weights & Biases."""

    def __init__(self, run: Any):
        super().__init__()
        self._run = run
        run.define_metric("epoch", hidden=True)
        run.define_metric("*", step_metric="epoch")

    def write(self, points: Sequence[MetricValue]) -> None:
        for epoch, of_epoch in groupby(sorted(points, key=attrgetter("epoch")), key=attrgetter("epoch")):
            self._run.log({"epoch": epoch} | {point.metric: point.value for point in of_epoch})

    def close(self, status: Status, figures: Mapping[str, float], error: str) -> None:
        self._run.summary.update({**figures, "status": status} | ({"error": error} if error else {}))
        folder = Path(self._run.settings.sync_dir)
        self._run.finish(exit_code=0 if status in COMPLETE else 1)
        if status in COMPLETE and folder.name.startswith("offline-run-"):
            (folder / COMPLETED).touch()


def _key(run_id: str) -> str:
    """The key in the id of a run, ``KEY-4f5a6b``, or in the name of its folder, ``offline-run-DATE-KEY-4f5a6b``."""
    return run_id.rpartition("-")[0].rpartition("-")[2]


def _folder() -> Path:
    """Where wandb keeps its offline runs."""
    return Path(os.environ.get("WANDB_DIR") or ".") / "wandb"
