"""Measuring one trial where it runs: stage 2's time and energy over whole epochs, then the latency of inference.

The training is the trial's own: same data, split, labelled samples, stage-1 checkpoint, seeds and loop, without its
evaluations on the test samples. The model that is timed afterwards is the one that this training left.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import registry
from harness.data.base import Recordings
from harness.edge.latency import agreement, refuse, summary, time_queries
from harness.edge.power.energy import EnergyWindow, Trace, energy_window
from harness.edge.power.meter import MeterError
from harness.edge.power.recorder import Recorder, choose
from harness.edge.runtimes import Infer, Unavailable, build
from harness.edge.state import device_state, throttling
from harness.jobs import Inputs, Job
from harness.method import Classifier, Method, Progress
from harness.options import Stage2
from harness.study.edge import Measuring
from harness.training import TrainingData
from harness.training.job import npz_bytes, pretrained_of, training_data_of
from harness.training.stage2 import Training

CHECKED = 256  # samples at most on which a runtime's predictions are held against eager fp32's
AGREE = {"fp32": 1.0, "bf16": 0.99, "fp16": 0.99}  # the share of them that must agree
REST = 1.0  # seconds to settle between the idle phase and the work, and between repeats

Left = tuple[dict[str, Any], dict[str, bytes]]
Tell = Callable[[str, Any], None]


class MeterFailed(Exception):
    """The meter failed on the way. ``partial``: all that was measured nevertheless."""

    def __init__(self, message: str, partial: Mapping[str, Any]):
        super().__init__(message)
        self.partial = dict(partial)


class Timeline:
    """The meter, if there is one, and windows of its trace."""

    def __init__(self, settings: Measuring, device: str):
        self.name, self.tried = choose(settings.meter, device)
        self.idle_watts: float | None = None
        self._recorder = Recorder(self.name, settings.hertz) if self.name else None
        self.trace: Trace | None = None

    def __enter__(self) -> Timeline:
        if self._recorder:
            try:
                self._recorder.start()
            except MeterError as error:
                self.tried[str(self.name)] = str(error)
                self._recorder = self.name = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder:
            self.trace = self._recorder.stop()

    def window(self, start: float, end: float) -> EnergyWindow | None:
        """What the meter says of a time that is over."""
        return energy_window(self._recorder.trace(until=end), start, end, self.idle_watts) if self._recorder else None

    @property
    def absent(self) -> str:
        """Why there is no energy at all."""
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.tried.items())
        return f"no readable meter ({reasons})" if reasons else "no readable meter"


def profile(
    job: Job, recordings: Recordings, inputs: Inputs, tell: Tell = lambda part, value: None
) -> Generator[Progress, None, Left]:
    """Measure a profile job: yields after each epoch, returns result and artefacts. tell: hears of each part that is
    done.

    Raises `MeterFailed`, with all figures that there are, if the meter failed on the way.
    """
    settings, method = (
        Measuring.from_plain(job.content["measuring"]),
        registry.get("methods", job.content["method"]["name"])(),
    )
    data = training_data_of(job, recordings)
    device = torch.device(data.device).type
    before = device_state()
    with Timeline(settings, device) as line:
        result: dict[str, Any] = {"trial": job.content["trial"], "meter": line.name, "meters_tried": line.tried}
        result["idle"] = _idle(line, settings)
        tell("idle", result["idle"])
        model, result["training"] = yield from _training(method, job, recordings, inputs, data, settings, line, tell)
        samples = job.indices["test"] if job.indices["test"].size else job.indices["labelled"]
        raw: dict[str, np.ndarray] = {}
        result["inference"] = []
        for row in _inference(model, data, samples, settings, line, job.threads, raw):
            result["inference"].append(row)
            tell("inference", row)
            yield Progress(job.epochs, job.epochs, float("nan"))
    after = device_state()
    result["state"] = {"before": before, "after": after}
    result["throttling"] = throttling(before, after)
    result["absent"] = {} if line.name else {"energy": line.absent}
    if not {"throttle_counts", "cooling_states"} & set(after):
        result["absent"]["throttling"] = "this system doesn't say whether it throttles"
    result["sampler_core_share"] = line.trace.sampler_core_share if line.trace else None
    artefacts = {"latencies.npz": npz_bytes(raw)}
    if line.trace is not None:
        artefacts["power.csv"] = line.trace.to_csv()
        if line.trace.error:
            raise MeterFailed(f"the meter {line.name} failed on the way: {line.trace.error}", result)
    return result, artefacts


def _idle(line: Timeline, settings: Measuring) -> dict[str, Any] | None:
    """The device at rest, for what lies above."""
    if not line.name or not settings.idle_seconds:
        return None
    start = time.monotonic()
    time.sleep(settings.idle_seconds)
    window = line.window(start, time.monotonic())
    assert window is not None
    line.idle_watts = window.total.mean_watts
    time.sleep(REST)
    return window.to_json()


# -- training ----------------------------------------------------------------------------------------------------------------


def _training(
    method: Method,
    job: Job,
    recordings: Recordings,
    inputs: Inputs,
    data: TrainingData,
    settings: Measuring,
    line: Timeline,
    tell: Tell,
) -> Generator[Progress, None, tuple[Classifier, dict[str, Any]]]:
    stage2 = Stage2.from_plain(job.content["settings"])
    options = method.Stage2.from_plain(job.content["options"])
    least = min(settings.epochs or stage2.epochs, stage2.epochs)
    repeats = []
    for _ in range(settings.repeats):
        training = Training(
            method,
            options,
            stage2,
            data,
            recordings.label,
            job.indices["labelled"],
            pretrained_of(job, inputs),
            str(job.content["row"]),
        )
        edges, losses = [time.monotonic()], []
        for epoch in range(1, least + 1):
            losses.append(training.epoch(epoch))
            _synchronise(data.device)
            edges.append(time.monotonic())
            yield Progress(epoch, least, losses[-1])
            if settings.minutes is not None and edges[-1] - edges[0] >= 60 * settings.minutes:
                break
        repeats.append(_repeat(training.model, edges, losses, stage2.epochs, settings, line))
        tell("training", repeats[-1])
        time.sleep(REST if line.name else 0)
    return training.model, {"epochs_of_the_trial": stage2.epochs, "repeats": repeats, **_means(repeats, line)}


def _repeat(
    model: Classifier, edges: list[float], losses: list[float], epochs: int, settings: Measuring, line: Timeline
) -> dict[str, Any]:
    """One training: its whole epochs, first to last.

    What happens between two epochs is part of neither, but of the window.
    """
    window = line.window(edges[0], edges[-1])
    measured = len(edges) - 1
    found: dict[str, Any] = {
        "epochs": measured,
        "seconds": edges[-1] - edges[0],
        "epoch_seconds": np.diff(edges).tolist(),
        "loss": losses,
        "energy": window.to_json() if window else None,
    }
    if settings.extrapolate and measured < epochs:
        joules = window.total.energy_joules if window else None
        found["extrapolated"] = extrapolated(
            found["epoch_seconds"], [_phase(model, epoch + 1) for epoch in range(epochs)], joules
        )
    return found


def _phase(model: Classifier, epoch: int) -> str:
    phase = model.phase(epoch)
    return "+".join(sorted(phase.gradient)) + "|" + "+".join(sorted(phase.train_mode or ()))


def extrapolated(epoch_seconds: list[float], phases: list[str], joules: float | None) -> dict[str, Any]:
    """What all epochs would take, from those measured: each phase of training at its own mean. phases: of every epoch.

    Energy in the proportion of time. ``seconds`` is None, with the reason, if a phase was never measured.

    >>> extrapolated([1.0, 3.0], ["encoders", "head", "encoders", "head"], 8.0)["seconds"]
    8.0
    """
    by_phase: dict[str, list[float]] = {}
    for phase, seconds in zip(phases, epoch_seconds, strict=False):
        by_phase.setdefault(phase, []).append(seconds)
    if missing := sorted(set(phases) - set(by_phase)):
        reason = f"no epoch that trains {missing[0].partition('|')[0]} was measured: measure more epochs"
        return {"epochs": len(phases), "seconds": None, "energy_joules": None, "reason": reason}
    whole = sum(float(np.mean(by_phase[phase])) for phase in phases)
    share = whole / sum(epoch_seconds)
    return {
        "epochs": len(phases),
        "seconds": whole,
        "energy_joules": None if joules is None else joules * share,
        "reason": None,
    }


def _means(repeats: list[dict[str, Any]], line: Timeline) -> dict[str, Any]:
    """Means over the repeats; a figure that any repeat lacks is None, energy then with its reason."""
    windows = [repeat["energy"] or {} for repeat in repeats]
    totals = [window.get("total") or {} for window in windows]
    means: dict[str, Any] = {
        "epochs": repeats[0]["epochs"],
        "seconds": _mean([repeat["seconds"] for repeat in repeats]),
        "energy_joules": _mean([total.get("energy_joules") for total in totals]),
        "above_idle_joules": _mean([window.get("above_idle_joules") for window in windows]),
        "mean_watts": _mean([total.get("mean_watts") for total in totals]),
        "peak_watts": max(
            (total["peak_watts"] for total in totals if total.get("peak_watts") is not None), default=None
        ),
    }
    reasons = [total["reason"] for total in totals if total.get("reason")]
    complete = means["energy_joules"] is not None
    means["energy_absent"] = None if complete else next(iter(reasons), f"not measured: {line.absent}")
    if "extrapolated" in repeats[0]:
        parts = [repeat["extrapolated"] for repeat in repeats]
        means["extrapolated"] = {
            **parts[0],
            **{name: _mean([part[name] for part in parts]) for name in ("seconds", "energy_joules")},
        }
    return means


def _mean(values: list[float | None]) -> float | None:
    """The mean; None if any value is missing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


# -- inference ---------------------------------------------------------------------------------------------------------------


def _inference(
    model: Classifier,
    data: TrainingData,
    samples: np.ndarray,
    settings: Measuring,
    line: Timeline,
    threads: int,
    raw: dict[str, np.ndarray],
) -> Iterator[dict[str, Any]]:
    """One row for each runtime, precision and batch size; raw latencies go to ``raw``."""
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    checked = samples[:CHECKED]
    reference = _predict(build("eager", "fp32", model, data.batch(checked[:1]), threads), data, checked, len(checked))
    for runtime in settings.runtimes:
        for precision in settings.precisions:
            for size in settings.batch_sizes:
                row: dict[str, Any] = {"runtime": runtime, "precision": precision, "batch_size": size}
                batch = data.batch(np.resize(samples, size))
                try:
                    begun = time.perf_counter()
                    infer = build(runtime, precision, model, batch, threads)
                    row["load_seconds"] = time.perf_counter() - begun
                    row["first_seconds"] = _once(infer, batch, data.device)
                    agreed = agreement(_predict(infer, data, checked, size), reference)
                    row["agreement"] = agreed
                    if reason := refuse(agreed, len(checked), AGREE[precision]):
                        raise Unavailable(reason)
                except Unavailable as error:
                    yield {**row, "absent": {"latency": str(error)}}
                    continue
                yield row | _timed(
                    infer, batch, size, data.device, settings, line, raw, f"{runtime}-{precision}-{size}"
                )


def _once(infer: Infer, batch: Mapping[str, Tensor], device: str) -> float:
    """Seconds of the very first inference."""
    begun = time.perf_counter()
    infer(batch)
    _synchronise(device)
    return time.perf_counter() - begun


def _predict(infer: Infer, data: TrainingData, samples: np.ndarray, size: int) -> np.ndarray:
    """Predicted classes, in batches of exactly ``size``."""
    whole = np.resize(samples, -(-len(samples) // size) * size)
    found = [infer(data.batch(whole[i : i + size])).argmax(1).numpy(force=True) for i in range(0, len(whole), size)]
    return np.concatenate(found)[: len(samples)]


def _timed(
    infer: Infer,
    batch: Mapping[str, Tensor],
    size: int,
    device: str,
    settings: Measuring,
    line: Timeline,
    raw: dict[str, np.ndarray],
    name: str,
) -> dict[str, Any]:
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    reset = _reset_peak_rss()
    timed = time_queries(lambda: infer(batch), lambda: _synchronise(device), settings.latency)
    raw[name] = timed.latencies
    row = summary(timed, size)
    row["peak_rss_bytes"] = _peak_rss() if reset else None
    row["peak_cuda_bytes"] = torch.cuda.max_memory_allocated() if on_cuda else None
    row["absent"] |= (
        {} if reset else {"peak_rss_bytes": "the system doesn't let it be measured for a part of a process"}
    )
    row["absent"] |= {} if on_cuda else {"peak_cuda_bytes": "not on a GPU"}
    window = line.window(timed.start, timed.end)
    row["energy"] = window.to_json() if window else None
    joules = window.total.energy_joules if window else None
    row["joules_per_sample"] = None if joules is None else joules / (size * len(timed.latencies))
    if joules is None:
        row["absent"]["joules_per_sample"] = (window.total.reason if window else None) or f"not measured: {line.absent}"
    return row


def _synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def _reset_peak_rss() -> bool:
    """Let the kernel's record of this process' peak memory begin anew; False where it can't."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_rss() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
