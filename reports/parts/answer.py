"""The answer in words, made from the numbers and no stronger than they are."""

from __future__ import annotations

from collections.abc import Sequence

from reports import statistics
from reports.comparison import Lead, lead
from reports.parts.tables import metric_cell
from reports.run import ACCURACY, Group, Metric, Run, is_number
from reports.text import clean, count, listing, number, percent, point_text, value_text

MOST_TOLD = 4  # points of a sweep over names


def answer(run: Run, dataset: str, metric: Metric = ACCURACY) -> list[str]:
    """What the trials of one data set say, as sentences: the first point of its sweep, then the sweep as a whole.

    Of a sweep over a few names, such as readings, all points: there no first one stands for the others.
    """
    groups = list(run.groups(dataset).values())
    contests = [[group for group in groups if group.point == point] for point in run.points(dataset)]
    contests = [contest for contest in contests if _ranked(contest, metric)]
    if not contests:
        return [f"On {clean(dataset)} no trial has been done, so there is no answer yet."]
    if len(run.methods) == 1:
        return _one_method(run, dataset, groups, metric)
    named = not all(is_number(value) for contest in contests for value in contest[0].point.values)
    told = contests if named and len(contests) <= MOST_TOLD else contests[:1]
    return [*(_contest(run, dataset, contest, metric) for contest in told), *_over_sweep(run, contests, metric)]


def _contest(run: Run, dataset: str, groups: Sequence[Group], metric: Metric) -> str:
    """Who is ahead at one point, and whether that is more than chance draws."""
    best, *others = _ranked(groups, metric)
    where = f"At {point_text(best.point)} on {clean(dataset)}" if best.point.options else f"On {clean(dataset)}"
    title, figure = clean(run.title(best.method)), _figure(best, metric)
    if not others:
        return f"{where}, only {title} has figures: {figure}." + _caveats(run, dataset, groups, best, metric)
    leads = [lead(best, other, metric) for other in others]
    ahead, second = leads[0], clean(run.title(others[0].method))
    unclear = [clean(run.title(other.method)) for other, by in zip(others, leads, strict=True) if not by.clear]
    margin = _margin(ahead, second)
    if ahead.n < 2:
        text = f"{where}, {title} has the highest mean {_name(metric)}: {figure}, {margin}; {_few(best, metric)}"
    elif not unclear:
        inside = f"paired by seed: {number(100 * ahead.low)} to {number(100 * ahead.high)}"
        text = f"{where}, {title} is best: {figure}, {margin} ({inside})."
    else:
        rest = "any other method" if len(unclear) == len(others) > 1 else _either(unclear)
        text = f"{where}, {title} has the highest mean {_name(metric)}: {figure}, {margin}; it can't be told apart from {rest}"
        text += " (no paired 95 % interval above 0)."
    return text + _caveats(run, dataset, groups, best, metric)


def _over_sweep(run: Run, contests: Sequence[Sequence[Group]], metric: Metric) -> list[str]:
    """Who has the highest mean where, over all points of a sweep; nothing where there is one point."""
    if len(contests) < 2:
        return []
    winners: dict[str, list[str]] = {}
    for groups in contests:
        best = _ranked(groups, metric)[0]
        values = [
            value_text(value, option) for option, value in zip(best.point.options, best.point.values, strict=True)
        ]
        winners.setdefault(clean(run.title(best.method)), []).append(" / ".join(values))
    if len(winners) == 1:
        return [f"{next(iter(winners))} has the highest mean at all {len(contests)} points of the sweep."]
    parts = [f"{title} at {listing(values)}" for title, values in winners.items()]
    return [f"Over the sweep the highest mean changes hands: {'; '.join(parts)}."]


def _one_method(run: Run, dataset: str, groups: Sequence[Group], metric: Metric) -> list[str]:
    """What a sweep does to the only method."""
    best, *others = _ranked(groups, metric)
    title = clean(run.title(best.method))
    if not others:
        text = f"On {clean(dataset)}, {title} has a mean {_name(metric)} of {_figure(best, metric)}."
        return [text + _caveats(run, dataset, groups, best, metric)]
    worst = others[-1]
    by = lead(best, worst, metric)
    text = f"On {clean(dataset)}, {title} has its highest mean {_name(metric)} at {point_text(best.point)}: {_figure(best, metric)}; "
    text += f"its lowest at {point_text(worst.point)}: {_figure(worst, metric)}"
    if by.n < 2:
        text += f"; {_few(best, metric)}"
    else:
        inside = f"paired by seed: {number(100 * by.low)} to {number(100 * by.high)}"
        text += f", {number(100 * by.mean)} points less ({inside}{'' if by.clear else ', so not clear'})."
    return [text + _caveats(run, dataset, groups, best, metric)]


def _margin(by: Lead, other: str) -> str:
    """How far ahead, in words. The higher mean may be behind on the seeds that both have, where some trials are missing."""
    if not by.n:
        return f"next is {other}, with no seed in common"
    if abs(by.mean) < 0.0005:
        return f"level with {other}"
    if by.mean < 0:
        return f"though {number(-100 * by.mean)} points below {other} on the seeds that both have"
    return f"{number(100 * by.mean)} points above {other}"


def _few(best: Group, metric: Metric) -> str:
    """Why nothing is claimed."""
    return f"{'one seed' if len(best.values(metric)) < 2 else 'so few seeds in common'} can't say how much of that is chance."


def _caveats(run: Run, dataset: str, groups: Sequence[Group], best: Group, metric: Metric) -> str:
    """What must be said with a figure: trials that are missing here, and a best that may be no better than guessing."""
    text = ""
    failed, pending = sum(group.failed for group in groups), sum(group.pending for group in groups)
    missing = [f"{n} {what}" for n, what in ((failed, "failed"), (pending, "to come")) if n]
    if missing:
        text += f" Of the {count(sum(group.planned for group in groups), 'trial')} behind this, {listing(missing)}."
    chance, cell = run.chance(dataset), metric_cell(best, metric)
    if (
        metric is ACCURACY
        and chance is not None
        and cell.mean is not None
        and cell.mean - (cell.half_width or 0) <= chance
    ):
        text += f" That is not clearly above chance ({percent(chance)} %)."
    return text


def _ranked(groups: Sequence[Group], metric: Metric) -> list[Group]:
    """The groups that have figures, the highest mean first; equal ones in the order of the study."""
    return sorted(
        (group for group in groups if group.values(metric)),
        key=lambda group: -float(statistics.mean(group.values(metric))),
    )


def _figure(group: Group, metric: Metric) -> str:
    cell = metric_cell(group, metric)
    interval = "" if cell.half_width is None else f" ± {percent(cell.half_width)}"
    return f"{percent(cell.mean or 0)} %{interval} ({count(cell.done, 'seed')})"


def _name(metric: Metric) -> str:
    return metric.title[0].lower() + metric.title[1:]


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
