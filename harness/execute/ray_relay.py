"""The relay, a Ray actor that carries jobs to workers and their outcomes back. Imported only by the Ray executor."""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray import cloudpickle

from harness.data.base import Recordings
from harness.execute.base import Perform
from harness.jobs import Inputs, Job

# the node of the driver may lack the package
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@ray.remote(num_cpus=0)
class ArtefactRelay:
    """Keeps each job until a worker takes it, and its checkpoint and outcome until the driver collects them.

    It lives on the driver's node and never unpickles what it carries. Outcomes are sent as bytes rather than as object
    references: an object dies with the worker that owns it, and a worker may be stopped as soon as its job is done.
    """

    def __init__(self) -> None:
        self._offers: dict[str, list[ray.ObjectRef[Any]]] = {}
        self._outcomes: dict[str, bytes] = {}
        self._checkpoints: dict[str, bytes] = {}
        self._progress: dict[str, dict[str, Any]] = {}

    def offer(self, key: str, task: list[ray.ObjectRef[Any]]) -> None:
        self._offers[key] = task

    def take(self, key: str) -> list[ray.ObjectRef[Any]]:
        return self._offers[key]  # kept, so that another worker can take the job if this one dies

    def store_outcome(self, key: str, outcome: bytes) -> None:
        self._outcomes[key] = outcome

    def store_checkpoint(self, key: str, checkpoint: bytes) -> None:
        self._checkpoints[key] = checkpoint

    def checkpoint(self, key: str) -> bytes | None:
        """The checkpoint from which a running job can resume."""
        return self._checkpoints.get(key)

    def report_progress(self, key: str, progress: dict[str, Any]) -> None:
        """Store how far a job is. ``kept`` says whether a checkpoint was stored, and stays true until the next poll."""
        self._progress[key] = {**progress, "kept": progress["kept"] or self._progress.get(key, {}).get("kept", False)}

    def poll(self, key: str) -> tuple[dict[str, Any] | None, bytes | None]:
        """How far the workers that share a job are, if that is news, and their outcome, if there is one."""
        return self._progress.pop(key, None), self._outcomes.get(key)

    def collect(self, key: str) -> bytes | None:
        """Return the outcome of a job, None if there is none, and forget the job."""
        for kept in (self._offers, self._checkpoints, self._progress):
            kept.pop(key, None)
        return self._outcomes.pop(key, None)


def take(relay: Any, key: str) -> tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]]:
    """Fetch an offered job from the relay."""
    (task,) = ray.get(relay.take.remote(key))
    found: tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]] = ray.get(task)
    return found
