"""The input of a report: one row per trial, and the study. Nothing here reads a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from reports.style import styles

if TYPE_CHECKING:  # importing pandas takes half a second
    import pandas as pd

Status = Literal["done", "failed", "pending"]
Trial = Mapping[str, Any]
REQUIRED = frozenset({
    "key", "status", "dataset", "method", "seed", "accuracy", "macro_f1", "epoch", "n_labelled", "n_unlabelled",
    "n_test", "stage1_key", "stage1_seconds", "stage2_seconds", "error",
})  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A score of a trial, from 0 to 1; higher is better. column: its column in the table of trials."""

    column: str
    title: str


ACCURACY = Metric("accuracy", "Accuracy")
MACRO_F1 = Metric("macro_f1", "Macro-F1")
METRICS = (ACCURACY, MACRO_F1)


@dataclass(frozen=True)
class Point:
    """One point of a data set's sweep. Points are equal if their options and values are; 1 and 1.0 are equal values."""

    options: tuple[str, ...]
    values: tuple[Any, ...] = field(compare=False)
    canonical: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", tuple(_canonical(value) for value in self.values))


GroupKey = tuple[str, Point]  # a method and a point of the sweep


@dataclass(frozen=True)
class Group:
    """The trials of one method at one point: one for each seed or, in a study with folds, for each fold and seed.

    planned, failed, pending: numbers of trials. unit: "fold" if there are folds, else "seed": what the statistics count
    as one independent observation, their block. n_blocks: how many are planned. scores: column of a metric → number of
    the block → score. That of a fold is the mean over its seeds; a fold of which a trial is not done has no score.
    overlap: see `RunData.overlap`.
    """

    method: str
    point: Point
    planned: int
    failed: int
    pending: int
    scores: Mapping[str, Mapping[int, float]]
    unit: str
    n_blocks: int
    overlap: float = 0.0

    def values(self, metric: Metric) -> list[float]:
        """The scores of the blocks that have one, in the order of their numbers; shape (n_done,)."""
        return list(self.scores[metric.column].values())


@dataclass(frozen=True)
class RunData:
    """A run, as far as reports need it.

    Args:
        trials: one row per trial with at least the columns `REQUIRED`, and one column per swept option, under its
            dotted name. If there are folds also fold, their number.
        study: study, title, question, select, sweep {dataset: {option: [values]}}, methods, titles, seeds, chance,
            data, options, command and versions. ``chance`` is the accuracy of always predicting the most common class
            of the test samples.
            If known also warnings [{dataset, method, point, sign, text, trials, done, example}], reference, folder,
            hosts, provenance, mixed {what: [values]} (environments that differ between jobs), others (number of records
            of other plans) and in_force.
            After a search of hyper-parameters ``search`` with trials, scheduler, sampler, seed, seeds, refit, space and
            tunings [{dataset, method, point, chosen, validation_labels, candidates [{number, values, status, accuracy,
            trials [{seed, status, accuracy, epoch}]}]}].
            After measurements on devices ``edge``, tables of {title, columns, rows, notes}, and ``latency``, curves of
            {dataset, device, method, runtime, precision, batch_size, n, seconds, shares}.
        details: key of a trial → what its record and artefacts hold beyond the row: epochs, accuracy, macro_f1 and
            loss by epoch, confusion (n_classes, n_classes), attention, modal_distance, absent {what: why},
            evaluation_seconds, n_parameters, flops, host, samples {part: hash}.
        pretrained: key of a stage 1 job → method, dataset, loss, loss_floor, quality, modal_distance, absent,
            train_seconds, findings_seconds, n_parameters, host.

    Raises:
        ValueError: if columns are missing or a status is unknown.
    """

    trials: pd.DataFrame
    study: Mapping[str, Any]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pretrained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if missing := REQUIRED - set(self.trials.columns):
            raise ValueError(f"the trials lack {', '.join(sorted(missing))}")
        if unknown := set(self.trials["status"]) - {"done", "failed", "pending"}:
            found = ", ".join(map(repr, sorted(map(str, unknown))))
            raise ValueError(f"the status of a trial must be done, failed or pending, not {found}")

    @cached_property
    def datasets(self) -> list[str]:
        """The data sets in the order of the plan."""
        return _unique(self.trials["dataset"], self.study["sweep"])

    @cached_property
    def methods(self) -> list[str]:
        """The reference, then the others in the order of the study. Each variant counts as a method."""
        return sorted(self._methods, key=lambda method: method != self.reference)

    @cached_property
    def _methods(self) -> list[str]:
        """The methods in the order of the study, then those that only trials have."""
        return _unique(self.study["methods"], self.trials["method"])

    @property
    def oracle(self) -> bool:
        """Whether the epochs were selected on the test samples."""
        return bool(self.study["select"] == "oracle")

    @property
    def reference(self) -> str:
        """The method that the others are compared with: the study's choice, else Cosmo, else the last method."""
        return self.study.get("reference") or ("cosmo" if "cosmo" in self._methods else self._methods[-1])

    @cached_property
    def styles(self) -> Mapping[str, int]:
        """The style of each method. A report on several runs puts the methods of all of them in ``style_among``."""
        return styles([*self.methods, *self.study.get("style_among", ())])

    def title(self, method: str) -> str:
        """A method's name for readers."""
        return str(self.study["titles"].get(method, method))

    def chance(self, dataset: str) -> float | None:
        """The accuracy of always predicting the most common class, from 0 to 1; None if unknown."""
        chance = self.study["chance"].get(dataset)
        return None if chance is None else float(chance)

    def warnings(self, dataset: str) -> list[Mapping[str, Any]]:
        """The signs that trainings on a data set may have gone wrong."""
        return [one for one in self.study.get("warnings", ()) if one["dataset"] == dataset]

    def folds(self, dataset: str) -> list[Mapping[str, Sequence[int]]]:
        """For each fold of a data set: part → its subjects; [] without folds."""
        return list((self.study["data"].get(dataset) or {}).get("folds") or ())

    def unit(self, dataset: str) -> str:
        """What the statistics of a data set count as one independent observation: "seed" or "fold"."""
        return "fold" if self.folds(dataset) else "seed"

    def overlap(self, dataset: str) -> float:
        """The number of test subjects per training subject if folds share test subjects, else 0.

        It widens the intervals, see `reports.statistics.t_half_width`. Where it is not 0, folds are not independent.
        """
        return subject_overlap(self.folds(dataset))

    def is_constant(self, dataset: str, group: Group) -> bool:
        """Whether most trials of a group predict a single class, so that its scores are not ranked."""
        return (dataset, group.method, group.point) in self._constant

    @cached_property
    def _constant(self) -> set[tuple[str, str, Point]]:
        """Data set, method and point of the groups that are constant."""
        return {
            (one["dataset"], one["method"], _point(self.swept(one["dataset"]), one["point"]))
            for one in self.study.get("warnings", ())
            if one["sign"] == "one class" and 2 * one["trials"] > one["done"]
        }

    def count(self, status: Status) -> int:
        """The number of trials with a status."""
        return int((self.trials["status"] == status).sum())

    def swept(self, dataset: str) -> list[str]:
        """The options that a data set sweeps."""
        return list(self.study["sweep"].get(dataset) or {})

    def points(self, dataset: str) -> list[Point]:
        """The planned points of a data set's sweep, then any others that trials have, so that no trial is left out."""
        sweep = self.study["sweep"].get(dataset) or {}
        planned = [Point(tuple(sweep), values) for values in product(*sweep.values())]
        return list(dict.fromkeys([*planned, *(point for _, point in self.trials_by_group(dataset))]))

    def point(self, trial: Trial) -> Point:
        """The point of the sweep to which a trial belongs."""
        return _point(self.swept(trial["dataset"]), trial)

    @cached_property
    def rows(self) -> list[Trial]:
        """The trials as Python objects; an empty field is None."""
        records = self.trials.to_dict("records")
        return [{str(name): plain_value(value) for name, value in row.items()} for row in records]

    def failures(self) -> list[Trial]:
        """The failed trials."""
        return [trial for trial in self.rows if trial["status"] == "failed"]

    def trials_by_group(self, dataset: str) -> dict[GroupKey, list[Trial]]:
        """The trials of a data set by method and point."""
        return self._trials_by_group.get(dataset, {})

    def done_trials(self, dataset: str, point: Point, method: str) -> list[Trial]:
        """The trials of a method at a point that are done, in the order of their folds and seeds."""
        trials = self.trials_by_group(dataset).get((method, point), [])
        return _done(trials)

    def groups(self, dataset: str) -> dict[GroupKey, Group]:
        """The planned groups of a data set. Raises ValueError if a group has two trials with the same fold and seed."""
        if dataset not in self._groups:
            trials = self.trials_by_group(dataset)
            self._groups[dataset] = {key: group_of(*key, some, self.overlap(dataset)) for key, some in trials.items()}
        return self._groups[dataset]

    @cached_property
    def _groups(self) -> dict[str, dict[GroupKey, Group]]:
        return {}  # filled on demand

    @cached_property
    def _trials_by_group(self) -> dict[str, dict[GroupKey, list[Trial]]]:
        found: dict[str, dict[GroupKey, list[Trial]]] = {}
        for trial in self.rows:
            found.setdefault(trial["dataset"], {}).setdefault((trial["method"], self.point(trial)), []).append(trial)
        return found


def subject_overlap(folds: Sequence[Mapping[str, Sequence[int]]]) -> float:
    """The overlap of folds, see `RunData.overlap`. folds: for each fold, part → its subjects."""
    tested = [subject for fold in folds for subject in fold["test"]]
    if len(set(tested)) == len(tested):
        return 0.0
    return sum(len(fold["test"]) / len(fold["train"]) for fold in folds) / len(folds)


def _point(options: Sequence[str], values: Mapping[str, Any]) -> Point:
    return Point(tuple(options), tuple(values.get(option) for option in options))


def is_missing(value: Any) -> bool:
    """Whether a field of a table is empty: None or NaN."""
    return value is None or (not isinstance(value, (str, Sequence, Mapping)) and bool(value != value))


def is_number(value: Any) -> bool:
    """Whether a swept value can be shown on an axis: an int or a float, but not a bool or NaN."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and not is_missing(value)


def plain_value(value: Any) -> Any:
    """A field of a table as a Python object: numpy scalars are unpacked, an empty field is None."""
    value = value.item() if hasattr(value, "item") else value
    return None if is_missing(value) else value


def group_of(method: str, point: Point, trials: Sequence[Trial], overlap: float = 0.0) -> Group:
    """The group of some trials. Raises ValueError if two of them have the same fold and seed."""
    places = [(trial.get("fold") or 0, trial["seed"]) for trial in trials]
    if len(set(places)) < len(places):
        raise ValueError(f"{method} at {point.values} has several trials with the same fold and seed: {sorted(places)}")
    folded = any(fold for fold, _ in places)
    blocks: dict[int, list[Trial]] = {}
    for trial in sorted(trials, key=block_of):
        blocks.setdefault(block_of(trial), []).append(trial)
    return Group(
        method,
        point,
        planned=len(trials),
        failed=sum(trial["status"] == "failed" for trial in trials),
        pending=sum(trial["status"] == "pending" for trial in trials),
        scores={metric.column: _block_scores(blocks, metric.column) for metric in METRICS},
        unit="fold" if folded else "seed",
        n_blocks=len(blocks),
        overlap=overlap,
    )


def block_of(trial: Trial) -> int:
    """The number of the block that a trial belongs to: its fold or, without folds, its seed."""
    return int(trial.get("fold") or trial["seed"])


def _block_scores(blocks: Mapping[int, Sequence[Trial]], column: str) -> dict[int, float]:
    """The mean score of each block whose trials are all done."""
    return {
        block: sum(float(trial[column]) for trial in trials) / len(trials)
        for block, trials in blocks.items()
        if all(trial["status"] == "done" and not is_missing(trial[column]) for trial in trials)
    }


def _done(trials: Sequence[Trial]) -> list[Trial]:
    done = (trial for trial in trials if trial["status"] == "done")
    return sorted(done, key=lambda trial: (trial.get("fold") or 0, trial["seed"]))


def _unique(*names: Any) -> list[str]:
    return list(dict.fromkeys(str(name) for some in names for name in some))


def _canonical(value: Any) -> str:
    """A text that is the same for equal values of different types."""
    value = plain_value(value)
    return repr(float(value)) if is_number(value) else json.dumps(value, sort_keys=True, default=str)
