"""What runs on Ray's side: the worker that does jobs slice by slice, and the courier that it gets them from.

Imported by the Ray executor alone. A worker needs nothing of the driver's disk: its job, its inputs, the recordings and
its outcome all travel through Ray.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, replace
from typing import Any

import ray
from ray import tune

from harness.data.base import Recordings
from harness.execute.base import Perform
from harness.jobs import Failure, Inputs, Job, Outcome
from harness.method import Progress

Doing = Generator[Progress, None, "Outcome | Failure"]
SLICE_SECONDS = 0.5  # how long a worker works before it tells how far it is (an epoch is never cut)


@ray.remote(num_cpus=0)
class Courier:
    """Lives on the driver's node: keeps each job until a worker takes it, its checkpoint and its outcome until the driver collects it.

    It opens none of what it carries. Outcomes come as bytes, not as references: an object dies with the worker that
    owns it, and a worker may be stopped as soon as its job is done.
    """

    def __init__(self) -> None:
        self._offers: dict[str, list[ray.ObjectRef[Any]]] = {}
        self._left: dict[str, bytes] = {}
        self._checkpoints: dict[str, bytes] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def offer(self, key: str, task: list[ray.ObjectRef[Any]]) -> None:
        self._offers[key] = task

    def take(self, key: str) -> list[ray.ObjectRef[Any]]:
        return self._offers[key]  # it stays: if the worker dies, another takes it again

    def leave(self, key: str, outcome: bytes) -> None:
        self._left[key] = outcome

    def keep(self, key: str, checkpoint: bytes) -> None:
        self._checkpoints[key] = checkpoint

    def checkpoint(self, key: str) -> bytes | None:
        """Where a running job can go on."""
        return self._checkpoints.get(key)

    def tell(self, key: str, progress: dict[str, Any]) -> None:
        """``kept``: a checkpoint was kept since the last time that this was heard."""
        self._told[key] = {**progress, "kept": progress["kept"] or self._told.get(key, {}).get("kept", False)}

    def hear(self, key: str) -> tuple[dict[str, Any] | None, bytes | None]:
        """How far the workers that share a job are, told once, and what they have left."""
        return self._told.pop(key, None), self._left.get(key)

    def collect(self, key: str) -> bytes | None:
        """What a worker has left, and forget the job; None if it left nothing."""
        for kept in (self._offers, self._checkpoints, self._told):
            kept.pop(key, None)
        return self._left.pop(key, None)


class Worker(tune.Trainable):
    """Does one job after another.

    A trial's config: job (key), courier (the actor's name), workers, cpus, gpus (of each), retries, each_look (tell of each).
    """

    @classmethod
    def default_resource_request(cls, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """What a job's one process needs.

        A device's job has the device for itself. Of a job that is shared Ray Train reserves what its workers need, and this one
        only waits: one byte of memory, the least that Tune allows.
        """
        bundle = {"CPU": config["cpus"], "GPU": config["gpus"]}
        if config["resource"]:
            bundle = {config["resource"]: 1}
        elif config["workers"] > 1:
            bundle = {"memory": 1}
        return tune.PlacementGroupFactory([{name: amount for name, amount in bundle.items() if amount}])

    def setup(self, config: dict[str, Any]) -> None:
        self._recordings: dict[str, Recordings] = {}  # kept from job to job: views of the object store, not copies
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._key, self._config = new_config["job"], new_config
        self._courier = ray.get_actor(new_config["courier"])
        self._doing: Doing | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Take the job and say where, then a slice of it at each call; at the end leave the outcome with the courier."""
        what: Progress | Outcome | Failure
        try:
            if self._doing is None:
                self._doing = self._take()
                return {"where": ray.get_runtime_context().get_node_id()}
            what = _slice(self._doing, self._config["each_look"])
        except Exception as error:
            what = Failure.of(error)
        if isinstance(what, Progress):
            return {"progress": self._told(what), "checkpoint": what.checkpoint is not None}
        ray.get(self._courier.leave.remote(self._key, pickle.dumps(what)))
        self.cleanup()
        return {"done": True}

    def cleanup(self) -> None:
        if self._doing is not None:
            self._doing.close()
        self._doing = None

    def _told(self, progress: Progress) -> dict[str, Any]:
        """A progress as Tune may carry it: its checkpoint goes by the courier."""
        if progress.checkpoint is not None and self._config["workers"] == 1:
            ray.get(self._courier.keep.remote(self._key, progress.checkpoint))
        return asdict(replace(progress, checkpoint=None))

    def _take(self) -> Doing:
        if self._config["workers"] > 1:
            from harness.execute.ray_shared import share

            return share(self._config)
        perform, job, inputs, recordings = take(self._courier, self._key)
        if job.data not in self._recordings:
            self._recordings[job.data] = ray.get(recordings)
        doing: Doing = perform(job, self._recordings[job.data], inputs)
        return doing


def take(courier: Any, key: str) -> tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]]:
    """A job as it was offered."""
    (task,) = ray.get(courier.take.remote(key))
    found: tuple[Perform, Job, Inputs, ray.ObjectRef[Recordings]] = ray.get(task)
    return found


def _slice(doing: Doing, each_look: bool) -> Progress | Outcome | Failure:
    """Go on with a job for a while, or until its next look or checkpoint; its last progress, or what it leaves if it has ended."""
    end = time.monotonic() + SLICE_SECONDS
    while True:
        try:
            progress = next(doing)
        except StopIteration as stop:
            left: Outcome | Failure = stop.value
            return left
        looked = each_look and progress.validation_accuracy is not None
        if looked or progress.checkpoint is not None or time.monotonic() >= end:
            return progress
