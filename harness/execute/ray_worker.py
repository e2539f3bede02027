"""The worker of the Ray executor, which does a job in slices.

Imported only by the Ray executor. A worker needs no access to the driver's disk: its job, the inputs, the recordings
and the outcome all travel through Ray.
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
from harness.execute.cluster import labels_of_other_nodes
from harness.execute.job_log import logged
from harness.execute.ray_relay import take
from harness.jobs import Failure, Outcome, Progress

WorkerGenerator = Generator[Progress, None, "Outcome | Failure"]
SLICE_SECONDS = 0.5  # how long a worker works before it reports progress; an epoch is never cut


class Worker(tune.Trainable):
    """Does one job after another.

    The config of a trial has ``job`` (its key), ``relay`` (name of the actor), ``avoid`` (ids of nodes), ``workers``,
    ``cpus`` and ``gpus`` of each worker, ``retries``, ``resource`` (of the job's device, or None) and
    ``each_evaluation`` (report every evaluation).
    """

    @classmethod
    def default_resource_request(cls, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """The resources of the process that does a job.

        A job on a device has the device to itself. If several workers share a job, Ray Train reserves what they need,
        and this process only waits; it then asks for one byte of memory, the least that Tune allows.
        """
        bundle = {"CPU": config["cpus"], "GPU": config["gpus"]}
        if config["resource"]:
            bundle = {config["resource"]: 1}
        elif config["workers"] > 1:
            bundle = {"memory": 1}
        bundle = {name: amount for name, amount in bundle.items() if amount}
        if not (elsewhere := labels_of_other_nodes(config["avoid"])):
            return tune.PlacementGroupFactory([bundle])
        return tune.PlacementGroupFactory([bundle], bundle_label_selector=[elsewhere])

    def setup(self, config: dict[str, Any]) -> None:
        self._recordings: dict[str, Recordings] = {}  # reused by later jobs; views of the object store, not copies
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._key, self._config = new_config["job"], new_config
        self._relay = ray.get_actor(new_config["relay"])
        self._generator: WorkerGenerator | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Take the job at the first call, do a slice at each later one, and finally leave the outcome at the relay."""
        if self._generator is None:
            self._generator = self._take()  # an error here ends the worker: it is the node that is unfit, not the job
            return {"where": ray.get_runtime_context().get_node_id()}
        what: Progress | Outcome | Failure
        try:
            what = _slice(self._generator, self._config["each_evaluation"])
        except Exception as error:
            what = Failure.of(error)
        if isinstance(what, Progress):
            return {"progress": self._reported(what), "checkpoint": what.checkpoint is not None}
        ray.get(self._relay.store_outcome.remote(self._key, pickle.dumps(what)))
        self.cleanup()
        return {"done": True}

    def cleanup(self) -> None:
        if self._generator is not None:
            self._generator.close()
        self._generator = None

    def _reported(self, progress: Progress) -> dict[str, Any]:
        """The progress as it is reported to Tune. Its checkpoint goes to the relay instead."""
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
        generator: WorkerGenerator = logged(perform(job, self._recordings[job.data], inputs))
        return generator


def _slice(generator: WorkerGenerator, each_evaluation: bool) -> Progress | Outcome | Failure:
    """Continue a job for `SLICE_SECONDS`, or until its next checkpoint or, if asked for, its next evaluation.

    Returns the last progress, or the outcome or failure if the job has ended.
    """
    end = time.monotonic() + SLICE_SECONDS
    while True:
        try:
            progress = next(generator)
        except StopIteration as stop:
            left: Outcome | Failure = stop.value
            return left
        evaluated = each_evaluation and progress.validation_accuracy is not None
        if evaluated or progress.checkpoint is not None or time.monotonic() >= end:
            return progress
