"""Latency, memory and energy of inference, for each runtime, precision and batch size."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.edge.latency import agreement, refuse, summary, time_queries
from harness.edge.measurement import Measurement
from harness.edge.onnx_runtimes import Unavailable
from harness.edge.runtimes import Infer, build
from harness.method import Batch, Classifier

MAX_COMPARED = 256  # the most samples on which the predictions of a runtime are compared with those of eager fp32
MIN_AGREEMENT = {
    "fp32": 1.0,
    "bf16": 0.99,
    "fp16": 0.99,
    "int8": 0.99,
}  # the share of them for which the predictions must agree


def measure_inference(
    model: Classifier,
    samples: np.ndarray,
    labelled: np.ndarray,
    threads: int,
    measurement: Measurement,
    latencies: dict[str, np.ndarray],
) -> Iterator[dict[str, Any]]:
    """Measure the inference of a trained model. Yields a row for each runtime, precision and batch size.

    samples: indices of the samples to classify, of shape (n_samples,). labelled: indices of the labelled training
    samples, of shape (n_labelled,), which calibrate int8. latencies: receives those of each row.
    """
    settings, data = measurement.settings, measurement.data
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    compared = samples[:MAX_COMPARED]
    eager = build("eager", "fp32", model, data.batch(compared[:1]), threads)
    reference = _predict(eager, measurement, compared, len(compared))
    for runtime, precision, size in product(settings.runtimes, settings.precisions, settings.batch_sizes):
        row: dict[str, Any] = {"runtime": runtime, "precision": precision, "batch_size": size}
        batch = data.batch(np.resize(samples, size))
        try:
            start = time.perf_counter()
            calibration = list(_batches(measurement, labelled[:MAX_COMPARED], size)) if precision == "int8" else ()
            infer = build(runtime, precision, model, batch, threads, calibration)
            row["load_seconds"] = time.perf_counter() - start
            row["first_seconds"] = _first_seconds(infer, batch, measurement)
            row["agreement"] = agreement(_predict(infer, measurement, compared, size), reference)
            if reason := refuse(row["agreement"], len(compared), MIN_AGREEMENT[precision]):
                raise Unavailable(reason)
        except Unavailable as error:
            yield {**row, "absent": {"latency": str(error)}}
            continue
        figures, latencies[f"{runtime}-{precision}-{size}"] = _time(infer, batch, size, measurement)
        yield row | figures


def _first_seconds(infer: Infer, batch: Mapping[str, Tensor], measurement: Measurement) -> float:
    """Seconds of the very first inference."""
    start = time.perf_counter()
    infer(batch)
    measurement.synchronise()
    return time.perf_counter() - start


def _predict(infer: Infer, measurement: Measurement, samples: np.ndarray, size: int) -> np.ndarray:
    """The predicted classes, of shape (n_samples,), computed in batches of exactly ``size``."""
    predicted = [infer(batch).argmax(1).numpy(force=True) for batch in _batches(measurement, samples, size)]
    return np.concatenate(predicted)[: len(samples)]


def _batches(measurement: Measurement, samples: np.ndarray, size: int) -> Iterator[Batch]:
    """The samples in batches of exactly ``size``; the last one is filled up with samples from the start."""
    padded = np.resize(samples, -(-len(samples) // size) * size)
    return (measurement.data.batch(padded[i : i + size]) for i in range(0, len(padded), size))


def _time(
    infer: Infer, batch: Mapping[str, Tensor], size: int, measurement: Measurement
) -> tuple[dict[str, Any], np.ndarray]:
    """The figures of a runtime, and the latencies behind them in seconds."""
    memory = _PeakMemory(measurement.on_cuda)
    timed = time_queries(lambda: infer(batch), measurement.synchronise, measurement.settings.latency)
    row = summary(timed, size)
    peaks, absent = memory.read()
    row |= peaks
    row["absent"] |= absent
    row["state"] = measurement.states.summary(timed.start, timed.end)
    row["throttling"] = row["state"]["throttling"] if row["state"] else []
    window = measurement.meter.window(timed.start, timed.end)
    row["energy"] = window.to_json() if window else None
    row["joules_per_sample"] = None
    if window and window.total.energy_joules is not None:
        row["joules_per_sample"] = window.total.energy_joules / (size * timed.n_queries)
    else:
        reason = window.total.reason if window else None
        row["absent"]["joules_per_sample"] = reason or f"not measured: {measurement.meter.absent}"
    return row, timed.latencies


class _PeakMemory:
    """The peak memory of this process and of its GPU, from the creation of the object on."""

    def __init__(self, on_cuda: bool):
        self._on_cuda = on_cuda
        if on_cuda:
            torch.cuda.reset_peak_memory_stats()
        self._was_reset = _reset_peak_rss()

    def read(self) -> tuple[dict[str, int | None], dict[str, str]]:
        """The peaks in bytes, and the reasons for those that are None."""
        peaks: dict[str, int | None] = {"peak_rss_bytes": None, "peak_cuda_bytes": None}
        absent = {}
        if self._was_reset:
            peaks["peak_rss_bytes"] = _peak_rss()
        else:
            absent["peak_rss_bytes"] = "the system cannot measure it for a part of a process's life"
        if self._on_cuda:
            peaks["peak_cuda_bytes"] = torch.cuda.max_memory_allocated()
        else:
            absent["peak_cuda_bytes"] = "not on a GPU"
        return peaks, absent


def _reset_peak_rss() -> bool:
    """Reset the kernel's record of the peak memory of this process. Returns whether the system can do so."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_rss() -> int:
    """The peak resident memory of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
