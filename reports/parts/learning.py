"""Learning curves: the scores and losses of each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from reports.charts import LineChart, Panel, Series
from reports.document import Block, Figure, Prose, Row
from reports.parts.figures import line, spread_text
from reports.parts.point_details import Details, PointDetails, block_means, first_point_details
from reports.run import METRICS, Metric, RunData
from reports.text import number, score_notes

MOST_TICKS = 8  # on the axis of the epochs
FAR_APART = 20  # the ratio of the highest values of two lines above which their axis is logarithmic

Curve = tuple[int, Sequence[float], Sequence[float]]  # block, epochs, values of one trial
Curves = Mapping[str, Sequence[Curve]]  # by method


def learning_blocks(run: RunData, dataset: str) -> Iterator[Block]:
    """Accuracy, macro-F1 and loss by epoch of stage 2 and loss by epoch of stage 1, at the first point with results."""
    details = first_point_details(run, dataset)
    if details is None:
        return
    figures = [_score_curves(details, metric) for metric in METRICS]
    caption = "Mean over the labelled samples."
    figures.append(_curves(details, "Loss of stage 2 by epoch", "loss", _losses(details.stage2), caption))
    caption = "Mean over the unlabelled samples. Losses of different methods are not comparable."
    figures.append(_curves(details, "Loss of stage 1 by epoch", "loss", _losses(details.stage1), caption))
    shown = tuple(figure for figure in figures if figure)
    yield Row(shown) if shown else Prose(f"The run has no learning curves on {dataset}.")


def _score_curves(details: PointDetails, metric: Metric) -> Figure | None:
    curves = {
        method: [(one["block"], one["epochs"], one[metric.column]) for one in some if one.get("epochs")]
        for method, some in details.stage2.items()
    }
    title = f"{metric.title} on the test samples by epoch"
    caption = "Epochs of stage 2."
    caption += "" if details.run.oracle else " These test scores were not used to select anything."
    return _curves(details, title, f"{metric.title} (%)", curves, caption, per_cent=True)


def _losses(details: Mapping[str, Sequence[Details]]) -> Curves:
    return {
        method: [(one["block"], range(1, len(one["loss"]) + 1), one["loss"]) for one in some if one.get("loss")]
        for method, some in details.items()
    }


def _curves(
    details: PointDetails, title: str, y_title: str, curves: Curves, caption: str, per_cent: bool = False
) -> Figure | None:
    """A line through the means over blocks for each method with at least two epochs; None if there is none."""
    run, lines, overlap = details.run, [], details.run.overlap(details.dataset)
    for method, some in curves.items():
        scores: dict[float, list[tuple[int, float]]] = {}
        for block, epochs, values in some:
            for epoch, value in zip(epochs, values, strict=True):
                scores.setdefault(float(epoch), []).append((block, value))
        if len(scores) > 1:
            means = {epoch: block_means(of_epoch) for epoch, of_epoch in scores.items()}
            lines.append(line(run.title(method), run.styles[method], means, 100 if per_cent else 1, overlap))
    if not lines:
        return None
    top = _top(lines) if per_cent else None
    logarithmic = _far_apart(lines)
    bottom = 0.0 if not logarithmic and all(value >= 0 for one in lines for value in one.y) else None
    most = max(max(one.counts) for one in lines)
    how = spread_text("lines", most, f"the {run.unit(details.dataset)}s")
    ends = "; ".join(f"{one.name} {number(one.y[0], 2)} to {number(one.y[-1], 2)}" for one in lines)
    title = f"{title} {details.where}"
    panel = Panel("", "epoch", tuple(lines), ticks=_epoch_ticks(lines))
    chart = LineChart((panel,), y_title, bottom, top, left=0.0, logarithmic=logarithmic)
    return Figure(title, chart, f"{title}: {ends}.", f"{title}: {how}. {caption}", score_notes(run))


def _far_apart(lines: Sequence[Series]) -> bool:
    """Whether the lines are positive, and so far apart that a linear axis would show the lower ones as zero."""
    highest = [max(one.y) for one in lines]
    return min(min(one.y) for one in lines) > 0 and max(highest) > FAR_APART * min(highest)


def _epoch_ticks(lines: Sequence[Series]) -> tuple[tuple[float, str], ...]:
    """Ticks at the epochs with values, at most about `MOST_TICKS` of them, including the last; none for all epochs."""
    epochs = sorted({x for one in lines for x in one.x})
    if len(epochs) == epochs[-1]:
        return ()
    step = math.ceil(len(epochs) / MOST_TICKS)
    return tuple((x, f"{x:.0f}") for x in epochs[::-1][::step][::-1])


def _top(lines: Sequence[Series]) -> float:
    """The upper limit of the y axis in per cent: the lowest multiple of 10 above all intervals, at most 100."""
    highest = max(end for one in lines for end in (*one.y, *one.high) if end == end)
    return min(100.0, 10 * (int(highest / 10) + 1))
