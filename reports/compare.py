"""Two runs side by side: what differs in options, data, code and results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.comparison import compare
from reports.document import Block, Column, Document, Note, Prose, Section, Table, Text
from reports.overview import run_names
from reports.parts.figures import differences
from reports.parts.pairwise import pairs_table
from reports.parts.tables import metric_cell
from reports.run import METRICS, Group, Metric, Point, Run
from reports.text import clean, count, metric_text, point_text, status_notes, value_text

HOW = (
    "Trials pair where data set, method, point and seed are the same and both were trained on the same labelled samples and tested on "
    "the same samples. Differences are the second run's figure minus the first's, in points, with 95 % t-intervals over the pairs."
)


def comparison(one: Run, two: Run) -> Document:
    """What differs between two runs, as a document."""
    names = run_names([one, two])
    sections = (
        Section("Results", "results", tuple(_results(one, two, names))),
        Section("Options", "options", tuple(_options(one, two, names))),
        Section("Data", "data", tuple(_data(one, two, names))),
        Section("Code and machines", "code", tuple(_code(one, two, names))),
    )
    notes = [
        Note(f"{name}: {note.text}", note.level)
        for run, name in zip((one, two), names, strict=True)
        for note in status_notes(run)
    ]
    title = f"{names[0]} and {names[1]}"
    return Document(
        title,
        "What differs between two runs",
        tuple(notes),
        sections,
        trials=dict(zip(names, (one.trials, two.trials), strict=True)),
    )


# -- results ---------------------------------------------------------------------------------------------------------------


def _results(one: Run, two: Run, names: list[str]) -> Iterator[Block]:
    yield Prose(HOW)
    common = [dataset for dataset in one.datasets if dataset in two.datasets]
    if not common:
        yield Prose("The runs have no data set in common, so no results can be compared.")
    for dataset in common:
        first, second = one.groups(dataset), two.groups(dataset)
        places = [place for place in first if place in second]
        only = [
            f"{len(set(a) - set(b))} only in {name}"
            for a, b, name in ((first, second, names[0]), (second, first, names[1]))
            if set(a) - set(b)
        ]
        text = f"On {clean(dataset)} {count(len(places), 'combination')} of method and point stand in both runs"
        yield Prose(f"{text}{'; ' + ', '.join(only) if only else ''}.")
        for metric in METRICS:
            yield from _metric(one, two, dataset, places, metric, names)


def _metric(
    one: Run, two: Run, dataset: str, places: list[tuple[str, Point]], metric: Metric, names: list[str]
) -> Iterator[Block]:
    matched = [(place, *_paired(one, two, dataset, place, metric)) for place in places]
    rows = [
        (place, pair)
        for (place, *_), pair in zip(matched, compare([(b, a) for _, a, b, _ in matched], metric), strict=True)
    ]
    together = [(place, pair) for place, pair in rows if pair.lead.n]
    title = f"{metric.title} on {clean(dataset)}: {names[1]} minus {names[0]}"
    if together:
        labels = [(clean(one.title(method)), point_text(point) or "–") for (method, point), _ in together]
        family = sum(pair.lead.n > 1 for _, pair in together) or 1
        if metric is METRICS[0]:
            same = sum(n for *_, n in matched)
            total = sum(pair.lead.n for _, pair in together)
            yield Prose(f"Of {count(total, 'pair')} of trials, {same} have the same accuracy to the last digit.")
            texts = [" ".join(label) if label[1] != "–" else label[0] for label in labels]
            style = [one.styles[method] for (method, _), _ in together]
            if picture := differences(title, [pair for _, pair in together], texts, style, f"{title}, in points."):
                yield picture
        yield pairs_table(
            title,
            ("Method", "At"),
            [(*label, pair) for label, (_, pair) in zip(labels, together, strict=True)],
            family,
            one,
            None,
        )
    apart = [place for place, pair in rows if not pair.lead.n]
    if apart:
        yield _unpaired(one, two, dataset, apart, metric, names)


def _paired(one: Run, two: Run, dataset: str, place: tuple[str, Point], metric: Metric) -> tuple[Group, Group, int]:
    """Both groups with only the seeds that pair, and for how many of them the figures are the same."""
    groups = one.groups(dataset)[place], two.groups(dataset)[place]
    samples = [{row["seed"]: _samples(run, row) for row in run.at(dataset, place[1], place[0])} for run in (one, two)]
    figures = [group.figures[metric.column] for group in groups]
    seeds = [
        s
        for s in figures[0]
        if s in figures[1] and samples[0].get(s) is not None and samples[0].get(s) == samples[1].get(s)
    ]
    kept = [_only(group, seeds) for group in groups]
    return kept[0], kept[1], sum(figures[0][seed] == figures[1][seed] for seed in seeds)


def _samples(run: Run, row: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Which samples a trial was trained and tested on, by hash; None if that is not known."""
    samples = run.details.get(row["key"], {}).get("samples") or {}
    return (samples["labelled"], samples["test"]) if {"labelled", "test"} <= samples.keys() else None


def _only(group: Group, seeds: list[int]) -> Group:
    figures = {
        name: {seed: value for seed, value in some.items() if seed in seeds} for name, some in group.figures.items()
    }
    return Group(group.method, group.point, group.planned, group.failed, group.pending, figures)


def _unpaired(
    one: Run, two: Run, dataset: str, places: list[tuple[str, Point]], metric: Metric, names: list[str]
) -> Table:
    rows = []
    for method, point in places:
        cells = [metric_cell(run.groups(dataset)[method, point], metric) for run in (one, two)]
        texts = (Text(" ".join(part for part in metric_text(cell) if part), rank=cell.mean) for cell in cells)
        rows.append((Text(clean(one.title(method))), Text(point_text(point) or "–"), *texts))
    columns = (Column("Method"), Column("At"), *(Column(name, True) for name in names))
    caption = (
        "No trials pair here: other seeds, other samples, or no figures. Means are not to be subtracted as if they did."
    )
    return Table(f"{metric.title} (%) on {clean(dataset)} without pairs", caption, columns, tuple(rows))


# -- options, data, code ---------------------------------------------------------------------------------------------------


def _options(one: Run, two: Run, names: list[str]) -> Iterator[Block]:
    values = [_in_force(run) for run in (one, two)]
    rows: dict[tuple[str, str, str], list[str]] = {}
    both = set.intersection(
        *({place[1:] for place in run} for run in values)
    )  # what one run alone has is told by data and methods
    for place in (place for place in dict.fromkeys([*values[0], *values[1]]) if place[1:] in both):
        pair = [value_text(run[place]) if place in run else "–" for run in values]
        if pair[0] != pair[1]:
            rows.setdefault((place[0], pair[0], pair[1]), []).append(f"{place[2]} on {place[1]}")
    table = [
        (path, *pair, clean(", ".join(where[:2])) + (f" and {len(where) - 2} more" if len(where) > 2 else ""))
        for (path, *pair), where in rows.items()
    ]
    for what, say in (("sweep", value_text), ("seeds", value_text), ("select", clean), ("methods", value_text)):
        pair = [say(run.study[what]) for run in (one, two)]
        if pair[0] != pair[1]:
            table.append((what, *pair, "the study"))
    yield from _difference("Options that differ", ("Option", *names, "Holds for"), table, "All options are the same.")


def _in_force(run: Run) -> dict[tuple[str, str, str], Any]:
    """(option, data set, method) → value; what is swept is told by the sweep."""
    found = {}
    for dataset, methods in (run.study.get("in_force") or {}).items():
        for method, options in methods.items():
            for path, leaf in options.items():
                root, _, rest = path.partition(".")
                if leaf["source"] != "sweep":
                    found[f"{method}.{rest}" if root == "method" else path, dataset, method] = leaf["value"]
    return found


def _data(one: Run, two: Run, names: list[str]) -> Iterator[Block]:
    rows = []
    for dataset in dict.fromkeys([*one.datasets, *two.datasets]):
        about = [run.study["data"].get(dataset) if dataset in run.datasets else None for run in (one, two)]
        for what in ("fingerprint", "n_samples", "n_classes", "subjects"):
            pair = ["not there" if data is None else _plain(data.get(what)) for data in about]
            if pair[0] != pair[1]:
                rows.append((clean(dataset), what, *pair))
    yield from _difference(
        "Data that differ",
        ("Data set", "What", *names),
        rows,
        "The data are the same, by their fingerprints and splits.",
    )


def _plain(value: Any) -> str:
    return (
        "; ".join(f"{part}: {value_text(value[part])}" for part in sorted(value))
        if isinstance(value, Mapping)
        else value_text(value)
    )


def _code(one: Run, two: Run, names: list[str]) -> Iterator[Block]:
    states = [_state(run) for run in (one, two)]
    rows = [
        (what, *pair)
        for what in dict.fromkeys([*states[0], *states[1]])
        if len(set(pair := [s.get(what, "–") for s in states])) > 1
    ]
    yield from _difference(
        "Code and machines that differ",
        ("Of", *names),
        rows,
        "Code, versions and machines are the same, as far as recorded.",
    )


def _state(run: Run) -> dict[str, str]:
    git = (run.study.get("provenance") or {}).get("git") or {}
    state = {f"version of {clean(name)}": clean(version) for name, version in run.study["versions"].items()}
    state["git commit"] = clean(git.get("commit") or git.get("absent") or "not recorded")
    if "dirty" in git:
        state["uncommitted changes"] = "yes" if git["dirty"] else "no"
    state["hosts"] = ", ".join(
        sorted({f"{host['host']} ({host['processor']}, {host['device']})" for host in run.study.get("hosts") or ()})
    )
    return {name: clean(value) for name, value in state.items()}


def _difference(title: str, heads: tuple[str, ...], rows: list[Any], same: str) -> Iterator[Block]:
    if not rows:
        yield Prose(same)
        return
    yield Table(title, "", tuple(map(Column, heads)), tuple(tuple(Text(cell) for cell in row) for row in rows))
