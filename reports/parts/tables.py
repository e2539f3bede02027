"""The tables of a report, as `reports.document.Table`s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reports import statistics
from reports.document import Cell, Column, MetricCell, Table, Text
from reports.method_comparison import best_and_close, contests
from reports.run import ACCURACY, Group, Metric, Point, RunData, is_number
from reports.text import option_title, percent, point_text, seeds_text, status_notes, value_text

# -- scores ----------------------------------------------------------------------------------------------------------------


def main_table(run: RunData, dataset: str, metric: Metric = ACCURACY) -> Table:
    """A metric on one data set: methods × values of the sweep, or points × methods if two or more options are swept.

    Cells are means over seeds with the half-width of their 95 % t-interval. The best of each point is marked, and so are those
    that are not significantly different from it.
    """
    groups, points, options = run.groups(dataset), run.points(dataset), run.swept(dataset)
    methods = [method for method in run.methods if any(method == planned for planned, _ in groups)]
    marked = [best_and_close(contest, metric) for contest in contests(groups, points, methods)]
    best, close = ({(group.method, group.point) for pair in marked for group in pair[i]} for i in (0, 1))

    def cell(method: str, point: Point) -> MetricCell:
        key = (method, point)
        return metric_cell(groups.get(key), metric, key in best, key in close)

    title = f"{metric.title} (%) on {dataset}"
    if len(options) > 1:
        columns = [*(Column(option_title(o)) for o in options), *(Column(run.title(m), number=True) for m in methods)]
        rows = [(*_values(point), *(cell(method, point) for method in methods)) for point in points]
    else:
        heads = [value_text(point.values[0], options[0]) if options else metric.title for point in points]
        columns = [Column("Method"), *(Column(head, number=True) for head in heads)]
        rows = [(Text(run.title(method)), *(cell(method, point) for point in points)) for method in methods]
        title += f", by {option_title(options[0])}" if options else ""
    caption = _main_caption(run, dataset, metric, list(groups.values()), len(methods) == 1, bool(close))
    return Table(title, caption, tuple(columns), tuple(rows), status_notes(run, dataset))


def metric_cell(group: Group | None, metric: Metric, best: bool = False, close: bool = False) -> MetricCell:
    """The cell of a group of trials; None is a group that was not planned."""
    if group is None:
        return MetricCell(None, None, 0, 0, 0)
    values = group.values(metric)
    mean = float(statistics.mean(values)) if values else None
    half_width = float(statistics.t_half_width(values)) if len(values) > 1 else None
    return MetricCell(mean, half_width, len(values), group.planned, group.failed, best, close)


def _main_caption(
    run: RunData, dataset: str, metric: Metric, groups: list[Group], one_method: bool, close: bool
) -> str:
    parts = [seeds_text(groups, metric)]
    if len(groups) > 1:
        at_each = "" if one_method or not run.swept(dataset) else " at each point"
        parts.append(f"Highest mean{at_each} in bold.")
    if close:
        parts.append(
            "≈: not significantly different from the best (the paired 95 % interval of the difference contains 0, "
            "or there is none because too few seeds are shared)."
        )
    chance = run.chance(dataset)
    if chance is not None and metric is ACCURACY:
        parts.append(f"Chance: {percent(chance)} %.")
    return " ".join(parts)


def _values(point: Point) -> tuple[Cell, ...]:
    return tuple(Text(value_text(value, option)) for option, value in zip(point.options, point.values, strict=True))


def trials_table(run: RunData) -> Table:
    """One row per trial, for reference."""
    options = list(dict.fromkeys(option for dataset in run.datasets for option in run.swept(dataset)))
    numbers = ("Accuracy", "Macro-F1", "Epoch", "Stage 1 (s)", "Stage 2 (s)")
    heads = ("Data set", "Method", *map(option_title, options), "Seed", "Status", *numbers)
    columns = tuple(Column(head, number=head == "Seed" or head in numbers) for head in heads)
    rows = []
    for trial in run.rows:
        swept = run.swept(trial["dataset"])
        rows.append((
            Text(trial["dataset"]),
            Text(run.title(trial["method"])),
            *(_ranked(value_text(trial.get(o), o), trial.get(o)) if o in swept else Text("–") for o in options),
            _ranked(str(trial["seed"]), trial["seed"]),
            Text(trial["status"]),
            *(Text("–") if trial[n] is None else _ranked(percent(trial[n]), trial[n]) for n in ("accuracy", "macro_f1")),
            *(
                Text("–") if trial[n] is None else _ranked(f"{trial[n]:.4g}", trial[n])
                for n in ("epoch", "stage1_seconds", "stage2_seconds")
            ),
        ))  # fmt: skip
    caption = "Accuracy and macro-F1 in per cent."
    return Table("Every trial", caption, columns, tuple(rows), status_notes(run), listing=True)


def _ranked(text: str, value: Any) -> Text:
    """A cell that is sorted by its value if that is a number."""
    return Text(text, rank=float(value) if is_number(value) else None)


# -- set-up ----------------------------------------------------------------------------------------------------------------


def data_table(run: RunData) -> Table:
    """The data sets: size, classes, chance, and the subjects for training, validation and test."""
    numbers = ("Samples", "Classes", "Chance (%)")
    names = ("Training subjects", "Validation subjects", "Test subjects", "Fingerprint")
    columns = (Column("Data set"), *(Column(name, True) for name in numbers), *map(Column, names))
    rows = []
    for dataset in run.datasets:
        data = run.study["data"].get(dataset) or {}
        chance, subjects = run.chance(dataset), data.get("subjects") or {}
        rows.append((
            Text(dataset),
            *(Text("–" if data.get(name) is None else value_text(data[name])) for name in ("n_samples", "n_classes")),
            Text("–" if chance is None else percent(chance)),
            *(Text(", ".join(map(value_text, subjects.get(part) or ())) or "–") for part in ("train", "validation", "test")),
            Text(str(data.get("fingerprint") or "–"), code=True),
        ))  # fmt: skip
    return Table("Data sets", "", columns, tuple(rows))


def samples_table(run: RunData) -> Table:
    """The numbers of labelled, unlabelled and test samples at each point of each sweep."""
    rows = []
    for dataset in run.datasets:
        trials = run.trials_by_group(dataset)
        for point in run.points(dataset):
            here = [trial for (_, at), some in trials.items() if at == point for trial in some]
            counts = (_span(trial[column] for trial in here) for column in ("n_labelled", "n_unlabelled", "n_test"))
            rows.append((Text(dataset), Text(point_text(point) or "–"), *map(Text, counts)))
    columns = (Column("Data set"), Column("At"), *(Column(name, True) for name in ("Labelled", "Unlabelled", "Test")))
    return Table("Samples", "As counted by the trials; a range if seeds or methods differ.", columns, tuple(rows))


def _span(counts: Iterable[Any]) -> str:
    known = [int(count) for count in counts if count is not None]
    ends = dict.fromkeys((min(known), max(known))) if known else {}
    return " to ".join(map(str, ends)) or "–"


def options_table(run: RunData) -> Table:
    """The options that differ from their defaults: where each was set and, if known, what it holds for."""
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
            Text("all" if applies_to_all else _first_few(holds_for) or "–"),
        ))  # fmt: skip
    columns = tuple(map(Column, ("Option", "Value", "Set by", "Holds for")))
    return Table("Options that differ from the default", "", columns, tuple(rows))


def _first_few(names: Sequence[str], most: int = 3) -> str:
    """The first few names; the others are counted, because an option of all methods holds for dozens of pairs."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"


def search_table(run: RunData) -> Table:
    """What the search of hyper-parameters chose for each method and point, out of how many trials, and its accuracy."""
    search, rows = run.study["search"], []
    for tuning in search["tunings"]:
        candidates = tuning["candidates"]
        counts = (sum(c["status"] == s for c in candidates) for s in ("done", "stopped", "failed", "pending"))
        chosen = next((c for c in candidates if c["number"] == tuning["chosen"]), None)
        values = (
            ", ".join(f"{option} {value_text(value)}" for option, value in chosen["values"].items()) if chosen else ""
        )
        point = Point(tuple(tuning["point"]), tuple(tuning["point"].values()))
        rows.append((
            Text(run.title(tuning["method"])),
            Text(tuning["dataset"]),
            Text(point_text(point) or "–"),
            *(Text(str(n)) for n in counts),
            Text(f"no. {chosen['number']}: {values}", code=True) if chosen else Text("–"),
            Text(percent(chosen["accuracy"]) if chosen else "–"),
        ))  # fmt: skip
    counted = (Column(name, True) for name in ("Trained", "Stopped early", "Failed", "Pending"))
    columns = (*map(Column, ("Method", "Data set", "At")), *counted, Column("Chosen"), Column("Validation", True))
    caption = (
        f"Chosen from {search['trials']} configurations each, drawn at random. Validation: accuracy (%) of the chosen "
        "configuration on the validation subjects."
    )
    return Table("What the search chose", caption, columns, tuple(rows))


def versions_table(run: RunData) -> Table:
    """The versions of the software."""
    versions = sorted(run.study["versions"].items())
    rows = tuple((Text(name), Text(str(version), code=True)) for name, version in versions)
    return Table("Versions", "", (Column("Software"), Column("Version")), rows)


def hosts_table(run: RunData) -> Table:
    """Where the jobs ran: host, processor or accelerator, and the number of jobs."""
    names = ("host", "machine", "processor", "device")
    rows = tuple(
        (*(Text(str(host.get(name) or "–")) for name in names), Text(str(host["jobs"]), rank=host["jobs"]))
        for host in run.study["hosts"]
    )
    return Table("Hosts", "", (*(Column(name.capitalize()) for name in names), Column("Jobs", True)), rows)
