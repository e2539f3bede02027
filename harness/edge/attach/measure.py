"""The process that measures: reads a bundle, does its jobs one after another, writes a result. Needs no Ray.

With ``--tell`` it says on standard output, one JSON a line, how far it is and each part that is measured, so that who started
it keeps what there is if the device goes away.
"""

from __future__ import annotations

import argparse
import getpass
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from harness.edge.attach.bundle import Bundle, read_bundle, write_result
from harness.edge.profile import profile
from harness.errors import InputError
from harness.jobs import Failure, Job
from harness.training.job import environment

RESERVED = 8 << 20  # bytes kept free for the result while it is measured

Told = Callable[[dict[str, Any]], None]


def measure(bundle: Path, result: Path, told: Told = lambda said: None) -> int:
    """Measure all jobs of a bundle into a result file; how many failed. told: hears of progress and parts.

    Waits until no other measurement of this user's runs on this device: they would measure each other. A job that fails is
    recorded as such, with what was measured of it, and the others go on. Raises `InputError` for a bundle that can't be used,
    or a result that couldn't be written, before anything is measured.
    """
    asked = read_bundle(bundle)
    reserve = _reserve(result)
    records: list[dict[str, Any]] = []
    artefacts: dict[str, dict[str, bytes]] = {}
    with _alone(told):
        for job in asked.jobs:
            record, left = _one(job, asked, told)
            records.append(record)
            artefacts[job.key] = left
    reserve.unlink(missing_ok=True)
    write_result(result, records, artefacts)
    return sum(record["status"] == "failed" for record in records)


@contextmanager
def _alone(told: Told) -> Iterator[None]:
    """Hold what only one measurement on this device can hold; it is free again when its process ends, however it does."""
    lock = FileLock(Path(tempfile.gettempdir(), f"harness-measuring-{getattr(os, 'getuid', getpass.getuser)()}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        told({"waiting": "another measurement runs on this device"})
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _one(job: Job, bundle: Bundle, told: Told) -> tuple[dict[str, Any], dict[str, bytes]]:
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    threadpool_limits(job.threads)
    torch.set_num_threads(job.threads)
    record: dict[str, Any] = {"key": job.key, "content": dict(job.content), "data": job.data, "title": job.title}
    told({"job": job.key, "title": job.title})
    left: dict[str, bytes] = {}
    try:
        doing = profile(
            job, bundle.data[job.data], bundle.inputs, lambda part, value: told({"part": part, "value": value})
        )
        while True:
            try:
                progress = next(doing)
            except StopIteration as stop:
                result, left = stop.value
                break
            told(
                {
                    "epoch": progress.epoch,
                    "epochs": progress.epochs,
                    "loss": None if math.isnan(progress.loss) else progress.loss,
                }
            )
        record |= {"status": "done", "result": result}
    except Exception as error:
        failure = Failure.of(error)
        record |= {"status": "failed", "error": failure.to_json(), "partial": dict(failure.partial)}
    record["environment"] = environment(str(job.content["device"]))
    return record | {
        "started_at": started.isoformat(timespec="milliseconds"),
        "seconds": time.perf_counter() - clock,
    }, left


def _reserve(result: Path) -> Path:
    """Make sure of room for the result before hours are spent on it."""
    path = result.with_name(f".reserved-{result.name}")
    try:
        with path.open("wb") as file:
            file.write(bytes(RESERVED))
            file.flush()
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InputError(f"{result} can't be written: {error}; nothing was measured") from error
    return path


def main() -> None:
    """``python -m harness.edge.attach.measure BUNDLE --out RESULT [--tell]``"""
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tell", action="store_true")
    asked = parser.parse_args()

    def told(said: dict[str, Any]) -> None:
        if asked.tell:
            print(json.dumps(said), flush=True)

    try:
        measure(asked.bundle, asked.out, told)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
