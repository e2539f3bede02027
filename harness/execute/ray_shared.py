"""Stage 1 shared by several workers: Ray Train places the workers, the relay carries their outcome.

Imported only by workers of the Ray executor, and only for a job that asks for several workers.
"""

from __future__ import annotations

import logging
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, replace
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from harness.execute.cluster import labels_of_other_nodes
from harness.execute.job_log import logged
from harness.execute.ray_relay import take
from harness.execute.session import MARK
from harness.jobs import CHECKPOINT, Failure, Outcome, Progress

POLL_SECONDS = 0.2


def share(config: Mapping[str, Any]) -> Generator[Progress, None, Outcome | Failure]:
    """Do a job with ``config["workers"]`` workers. Yields the progress of the first worker and returns its outcome.

    If a worker dies or raises, all workers stop and resume from the last checkpoint, up to ``retries`` times.
    Checkpoints travel through the relay rather than through Ray Train's storage, which would require a disk that all
    nodes share. Returns the failure that a worker left if all attempts failed; raises RuntimeError if no worker could
    leave one.
    """
    relay, key = ray.get_actor(config["relay"]), config["job"]
    session = os.environ.get(MARK)  # of a Ray of one run alone, whose end removes the folder if this worker is killed
    with tempfile.TemporaryDirectory(prefix="harness-", dir=session, ignore_cleanup_errors=True) as scratch:
        fit = threading.Thread(target=_fit, args=(dict(config), scratch, ended := _Ended()), daemon=True)
        fit.start()
        while True:
            has_ended = not fit.is_alive()  # checked before polling, so that the last poll misses nothing
            progress, left = ray.get(relay.poll.remote(key))
            if progress is not None:
                checkpoint = ray.get(relay.checkpoint.remote(key)) if progress.pop("kept") else None
                yield Progress(**{**progress, "checkpoint": checkpoint})
            if has_ended:
                break
            time.sleep(POLL_SECONDS)
    if left is None:
        raise RuntimeError(f"the workers ended without a result: {ended.error}") from ended.error
    what: Outcome | Failure = pickle.loads(left)
    return what


GROUP_END_SECONDS = 5
"""How long Ray Train waits for the workers of a group to leave it. If one of them has died or raised, the others are in
a collective operation that never ends, so the 30 s that are Ray's default only delay the next attempt."""


class _Ended:
    """How the thread that runs `_fit` ended."""

    error: Exception | None = None


def _fit(config: dict[str, Any], scratch: str, ended: _Ended) -> None:
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", str(GROUP_END_SECONDS))
    try:
        trainer = TorchTrainer(
            _member,
            train_loop_config=config,
            torch_config=TorchConfig(backend="nccl" if config["gpus"] else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=config["workers"],
                use_gpu=bool(config["gpus"]),
                resources_per_worker={"CPU": config["cpus"], **({"GPU": config["gpus"]} if config["gpus"] else {})},
                label_selector=labels_of_other_nodes(config["avoid"]) or None,  # type: ignore[call-arg]  # in Train v2
            ),
            run_config=RunConfig(
                name=config["job"], storage_path=scratch, failure_config=FailureConfig(max_failures=config["retries"])
            ),
        )
        trainer.fit()
    except Exception as error:
        ended.error = error


def _member(config: dict[str, Any]) -> None:
    """One worker. All workers do the same job; only the first reports progress and outcome."""
    import torch

    if config["gpus"]:
        torch.cuda.set_device(get_device())
    relay, key = ray.get_actor(config["relay"]), config["job"]
    first = get_context().get_world_rank() == 0
    try:
        perform, job, inputs, recordings = take(relay, key)
        if (checkpoint := ray.get(relay.checkpoint.remote(key))) is not None:
            inputs = {**inputs, key: {CHECKPOINT: checkpoint}}
        generator = logged(perform(job, ray.get(recordings), inputs))
        while True:
            try:
                progress = next(generator)
            except StopIteration as stop:
                if first:
                    ray.get(relay.store_outcome.remote(key, pickle.dumps(stop.value)))
                return
            if first:
                _report(relay, key, progress)
    except Exception as error:
        ray.get(relay.store_outcome.remote(key, pickle.dumps(Failure.of(error))))
        raise  # otherwise the other workers would wait for this one


def _report(relay: Any, key: str, progress: Progress) -> None:
    if progress.checkpoint is not None:
        ray.get(relay.store_checkpoint.remote(key, progress.checkpoint))
    fields = asdict(replace(progress, checkpoint=None))
    ray.get(relay.report_progress.remote(key, {**fields, "kept": progress.checkpoint is not None}))
