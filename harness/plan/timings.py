"""How long jobs took on this machine before, kept in the cache folder, so that a plan can say how long it will take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.jobs import Job
from harness.keys import content_key
from harness.memo import cache_folder, keep
from harness.provenance import processor

MAX_KINDS = 2000  # the oldest are forgotten
EVALUATION = 1 / 3  # the cost of evaluating a sample, relative to training on it


def timing_key(job: Job) -> str:
    """What jobs that take about the same time for each sample have in common."""
    content = job.content
    return content_key(
        [job.kind, content["method"]["name"], content.get("row", ""), job.data, job.threads, content["device"]]
    )[:16]


def sample_passes(job: Job) -> float:
    """How many times a sample is trained on, or evaluated at a third of the cost."""
    if job.kind == "pretrain":
        return float(job.epochs * len(job.indices["unlabelled"]))
    evaluations = -(-job.epochs // int(job.content["settings"].get("evaluate_every", 1))) or 1
    evaluated = sum(len(job.indices.get(part, ())) for part in ("validation", "test"))
    return job.epochs * len(job.indices["labelled"]) + EVALUATION * evaluations * evaluated


def known_timings() -> dict[str, float]:
    """Timing key → seconds for each pass of a sample on this machine's processor; empty if none are kept."""
    try:
        found = json.loads(_path().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): float(value) for key, value in found.items() if isinstance(value, int | float)}


def expected_seconds(timings: Mapping[str, float], job: Job) -> float | None:
    """The seconds that a job takes, by the timings of earlier ones; None if there is none like it."""
    pace = timings.get(timing_key(job)) if job.kind != "profile" else None
    return None if pace is None else pace * sample_passes(job)


def remember(done: Iterable[tuple[Job, float, Mapping[str, str]]]) -> None:
    """Keep the times of jobs that ran on a processor like this machine's: (job, seconds, environment)."""
    here = processor()
    found = {
        timing_key(job): seconds / sample_passes(job)
        for job, seconds, environment in done
        if job.kind != "profile" and environment.get("processor") == here and sample_passes(job)
    }
    if not found:
        return
    kept = {key: value for key, value in known_timings().items() if key not in found} | found
    keep(_path(), dict(list(kept.items())[-MAX_KINDS:]))


def _path() -> Path:
    return cache_folder() / "timings" / f"{content_key(processor())[:16]}.json"
