"""Latency of inference: one query after another, each begun when the last is complete, as MLPerf's SingleStream.

Warm-up first, the device synchronised at both edges of every query, the monotonic clock, until both a least time and a least
count are met; every latency is kept. A percentile is given only where the count supports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.study.edge import LatencySettings

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
CONFIDENCE = 0.99
PLENTY = 100_000  # latencies at most, so that a fast model on a long window doesn't fill the memory


@dataclass(frozen=True)
class Timed:
    """What was timed. latencies: (n,) seconds. start, end: of the queries that count, on the monotonic clock."""

    latencies: np.ndarray
    start: float
    end: float


@cache
def needed(percentile: float, confidence: float = CONFIDENCE) -> int:
    """How many queries a percentile needs: with fewer, its estimate that leaves one outlier out isn't sure enough.

    The least n for which at most one of n independent queries lies above the percentile with a chance of at most
    1 − confidence. For p99 that is LoadGen's 662.

    >>> [needed(p) for p in (50, 90, 95, 99)]
    [11, 64, 130, 662]
    """
    above, n = 1 - percentile / 100, 1
    while (1 - above) ** n + n * above * (1 - above) ** (n - 1) > 1 - confidence:
        n += 1
    return n


def time_queries(query: Callable[[], Any], synchronise: Callable[[], None], settings: LatencySettings) -> Timed:
    """Time ``query`` again and again. synchronise: waits until the device has done what it was given."""

    def one() -> float:
        synchronise()
        begun = time.perf_counter()
        query()
        synchronise()
        return time.perf_counter() - begun

    for _ in range(settings.warmup):
        one()
    latencies: list[float] = []
    start = time.monotonic()
    while len(latencies) < PLENTY and (len(latencies) < settings.count or time.monotonic() - start < settings.seconds):
        latencies.append(one())
    return Timed(np.array(latencies), start, time.monotonic())


def summary(timed: Timed, batch_size: int) -> dict[str, Any]:
    """Figures of some latencies: mean, extremes, percentiles, throughput; ``absent`` has the reason of each that can't be had."""
    latencies, n = timed.latencies, len(timed.latencies)
    absent = {f"p{p:g}_seconds": f"needs {needed(p)} queries, has {n}" for p in PERCENTILES if n < needed(p)}
    found = {f"p{p:g}_seconds": _percentile(latencies, p) if n >= needed(p) else None for p in PERCENTILES}
    return {
        "batch_size": batch_size,
        "n_queries": n,
        "mean_seconds": float(latencies.mean()),
        "min_seconds": float(latencies.min()),
        "max_seconds": float(latencies.max()),
        **found,
        "throughput_per_second": batch_size * n / float(latencies.sum()),
        "absent": absent,
    }


def _percentile(latencies: np.ndarray, percentile: float) -> float:
    """The smallest latency that at least so many per cent of the queries don't exceed: one that was measured."""
    return float(np.percentile(latencies, percentile, method="inverted_cdf"))


def agreement(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Share of samples with the same class, (n,) against (n,)."""
    return float((predicted == reference).mean())


def refuse(agreed: float, n: int, least: float) -> str | None:
    """Why a runtime isn't timed that predicts otherwise than eager fp32 for too many samples."""
    return (
        None
        if agreed >= least
        else f"its predictions differ from eager fp32's for {round((1 - agreed) * n)} of {n} samples"
    )
