"""The tables of a report, as `reports.document.Table`s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports import statistics
from reports.document import Cell, Column, Measure, Table, Text
from reports.run import ACCURACY, Group, Metric, Point, Run
from reports.wording import clean, option_title, percent, point_text, seeds_text, status_notes, value_text

Groups = Mapping[tuple[str, Point], Group]


def main_table(run: Run, dataset: str, metric: Metric = ACCURACY) -> Table:
    """A metric on one data set: methods × the sweep's values; points × methods where two or more options are swept.

    Cells are means over seeds with the half-width of their 95 % t-interval.
    """
    groups, points = run.groups(dataset), run.points(dataset)
    methods = [method for method in run.methods if any(method == planned for planned, _ in groups)]
    best = _best(groups, points, methods, metric)

    def cell(method: str, point: Point) -> Measure:
        return measure(groups.get((method, point)), metric, (method, point) in best)

    options = run.swept(dataset)
    if len(options) > 1:
        columns = [*(Column(option_title(option)) for option in options), *(Column(clean(run.title(m)), number=True) for m in methods)]
        rows = [(*_values(point), *(cell(method, point) for method in methods)) for point in points]
    else:
        heads = [value_text(point.values[0], options[0]) if options else metric.title for point in points]
        columns = [Column("Method"), *(Column(head, number=True) for head in heads)]
        rows = [(Text(clean(run.title(method))), *(cell(method, point) for point in points)) for method in methods]
    return Table(
        title=f"{metric.title} (%) on {clean(dataset)}" + (f", by {option_title(options[0])}" if len(options) == 1 else ""),
        caption=_caption(run, dataset, metric, list(groups.values()), one_method=len(methods) == 1),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=status_notes(run, dataset),
    )


def measure(group: Group | None, metric: Metric, best: bool = False) -> Measure:
    """The cell of a group of trials; None: not planned."""
    if group is None:
        return Measure(None, None, 0, 0, 0)
    values = group.values(metric)
    half = float(statistics.t_half_width(values)) if len(values) > 1 else None
    return Measure(float(statistics.mean(values)) if values else None, half, len(values), group.planned, group.failed, best)


def data_table(run: Run) -> Table:
    """The data sets: size, classes, chance, and which subjects are trained, validated and tested on."""
    columns = ("Data set", "Samples", "Classes", "Chance (%)", "Training subjects", "Validation subjects", "Test subjects", "Fingerprint")
    rows = []
    for dataset in run.datasets:
        data = run.study["data"].get(dataset) or {}
        chance, subjects = run.chance(dataset), data.get("subjects") or {}
        rows.append(
            (
                Text(clean(dataset)),
                _text(data.get("n_samples")),
                _text(data.get("n_classes")),
                Text("–" if chance is None else percent(chance)),
                *(Text(_subjects(subjects.get(part))) for part in ("train", "validation", "test")),
                Text(clean(data.get("fingerprint") or "–"), code=True),
            )
        )
    number = {"Samples", "Classes", "Chance (%)"}
    return Table("Data sets", "", tuple(Column(name, name in number) for name in columns), tuple(rows))


def samples_table(run: Run) -> Table:
    """How many samples were labelled, unlabelled and tested on, at each point of each sweep."""
    rows = []
    for dataset in run.datasets:
        for point in run.points(dataset):
            here = [trial for trial in run.rows if trial["dataset"] == dataset and run.point(trial) == point]
            counts = (_span(trial[column] for trial in here) for column in ("n_labelled", "n_unlabelled", "n_test"))
            rows.append((Text(clean(dataset)), Text(point_text(point) or "–"), *(Text(count) for count in counts)))
    columns = (Column("Data set"), Column("At"), Column("Labelled", True), Column("Unlabelled", True), Column("Tested", True))
    return Table("Samples", "As counted by the trials; a range where seeds or methods differ.", columns, tuple(rows))


def options_table(run: Run) -> Table:
    """The options that differ from their defaults, where each was set and, if known, what it holds for."""
    options = run.study["options"]
    rows = tuple(
        (
            Text(clean(option["path"]), code=True),
            Text(value_text(option["value"]), code=True),
            Text(clean(option["source"])),
            Text(_holds_for(option.get("holds_for") or ["–"])),
        )
        for option in options
    )
    columns = (Column("Option"), Column("Value"), Column("Set by"), Column("Holds for"))
    return Table("Options that differ from the default", "", columns, rows)


def search_table(run: Run) -> Table:
    """What the search of hyper-parameters chose: for each method and point, of how many trials, and how well it did."""
    search, rows = run.study["search"], []
    for tuning in search["tunings"]:
        tried = tuning["candidates"]
        counts = (Text(str(sum(one["status"] == status for one in tried))) for status in ("done", "stopped", "failed", "pending"))
        chosen = next((one for one in tried if one["number"] == tuning["chosen"]), None)
        values = ", ".join(f"{clean(option)} {value_text(value)}" for option, value in chosen["values"].items()) if chosen else "–"
        place = Point(tuple(tuning["point"]), tuple(tuning["point"].values()))
        rows.append(
            (
                Text(clean(run.title(tuning["method"]))),
                Text(clean(tuning["dataset"])),
                Text(point_text(place) or "–"),
                *counts,
                Text(f"no. {chosen['number']}: {values}" if chosen else "–", code=bool(chosen)),
                Text(percent(chosen["accuracy"]) if chosen else "–"),
            )
        )
    counted = ("Trained", "Stopped early", "Failed", "To come")
    columns = (*map(Column, ("Method", "Data set", "At")), *(Column(name, True) for name in counted), Column("Chosen"))
    return Table(
        "What the search chose",
        f"Of {search['trials']} drawn configurations each. Validation: accuracy (%) of the chosen one on the validation subjects.",
        (*columns, Column("Validation", True)),
        tuple(rows),
    )


def versions_table(run: Run) -> Table:
    """What it ran on, by name."""
    rows = tuple((Text(clean(name)), Text(clean(version), code=True)) for name, version in sorted(run.study["versions"].items()))
    return Table("Versions", "", (Column("Of"), Column("Version")), rows)


def _best(groups: Groups, points: Sequence[Point], methods: Sequence[str], metric: Metric) -> set[tuple[str, Point]]:
    """Where the highest means stand: at each point among methods; with one method only, among the points."""
    contests = [[(m, p) for m in methods] for p in points] if len(methods) > 1 else [[(m, p) for p in points] for m in methods]
    best = set()
    for places in contests:
        means = {place: round(float(statistics.mean(groups[place].values(metric))), 9) for place in places if _has(groups, place, metric)}
        if len(means) > 1:
            best |= {place for place, value in means.items() if value == max(means.values())}
    return best


def _has(groups: Groups, place: tuple[str, Point], metric: Metric) -> bool:
    return place in groups and bool(groups[place].values(metric))


def _caption(run: Run, dataset: str, metric: Metric, groups: list[Group], one_method: bool) -> str:
    parts = [seeds_text(groups, metric)]
    if len(groups) > 1:
        parts.append("Highest mean in bold." if one_method or not run.swept(dataset) else "Highest mean at each point in bold.")
    chance = run.chance(dataset)
    if chance is not None and metric is ACCURACY:
        parts.append(f"Chance: {percent(chance)} %.")
    return " ".join(parts)


def _holds_for(places: Sequence[Any], most: int = 3) -> str:
    """The first few places; the rest is counted, for an option of all methods holds for dozens."""
    named = [clean(place) for place in places]
    return ", ".join(named) if len(named) <= most else f"{', '.join(named[: most - 1])} and {len(named) - most + 1} more"


def _values(point: Point) -> tuple[Cell, ...]:
    return tuple(Text(value_text(value, option)) for option, value in zip(point.options, point.values, strict=True))


def _text(value: Any) -> Text:
    return Text("–" if value is None else value_text(value))


def _subjects(subjects: Sequence[Any] | None) -> str:
    return ", ".join(value_text(subject) for subject in subjects) if subjects else "–"


def _span(counts: Iterable[Any]) -> str:
    known = [int(count) for count in counts if count is not None]
    if not known:
        return "–"
    return str(min(known)) if min(known) == max(known) else f"{min(known)} to {max(known)}"
