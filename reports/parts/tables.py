"""The tables of a report, as `reports.document.Table`s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports import statistics
from reports.comparison import best_and_close, contests
from reports.document import Cell, Column, MetricCell, Table, Text
from reports.run import ACCURACY, Group, Metric, Point, Run, is_number
from reports.text import clean, option_title, percent, point_text, seeds_text, status_notes, value_text

Groups = Mapping[tuple[str, Point], Group]


def main_table(run: Run, dataset: str, metric: Metric = ACCURACY) -> Table:
    """A metric on one data set: methods × the sweep's values; points × methods where two or more options are swept.

    Cells are means over seeds with the half-width of their 95 % t-interval; the best of each point is marked, and so is what
    can't be told apart from it.
    """
    groups, points = run.groups(dataset), run.points(dataset)
    methods = [method for method in run.methods if any(method == planned for planned, _ in groups)]
    ranked = [best_and_close(contest, metric) for contest in contests(groups, points, methods)]
    best, close = ({(group.method, group.point) for pair in ranked for group in pair[i]} for i in (0, 1))

    def cell(method: str, point: Point) -> MetricCell:
        place = (method, point)
        return metric_cell(groups.get(place), metric, place in best, place in close)

    options = run.swept(dataset)
    if len(options) > 1:
        columns = [
            *(Column(option_title(option)) for option in options),
            *(Column(clean(run.title(m)), number=True) for m in methods),
        ]
        rows = [(*_values(point), *(cell(method, point) for method in methods)) for point in points]
    else:
        heads = [value_text(point.values[0], options[0]) if options else metric.title for point in points]
        columns = [Column("Method"), *(Column(head, number=True) for head in heads)]
        rows = [(Text(clean(run.title(method))), *(cell(method, point) for point in points)) for method in methods]
    return Table(
        title=f"{metric.title} (%) on {clean(dataset)}"
        + (f", by {option_title(options[0])}" if len(options) == 1 else ""),
        caption=_caption(run, dataset, metric, list(groups.values()), one_method=len(methods) == 1, close=bool(close)),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=status_notes(run, dataset),
    )


def metric_cell(group: Group | None, metric: Metric, best: bool = False, close: bool = False) -> MetricCell:
    """The cell of a group of trials; None: not planned."""
    if group is None:
        return MetricCell(None, None, 0, 0, 0)
    values = group.values(metric)
    half = float(statistics.t_half_width(values)) if len(values) > 1 else None
    return MetricCell(
        float(statistics.mean(values)) if values else None, half, len(values), group.planned, group.failed, best, close
    )


def data_table(run: Run) -> Table:
    """The data sets: size, classes, chance, and which subjects are trained, validated and tested on."""
    columns = (
        "Data set",
        "Samples",
        "Classes",
        "Chance (%)",
        "Training subjects",
        "Validation subjects",
        "Test subjects",
        "Fingerprint",
    )
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
            here = [trial for (_, at), rows in run.by_group(dataset).items() if at == point for trial in rows]
            counts = (_span(trial[column] for trial in here) for column in ("n_labelled", "n_unlabelled", "n_test"))
            rows.append((Text(clean(dataset)), Text(point_text(point) or "–"), *(Text(count) for count in counts)))
    columns = (
        Column("Data set"),
        Column("At"),
        Column("Labelled", True),
        Column("Unlabelled", True),
        Column("Tested", True),
    )
    return Table("Samples", "As counted by the trials; a range where seeds or methods differ.", columns, tuple(rows))


def options_table(run: Run) -> Table:
    """The options that differ from their defaults, where each was set and, if known, what it holds for."""
    options = run.study["options"]
    every = {
        f"{method} on {dataset}" for dataset, methods in (run.study.get("in_force") or {}).items() for method in methods
    }
    rows = tuple(
        (
            Text(clean(option["path"]), code=True),
            Text(value_text(option["value"]), code=True),
            Text(clean(option["source"])),
            Text(
                "all"
                if len(every) > 1 and every == set(option.get("holds_for") or ())
                else _holds_for(option.get("holds_for") or ["–"])
            ),
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
        counts = (
            Text(str(sum(one["status"] == status for one in tried)))
            for status in ("done", "stopped", "failed", "pending")
        )
        chosen = next((one for one in tried if one["number"] == tuning["chosen"]), None)
        values = (
            ", ".join(f"{clean(option)} {value_text(value)}" for option, value in chosen["values"].items())
            if chosen
            else "–"
        )
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
    rows = tuple(
        (Text(clean(name)), Text(clean(version), code=True)) for name, version in sorted(run.study["versions"].items())
    )
    return Table("Versions", "", (Column("Of"), Column("Version")), rows)


def hosts_table(run: Run) -> Table:
    """Where the jobs ran: host, processor or accelerator, and how many jobs each did."""
    names = ("host", "machine", "processor", "device")
    rows = tuple(
        (*(Text(clean(host.get(name) or "–")) for name in names), Text(str(host["jobs"]), rank=host["jobs"]))
        for host in run.study["hosts"]
    )
    return Table("Hosts", "", (*(Column(name.capitalize()) for name in names), Column("Jobs", True)), rows)


def trials_table(run: Run) -> Table:
    """One row a trial, to look things up in."""
    options = list(dict.fromkeys(option for dataset in run.datasets for option in run.swept(dataset)))
    figures = ("Accuracy", "Macro-F1", "Epoch", "Stage 1 (s)", "Stage 2 (s)")
    heads = ("Data set", "Method", *map(option_title, options), "Seed", "Status", *figures)
    rows = []
    for trial in run.rows:
        values = (
            Text(value_text(trial.get(o), o), rank=_rank(trial.get(o)))
            if o in run.swept(trial["dataset"])
            else Text("–")
            for o in options
        )
        shares = (Text("–" if trial[n] is None else percent(trial[n]), rank=trial[n]) for n in ("accuracy", "macro_f1"))
        rest = (
            Text("–" if trial[n] is None else f"{trial[n]:.4g}", rank=trial[n])
            for n in ("epoch", "stage1_seconds", "stage2_seconds")
        )
        names = (Text(clean(trial["dataset"])), Text(clean(run.title(trial["method"]))))
        rows.append(
            (
                *names,
                *values,
                Text(str(trial["seed"]), rank=_rank(trial["seed"])),
                Text(trial["status"]),
                *shares,
                *rest,
            )
        )
    columns = tuple(Column(head, number=head == "Seed" or head in figures) for head in heads)
    return Table(
        "Every trial", "Accuracy and macro-F1 in per cent.", columns, tuple(rows), status_notes(run), listing=True
    )


def _rank(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _caption(run: Run, dataset: str, metric: Metric, groups: list[Group], one_method: bool, close: bool) -> str:
    parts = [seeds_text(groups, metric)]
    if len(groups) > 1:
        parts.append(
            "Highest mean in bold." if one_method or not run.swept(dataset) else "Highest mean at each point in bold."
        )
    if close:
        parts.append(
            "≈: not to be told apart from it (the paired 95 % interval of the difference holds 0, or one seed gives none)."
        )
    chance = run.chance(dataset)
    if chance is not None and metric is ACCURACY:
        parts.append(f"Chance: {percent(chance)} %.")
    return " ".join(parts)


def _holds_for(places: Sequence[Any], most: int = 3) -> str:
    """The first few places; the rest is counted, for an option of all methods holds for dozens."""
    named = [clean(place) for place in places]
    return (
        ", ".join(named) if len(named) <= most else f"{', '.join(named[: most - 1])} and {len(named) - most + 1} more"
    )


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
