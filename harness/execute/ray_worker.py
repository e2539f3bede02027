"""What runs on Ray's side: the worker that does jobs slice by slice, and the courier that it gets them from.

Imported by the Ray executor alone. A worker needs nothing of the driver's disk: its job, its inputs, the recordings and
its outcome all travel through Ray.
"""

from __future__ import annotations

import pickle
import platform
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict
from typing import Any

import ray
from ray import tune

from harness.data.base import Recordings
from harness.jobs import Failure, Job, Outcome
from harness.method import Progress

SLICE_SECONDS = 0.5  # how long a worker works before it tells how far it is (an epoch is never cut)


@ray.remote(num_cpus=0)
class Courier:
    """Lives on the driver's node: keeps each job until a worker takes it, and its outcome until the driver collects it.

    It opens none of what it carries. Outcomes come as bytes, not as references: an object dies with the worker that
    owns it, and a worker may be stopped as soon as its job is done.
    """

    def __init__(self) -> None:
        self._offers: dict[str, list[ray.ObjectRef[Any]]] = {}
        self._left: dict[str, bytes] = {}

    def offer(self, key: str, task: list[ray.ObjectRef[Any]]) -> None:
        self._offers[key] = task

    def take(self, key: str) -> list[ray.ObjectRef[Any]]:
        return self._offers[key]  # it stays: if the worker dies, another takes it again

    def leave(self, key: str, outcome: bytes) -> None:
        self._left[key] = outcome

    def collect(self, key: str) -> bytes | None:
        """What a worker has left, and forget the job; None if it left nothing."""
        self._offers.pop(key, None)
        return self._left.pop(key, None)


class Worker(tune.Trainable):
    """Does one job after another. A trial's config: job (key), courier (the actor's name), cpus, gpus."""

    @classmethod
    def default_resource_request(cls, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        bundle = {"CPU": config["cpus"], "GPU": config["gpus"]}
        return tune.PlacementGroupFactory([{name: amount for name, amount in bundle.items() if amount}])

    def setup(self, config: dict[str, Any]) -> None:
        self._recordings: dict[str, Recordings] = {}  # kept from job to job: views of the object store, not copies
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._key = new_config["job"]
        self._courier = ray.get_actor(new_config["courier"])
        self._doing: Generator[Progress, None, Outcome] | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Take the job and say where, then a slice of it at each call; at the end leave the outcome with the courier."""
        what: Progress | Outcome | Failure
        try:
            if self._doing is None:
                self._doing = self._take()
                return {"where": platform.node()}
            what = _slice(self._doing)
        except Exception as error:
            what = Failure.of(error)
        if isinstance(what, Progress):
            return {"progress": asdict(what)}
        ray.get(self._courier.leave.remote(self._key, pickle.dumps(what)))
        self.cleanup()
        return {"done": True}

    def cleanup(self) -> None:
        if self._doing is not None:
            self._doing.close()
        self._doing = None

    def _take(self) -> Generator[Progress, None, Outcome]:
        (task,) = ray.get(self._courier.take.remote(self._key))
        perform, job, inputs, recordings = ray.get(task)
        assert isinstance(job, Job)
        if job.data not in self._recordings:
            self._recordings[job.data] = ray.get(recordings)
        doing: Generator[Progress, None, Outcome] = perform(job, self._recordings[job.data], inputs)
        return doing


def _slice(doing: Generator[Progress, None, Outcome]) -> Progress | Outcome:
    """Go on with a job for a while; its last progress, or its outcome if it has ended."""
    end = time.monotonic() + SLICE_SECONDS
    while True:
        try:
            progress = next(doing)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        if time.monotonic() >= end:
            return progress
