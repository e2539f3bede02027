"""The answer to the question of a study in words, with no stronger claims than the scores support."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports import statistics
from reports.method_comparison import PairedDifference, rounded_mean, simultaneous_differences
from reports.parts.tables import metric_cell
from reports.run import ACCURACY, Group, Metric, Point, RunData, is_number
from reports.text import (
    capitalised,
    count,
    listing,
    named,
    number,
    percent,
    point_text,
    point_values,
    selection_text,
    where_text,
)

MAX_NAMED_POINTS = 4  # a sweep over more names is summarised like a sweep over numbers


def answer(run: RunData, dataset: str, metric: Metric = ACCURACY) -> list[str]:
    """The results on one data set, as sentences: the first point of its sweep, then the sweep as a whole.

    A sweep over a few names, such as readings, is reported at each point, because no point represents the others.
    """
    groups, constant = _without_constant(run, dataset)
    contests = _contests(run, dataset, groups, metric)
    if not contests:
        nothing = "" if constant else _no_results(run, dataset)
        return [nothing or f"There is no answer on {dataset}. {constant}"]
    labels = [text for text in (constant, selection_text(run, dataset)) if text]
    if len(run.methods) == 1:
        return [_single_method(run, dataset, groups, metric), *labels]
    reported = _reported(contests)
    return [
        *(_leader(run, dataset, contest, metric) for contest in reported),
        *_along_sweep(run, contests, len(run.points(dataset)), metric),
        *labels,
    ]


def _no_results(run: RunData, dataset: str) -> str:
    done = sum(trial["status"] == "done" and trial["dataset"] == dataset for trial in run.rows)
    if done:  # a fold has a score when all its seeds are done
        return f"No fold on {dataset} has results for all of its seeds yet, so there is no answer."
    return f"No trial on {dataset} has produced results yet, so there is no answer."


def rankings(run: RunData, dataset: str, metric: Metric = ACCURACY) -> list[list[Group]]:
    """The groups that `answer` ranks, highest mean first: a list for each point that it reports on.

    With a single method, one list with the points of the sweep in their order.
    """
    groups, _ = _without_constant(run, dataset)
    contests = _contests(run, dataset, groups, metric)
    if len(run.methods) == 1:
        return [[group for contest in contests for group in contest if group.values(metric)]] if contests else []
    return [_ranked(contest, metric) for contest in _reported(contests)]


def _contests(run: RunData, dataset: str, groups: Sequence[Group], metric: Metric) -> list[list[Group]]:
    """The groups at each point of the sweep, without the points that have no values."""
    by_point: dict[Point, list[Group]] = {point: [] for point in run.points(dataset)}
    for group in groups:
        by_point[group.point].append(group)
    return [contest for contest in by_point.values() if _ranked(contest, metric)]


def _reported(contests: list[list[Group]]) -> list[list[Group]]:
    """The points that are reported one by one."""
    return contests if len(contests) <= MAX_NAMED_POINTS and _over_names(contests) else contests[:1]


def _without_constant(run: RunData, dataset: str) -> tuple[list[Group], str]:
    """The groups without those whose trials mostly predict a single class, and a sentence that names these."""
    kept: list[Group] = []
    left_out: list[Group] = []
    for group in run.groups(dataset).values():
        (left_out if run.is_constant(dataset, group) else kept).append(group)
    names = list(dict.fromkeys(_name_at(run.title(group.method), group.point) for group in left_out))
    if not names:
        return kept, ""
    return kept, f"Not ranked, since most of the trials predict a single class for all test samples: {listing(names)}."


def _over_names(contests: Sequence[Sequence[Group]]) -> bool:
    """Whether any swept value is not a number."""
    return not all(is_number(value) for groups in contests for value in groups[0].point.values)


def _leader(run: RunData, dataset: str, groups: Sequence[Group], metric: Metric) -> str:
    """Which method has the highest mean at one point, and whether it is significantly better."""
    best, *others = _ranked(groups, metric)
    where = capitalised(where_text(dataset, best.point))
    title, score = run.title(best.method), _score(best, metric)
    caveats = _caveats(run, dataset, groups, best, metric)
    if not others:
        return f"{where}, only {title} has results: {score}.{caveats}"
    differences = simultaneous_differences(best, others, metric)
    margin = _margin(differences[0], run.title(others[0].method), best.unit)
    unclear = [run.title(o.method) for o, d in zip(others, differences, strict=True) if not d.significant]
    highest = f"{where}, {title} has the highest mean {_name(metric)}: {score}, {margin}"
    if differences[0].n < statistics.LEAST_FOR_INTERVAL:
        return f"{highest}; {_too_few_seeds(best, differences[0], metric)}{caveats}"
    if not unclear:
        return f"{where}, {title} is best: {score}, {margin} ({_interval(differences)}).{caveats}"
    rest = "any other method" if len(unclear) == len(others) > 1 else listing(named(unclear), "or")
    intervals = f"{_simultaneous(others)}95 % interval of the paired difference"
    return f"{highest}; it is not significantly different from {rest} ({intervals}).{caveats}"


def _along_sweep(run: RunData, contests: Sequence[Sequence[Group]], planned: int, metric: Metric) -> list[str]:
    """Which method has the highest mean at which points of a sweep; empty if a single one can be ranked.

    planned: the number of points of the sweep.
    """
    if len(contests) < 2:
        return []
    winners: dict[str, list[str]] = {}
    for groups in contests:
        best = _ranked(groups, metric)[0]
        winners.setdefault(run.title(best.method), []).append(point_values(best.point))
    if len(winners) == 1:
        n, leader = len(contests), next(iter(winners))
        if n < planned:
            return [f"{leader} has the highest mean at the {n} of {planned} points of the sweep that can be ranked."]
        return [f"{leader} has the highest mean at {'both' if n == 2 else f'all {n}'} points of the sweep."]
    parts = [f"{title} at {listing(values)}" for title, values in winners.items()]
    return [f"The leader changes along the sweep: {'; '.join(parts)}."]


def _single_method(run: RunData, dataset: str, groups: Sequence[Group], metric: Metric) -> str:
    """How the score of the only method changes along the sweep."""
    best, *others = _ranked(groups, metric)
    title, caveats = run.title(best.method), _caveats(run, dataset, groups, best, metric)
    if not others:
        return f"On {dataset}, {title} has a mean {_name(metric)} of {_score(best, metric)}.{caveats}"
    worst = others[-1]
    differences = simultaneous_differences(best, others, metric)
    difference = differences[-1]
    highest = f"its highest mean {_name(metric)} at {point_text(best.point)}: {_score(best, metric)}"
    lowest = f"its lowest at {point_text(worst.point)}: {_score(worst, metric)}"
    text = f"On {dataset}, {title} has {highest}, and {lowest}"
    if difference.n < statistics.LEAST_FOR_INTERVAL:
        return f"{text}; {_too_few_seeds(best, difference, metric)}{caveats}"
    verdict = "" if difference.significant else ", not significant"
    return f"{text}, {number(100 * difference.mean)} points lower ({_interval(differences, -1)}{verdict}).{caveats}"


def _margin(difference: PairedDifference, other: str, unit: str) -> str:
    """The lead of the best over the next. With missing trials, the best can be behind on the common seeds or folds."""
    if not difference.n:
        return f"followed by {other}, with which it has no {unit} in common"
    if abs(difference.mean) < 0.0005:
        return f"level with {other}"
    if difference.mean < 0:
        return f"although it is {number(-100 * difference.mean)} points below {other} on the {unit}s that both have"
    return f"{number(100 * difference.mean)} points above {other}"


def _interval(differences: Sequence[PairedDifference], i: int = 0) -> str:
    """One of the differences from the best, with how its interval is corrected."""
    low, high = number(100 * differences[i].low), number(100 * differences[i].high)
    return f"{_simultaneous(differences)}95 % interval of the paired difference: {low} to {high}"


def _simultaneous(compared: Sequence[object]) -> str:
    """Names the correction, if the best is compared with more than one other."""
    return "simultaneous " if len(compared) > 1 else ""


def _too_few_seeds(best: Group, difference: PairedDifference, metric: Metric) -> str:
    """The reason why significance is not reported."""
    common = "common " if difference.n < len(best.values(metric)) else ""
    few = f"a single {common}{best.unit}" if difference.n == 1 else f"so few {common}{best.unit}s"
    return f"{few} cannot show how much of this is due to chance."


def _caveats(run: RunData, dataset: str, groups: Sequence[Group], best: Group, metric: Metric) -> str:
    """The caveats of a score: missing trials, and a best score that may be no better than guessing."""
    return _missing(groups) + (_near_chance(run, dataset, best) if metric is ACCURACY else "")


def _missing(groups: Sequence[Group]) -> str:
    failed, pending = sum(group.failed for group in groups), sum(group.pending for group in groups)
    missing = [f"{failed} failed"] if failed else []
    missing += [f"{pending} {'is' if pending == 1 else 'are'} pending"] if pending else []
    if not missing:
        return ""
    return f" Of the {count(sum(group.planned for group in groups), 'trial')} behind this, {listing(missing)}."


def _near_chance(run: RunData, dataset: str, best: Group) -> str:
    chance, (low, _) = run.chance(dataset), statistics.t_interval(best.values(ACCURACY), overlap=best.overlap)
    mean = float(statistics.mean(best.values(ACCURACY)))
    if chance is None or (mean if math.isnan(low) else low) > chance:
        return ""
    return f" This is not clearly above chance ({percent(chance)} %)."


def _ranked(groups: Sequence[Group], metric: Metric) -> list[Group]:
    """The groups that have values, highest mean first; groups with equal means in the order of the study."""
    shown = [group for group in groups if group.values(metric)]
    return sorted(shown, key=lambda group: -rounded_mean(group.values(metric)))


def _score(group: Group, metric: Metric) -> str:
    cell = metric_cell(group, metric)
    interval = "" if cell.half_width is None else f" ± {percent(cell.half_width)}"
    return f"{percent(cell.mean or 0)} %{interval} ({count(cell.done, cell.unit)})"


def _name_at(title: str, point: Point) -> str:
    return f"{title} ({point_text(point)})" if point.options else title


def _name(metric: Metric) -> str:
    return metric.title[0].lower() + metric.title[1:]
