"""What runs on Ray's side: the worker that does jobs slice by slice.

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
from harness.execute.job_log import logged
from harness.execute.ray_relay import take
from harness.jobs import Failure, Outcome
from harness.method import Progress

WorkerGenerator = Generator[Progress, None, "Outcome | Failure"]
SLICE_SECONDS = 0.5  # how long a worker works before it tells how far it is (an epoch is never cut)


class Worker(tune.Trainable):
    """Does one job after another.

    A trial's config: job (key), relay (the actor's name), workers, cpus, gpus (of each), retries, each_evaluation (tell of each).
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
        self._relay = ray.get_actor(new_config["relay"])
        self._doing: WorkerGenerator | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Take the job and say where, then a slice of it at each call; at the end leave the outcome with the relay."""
        what: Progress | Outcome | Failure
        try:
            if self._doing is None:
                self._doing = self._take()
                return {"where": ray.get_runtime_context().get_node_id()}
            what = _slice(self._doing, self._config["each_evaluation"])
        except Exception as error:
            what = Failure.of(error)
        if isinstance(what, Progress):
            return {"progress": self._told(what), "checkpoint": what.checkpoint is not None}
        ray.get(self._relay.store_outcome.remote(self._key, pickle.dumps(what)))
        self.cleanup()
        return {"done": True}

    def cleanup(self) -> None:
        if self._doing is not None:
            self._doing.close()
        self._doing = None

    def _told(self, progress: Progress) -> dict[str, Any]:
        """A progress as Tune may carry it: its checkpoint goes by the relay."""
        if progress.checkpoint is not None and self._config["workers"] == 1:
            ray.get(self._relay.store_checkpoint.remote(self._key, progress.checkpoint))
        return asdict(replace(progress, checkpoint=None))

    def _take(self) -> WorkerGenerator:
        if self._config["workers"] > 1:
            from harness.execute.ray_shared import share

            return share(self._config)
        perform, job, inputs, recordings = take(self._relay, self._key)
        if job.data not in self._recordings:
            self._recordings[job.data] = ray.get(recordings)
        doing: WorkerGenerator = logged(perform(job, self._recordings[job.data], inputs))
        return doing


def _slice(doing: WorkerGenerator, each_evaluation: bool) -> Progress | Outcome | Failure:
    """Go on with a job for a while, or until its next look or checkpoint; its last progress, or what it leaves if it has ended."""
    end = time.monotonic() + SLICE_SECONDS
    while True:
        try:
            progress = next(doing)
        except StopIteration as stop:
            left: Outcome | Failure = stop.value
            return left
        looked = each_evaluation and progress.validation_accuracy is not None
        if looked or progress.checkpoint is not None or time.monotonic() >= end:
            return progress
