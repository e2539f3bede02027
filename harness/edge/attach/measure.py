"""The measuring process: reads a bundle, does its jobs one after another, and writes a result. Does not need Ray.

With ``--progress`` it reports on standard output, one JSON object a line, how far it is and the result as far as it is
measured. The process that started it keeps this result if the device is lost.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from harness.edge.attach.bundle import Bundle, read_bundle, write_result
from harness.edge.attach.device_lock import device_lock
from harness.edge.attach.disk_space import space_for
from harness.edge.profile import profile
from harness.errors import InputError
from harness.jobs import Failure, Job
from harness.training.job import environment
from reports.cleaning import clean

OnMessage = Callable[[dict[str, Any]], None]
"""Receives messages, JSON objects: ``waiting``, ``job`` with ``title``, ``epoch`` with ``epochs`` and ``loss``, or
``partial``, the result of the job as far as it is measured."""


def measure(bundle: Path, result: Path, on_message: OnMessage = lambda message: None) -> int:
    """Do all jobs of a bundle, write a result file, and return how many jobs failed. on_message: receives progress and
    partial results.

    Waits while another measurement runs on this device, since each would disturb the other. A failed
    job is recorded with all that was measured of it, and the other jobs continue. Raises `InputError`, before anything
    is measured, if the bundle cannot be used or the result could not be written.
    """
    content = read_bundle(bundle)
    records: list[dict[str, Any]] = []
    artefacts: dict[str, dict[str, bytes]] = {}
    with space_for(result), device_lock(lambda text: on_message({"waiting": text})):
        for job in content.jobs:
            record, artefacts[job.key] = _do(job, content, on_message)
            records.append(record)
    write_result(result, records, artefacts)
    return sum(record["status"] == "failed" for record in records)


def _do(job: Job, bundle: Bundle, on_message: OnMessage) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Do one job. Returns its record and artefacts."""
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    threadpool_limits(job.threads)
    torch.set_num_threads(job.threads)
    record: dict[str, Any] = {"key": job.key, "content": dict(job.content), "data": job.data, "title": job.title}
    on_message({"job": job.key, "title": job.title})
    artefacts: dict[str, bytes] = {}
    try:
        data = bundle.data[job.data]
        generator = profile(job, data, bundle.inputs, lambda result: on_message({"partial": result}))
        while True:
            try:
                progress = next(generator)
            except StopIteration as stop:
                result, artefacts = stop.value
                break
            loss = None if math.isnan(progress.loss) else progress.loss
            on_message({"epoch": progress.epoch, "epochs": progress.epochs, "loss": loss})
        record |= {"status": "done", "result": result}
    except Exception as error:
        failure = Failure.of(error)
        record |= {"status": "failed", "error": failure.to_json(), "partial": dict(failure.partial)}
    record["environment"] = environment(str(job.content["device"]))
    record["started_at"] = started.isoformat(timespec="milliseconds")
    record["seconds"] = time.perf_counter() - clock
    return record, artefacts


def main() -> None:
    """Run ``python -m harness.edge.attach.measure BUNDLE --out RESULT [--progress]``."""
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--progress", action="store_true")
    arguments = parser.parse_args()

    def on_message(message: dict[str, Any]) -> None:
        if arguments.progress:
            print(json.dumps(message), flush=True)

    try:
        measure(arguments.bundle, arguments.out, on_message)
    except InputError as error:
        print(clean(f"error: {error}"), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
