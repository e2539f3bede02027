"""Latency of inference, measured as in MLPerf's SingleStream scenario: each query starts when the previous one is
complete.

After a warm-up, queries are timed until both a minimum time and a minimum count are reached. The device is synchronised
before and after every query. Of more than `MAX_KEPT` latencies an evenly spread part is kept, and all figures are of
this part. A percentile is given only if there are enough queries for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # reading a run needs no studies
    from harness.study.edge import LatencySettings


PERCENTILES = (50.0, 90.0, 95.0, 99.0)
CONFIDENCE = 0.99
MAX_KEPT = 100_000  # latencies, so that a fast model in a long measurement does not fill the memory


@dataclass(frozen=True)
class Timed:
    """The queries of a measurement, without the warm-up.

    latencies: seconds, those of all queries or, above `MAX_KEPT`, of every 2nd, 4th, … one. n_queries: number of
    queries. start, end: of the measurement, on the monotonic clock.
    """

    latencies: np.ndarray
    n_queries: int
    start: float
    end: float


@cache
def needed(percentile: float, confidence: float = CONFIDENCE) -> int:
    """The number of queries needed to give a percentile with some confidence, leaving one outlier out.

    It is the smallest n such that, with a probability of at most 1 − confidence, no more than one of n independent
    queries lies above the percentile. For p99 this is 662, as in MLPerf's LoadGen.

    >>> [needed(p) for p in (50, 90, 95, 99)]
    [11, 64, 130, 662]
    """
    above, n = 1 - percentile / 100, 1
    while (1 - above) ** n + n * above * (1 - above) ** (n - 1) > 1 - confidence:
        n += 1
    return n


def time_queries(query: Callable[[], Any], synchronise: Callable[[], None], settings: LatencySettings) -> Timed:
    """Time ``query`` repeatedly. synchronise: waits until the device has completed all its work."""

    def one() -> float:
        synchronise()
        begun = time.perf_counter()
        query()
        synchronise()
        return time.perf_counter() - begun

    for _ in range(settings.warmup):
        one()
    latencies: list[float] = []
    n_queries, every = 0, 1
    start = time.monotonic()
    while n_queries < settings.count or time.monotonic() - start < settings.seconds:
        latency = one()
        if n_queries % every == 0:
            latencies.append(latency)
        if len(latencies) > MAX_KEPT:
            latencies, every = latencies[::2], 2 * every
        n_queries += 1
    return Timed(np.array(latencies), n_queries, start, time.monotonic())


def summary(timed: Timed, batch_size: int) -> dict[str, Any]:
    """Mean, extremes, percentiles and throughput.

    A figure that is not available is None, with a reason in ``absent``.
    """
    latencies, n = timed.latencies, len(timed.latencies)
    absent = {f"p{p:g}_seconds": f"needs {needed(p)} queries, has {n}" for p in PERCENTILES if n < needed(p)}
    found = {f"p{p:g}_seconds": _percentile(latencies, p) if n >= needed(p) else None for p in PERCENTILES}
    return {
        "batch_size": batch_size,
        "n_queries": timed.n_queries,
        "mean_seconds": float(latencies.mean()),
        "min_seconds": float(latencies.min()),
        "max_seconds": float(latencies.max()),
        **found,
        "throughput_per_second": batch_size * n / float(latencies.sum()),
        "absent": absent,
    }


def _percentile(latencies: np.ndarray, percentile: float) -> float:
    """The smallest measured latency that at least ``percentile`` per cent of the queries do not exceed."""
    return float(np.percentile(latencies, percentile, method="inverted_cdf"))


def agreement(predicted: np.ndarray, reference: np.ndarray) -> float:
    """The share of samples with the same class in two arrays of shape (n_samples,)."""
    return float((predicted == reference).mean())


def refuse(agreed: float, n: int, least: float) -> str | None:
    """Why a runtime is not timed; None if it predicts the same class as eager fp32 for enough samples."""
    if agreed >= least:
        return None
    return f"its predictions differ from those of eager fp32 for {round((1 - agreed) * n)} of {n} samples"
