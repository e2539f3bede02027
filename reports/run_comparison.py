"""Comparison of two runs: how their options, data, code and results differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.document import Block, Column, Document, Figure, Note, Prose, Section, Table, Text
from reports.method_comparison import GroupComparison, compare_groups
from reports.overview import run_names
from reports.parts.figures import forest_plot
from reports.parts.pairwise import Family, pairs_table
from reports.parts.tables import metric_cell
from reports.run import METRICS, GroupKey, Metric, RunData, Trial, group_of
from reports.text import count, metric_text, missing_notes, point_text, score_notes, value_text

HOW = (
    "Trials are paired if they have the same data set, method, point of the sweep, fold and seed, and if both were "
    "trained on the same labelled samples and tested on the same samples. Differences are the second run minus the "
    "first, in percentage points, with 95 % t-intervals over three pairs or more; pairs of one fold count "
    "as one, their mean."
)
ABSENT = "–"


def compare_runs(first: RunData, second: RunData) -> Document:
    """The document that compares two runs."""
    runs = _Runs(first, second)
    sections = (
        Section("Results", "results", tuple(_results(runs))),
        Section("Options", "options", tuple(_options(runs))),
        Section("Data", "data", tuple(_data(runs))),
        Section("Code and machines", "code", tuple(_code(runs))),
    )
    notes = tuple(
        Note(f"{name}: {note.text}", note.level)
        for run, name in zip(runs.both, runs.names, strict=True)
        for note in (*score_notes(run), *missing_notes(run))
    )
    trials = dict(zip(runs.names, (first.trials, second.trials), strict=True))
    return Document(" and ".join(runs.names), "Comparison of two runs", notes, sections, trials=trials)


@dataclass(frozen=True)
class _Runs:
    first: RunData
    second: RunData

    @property
    def both(self) -> tuple[RunData, RunData]:
        return self.first, self.second

    @property
    def names(self) -> list[str]:
        return run_names(self.both)


# -- results -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _PairedGroup:
    """One method at one point in both runs, reduced to the paired trials.

    pairs: number of pairs of trials. equal: number of those with equal scores.
    """

    key: GroupKey
    comparison: GroupComparison
    pairs: int
    equal: int


def _results(runs: _Runs) -> Iterator[Block]:
    yield Prose(HOW)
    common = [dataset for dataset in runs.first.datasets if dataset in runs.second.datasets]
    if not common:
        yield Prose("The runs have no data set in common, so their results cannot be compared.")
    for dataset in common:
        yield _overlap(runs, dataset)
        for metric in METRICS:
            yield from _metric_blocks(runs, dataset, metric)


def _overlap(runs: _Runs, dataset: str) -> Prose:
    """Counts the combinations of method and point that are in both runs, and those that are in only one."""
    keys = [set(run.groups(dataset)) for run in runs.both]
    extra = [f"{len(a - b)} only in {name}" for a, b, name in zip(keys, keys[::-1], runs.names, strict=True) if a - b]
    shared = len(keys[0] & keys[1])
    combinations = f"{count(shared, 'combination')} of method and point {'is' if shared == 1 else 'are'}"
    return Prose(f"{', '.join([f'On {dataset}, {combinations} in both runs', *extra])}.")


def _metric_blocks(runs: _Runs, dataset: str, metric: Metric) -> Iterator[Block]:
    """One metric on one data set: paired differences, then the groups without pairs."""
    groups = _paired_groups(runs, dataset, metric)
    paired = [group for group in groups if group.comparison.difference.n]
    if paired:
        yield from _paired_blocks(runs, dataset, paired, metric)
    unpaired = [group.key for group in groups if not group.comparison.difference.n]
    if unpaired:
        yield _unpaired_table(runs, dataset, unpaired, metric)


def _paired_groups(runs: _Runs, dataset: str, metric: Metric) -> list[_PairedGroup]:
    ours, theirs = (run.groups(dataset) for run in runs.both)
    keys = [key for key in ours if key in theirs]
    trials = [_paired_trials(runs, dataset, key) for key in keys]
    overlap = runs.second.overlap(dataset)
    pairs = [
        (group_of(*key, second, overlap), group_of(*key, first, overlap))
        for key, (first, second) in zip(keys, trials, strict=True)
    ]
    return [
        _PairedGroup(key, comparison, len(first), _equal_scores(first, second, metric))
        for key, (first, second), comparison in zip(keys, trials, compare_groups(pairs, metric), strict=True)
    ]


def _paired_trials(runs: _Runs, dataset: str, key: GroupKey) -> tuple[list[Trial], list[Trial]]:
    """The trials of both runs with the same fold and seed that were trained and tested on the same samples."""
    method, point = key
    ours, theirs = (
        {(trial.get("fold"), trial["seed"]): trial for trial in run.done_trials(dataset, point, method)}
        for run in runs.both
    )
    same = [
        place
        for place, trial in ours.items()
        if place in theirs
        and (samples := _samples(runs.first, trial))
        and samples == _samples(runs.second, theirs[place])
    ]
    return [ours[place] for place in same], [theirs[place] for place in same]


def _samples(run: RunData, trial: Trial) -> tuple[str, str] | None:
    """Hashes of the samples that a trial was trained and tested on; None if they are unknown."""
    samples = run.details.get(trial["key"], {}).get("samples") or {}
    return (samples["labelled"], samples["test"]) if {"labelled", "test"} <= samples.keys() else None


def _equal_scores(first: Sequence[Trial], second: Sequence[Trial], metric: Metric) -> int:
    return sum(one[metric.column] == other[metric.column] for one, other in zip(first, second, strict=True))


def _paired_blocks(runs: _Runs, dataset: str, groups: Sequence[_PairedGroup], metric: Metric) -> Iterator[Block]:
    title = f"{metric.title} on {dataset}: {runs.names[1]} minus {runs.names[0]}"
    if metric is METRICS[0]:
        yield _equal_pairs(groups)
        yield from _difference_plot(runs, title, groups)
    labels = [(runs.first.title(method), point_text(point) or ABSENT) for method, point in (g.key for g in groups)]
    rows = [(*label, group.comparison) for label, group in zip(labels, groups, strict=True)]
    size = sum(group.comparison.difference.n > 1 for group in groups) or 1
    family = Family(size, "all comparisons of this table")
    yield pairs_table(title, ("Method", "At"), rows, family, score_notes(runs.first))


def _equal_pairs(groups: Sequence[_PairedGroup]) -> Prose:
    total, equal = sum(group.pairs for group in groups), sum(group.equal for group in groups)
    have = "has" if equal == 1 else "have"
    return Prose(f"Of {count(total, 'pair')} of trials, {equal} {have} exactly equal accuracies.")


def _difference_plot(runs: _Runs, title: str, groups: Sequence[_PairedGroup]) -> Iterator[Figure]:
    keys = [group.key for group in groups]
    figure = forest_plot(
        title,
        [group.comparison for group in groups],
        [f"{runs.first.title(method)} {point_text(point)}".strip() for method, point in keys],
        [runs.first.styles[method] for method, _ in keys],
        f"{title}, in percentage points.",
    )
    if figure:
        yield figure


def _unpaired_table(runs: _Runs, dataset: str, keys: Sequence[GroupKey], metric: Metric) -> Table:
    rows = []
    for method, point in keys:
        cells = [metric_cell(run.groups(dataset)[method, point], metric) for run in runs.both]
        texts = (Text(" ".join(part for part in metric_text(cell) if part), rank=cell.mean) for cell in cells)
        rows.append((Text(runs.first.title(method)), Text(point_text(point) or ABSENT), *texts))
    columns = (Column("Method"), Column("At"), *(Column(name, True) for name in runs.names))
    caption = (
        "These trials cannot be paired: their seeds or samples differ, or they have no scores. The difference of the "
        "means is not a paired difference."
    )
    return Table(f"{metric.title} (%) on {dataset} without pairs", caption, columns, tuple(rows))


# -- options -----------------------------------------------------------------------------------------------------------

OptionKey = tuple[str, str, str]  # option, data set, method


def _options(runs: _Runs) -> Iterator[Block]:
    rows = [*_differing_options(*(_options_in_force(run) for run in runs.both))]
    for name in ("sweep", "seeds", "select", "methods"):
        ours, theirs = (value_text(run.study[name]) for run in runs.both)
        if ours != theirs:
            rows.append((name, ours, theirs, "the study"))
    columns = ("Option", *runs.names, "Holds for")
    yield _difference_table("Options that differ", columns, rows, "All options are the same.")


def _differing_options(ours: Mapping[OptionKey, Any], theirs: Mapping[OptionKey, Any]) -> Iterator[tuple[str, ...]]:
    """Rows of (option, first value, second value, the methods and data sets that it holds for).

    Data sets and methods that only one run has are skipped, because other rows and tables show them.
    """
    both = {key[1:] for key in ours} & {key[1:] for key in theirs}
    found: dict[tuple[str, str, str], list[str]] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        option, dataset, method = key
        values = [value_text(some[key]) if key in some else ABSENT for some in (ours, theirs)]
        if (dataset, method) in both and values[0] != values[1]:
            found.setdefault((option, values[0], values[1]), []).append(f"{method} on {dataset}")
    for (option, *values), holders in found.items():
        more = f" and {len(holders) - 2} more" if len(holders) > 2 else ""
        yield (option, *values, ", ".join(holders[:2]) + more)


def _options_in_force(run: RunData) -> dict[OptionKey, Any]:
    """(option, data set, method) → value, without swept options, which the sweep shows."""
    found = {}
    for dataset, methods in (run.study.get("in_force") or {}).items():
        for method, options in methods.items():
            for path, leaf in options.items():
                root, _, rest = path.partition(".")
                if leaf["source"] != "sweep":
                    found[f"{method}.{rest}" if root == "method" else path, dataset, method] = leaf["value"]
    return found


# -- data and code -----------------------------------------------------------------------------------------------------


def _data(runs: _Runs) -> Iterator[Block]:
    rows = []
    for dataset in dict.fromkeys([*runs.first.datasets, *runs.second.datasets]):
        data = [run.study["data"].get(dataset) if dataset in run.datasets else None for run in runs.both]
        for what in ("fingerprint", "n_samples", "n_classes", "subjects", "folds"):
            ours, theirs = ("not in this run" if one is None else _data_text(one.get(what)) for one in data)
            if ours != theirs:
                rows.append((dataset, what, ours, theirs))
    same = "The data are the same, judging by their fingerprints and splits."
    yield _difference_table("Data that differ", ("Data set", "What", *runs.names), rows, same)


def _data_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{part}: {value_text(value[part])}" for part in sorted(value))
    return value_text(value)


def _code(runs: _Runs) -> Iterator[Block]:
    ours, theirs = (_code_state(run) for run in runs.both)
    names = dict.fromkeys([*ours, *theirs])
    rows = [(name, ours.get(name, ABSENT), theirs.get(name, ABSENT)) for name in names]
    rows = [row for row in rows if row[1] != row[2]]
    same = "Code, versions and machines are the same, as far as they were recorded."
    yield _difference_table("Code and machines that differ", ("What", *runs.names), rows, same)


def _code_state(run: RunData) -> dict[str, str]:
    git = (run.study.get("provenance") or {}).get("git") or {}
    state = {f"version of {name}": str(version) for name, version in run.study["versions"].items()}
    state["git commit"] = git.get("commit") or git.get("absent") or "not recorded"
    if "dirty" in git:
        state["uncommitted changes"] = "yes" if git["dirty"] else "no"
    hosts = {f"{host['host']} ({host['processor']}, {host['device']})" for host in run.study.get("hosts") or ()}
    return {**state, "hosts": ", ".join(sorted(hosts))}


def _difference_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], same: str) -> Block:
    """A table without a caption, or the text ``same`` if there are no rows."""
    if not rows:
        return Prose(same)
    return Table(title, "", tuple(map(Column, columns)), tuple(tuple(map(Text, row)) for row in rows))
