"""Measures one trial on the device: time and energy of whole epochs of stage 2, then the latency of inference.

The training is that of the trial: same data, split, labelled samples, stage-1 checkpoint, seeds and loop, but without
evaluations on the test samples. The trained model is then used to measure inference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from harness import registry
from harness.data.base import Recordings
from harness.edge.inference import measure_inference
from harness.edge.measurement import Measurement, MeterSession
from harness.edge.power.meters.nvml import Nvml
from harness.edge.power_mode import power_mode_set
from harness.edge.state import device_state, throttling
from harness.edge.state_recorder import StateRecorder, summary
from harness.jobs import Inputs, Job, Progress
from harness.method import Classifier, Method
from harness.options import Stage2
from harness.study.edge import Measuring
from harness.training.job import npz_bytes, pretrained_of, training_data_of
from harness.training.stage2 import Training

REST_SECONDS = 1.0  # to settle between the idle phase and the work, and between repeats

OnPartial = Callable[[Mapping[str, Any]], None]
"""Receives the result of a profile job as far as it is measured."""

ResultAndArtefacts = tuple[dict[str, Any], dict[str, bytes]]


class MeterFailed(Exception):
    """The meter failed during the measurement. ``partial``: all that was measured nevertheless."""

    def __init__(self, message: str, partial: Mapping[str, Any]):
        super().__init__(message)
        self.partial = dict(partial)


def profile(
    job: Job, recordings: Recordings, inputs: Inputs, on_partial: OnPartial = lambda result: None
) -> Generator[Progress, None, ResultAndArtefacts]:
    """Do a profile job. Yields after each epoch and each row of inference, and returns result and artefacts.

    on_partial: receives the result as far as it is measured, whenever a part has been added. Raises `MeterFailed`,
    with all figures that could be measured, if the meter failed on the way, and `PowerModeError` if its power mode
    cannot be set.
    """
    with power_mode_set(job.content.get("power_mode")):
        return (yield from _profile(job, recordings, inputs, on_partial))


def _profile(
    job: Job, recordings: Recordings, inputs: Inputs, on_partial: OnPartial
) -> Generator[Progress, None, ResultAndArtefacts]:
    settings = Measuring.from_plain(job.content["measuring"])
    data = training_data_of(job, recordings)
    gpu = Nvml.argument_for(data.device) if data.device.startswith("cuda") else None
    with (
        MeterSession(settings, data.device) as meter,
        StateRecorder(gpu) as states,
    ):
        before = device_state()
        result: dict[str, Any] = {"trial": job.content["trial"], "meter": meter.name, "meters_tried": meter.tried}

        def on_part(part: str, value: object) -> None:
            result[part] = value
            on_partial(result)

        measurement = Measurement(settings, data, meter, states, on_part)
        on_part("idle", _measure_idle(measurement))
        model = yield from _measure_training(job, recordings, inputs, measurement)
        samples = job.indices["test"] if job.indices["test"].size else job.indices["labelled"]
        latencies: dict[str, np.ndarray] = {}
        rows: list[dict[str, Any]] = []
        result["inference"] = rows
        for row in measure_inference(model, samples, job.indices["labelled"], job.threads, measurement, latencies):
            rows.append(row)
            on_part("inference", rows)
            yield Progress(job.epochs, job.epochs, float("nan"))
        after, during = device_state(), states.states()
    result["state"] = {"before": before, "during": summary(during), "after": after}
    result["power_mode"] = before.get("power_mode")
    result["throttling"] = throttling([before, *during, after])
    result["absent"] = {} if meter.name else {"energy": meter.absent}
    if not any({"throttle_counts", "cooling_states", "throttled_by"} & set(state) for state in (*during, after)):
        result["absent"]["throttling"] = "this system does not report throttling"
    result["sampler_core_share"] = meter.trace.sampler_core_share if meter.trace else None
    result["sampler_stderr"] = meter.stderr
    lines = "".join(json.dumps(state) + "\n" for state in during)
    artefacts = {"latencies.npz": npz_bytes(latencies), "state.jsonl": lines.encode()}
    if meter.trace is not None:
        artefacts["power.csv"] = meter.trace.to_csv()
        if meter.trace.error:
            raise MeterFailed(f"the meter {meter.name} failed during the measurement: {meter.trace.error}", result)
    return result, artefacts


def _measure_idle(measurement: Measurement) -> dict[str, Any] | None:
    """Measure the device at rest, so that the energy above idle can be given for all later windows."""
    settings, meter = measurement.settings, measurement.meter
    if not meter.name or not settings.idle_seconds:
        return None
    start = time.monotonic()
    time.sleep(settings.idle_seconds)
    window = meter.window(start, time.monotonic())
    assert window is not None
    meter.idle_watts = window.total.mean_watts
    time.sleep(REST_SECONDS)
    return window.to_json()


def _measure_training(
    job: Job, recordings: Recordings, inputs: Inputs, measurement: Measurement
) -> Generator[Progress, None, Classifier]:
    """Measure the training of stage 2, as often as the settings ask for. Returns the last model.

    If the settings limit the minutes, the first repeat determines the number of epochs for all.
    """
    settings, meter = measurement.settings, measurement.meter
    method: Method = registry.get("methods", job.content["method"]["name"])()
    stage2 = Stage2.from_plain(job.content["settings"])
    options = method.Stage2.from_plain(job.content["options"])
    n_epochs = min(settings.epochs or stage2.epochs, stage2.epochs)
    repeats: list[dict[str, Any]] = []
    for _ in range(settings.repeats):
        training = Training(
            method,
            options,
            stage2,
            measurement.data,
            recordings.label,
            job.indices["labelled"],
            pretrained_of(job, inputs),
            str(job.content["row"]),
        )
        edges, losses = [time.monotonic()], []
        for epoch in range(1, n_epochs + 1):
            losses.append(training.epoch(epoch))
            measurement.synchronise()
            edges.append(time.monotonic())
            yield Progress(epoch, n_epochs, losses[-1])
            if not repeats and settings.minutes is not None and edges[-1] - edges[0] >= 60 * settings.minutes:
                break
        n_epochs = len(losses)  # later repeats train as many, so that means are over equal trainings
        repeats.append(_repeat(training.model, edges, losses, stage2.epochs, measurement))
        figures = {"epochs_of_the_trial": stage2.epochs, "repeats": repeats, **_means(repeats, meter.absent)}
        measurement.on_part("training", figures)
        time.sleep(REST_SECONDS if meter.name else 0)
    return training.ready_for_evaluation()


def _repeat(
    model: Classifier, edges: list[float], losses: list[float], epochs: int, measurement: Measurement
) -> dict[str, Any]:
    """The figures of one training run, from the start of its first epoch to the end of its last one.

    edges: the times at which epochs start and end, one more than there are epochs. epochs: those of the trial.
    """
    window = measurement.meter.window(edges[0], edges[-1])
    figures: dict[str, Any] = {
        "epochs": len(losses),
        "seconds": edges[-1] - edges[0],
        "epoch_seconds": np.diff(edges).tolist(),
        "loss": losses,
        "energy": window.to_json() if window else None,
        "state": measurement.states.summary(edges[0], edges[-1]),
    }
    if measurement.settings.extrapolate and len(losses) < epochs:
        phases = [_phase(model, epoch + 1) for epoch in range(epochs)]
        joules = window.total.energy_joules if window else None
        figures["extrapolated"] = extrapolated(figures["epoch_seconds"], phases, joules)
    return figures


def _phase(model: Classifier, epoch: int) -> str:
    """What is trained in an epoch, as text."""
    phase = model.phase(epoch)
    return "+".join(sorted(phase.gradient)) + "|" + "+".join(sorted(phase.train_mode or ()))


def extrapolated(epoch_seconds: list[float], phases: list[str], joules: float | None) -> dict[str, Any]:
    """Extrapolate time and energy from the measured epochs to all epochs.

    Each phase of the training is extrapolated by the mean time of its measured epochs, and energy in proportion to
    time. If some phase was never measured, ``seconds`` is None, and ``reason`` says why.

    epoch_seconds: of the measured epochs. phases: the phase of every epoch. joules: energy of the measured epochs.

    >>> extrapolated([1.0, 3.0], ["encoders", "head", "encoders", "head"], 8.0)["seconds"]
    8.0
    """
    by_phase: dict[str, list[float]] = {}
    for phase, seconds in zip(phases, epoch_seconds, strict=False):
        by_phase.setdefault(phase, []).append(seconds)
    if missing := sorted(set(phases) - set(by_phase)):
        reason = f"no epoch that trains the {missing[0].partition('|')[0]} was measured: measure more epochs"
        return {"epochs": len(phases), "seconds": None, "energy_joules": None, "reason": reason}
    whole = sum(float(np.mean(by_phase[phase])) for phase in phases)
    share = whole / sum(epoch_seconds)
    return {
        "epochs": len(phases),
        "seconds": whole,
        "energy_joules": None if joules is None else joules * share,
        "reason": None,
    }


def _means(repeats: Sequence[Mapping[str, Any]], absent: str) -> dict[str, Any]:
    """Means over the repeats. absent: why there is no energy, if no repeat has a reason of its own."""
    means = {"epochs": repeats[0]["epochs"], "seconds": _mean(repeats, "seconds")}
    means |= _energy_means([repeat["energy"] or {} for repeat in repeats], absent)
    if "extrapolated" in repeats[0]:
        parts = [repeat["extrapolated"] for repeat in repeats]
        means["extrapolated"] = parts[0] | {name: _mean(parts, name) for name in ("seconds", "energy_joules")}
    return means


def _energy_means(windows: Sequence[Mapping[str, Any]], absent: str) -> dict[str, Any]:
    totals = [window.get("total", {}) for window in windows]
    peaks = [total["peak_watts"] for total in totals if total.get("peak_watts") is not None]
    energy = _mean(totals, "energy_joules")
    reasons = (total["reason"] for total in totals if total.get("reason"))
    return {
        "energy_joules": energy,
        "above_idle_joules": _mean(windows, "above_idle_joules"),
        "mean_watts": _mean(totals, "mean_watts"),
        "peak_watts": max(peaks, default=None),
        "energy_absent": next(reasons, f"not measured: {absent}") if energy is None else None,
    }


def _mean(entries: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The mean of one value of all entries; None if any entry lacks it."""
    values: list[Any] = [entry.get(name) for entry in entries]
    return None if None in values else float(np.mean(values))
