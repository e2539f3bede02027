"""What trackers show of a job: its parameters, its curves and its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from harness.jobs import Progress
from harness.results.profile_records import ProfileResult
from harness.results.records import PretrainRecord, ProfileRecord, Record, StoppedRecord, TrainRecord
from harness.results.selection import selected_index
from harness.trackers.tracker import Curves, MetricValue, TrackedJob

STAGE = {"pretrain": "stage1", "train": "stage2", "profile": "stage2"}  # kind of a job → its settings in a study


def tracked_job(
    key: str, kind: str, shown_kind: str, title: str, study: str, content: Mapping[str, Any], about: Mapping[str, Any]
) -> TrackedJob:
    """A job as trackers show it. content, about: as in its record."""
    parameters = {name: about[name] for name in ("dataset", "method", "seed", "fold") if about.get(name) is not None}
    parameters |= {name: content[name] for name in ("device", "threads") if name in content}
    if device := about.get("device"):
        parameters["measured_on"] = device["name"]
    parameters |= {f"{STAGE[kind]}.{name}": value for name, value in _leaves(content.get("settings", {}))}
    parameters |= {f"{content['method']['name']}.{name}": value for name, value in _leaves(content.get("options", {}))}
    parameters |= about.get("point") or {}
    parameters |= (about.get("search") or {}).get("values", {})
    tags = {"stage1_key": content["stage1"]} if content.get("stage1") else {}
    return TrackedJob(key, title, shown_kind, study, parameters, tags)


def points_of_progress(progress: Progress) -> list[MetricValue]:
    found = [MetricValue("loss", progress.epoch, progress.loss)]
    if progress.validation_accuracy is not None:
        found.append(MetricValue("validation/accuracy", progress.epoch, progress.validation_accuracy))
    return found


def curves_of(record: Record) -> Curves:
    """The loss of each epoch, and the scores at each evaluation, such as ``test/accuracy``."""
    found: dict[str, dict[int, float]] = {}
    if isinstance(record, PretrainRecord | TrainRecord):
        found["loss"] = dict(enumerate(record.result.loss, 1))
    if isinstance(record, TrainRecord | StoppedRecord):
        for part, scores in record.result.curves.items():
            for name, values in (("accuracy", scores.accuracy), ("macro_f1", scores.macro_f1)):
                if values:
                    found[f"{part}/{name}"] = dict(zip(record.result.epochs_evaluated, values, strict=True))
    return found


def figures_of(record: Record, select: str) -> dict[str, float]:
    """The figures of a record, with the names of its fields, and those of a trial as in the table of trials.

    select: which evaluation counts, as in the plan.
    """
    if isinstance(record, ProfileRecord):
        return _finite(_costs(record.result))
    if not isinstance(record, PretrainRecord | TrainRecord):
        return {}
    found = _finite(record.result.model_dump(exclude={"absent"}))
    if isinstance(record, TrainRecord) and (scores := record.result.curves.get("test")):
        index = selected_index(record.result, select)
        found |= {"accuracy": scores.accuracy[index], "epoch_selected": float(record.result.epochs_evaluated[index])}
        found |= {"macro_f1": scores.macro_f1[index]} if scores.macro_f1 else {}
    return found


def _costs(result: ProfileResult) -> dict[str, Any]:
    training = result.training.model_dump(exclude={"repeats"}) if result.training else {}
    found = {f"stage2_{name}": value for name, value in training.items()}
    for row in result.inference:
        prefix = f"{row.runtime}_{row.precision}_batch{row.batch_size}"
        found |= {f"{prefix}.{name}": value for name, value in row.model_dump(exclude={"batch_size"}).items()}
    return found


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Those values that are finite numbers."""
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
