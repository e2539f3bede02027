"""Tables of methods against methods: differences, tests that say when they can't reject, effect sizes, ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports import statistics
from reports.comparison import ALPHA, Pair, against, all_pairs, blocks, compare
from reports.document import Block, Column, Note, Prose, Table, Text
from reports.parts.figures import differences, rank_diagram
from reports.run import ACCURACY, Metric, Point, Run, is_number
from reports.text import clean, count, listing, number, option_title, point_text, status_notes, value_text

HOW = (
    "Differences are paired by seed, with 95 % t-intervals that are not corrected for their number. p: Wilcoxon's signed-rank test, "
    "two-sided, adjusted by Holm's step-down over the comparisons of one point. g: Hedges' g of the paired differences; r: matched-pairs "
    "rank-biserial correlation. A block is a seed on one split of the subjects: seeds share their subjects, so nothing here speaks of "
    "other subjects or other data."
)


def comparison_blocks(run: Run, dataset: str, metric: Metric = ACCURACY) -> Iterator[Block]:
    """What the seeds of one data set say of its methods; nothing where one method or none has figures."""
    shown = [(point, pairs) for point in run.points(dataset) if (pairs := against(run, dataset, point, metric))]
    if not shown:
        return
    yield from _friedman(run, dataset, shown[0][0], metric)
    reference = clean(run.title(run.reference))
    where = f"at {point_text(shown[0][0])} on {clean(dataset)}" if shown[0][0].options else f"on {clean(dataset)}"
    names = [clean(run.title(pair.first.method)) for pair in shown[0][1]]
    picture = differences(
        f"{metric.title} against {reference} {where}",
        shown[0][1],
        names,
        [run.styles[pair.first.method] for pair in shown[0][1]],
        f"{metric.title} minus that of {reference}, in points, paired by seed, with 95 % t-intervals. Left of 0: {reference} is ahead.",
        status_notes(run, dataset),
    )
    if picture:
        yield picture
    rows = [(_at(point), clean(run.title(pair.first.method)), pair) for point, pairs in shown for pair in pairs]
    yield pairs_table(
        f"{metric.title} against {reference} on {clean(dataset)}",
        ("At", "Method"),
        rows,
        len(shown[0][1]),
        run,
        dataset,
    )
    pairs = all_pairs(run, dataset, shown[0][0], metric)
    if len(pairs) > len(shown[0][1]):
        named = [(clean(run.title(pair.first.method)), clean(run.title(pair.second.method)), pair) for pair in pairs]
        yield pairs_table(f"{metric.title}: all pairs {where}", ("Method", "Minus"), named, len(pairs), run, dataset)


def pairs_table(
    title: str,
    heads: tuple[str, str],
    rows: Sequence[tuple[str, str, Pair]],
    family: int,
    run: Run,
    dataset: str | None,
) -> Table:
    """Pairs with their difference, interval, p and effect sizes. family: how many comparisons Holm steps down over."""
    columns = (
        *(Column(head) for head in heads),
        *(Column(head, True) for head in ("Points", "95 % interval", "n", "p (Holm)", "g", "r")),
    )
    lines = []
    for first, second, pair in rows:
        ahead = pair.lead
        inside = f"{number(100 * ahead.low)} to {number(100 * ahead.high)}" if ahead.n > 1 else "–"
        p = p_text(pair.p) if pair.p is not None else "can't reject" if ahead.n > 1 else "–"
        points = number(100 * ahead.mean) if ahead.n else "–"
        lines.append(
            (
                Text(first),
                Text(second),
                Text(points, rank=100 * ahead.mean if ahead.n else None),
                Text(inside, rank=100 * ahead.low if ahead.n > 1 else None),
                Text(str(ahead.n), rank=ahead.n),
                Text(p, rank=pair.p),
                Text(_effect(pair.g)),
                Text(_effect(pair.biserial)),
            )
        )
    notes = status_notes(run, dataset)
    if any(pair.p is None for *_, pair in rows):
        n = max((pair.lead.n for *_, pair in rows), default=0)
        least = p_text(statistics.least_wilcoxon(n, family))
        need = statistics.runs_to_reject(family)
        text = f"With {count(n, 'seed')} and {count(family, 'comparison')} Wilcoxon's smallest adjusted p is {least}: it can't reject "
        notes += (Note(f"{text}whatever the figures, so none is printed. It needs {need} seeds.", "info"),)
    return Table(title, "", columns, tuple(lines), notes)


def ablation_blocks(run: Run, dataset: str, metric: Metric = ACCURACY) -> Iterator[Block]:
    """A sweep over names (parts left out, readings, networks): what each value changes, as paired differences to the first.

    The value ``nothing`` comes first if there is one: it is the full method of a component ablation. Methods whose trials are the
    same jobs at every point are only named: the option isn't theirs. Nothing where a sweep is of numbers, or of several options.
    """
    points = run.points(dataset)
    if len(run.swept(dataset)) != 1 or len(points) < 2 or all(is_number(point.values[0]) for point in points):
        return
    full = next((point for point in points if point.values[0] == "nothing"), points[0])
    option, groups = run.swept(dataset)[0], run.groups(dataset)
    rows: list[tuple[str, str, Pair]] = []
    chosen: list[Pair] = []
    apart: list[str] = []
    for method in run.methods:
        if _same_jobs(run, dataset, points, method):
            apart.append(clean(run.title(method)))
            continue
        here = [p for p in points if (method, p) in groups and groups[method, p].values(metric)]
        if full not in here or len(here) < 2:
            continue
        pairs = compare([(groups[method, point], groups[method, full]) for point in here if point is not full], metric)
        rows += [(clean(run.title(method)), _at(pair.first.point), pair) for pair in pairs]
        chosen = chosen or pairs
    if not rows:
        return
    name = "the full method" if full.values[0] == "nothing" else value_text(full.values[0], option)
    title = f"{metric.title} on {clean(dataset)}: {option_title(option)} against {name}"
    caption = f"{metric.title} minus that of {name}, in points, paired by seed, with 95 % t-intervals."
    names = [_at(pair.first.point) for pair in chosen]
    picture = differences(
        title, chosen, names, [run.styles[chosen[0].first.method]] * len(chosen), caption, status_notes(run, dataset)
    )
    if picture:
        yield picture
    yield pairs_table(title, ("Method", option_title(option)), rows, len(chosen), run, dataset)
    if apart:
        yield Prose(f"The option does not concern {listing(apart)}.")


def _same_jobs(run: Run, dataset: str, points: Sequence[Point], method: str) -> bool:
    """Whether a method's trials are the same jobs at every point of a sweep."""
    keys = [{row["key"] for row in run.by_group(dataset).get((method, point), ())} for point in points]
    return all(found == keys[0] for found in keys)


def p_text(p: float) -> str:
    """A p value, never as 0.

    >>> p_text(0.03125), p_text(0.00001)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _friedman(run: Run, dataset: str, point: Point, metric: Metric) -> Iterator[Block]:
    """Friedman's test over the seeds of a point, and the critical-difference diagram where it can tell anything apart."""
    methods, scores = blocks(run, dataset, point, metric)
    n, k = scores.shape
    if k < 3 or n < 2:
        return
    where = f"{'At ' + point_text(point) + ' on' if point.options else 'On'} {clean(dataset)}"
    if statistics.least_friedman(n, k) > ALPHA:
        yield Prose(
            f"{where}, Friedman's test can't reject with {count(n, 'block')} and {k} methods, whatever the figures."
        )
        return
    statistic, p = statistics.friedman(scores)
    verdict = "at least one method differs" if p <= ALPHA else "no difference is shown"
    said = p_text(p) if p_text(p).startswith("<") else f"= {p_text(p)}"
    yield Prose(
        f"{where}, Friedman's test over {count(n, 'block')}: χ² = {number(statistic, 2)}, p {said}, so {verdict}."
    )
    critical = statistics.critical_difference(n, k)
    if critical >= k - 1:
        least = next(blocks for blocks in range(n, 10_000) if statistics.critical_difference(blocks, k) < k - 1)
        text = f"No critical-difference diagram: with {count(n, 'block')} Nemenyi's critical difference is {number(critical, 2)}, "
        yield Prose(f"{text}and ranks of {k} methods can differ by {k - 1} at most. It needs {least} blocks.")
        return
    names = [clean(run.title(method)) for method in methods]
    caption = (
        f"Mean ranks by {metric.title.lower()} over {count(n, 'block')}, a block being a seed; a bar joins methods whose ranks "
        f"differ by less than Nemenyi's critical difference {number(critical, 2)} (α = 0.05)."
    )
    title = f"Ranks by {metric.title.lower()} {where[0].lower()}{where[1:]}"
    ranks, notes = statistics.mean_ranks(scores).tolist(), status_notes(run, dataset)
    yield rank_diagram(title, names, [run.styles[m] for m in methods], ranks, critical, caption, notes)


def _at(point: Point) -> str:
    return (
        " / ".join(value_text(value, option) for option, value in zip(point.options, point.values, strict=True)) or "–"
    )


def _effect(value: float) -> str:
    return number(value, 2) if value == value else "–"
