"""What was measured on devices: columns of the trial table, and tables of cost and latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.edge.latency import needed
from harness.results.plan_records import PlannedTrial
from harness.results.profile_records import InferenceCost, ProfileResult
from harness.results.records import FailedRecord, ProfileRecord
from harness.results.run import RunResults

TRAINING = ("epochs", "seconds", "energy_joules", "above_idle_joules", "mean_watts", "peak_watts")
INFERENCE = (
    "first_seconds",
    "mean_seconds",
    "p50_seconds",
    "p90_seconds",
    "p99_seconds",
    "throughput_per_second",
    "joules_per_sample",
    "peak_rss_bytes",
)
SHARES = (0.0, 0.01, 0.05, *(0.1 * i for i in range(1, 10)), 0.95, 0.99)  # of the queries: where a curve has points


@dataclass(frozen=True)
class TextTable:
    """A table of text. notes: lines below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def profile_columns(trial: PlannedTrial, results: RunResults) -> dict[str, Any]:
    """What was measured of a trial, by column: ``cpu.stage2_seconds``, ``cpu.eager_fp32_batch8.p50_seconds`` …

    A figure that is absent is None; ``cpu.energy_absent`` has the reason.
    """
    found: dict[str, Any] = {}
    for device, key in trial.profile_keys.items():
        record, profile = results.record(key), _profile(results, key)
        found |= {f"{device}.profile_key": key, f"{device}.status": record.status if record else "pending"}
        found[f"{device}.error"] = str(record.error) if isinstance(record, FailedRecord) else None
        training = profile.training
        found[f"{device}.meter"] = profile.meter
        found |= {f"{device}.stage2_{name}": getattr(training, name, None) for name in TRAINING}
        found[f"{device}.power_mode"] = profile.power_mode
        if (grid := results.study.grid_grams_per_kwh) is not None:
            found[f"{device}.stage2_grams_co2e"] = grams_co2e(training.energy_joules if training else None, grid)
        found[f"{device}.energy_absent"] = training.energy_absent if training else None
        if training and training.extrapolated:
            found[f"{device}.stage2_extrapolated_seconds"] = training.extrapolated.seconds
            found[f"{device}.stage2_extrapolated_energy_joules"] = training.extrapolated.energy_joules
        for row in profile.inference:
            prefix = f"{device}.{row.runtime}_{row.precision}_batch{row.batch_size}"
            found |= {f"{prefix}.{name}": getattr(row, name) for name in INFERENCE}
    return found


def edge_tables(results: RunResults) -> list[TextTable]:
    """A table for each data set and device: time and energy of stage 2, and the latency of inference."""
    measured: dict[tuple[str, str], list[PlannedTrial]] = {}
    for trial in results.plan.trials:
        for device in trial.profile_keys:
            measured.setdefault((trial.dataset, device), []).append(trial)
    tables = []
    for (dataset, device), trials in measured.items():
        tables.append(_training_table(dataset, device, trials, results))
        tables.append(_latency_table(dataset, device, trials, results))
    return [table for table in tables if table.rows]


def latency_curves(results: RunResults) -> list[dict[str, Any]]:
    """The distribution of latencies, one for each data set, device and method.

    Of the first point measured, its first runtime, precision and batch size that was timed. shares: of the queries,
    those that the number of queries supports. seconds: the least time within which that share was answered.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for trial in results.plan.trials:
        for device, key in trial.profile_keys.items():
            which, record = (trial.dataset, device, trial.method), results.record(key)
            timed = next((row for row in _profile(results, key).inference if row.mean_seconds is not None), None)
            if which in found or timed is None or not isinstance(record, ProfileRecord):
                continue
            if "latencies.npz" in record.artefacts:
                names = dict(zip(("dataset", "device", "method"), which, strict=True))
                found[which] = names | _latency_curve(timed, results.arrays(record, "latencies.npz"))
    return list(found.values())


def _latency_curve(timed: InferenceCost, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    what = timed.model_dump(include={"runtime", "precision", "batch_size"})
    latencies = arrays["-".join(map(str, what.values()))]
    shares = [share for share in SHARES if share < 0.5 or needed(100 * share) <= len(latencies)]
    seconds = np.quantile(latencies, shares, method="inverted_cdf").tolist()
    return {**what, "shares": shares, "seconds": seconds, "n": len(latencies)}


def _profile(results: RunResults, key: str | None) -> ProfileResult:
    """What a profile job measured: all of it, or what a failed job had until then."""
    record = results.record(key)
    if isinstance(record, ProfileRecord):
        return record.result
    return record.partial if isinstance(record, FailedRecord) and record.partial.training else ProfileResult()


def _training_table(dataset: str, device: str, trials: list[PlannedTrial], results: RunResults) -> TextTable:
    """The shape of the paper's Table 3: a row for each point of the sweep, a column for each method's stage."""
    rows: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    notes: dict[str, None] = {}
    trained = [_profile(results, trial.profile_keys[device]).training for trial in trials]
    metered = any(one and one.energy_joules is not None for one in trained)
    for trial in trials:
        title = results.plan.titles.get(trial.method, trial.method)
        row = rows.setdefault(_point(trial), {})
        if trial.stage1_key:
            columns.setdefault(f"{title} stage 1")
            stage1 = results.pretrained(trial.stage1_key)
            row[f"{title} stage 1"] = duration(stage1.result.train_seconds) if stage1 else "–"
        columns.setdefault(f"{title} stage 2")
        row[f"{title} stage 2"] = _stage2(results, trial.profile_keys[device], metered)
        for note in _notes(results, trial.profile_keys[device], title):
            notes.setdefault(f"{note[0].upper()}{note[1:].rstrip('.')}.")
    lines = tuple((point, *(row.get(column, "") for column in columns)) for point, row in rows.items())
    records = [results.record(trial.profile_keys[device]) for trial in trials]
    processors = dict.fromkeys(
        record.environment.get("processor", "") for record in records if isinstance(record, ProfileRecord)
    )
    host = " and ".join(name for name in processors if name)
    first = f"Stage 2 on {device}" + (f" ({host})" if host else "") + f": time{' and gross energy' if metered else ''}."
    if any(trial.stage1_key for trial in trials):
        first += f" Stage 1 is timed where it was trained{'; its energy is not measured' if metered else ''}."
    if (grid := results.study.grid_grams_per_kwh) is not None:
        first += f" CO₂ equivalents: the gross energy that was measured, at {grid:g} g/kWh as given in the study."
    return TextTable(f"Training cost on {dataset}, measured on {device}", ("Trial", *columns), lines, (first, *notes))


def _stage2(results: RunResults, key: str, metered: bool) -> str:
    """The cost of stage 2. metered: whether the energy of any trial in the table was measured."""
    training = _profile(results, key).training
    if not training:
        return "failed" if results.record(key) else "pending"

    def cost(seconds: float, joules: float | None) -> str:
        return f"{duration(seconds)}, {energy(joules)}" if metered else duration(seconds)

    text = cost(training.seconds, training.energy_joules)
    grid = results.study.grid_grams_per_kwh
    if grid is not None and (grams := grams_co2e(training.energy_joules, grid)) is not None:
        text += f", {grams:.3g} g CO₂e"
    if training.epochs < training.epochs_of_the_trial:
        text = f"{training.epochs} of {training.epochs_of_the_trial} epochs: {text}"
    if more := training.extrapolated:
        known = "" if more.seconds is None else f"extrapolated: {cost(more.seconds, more.energy_joules)}"
        text += f"; {known or more.reason}"
    return text


def _notes(results: RunResults, key: str, title: str) -> Iterator[str]:
    """What a reader must know of a cell: why a figure is absent, what the meter covers, what was odd."""
    record, profile = results.record(key), _profile(results, key)
    if isinstance(record, FailedRecord):
        yield f"{title}: {record.error.type}: {record.error.message.splitlines()[0]}"
    if not profile.training:
        return
    if reason := profile.training.energy_absent:
        yield f"energy: {reason}"
    if profile.power_mode:
        yield f"power mode {profile.power_mode}"
    if profile.throttling:
        yield f"{title}: throttled: {'; '.join(profile.throttling)}"
    for window in (repeat.energy for repeat in profile.training.repeats if repeat.energy):
        meter = window.meter.partition(":")[0]
        yield f"meter {meter}, covers {window.covers}, asked for {window.asked_hertz:g} readings a second"
        if window.hertz is not None and window.hertz < 0.9 * window.asked_hertz:
            yield f"{title}: only {window.hertz:.3g} readings a second"
        yield from (flag if "replayed" in flag else f"{title}: {flag}" for flag in window.flags)


def _latency_table(dataset: str, device: str, trials: list[PlannedTrial], results: RunResults) -> TextTable:
    """Inference: a row for each method, runtime, precision and batch size; of each method the first point measured."""
    measured: dict[str, ProfileResult] = {}
    for trial in trials:
        profile = _profile(results, trial.profile_keys[device])
        if profile.inference:
            measured.setdefault(results.plan.titles.get(trial.method, trial.method), profile)
    rows = [
        (title, f"{row.runtime} {row.precision}", str(row.batch_size), *_latency_cells(row))
        for title, profile in measured.items()
        for row in profile.inference
        if row.mean_seconds is not None
    ]
    throttled = tuple(
        f"{title}, {row.runtime} {row.precision}, batch {row.batch_size}: throttled: {'; '.join(row.throttling)}."
        for title, profile in measured.items()
        for row in profile.inference
        if row.throttling
    )
    title = f"Latency of inference on {dataset}, measured on {device}"
    columns = ("Method", "Runtime", "Batch", "Queries", "Mean", "p50", "p90", "p99", "Samples/s", "J a sample")
    first = "Milliseconds a query, the model alone; a percentile for which there were too few queries is absent."
    shown = [i for i in range(len(columns)) if any(row[i] != "–" for row in rows)]
    kept = tuple(tuple(row[i] for i in shown) for row in rows)
    return TextTable(title, tuple(columns[i] for i in shown), kept, (first, *_not_timed(measured), *throttled))


def _not_timed(measured: Mapping[str, ProfileResult]) -> Iterator[str]:
    """Why a runtime and precision was not timed: one sentence for all methods with the same reason."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for title, profile in measured.items():
        timed = {(row.runtime, row.precision) for row in profile.inference if row.mean_seconds is not None}
        for row in profile.inference:
            if row.mean_seconds is None:
                name = f"{row.runtime} {row.precision}"
                name += f" with batch {row.batch_size}" if (row.runtime, row.precision) in timed else ""
                found.setdefault((name, row.absent["latency"]), {})[title] = None
    for (name, reason), titles in found.items():
        who = "" if len(titles) == len(measured) else f" for {' and '.join(titles)}"
        yield f"{name} was not timed{who}: {reason.rstrip('.')}."


def _latency_cells(row: InferenceCost) -> tuple[str, ...]:
    times = (row.mean_seconds, row.p50_seconds, row.p90_seconds, row.p99_seconds)
    return (
        str(row.n_queries),
        *("–" if seconds is None else f"{seconds * 1e3:.2f}" for seconds in times),
        f"{row.throughput_per_second:.1f}",
        "–" if row.joules_per_sample is None else f"{row.joules_per_sample:.3g}",
    )


def _point(trial: PlannedTrial) -> str:
    from reports.text import option_title, value_text

    point = ", ".join(f"{option_title(name)} {value_text(value, name)}" for name, value in trial.point.items())
    return f"{point or 'all'}, seed {trial.seed}"


def duration(seconds: float) -> str:
    """``1.25 s`` or ``25.93 min``."""
    return f"{seconds:.2f} s" if seconds < 120 else f"{seconds / 60:.2f} min"


def grams_co2e(joules: float | None, grid_grams_per_kwh: float) -> float | None:
    """Grams of CO₂ equivalent of an energy; None if it was not measured.

    >>> grams_co2e(3.6e6, 380)
    380.0
    """
    return None if joules is None else joules / 3.6e6 * grid_grams_per_kwh


def energy(joules: float | None) -> str:
    """``812 J`` or ``21.34 kJ``; without a figure, that it was not measured."""
    if joules is None:
        return "energy not measured"
    return f"{joules:.0f} J" if joules < 10_000 else f"{joules / 1000:.2f} kJ"
