"""Measured figures as tables: columns beside a trial's own, and the two tables that the paper shows (Table 3, Fig 17)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.edge.latency import needed
from harness.ledger import Ledger, Record

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
SHARES = (
    0.0,
    0.01,
    0.05,
    *(0.1 * i for i in range(1, 10)),
    0.95,
    0.99,
)  # of the queries, at which a distribution is told


@dataclass(frozen=True)
class TextTable:
    """A table of text. notes: lines below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def profile_columns(trial: Mapping[str, Any], records: Mapping[str, Record | None]) -> dict[str, Any]:
    """What was measured of a trial, by column: ``cpu.stage2_seconds``, ``cpu.eager_fp32_batch8.p50_seconds`` …

    A figure that is absent is None; ``cpu.energy_absent`` has the reason.
    """
    found: dict[str, Any] = {}
    for device, key in trial.get("profile_keys", {}).items():
        record = records.get(key)
        found |= {f"{device}.profile_key": key, f"{device}.status": record["status"] if record else "pending"}
        error = record["error"] if record and record["status"] == "failed" else None
        found[f"{device}.error"] = f"{error['type']}: {error['message']}" if error else None
        result = _result(record)
        training = result.get("training") or {}
        found[f"{device}.meter"] = result.get("meter")
        found |= {f"{device}.stage2_{name}": training.get(name) for name in TRAINING}
        found[f"{device}.energy_absent"] = training.get("energy_absent")
        for name in ("seconds", "energy_joules") if training.get("extrapolated") else ():
            found[f"{device}.stage2_extrapolated_{name}"] = training["extrapolated"][name]
        for row in result.get("inference") or ():
            prefix = f"{device}.{row['runtime']}_{row['precision']}_batch{row['batch_size']}"
            found |= {f"{prefix}.{name}": row.get(name) for name in INFERENCE}
    return found


def edge_tables(ledger: Ledger) -> list[TextTable]:
    """For each data set and device: stage 2's time and energy by method and point of the sweep, and the latency of inference."""
    plan = ledger.plan()
    records = {key: ledger.record(key) for key in plan["jobs"]}
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for trial in plan["trials"]:
        for device, key in trial.get("profile_keys", {}).items():
            places.setdefault((trial["dataset"], device), []).append(
                {**trial, "record": records[key], "stage1": records.get(trial["stage1_key"])}
            )
    tables = []
    for (dataset, device), trials in places.items():
        tables += [
            _training_table(dataset, device, trials, plan["titles"]),
            _latency_table(dataset, device, trials, plan["titles"]),
        ]
    return [table for table in tables if table.rows]


def latency_curves(ledger: Ledger) -> list[dict[str, Any]]:
    """The latencies' distribution, for each data set, device and method: of the first point measured, runtime and batch size timed.

    shares: of the queries. seconds: the least that so many took at most; those shares that their number supports.
    """
    plan, found = ledger.plan(), dict[tuple[str, str, str], dict[str, Any]]()
    for trial in plan["trials"]:
        for device, key in trial.get("profile_keys", {}).items():
            place, record = (trial["dataset"], device, trial["method"]), ledger.record(key)
            timed = next((row for row in _result(record).get("inference") or () if "mean_seconds" in row), None)
            if place in found or timed is None or record is None or "latencies.npz" not in record["artefacts"]:
                continue
            what = {name: timed[name] for name in ("runtime", "precision", "batch_size")}
            with np.load(io.BytesIO(ledger.artefact(key, "latencies.npz", record)), allow_pickle=False) as file:
                latencies = file["-".join(map(str, what.values()))]
            shares = [share for share in SHARES if share < 0.5 or needed(100 * share) <= len(latencies)]
            seconds = np.quantile(latencies, shares, method="inverted_cdf").tolist()
            found[place] = {
                **dict(zip(("dataset", "device", "method"), place, strict=True)),
                **what,
                "shares": shares,
                "seconds": seconds,
            }
            found[place]["n"] = len(latencies)
    return list(found.values())


def _result(record: Record | None) -> dict[str, Any]:
    """A profile job's figures, whole or what there is of them."""
    if record is None:
        return {}
    found: dict[str, Any] = record["result"] if record["status"] == "done" else record.get("partial", {})
    return found if isinstance(found.get("training"), dict) else {}


def _training_table(dataset: str, device: str, trials: list[dict[str, Any]], titles: Mapping[str, str]) -> TextTable:
    """The shape of the paper's Table 3: a row a point of the sweep, a column a method's stage."""
    rows: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    notes: dict[str, None] = {}
    for trial in trials:
        title = titles.get(trial["method"], trial["method"])
        row = rows.setdefault(_point(trial), {})
        if trial["stage1_key"]:
            columns.setdefault(f"{title} stage 1")
            row[f"{title} stage 1"] = _stage1(trial["stage1"])
        columns.setdefault(f"{title} stage 2")
        row[f"{title} stage 2"] = _stage2(trial["record"])
        for note in _notes(trial["record"], title):
            notes.setdefault(f"{note[0].upper()}{note[1:].rstrip('.')}.")
    lines = tuple((point, *(row.get(column, "") for column in columns)) for point, row in rows.items())
    host = next(
        (
            trial["record"]["environment"]["processor"]
            for trial in trials
            if trial["record"] and "environment" in trial["record"]
        ),
        "",
    )
    first = (
        f"Stage 2 on {device}"
        + (f" ({host})" if host else "")
        + ": time, gross energy. Stage 1 where it was trained, its energy not measured."
    )
    return TextTable(f"Training cost on {dataset}, measured on {device}", ("trial", *columns), lines, (first, *notes))


def _stage1(record: Record | None) -> str:
    return (
        f"{duration(record['result']['train_seconds'])}, {energy(None)}"
        if record and record["status"] == "done"
        else "–"
    )


def _stage2(record: Record | None) -> str:
    training = _result(record).get("training")
    if not training:
        return "failed" if record else "pending"
    joules, whole = training["energy_joules"], training["epochs"] >= training["epochs_of_the_trial"]
    text = f"{duration(training['seconds'])}, {energy(joules)}"
    if not whole:
        text = f"{training['epochs']} of {training['epochs_of_the_trial']} epochs: {text}"
    if more := training.get("extrapolated"):
        seconds = more["seconds"]
        text += "; extrapolated: " + (
            f"{duration(seconds)}, {energy(more['energy_joules'])}" if seconds is not None else more["reason"]
        )
    return text


def _notes(record: Record | None, title: str) -> Iterator[str]:
    """What a reader must know of a cell: why a figure is absent, what the meter covers, what was odd."""
    result = _result(record)
    if record and record["status"] == "failed":
        yield f"{title}: {record['error']['type']}: {record['error']['message'].splitlines()[0]}"
    if not result:
        return
    if reason := result["training"].get("energy_absent"):
        yield f"energy absent: {reason}"
    if result["throttling"]:
        yield f"{title}: throttled: {'; '.join(result['throttling'])}"
    for repeat in result["training"]["repeats"]:
        if window := repeat["energy"]:
            yield f"meter {window['meter'].partition(':')[0]}, covers {window['covers']}, {window['asked_hertz']:g} readings a second"
            yield from (f"{flag}" if "replayed" in flag else f"{title}: {flag}" for flag in window["flags"])


def _latency_table(dataset: str, device: str, trials: list[dict[str, Any]], titles: Mapping[str, str]) -> TextTable:
    """Inference, one row a method, runtime, precision and batch size; of each method the first point of the sweep."""
    seen: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if _result(trial["record"]).get("inference"):
            seen.setdefault(trial["method"], trial)
    rows = []
    for method, trial in seen.items():
        for row in _result(trial["record"])["inference"]:
            rows.append(
                (
                    titles.get(method, method),
                    f"{row['runtime']} {row['precision']}",
                    str(row["batch_size"]),
                    *_latency_cells(row),
                )
            )
    columns = ("method", "runtime", "batch", "queries", "mean", "p50", "p90", "p99", "samples/s", "J a sample")
    notes = ("Milliseconds a query, the model alone; – where there were too few queries for that percentile.",)
    return TextTable(f"Latency of inference on {dataset}, measured on {device}", columns, tuple(rows), notes)


def _latency_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "mean_seconds" not in row:
        return (f"not timed: {row['absent']['latency']}", *[""] * 6)
    times = (row[f"{name}_seconds"] for name in ("mean", "p50", "p90", "p99"))
    joules = row["joules_per_sample"]
    return (
        str(row["n_queries"]),
        *("–" if seconds is None else f"{seconds * 1e3:.2f}" for seconds in times),
        f"{row['throughput_per_second']:.4g}",
        "–" if joules is None else f"{joules:.3g}",
    )


def _point(trial: Mapping[str, Any]) -> str:
    point = ", ".join(f"{name} {value}" for name, value in trial["point"].items())
    return f"{point or 'all'}, seed {trial['seed']}"


def duration(seconds: float) -> str:
    """``1.25 s`` or ``25.93 min``."""
    return f"{seconds:.2f} s" if seconds < 120 else f"{seconds / 60:.2f} min"


def energy(joules: float | None) -> str:
    """``812 J`` or ``21.34 kJ``; without a figure, that it was not measured."""
    if joules is None:
        return "energy not measured"
    return f"{joules:.0f} J" if joules < 10_000 else f"{joules / 1000:.2f} kJ"
