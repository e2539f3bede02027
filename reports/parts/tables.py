"""The tables of a report, as `reports.document.Table`s."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports import statistics
from reports.document import Cell, Column, MetricCell, Table, Text
from reports.method_comparison import best_and_close, contests
from reports.run import ACCURACY, Group, GroupKey, Metric, Point, RunData, Trial, is_number
from reports.text import (
    capitalised,
    count_range,
    first_few,
    mixed_notes,
    option_title,
    percent,
    point_text,
    point_values,
    score_notes,
    seeds_text,
    value_text,
)

SPLIT = ("train", "validation", "test")

# -- scores ------------------------------------------------------------------------------------------------------------


def main_table(run: RunData, dataset: str, metric: Metric = ACCURACY) -> Table:
    """A metric on one data set: methods × values of the sweep, or points × methods if two or more options are swept.

    Cells are means over seeds with the half-width of their 95 % t-interval. The best of each point is marked, and so
    are those that are not significantly different from the best.
    """
    scores = _Scores(run, dataset, metric)
    title, options = f"{metric.title} (%) on {dataset}", run.swept(dataset)
    if len(options) > 1:
        columns, rows = _points_by_methods(scores)
    else:
        columns, rows = _methods_by_points(scores)
        title += f", by {option_title(options[0])}" if options else ""
    return Table(title, _main_caption(scores), tuple(columns), tuple(rows), score_notes(run, dataset))


@dataclass(frozen=True)
class _Scores:
    """The cells of a metric on one data set."""

    run: RunData
    dataset: str
    metric: Metric

    @cached_property
    def groups(self) -> dict[GroupKey, Group]:
        return self.run.groups(self.dataset)

    @cached_property
    def points(self) -> list[Point]:
        return self.run.points(self.dataset)

    @cached_property
    def methods(self) -> list[str]:
        """The methods that are planned on the data set."""
        return [method for method in self.run.methods if any(method == planned for planned, _ in self.groups)]

    @cached_property
    def best_and_close(self) -> tuple[set[GroupKey], set[GroupKey]]:
        """The groups to mark: the best, and those that are not significantly worse."""
        best, close = set(), set()
        for contest in contests(self.groups, self.points, self.methods):
            ranked = [group for group in contest if not self.run.is_constant(self.dataset, group)]
            highest, others = best_and_close(ranked, self.metric)
            best |= {(group.method, group.point) for group in highest}
            close |= {(group.method, group.point) for group in others}
        return best, close

    def cell(self, method: str, point: Point) -> MetricCell:
        key, (best, close) = (method, point), self.best_and_close
        return metric_cell(self.groups.get(key), self.metric, key in best, key in close)


def _points_by_methods(scores: _Scores) -> tuple[list[Column], list[tuple[Cell, ...]]]:
    """Columns and rows with a row for each point of the sweep."""
    run, methods = scores.run, scores.methods
    columns = [Column(option_title(option)) for option in run.swept(scores.dataset)]
    columns += [Column(run.title(method), number=True) for method in methods]
    rows = [(*_values(point), *(scores.cell(method, point) for method in methods)) for point in scores.points]
    return columns, rows


def _methods_by_points(scores: _Scores) -> tuple[list[Column], list[tuple[Cell, ...]]]:
    """Columns and rows with a row for each method."""
    run, points = scores.run, scores.points
    titles = [point_values(point) if point.options else scores.metric.title for point in points]
    columns = [Column("Method"), *(Column(title, number=True) for title in titles)]
    rows: list[tuple[Cell, ...]] = [
        (Text(run.title(method)), *(scores.cell(method, point) for point in points)) for method in scores.methods
    ]
    return columns, rows


def metric_cell(group: Group | None, metric: Metric, best: bool = False, close: bool = False) -> MetricCell:
    """The cell of a group of trials; group is None if it was not planned."""
    if group is None:
        return MetricCell(None, None, 0, 0, 0)
    values = group.values(metric)
    mean = float(statistics.mean(values)) if values else None
    half_width = float(statistics.t_half_width(values, overlap=group.overlap))
    known = None if math.isnan(half_width) else half_width
    return MetricCell(mean, known, len(values), group.n_blocks, group.failed, best, close, group.unit)


def _main_caption(scores: _Scores) -> str:
    run, (_, close) = scores.run, scores.best_and_close
    parts = [seeds_text(list(scores.groups.values()), scores.metric)]
    if len(scores.groups) > 1:
        at_each = " at each point" if len(scores.methods) > 1 and run.swept(scores.dataset) else ""
        parts.append(f"Highest mean{at_each} in bold.")
    if close:
        parts.append(
            "≈: not significantly different from the best (the 95 % interval of the paired difference, simultaneous "
            f"for {_corrected_over(scores)}, is not entirely above 0, or there is none because fewer than "
            f"three {scores.run.unit(scores.dataset)}s are shared)."
        )
    parts.append(_labelled_text(scores))
    chance = run.chance(scores.dataset)
    if chance is not None and scores.metric is ACCURACY:
        parts.append(f"Chance: {percent(chance)} %.")
    return " ".join(parts)


def _labelled_text(scores: _Scores) -> str:
    """The number of labelled samples; at each point of the sweep if it differs."""
    counts = {point: labelled_count(scores.run, scores.dataset, point) for point in scores.points}
    if len(set(counts.values())) == 1:
        return f"Labelled samples: {counts[scores.points[0]]}."
    return f"Labelled samples: {', '.join(f'{count} at {point_text(point)}' for point, count in counts.items())}."


def labelled_count(run: RunData, dataset: str, point: Point) -> str:
    """The number of labelled samples at a point, or its range."""
    trials = run.trials_by_group(dataset)
    return count_range(trial["n_labelled"] for (_, at), some in trials.items() if at == point for trial in some)


def _corrected_over(scores: _Scores) -> str:
    """The pairs that the comparisons with the best are corrected for."""
    if len(scores.methods) < 2:
        return "all pairs of points"
    at_one_point = " at one point but not over the points" if scores.run.swept(scores.dataset) else ""
    return f"all pairs of methods{at_one_point}"


def _values(point: Point) -> tuple[Cell, ...]:
    return tuple(Text(value_text(value, option)) for option, value in zip(point.options, point.values, strict=True))


def trials_table(run: RunData) -> Table:
    """One row per trial, for reference."""
    options = list(dict.fromkeys(option for dataset in run.datasets for option in run.swept(dataset)))
    numbers = ("Accuracy", "Macro-F1", "Epoch", "Stage 1 (s)", "Stage 2 (s)")
    fold = ("Fold",) if any(map(run.folds, run.datasets)) else ()
    titles = ("Data set", "Method", *map(option_title, options), *fold, "Seed", "Status", *numbers)
    columns = tuple(Column(title, number=title in {"Fold", "Seed", *numbers}) for title in titles)
    rows = tuple(_trial_cells(run, trial, options) for trial in run.rows)
    caption = "Accuracy and macro-F1 in per cent."
    return Table("Every trial", caption, columns, rows, score_notes(run), listing=True)


def _trial_cells(run: RunData, trial: Trial, options: Sequence[str]) -> tuple[Text, ...]:
    swept = run.swept(trial["dataset"])
    return (
        Text(trial["dataset"]),
        Text(run.title(trial["method"])),
        *(_ranked(value_text(trial.get(o), o), trial.get(o)) if o in swept else Text("–") for o in options),
        *((_ranked(value_text(trial["fold"] or "–"), trial["fold"]),) if any(map(run.folds, run.datasets)) else ()),
        _ranked(str(trial["seed"]), trial["seed"]),
        Text(trial["status"]),
        *(_score(trial[name], percent) for name in ("accuracy", "macro_f1")),
        _score(trial["epoch"], value_text),
        *(_score(trial[name], "{:.1f}".format) for name in ("stage1_seconds", "stage2_seconds")),
    )


def _score(value: float | None, text: Callable[[float], str]) -> Text:
    return Text("–") if value is None else _ranked(text(value), value)


def _ranked(text: str, value: Any) -> Text:
    """A cell that is sorted by its value if the value is a number."""
    return Text(text, rank=float(value) if is_number(value) else None)


def warnings_table(run: RunData, dataset: str) -> Table:
    """The signs that trainings on a data set may have gone wrong: a row for each method and sign, with its points."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in run.warnings(dataset):
        groups.setdefault((one["method"], one["text"]), []).append(one)
    rows = [
        (
            Text(run.title(method)),
            Text("; ".join(point_text(run.point({**one["point"], "dataset": dataset})) for one in found) or "–"),
            Text(capitalised(text)),
            Text(f"{sum(one['trials'] for one in found)} of {sum(one['done'] for one in found)}"),
            Text(found[0]["example"]),
        )
        for (method, text), found in groups.items()
    ]
    columns = (Column("Method"), Column("At"), Column("Sign"), Column("Trials", True), Column("Example"))
    table = Table(f"Warnings on {dataset}", "The example is the first of the trials.", columns, tuple(rows))
    return table.without_empty_columns()


# -- set-up ------------------------------------------------------------------------------------------------------------


def data_table(run: RunData) -> Table:
    """The data sets: size, classes, chance, and the subjects for training, validation and test."""
    numbers = {"n_samples": "Samples", "n_unlabelled": "Without a label", "n_classes": "Classes"}
    if not any((run.study["data"].get(dataset) or {}).get("n_unlabelled") for dataset in run.datasets):
        del numbers["n_unlabelled"]
    names = ("Training subjects", "Validation subjects", "Test subjects", "Fingerprint")
    columns = (Column("Data set"), *(Column(n, True) for n in (*numbers.values(), "Chance (%)")), *map(Column, names))
    return Table("Data sets", "", columns, tuple(_data_cells(run, dataset, list(numbers)) for dataset in run.datasets))


def _data_cells(run: RunData, dataset: str, numbers: Sequence[str]) -> tuple[Text, ...]:
    data, chance = run.study["data"].get(dataset) or {}, run.chance(dataset)
    subjects = data.get("subjects") or {}
    folds = run.folds(dataset)
    absent = {part: f"by fold ({len(folds)})" if any(fold[part] for fold in folds) else "–" for part in SPLIT}
    return (
        Text(dataset),
        *(Text("–" if data.get(name) is None else value_text(data[name])) for name in numbers),
        Text("–" if chance is None else percent(chance)),
        *(Text(", ".join(map(value_text, subjects.get(part) or ())) or absent[part]) for part in SPLIT),
        Text(str(data.get("fingerprint") or "–"), code=True),
    )


def folds_table(run: RunData) -> Table | None:
    """The subjects of each fold; None without folds."""
    rows = [
        (Text(dataset), Text(str(n)), *(Text(", ".join(map(value_text, fold[part])) or "–") for part in SPLIT[::-1]))
        for dataset in run.datasets
        for n, fold in enumerate(run.folds(dataset), start=1)
    ]
    names = ("Test subjects", "Validation subjects", "Training subjects")
    columns = (Column("Data set"), Column("Fold", True), *map(Column, names))
    return Table("Folds", "", columns, tuple(rows)) if rows else None


def label_tables(run: RunData) -> Iterator[Table]:
    """The class of each label as stored, for the data sets that number or name their classes differently."""
    for dataset in run.datasets:
        mapping = ((run.study["data"].get(dataset) or {}).get("notes") or {}).get("labels")
        if isinstance(mapping, dict):
            rows = tuple((Text(value, code=True), Text(str(name))) for value, name in mapping.items())
            yield Table(f"Labels of {dataset}", "", (Column("Label in the data"), Column("Class")), rows)


def samples_table(run: RunData) -> Table:
    """The numbers of labelled, unlabelled and test samples at each point of the sweeps."""
    rows, swept = [], any(map(run.swept, run.datasets))
    for dataset in run.datasets:
        trials = run.trials_by_group(dataset)
        for point in run.points(dataset):
            here = [trial for (_, at), some in trials.items() if at == point for trial in some]
            counts = (
                count_range(trial[column] for trial in here) for column in ("n_labelled", "n_unlabelled", "n_test")
            )
            at = (Text(point_text(point) or "–"),) if swept else ()
            rows.append((Text(dataset), *at, *map(Text, counts)))
    at_column = (Column("At"),) if swept else ()
    columns = (Column("Data set"), *at_column, *(Column(name, True) for name in ("Labelled", "Unlabelled", "Test")))
    return Table("Samples", "Counted by the trials; a range if seeds, folds or methods differ.", columns, tuple(rows))


def options_table(run: RunData) -> Table:
    """The options that differ from their defaults: where each was set and, if known, where it holds."""
    in_force = run.study.get("in_force") or {}
    everything = {f"{method} on {dataset}" for dataset, methods in in_force.items() for method in methods}
    rows = []
    for option in run.study["options"]:
        holds_for = option.get("holds_for") or ()
        applies_to_all = len(everything) > 1 and everything == set(holds_for)
        rows.append((
            Text(option["path"], code=True),
            Text(value_text(option["value"]), code=True),
            Text(str(option["source"])),
            Text("all" if applies_to_all else first_few(holds_for) or "–"),
        ))  # fmt: skip
    columns = tuple(map(Column, ("Option", "Value", "Set by", "Holds for")))
    return Table("Options that differ from the default", "", columns, tuple(rows))


def search_table(run: RunData) -> Table:
    """What the search of hyper-parameters chose for each method and point, out of how many trials, and its accuracy.

    Columns of what did not happen, such as failures, are left out.
    """
    search = run.study["search"]
    seeds = search.get("seeds", [search["seed"]])
    over = f", mean over {len(seeds)} seeds" if len(seeds) > 1 else ""
    counted = (Column(name, True) for name in ("Trained", "Stopped early", "Failed", "Pending"))
    fold = ("Fold",) if any(tuning.get("fold") for tuning in search["tunings"]) else ()
    columns = (*map(Column, ("Method", "Data set", "At", *fold)), *counted, Column("Chosen"))
    columns += (Column("Validation", True), Column("Validation labels", True))
    caption = (
        f"Chosen from {search['trials']} configurations each, drawn at random. Validation: accuracy (%) of the chosen "
        f"configuration on the labelled validation samples{over}."
    )
    rows = tuple(_tuning_cells(run, tuning, bool(fold)) for tuning in search["tunings"])
    return Table("What the search chose", caption, columns, rows).without_empty_columns()


def _tuning_cells(run: RunData, tuning: Mapping[str, Any], folds: bool) -> tuple[Text, ...]:
    statuses = Counter(candidate["status"] for candidate in tuning["candidates"])
    chosen = next((one for one in tuning["candidates"] if one["number"] == tuning["chosen"]), None)
    configuration, accuracy = Text("–"), Text("–")
    if chosen:
        values = ", ".join(f"{option} {value_text(value)}" for option, value in chosen["values"].items())
        configuration = Text(f"no. {chosen['number']}: {values}", code=True)
        accuracy = Text(percent(chosen["accuracy"]))
    return (
        Text(run.title(tuning["method"])),
        Text(tuning["dataset"]),
        Text(point_text(Point(tuple(tuning["point"]), tuple(tuning["point"].values()))) or "–"),
        *((Text(value_text(tuning.get("fold") or "–")),) if folds else ()),
        *(Text(str(statuses[status] or "–")) for status in ("done", "stopped", "failed", "pending")),
        configuration,
        accuracy,
        Text(str(tuning.get("validation_labels", "–"))),
    )


def versions_table(run: RunData) -> Table:
    """The versions of the software."""
    versions = sorted(run.study["versions"].items())
    rows = tuple((Text(name), Text(str(version), code=True)) for name, version in versions)
    return Table("Versions", "", (Column("Software"), Column("Version")), rows, mixed_notes(run))


def hosts_table(run: RunData) -> Table:
    """Where the jobs ran: host, processor or accelerator, and the number of jobs."""
    names = ("host", "machine", "processor", "device")
    rows = tuple(
        (*(Text(str(host.get(name) or "–")) for name in names), Text(str(host["jobs"]), rank=host["jobs"]))
        for host in run.study["hosts"]
    )
    return Table("Hosts", "", (*(Column(name.capitalize()) for name in names), Column("Jobs", True)), rows)
