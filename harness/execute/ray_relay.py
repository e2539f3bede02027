"""What carries jobs to Ray's workers, and what they leave to the driver. Imported by the Ray executor alone."""

from __future__ import annotations

from typing import Any

import ray

from harness.data.base import Recordings
from harness.execute.base import Perform
from harness.jobs import Inputs, Job


@ray.remote(num_cpus=0)
class ArtefactRelay:
    """Lives on the driver's node: keeps each job until a worker takes it, its checkpoint and its outcome until the driver collects it.

    It opens none of what it carries. Outcomes come as bytes, not as references: an object dies with the worker that
    owns it, and a worker may be stopped as soon as its job is done.
    """

    def __init__(self) -> None:
        self._offers: dict[str, list[ray.ObjectRef[Any]]] = {}
        self._outcomes: dict[str, bytes] = {}
        self._checkpoints: dict[str, bytes] = {}
        self._progress: dict[str, dict[str, Any]] = {}

    def offer(self, key: str, task: list[ray.ObjectRef[Any]]) -> None:
        self._offers[key] = task

    def take(self, key: str) -> list[ray.ObjectRef[Any]]:
        return self._offers[key]  # it stays: if the worker dies, another takes it again

    def store_outcome(self, key: str, outcome: bytes) -> None:
        self._outcomes[key] = outcome

    def store_checkpoint(self, key: str, checkpoint: bytes) -> None:
        self._checkpoints[key] = checkpoint

    def checkpoint(self, key: str) -> bytes | None:
        """Where a running job can go on."""
        return self._checkpoints.get(key)

    def report_progress(self, key: str, progress: dict[str, Any]) -> None:
        """``kept``: a checkpoint was kept since the last time that this was heard."""
        self._progress[key] = {**progress, "kept": progress["kept"] or self._progress.get(key, {}).get("kept", False)}

    def poll(self, key: str) -> tuple[dict[str, Any] | None, bytes | None]:
        """How far the workers that share a job are, told once, and what they have left."""
        return self._progress.pop(key, None), self._outcomes.get(key)

    def collect(self, key: str) -> bytes | None:
        """What a worker has left, and forget the job; None if it left nothing."""
        for kept in (self._offers, self._checkpoints, self._progress):
            kept.pop(key, None)
        return self._outcomes.pop(key, None)


def take(relay: Any, key: str) -> tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]]:
    """A job as it was offered."""
    (task,) = ray.get(relay.take.remote(key))
    found: tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]] = ray.get(task)
    return found
