"""What reports know of a run: one row a trial, and what was asked. Nothing here reads a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from reports.style import styles

if TYPE_CHECKING:  # pandas takes half a second to import, and a caller with a table has done so already
    import pandas as pd

Status = Literal["done", "failed", "pending"]
COLUMNS = (
    "key", "status", "dataset", "method", "seed", "accuracy", "macro_f1", "epoch", "n_labelled", "n_unlabelled", "n_test",
    "stage1_key", "stage1_seconds", "stage2_seconds", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A figure of merit: a column of the trials, as a share from 0 to 1; more is better."""

    column: str
    title: str


ACCURACY = Metric("accuracy", "Accuracy")
MACRO_F1 = Metric("macro_f1", "Macro-F1")
METRICS = (ACCURACY, MACRO_F1)


@dataclass(frozen=True)
class Point:
    """One point of a data set's sweep. Two points are equal if they say the same, whatever type a number has (1 and 1.0)."""

    options: tuple[str, ...]
    values: tuple[Any, ...] = field(compare=False)
    same: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "same", tuple(_same(value) for value in self.values))


@dataclass(frozen=True)
class Group:
    """The trials of one method at one point: what was planned, what came of it, and each metric's figure by seed."""

    method: str
    point: Point
    planned: int
    failed: int
    pending: int
    figures: Mapping[str, Mapping[int, float]]  # metric's column → seed → share

    def values(self, metric: Metric) -> list[float]:
        """The figures that there are, shape (n_done,), in the order of the seeds."""
        return list(self.figures[metric.column].values())

    @property
    def complete(self) -> bool:
        return not self.failed and not self.pending


@dataclass(frozen=True)
class Run:
    """A run as reports see it.

    trials: one row a trial with `COLUMNS` and one column per swept option under its own dotted name.
    study: study, title, question, select, sweep {dataset: {option: [values]}}, methods, titles, seeds, chance, data, options,
    command, versions; where known also reference, folder, hosts, provenance, others (records of other plans), in_force; search, where
    hyper-parameters were searched: trials, scheduler, sampler, seed, space, tunings [{dataset, method, point, chosen,
    candidates [{number, values, status, accuracy, epoch}]}]; edge, where devices were measured: tables {title, columns, rows, notes}.
    details: trial's key → what its record and artefacts hold beyond the row: epochs, accuracy, macro_f1 and loss by epoch,
    confusion (n_classes, n_classes), attention, modal_distance, absent {what: why}, evaluation_seconds, n_parameters, flops, host,
    samples {part: hash}. pretrained: stage 1's key → method, dataset, loss, loss_floor, quality, modal_distance, absent,
    train_seconds, findings_seconds, n_parameters, host. Raises ValueError that names what is missing.
    """

    trials: pd.DataFrame
    study: Mapping[str, Any]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pretrained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.trials.columns]
        if missing:
            raise ValueError(f"the trials lack {', '.join(missing)}")
        odd = set(self.trials["status"]) - {"done", "failed", "pending"}
        if odd:
            raise ValueError(f"a trial is done, failed or pending, not {', '.join(map(repr, sorted(map(str, odd))))}")

    @property
    def datasets(self) -> list[str]:
        """In the order of the plan."""
        return _in_order(self.trials["dataset"], self.study["sweep"])

    @property
    def methods(self) -> list[str]:
        """Row labels in the study's order, then those that only the trials know."""
        return _in_order(self.study["methods"], self.trials["method"])

    @property
    def oracle(self) -> bool:
        """Whether the epoch was picked by the test samples."""
        return bool(self.study["select"] == "oracle")

    @property
    def reference(self) -> str:
        """The method that the others are compared with: the study's choice, else Cosmo, else the last method of the study."""
        return self.study.get("reference") or ("cosmo" if "cosmo" in self.methods else self.methods[-1])

    @cached_property
    def styles(self) -> Mapping[str, int]:
        """Each method's look; of all studies' methods where the study names them, so that a page over several has one look each."""
        return styles([*self.methods, *self.study.get("style_among", ())])

    def title(self, method: str) -> str:
        return str(self.study["titles"].get(method, method))

    def chance(self, dataset: str) -> float | None:
        """The accuracy of guessing, as a share; None if not known."""
        chance = self.study["chance"].get(dataset)
        return None if chance is None else float(chance)

    def count(self, status: Status) -> int:
        return int((self.trials["status"] == status).sum())

    def swept(self, dataset: str) -> list[str]:
        """The options that a data set sweeps."""
        return list(self.study["sweep"].get(dataset) or {})

    def points(self, dataset: str) -> list[Point]:
        """The points of a data set's sweep as planned, then any other that a trial stands at: no trial is out of sight."""
        sweep = self.study["sweep"].get(dataset) or {}
        planned: list[tuple[Any, ...]] = [()]
        for values in sweep.values():
            planned = [(*before, value) for before in planned for value in values]
        found = [point for _, point in self.by_group(dataset)]
        return list(dict.fromkeys([*(Point(tuple(sweep), values) for values in planned), *found]))

    def point(self, trial: Mapping[str, Any]) -> Point:
        """The point of the sweep that a trial (a row) stands at."""
        options = self.swept(trial["dataset"])
        return Point(tuple(options), tuple(trial.get(option) for option in options))

    def at(self, dataset: str, point: Point, method: str) -> list[Mapping[str, Any]]:
        """The rows of a method's trials at a point that are done, in the order of their seeds."""
        rows = [row for row in self.by_group(dataset).get((method, point), []) if row["status"] == "done"]
        return sorted(rows, key=lambda row: row["seed"])

    def groups(self, dataset: str) -> dict[tuple[str, Point], Group]:
        """The trials of a data set by method and point; only those that were planned. Raises ValueError for a seed told twice."""
        if dataset not in self._groups:
            self._groups[dataset] = {place: _group(*place, rows) for place, rows in self.by_group(dataset).items()}
        return self._groups[dataset]

    def failures(self) -> list[Mapping[str, Any]]:
        """The rows of the failed trials."""
        return [trial for trial in self.rows if trial["status"] == "failed"]

    @cached_property
    def rows(self) -> list[Mapping[str, Any]]:
        """The trials as plain Python: an empty field is None."""
        return [
            {str(name): plain_value(value) for name, value in row.items()} for row in self.trials.to_dict("records")
        ]

    @cached_property
    def _groups(self) -> dict[str, dict[tuple[str, Point], Group]]:
        return {}  # filled as asked for

    @cached_property
    def _rows_by_group(self) -> dict[str, dict[tuple[str, Point], list[Mapping[str, Any]]]]:
        found: dict[str, dict[tuple[str, Point], list[Mapping[str, Any]]]] = {}
        for trial in self.rows:
            found.setdefault(trial["dataset"], {}).setdefault((trial["method"], self.point(trial)), []).append(trial)
        return found

    def by_group(self, dataset: str) -> dict[tuple[str, Point], list[Mapping[str, Any]]]:
        """The rows of a data set's trials by method and point."""
        return self._rows_by_group.get(dataset, {})


def is_missing(value: Any) -> bool:
    """Whether a table's field is empty: None or NaN."""
    return value is None or (not isinstance(value, (str, Sequence, Mapping)) and bool(value != value))


def is_number(value: Any) -> bool:
    """Whether a swept value can stand on an axis; True and False can't."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and not is_missing(value)


def plain_value(value: Any) -> Any:
    """A table's field as plain Python: numpy's scalars unpacked, an empty one as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if is_missing(value) else value


def _group(method: str, point: Point, rows: Sequence[Mapping[str, Any]]) -> Group:
    seeds = [row["seed"] for row in rows]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{method} at {point.values} has several trials of one seed among {sorted(seeds)}")
    done = sorted((row for row in rows if row["status"] == "done"), key=lambda row: row["seed"])
    return Group(
        method,
        point,
        planned=len(rows),
        failed=sum(row["status"] == "failed" for row in rows),
        pending=sum(row["status"] == "pending" for row in rows),
        figures={
            metric.column: {
                int(row["seed"]): float(row[metric.column]) for row in done if not is_missing(row[metric.column])
            }
            for metric in METRICS
        },
    )


def _in_order(*names: Any) -> list[str]:
    return list(dict.fromkeys(str(name) for some in names for name in some))


def _same(value: Any) -> str:
    """One text for all values that mean the same."""
    value = plain_value(value)
    return repr(float(value)) if is_number(value) else json.dumps(value, sort_keys=True, default=str)
