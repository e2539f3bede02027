"""Details behind the scores: accuracy by class, confusion matrices, learning curves and the modalities."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reports import statistics
from reports.charts import HeatMap, LineChart, Panel, ScatterPanel, ScatterPlot, Series
from reports.document import Block, Column, Figure, Note, Prose, Row, Table, Text
from reports.method_comparison import groups_with_values
from reports.parts.figures import line, spread_text
from reports.run import ACCURACY, METRICS, Metric, Point, RunData, Trial, block_of
from reports.text import listing, named, number, percent, status_notes, where_text

MISSING = Text("–")
MAX_POINTS = 100  # samples in a scatter plot
MOST_CONFUSIONS = 5  # that are listed for a method
MOST_TICKS = 8  # on the axis of the epochs
FAR_APART = 20  # the ratio of the highest values of two lines above which their axis is logarithmic
MAX_SIDE_BY_SIDE = 15  # classes; larger confusion matrices are not legible at half the width

Details = Mapping[str, Any]
Curve = tuple[int, Sequence[float], Sequence[float]]  # block, epochs, values of one trial
Curves = Mapping[str, Sequence[Curve]]  # by method


@dataclass(frozen=True)
class PointDetails:
    """The contents of a run's artefacts at one point of a data set's sweep, by method."""

    run: RunData
    dataset: str
    point: Point

    @property
    def where(self) -> str:
        return where_text(self.dataset, self.point)

    @cached_property
    def stage2(self) -> dict[str, list[Details]]:
        """Method → the details of its finished trials with their ``seed`` and ``block``, in order."""
        return {
            method: [{**self.run.details.get(trial["key"], {}), **_place(trial)} for trial in trials]
            for method, trials in self._trials.items()
        }

    @cached_property
    def stage1(self) -> dict[str, list[Details]]:
        """Method → the details of its stage 1 jobs, each once, with the ``seed`` and ``block`` of their trials.

        A method that only has jobs of an earlier one, as a probe of that one has, has no details.
        """
        pretrained = self.run.pretrained
        found: dict[str, list[Details]] = {}
        earlier: list[set[str]] = []
        for method, trials in self._trials.items():
            by_key = {trial["stage1_key"]: trial for trial in trials if trial["stage1_key"] in pretrained}
            shown = {} if any(set(by_key) <= keys for keys in earlier) else by_key
            found[method] = [{**pretrained[key], **_place(trial)} for key, trial in shown.items()]
            earlier.append(set(by_key))
        return found

    @cached_property
    def _trials(self) -> dict[str, list[Trial]]:
        return {method: self.run.done_trials(self.dataset, self.point, method) for method in self.run.methods}


def _place(trial: Trial) -> dict[str, Any]:
    return {"seed": trial["seed"], "block": block_of(trial)}


def first_point_details(run: RunData, dataset: str) -> PointDetails | None:
    """The details of the first point of the sweep with results; None if there is none. Other points are not shown."""
    done = {point for (_, point), group in run.groups(dataset).items() if group.values(ACCURACY)}
    point = next((point for point in run.points(dataset) if point in done), None)
    return None if point is None else PointDetails(run, dataset, point)


def present(details: Sequence[Details], name: str) -> list[Any]:
    """The values of an entry in the details that have it."""
    return [detail[name] for detail in details if detail.get(name) is not None]


def block_means(values: Sequence[tuple[int, float]]) -> list[float]:
    """The mean value of each block. values: of each trial, with its block."""
    blocks: dict[int, list[float]] = {}
    for block, value in values:
        blocks.setdefault(block, []).append(float(value))
    return [float(statistics.mean(some)) for some in blocks.values()]


# -- classes -----------------------------------------------------------------------------------------------------------


def class_blocks(run: RunData, dataset: str) -> Iterator[Block]:
    """Accuracy by class, and the confusion matrices of the reference and the best other method, pooled over trials."""
    details = first_point_details(run, dataset)
    pooled = _pooled_confusions(details) if details else {}
    if not details or not pooled:
        yield Prose(f"The run has no predictions by class on {dataset}.")
        return
    size = len(next(iter(pooled.values())))
    names = [str(name) for name in (run.study["data"].get(dataset) or {}).get("classes") or range(size)]
    yield _class_table(details, pooled, names)
    shown = _reference_and_best(details, pooled)
    figures = tuple(_confusion_matrix(details, method, pooled[method], names) for method in shown)
    yield from figures if size > MAX_SIDE_BY_SIDE else (Row(figures),)


def _pooled_confusions(details: PointDetails) -> dict[str, Any]:
    """Method → its confusion matrix summed over seeds, shape (n_classes, n_classes), where there are predictions."""
    found = {method: present(some, "confusion") for method, some in details.stage2.items()}
    return {method: np.sum(confusions, axis=0) for method, confusions in found.items() if confusions}


def _reference_and_best(details: PointDetails, methods: Container[str]) -> list[str]:
    """The reference and the other method with the highest mean accuracy, as far as they are among the methods."""
    groups = groups_with_values(details.run, details.dataset, details.point, ACCURACY)
    others = [group for group in groups if group.method != details.run.reference]
    ranked = sorted(others, key=lambda group: -float(statistics.mean(group.values(ACCURACY))))
    best = [group.method for group in ranked if group.method in methods][:1]
    return [*([details.run.reference] if details.run.reference in methods else []), *best]


def _class_table(details: PointDetails, pooled: Mapping[str, Any], names: Sequence[str]) -> Table:
    titles = (Column(details.run.title(method), True) for method in pooled)
    rows = []
    for i, name in enumerate(names):
        tested = max(int(confusion[i].sum()) for confusion in pooled.values())
        shares = [c[i, i] / c[i].sum() if c[i].sum() else math.nan for c in pooled.values()]
        cells = (Text(percent(share), rank=share) if share == share else Text("–") for share in shares)
        rows.append((Text(name), Text(str(tested), rank=tested), *cells))
    return Table(
        f"Accuracy by class {details.where}",
        "Share of each class's test samples that were classified correctly, in per cent, pooled over trials.",
        (Column("Class"), Column("Test samples", True), *titles),
        tuple(rows),
        status_notes(details.run, details.dataset),
        folded=len(rows) > MAX_SIDE_BY_SIDE,
    )


def _confusion_matrix(details: PointDetails, method: str, confusion: Any, names: Sequence[str]) -> Figure:
    counts = np.asarray(confusion, dtype=np.float64)
    sums = counts.sum(axis=1, keepdims=True)
    percentages = np.divide(100 * counts, sums, out=np.full_like(counts, np.nan), where=sums > 0)
    largest = _largest_confusions(counts, names)
    title = f"Confusion matrix of {details.run.title(method)} {details.where}"
    return Figure(
        title,
        HeatMap(
            tuple(names),
            tuple(names),
            tuple(map(tuple, percentages.tolist())),
            "predicted",
            "true",
            "share of the true class (%)",
            limits=(0.0, 100.0),
        ),
        f"{title}: {counts.trace():.0f} of {counts.sum():.0f} test samples on the diagonal. {largest}".strip(),
        f"{title}: share of each true class in per cent, pooled over trials. {largest}".strip(),
        status_notes(details.run),
    )


def _largest_confusions(counts: np.ndarray, names: Sequence[str]) -> str:
    """A sentence with the `MOST_CONFUSIONS` most frequent confusions; empty if there is none."""
    wrong = counts - np.diag(np.diag(counts))
    order = [np.unravel_index(k, wrong.shape) for k in np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]]
    found = [f"{names[i]} taken for {names[j]} ({wrong[i, j]:.0f} times)" for i, j in order if wrong[i, j]]
    return f"Most frequent confusions: {'; '.join(found)}." if found else ""


# -- learning ----------------------------------------------------------------------------------------------------------


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
    return Figure(title, chart, f"{title}: {ends}.", f"{title}: {how}. {caption}", status_notes(run))


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


# -- modalities --------------------------------------------------------------------------------------------------------


def modality_blocks(run: RunData, dataset: str) -> Iterator[Block]:
    """Attention, quality of the modalities, distance of their features, and why any of these are missing."""
    details = first_point_details(run, dataset)
    if details is None:
        return
    names = [modality["name"] for modality in (run.study["data"].get(dataset) or {}).get("modalities") or ()]
    yield from _attention_table(details, names)
    yield from _quality_table(details)
    yield from _feature_plot(details, details.stage1, "projections of unlabelled samples after stage 1", names)
    yield from _feature_plot(details, details.stage2, "features of test samples after stage 2", names)
    yield from _missing(details)


def _attention_table(details: PointDetails, names: Sequence[str]) -> Iterator[Table]:
    """Each method's attention weights and D̄, the mean distance between the features of its modalities."""
    rows: list[tuple[Text, ...]] = []
    overlap = details.run.overlap(details.dataset)
    for method, some in details.stage2.items():
        found = [_entries(some, "attention", name) for name in names]
        distances = [_entries(one, "modal_distance") for one in (details.stage1[method], some)]
        if any(found) or any(distances):
            cells = (_mean(values, overlap) for values in (*found, *distances))
            rows.append((Text(details.run.title(method)), *cells))
    if not rows:
        return
    titles = ("Method", *(f"Attention: {name}" for name in names), "D̄ after stage 1", "D̄ after stage 2")
    shown = [i for i in range(len(titles)) if any(row[i] != MISSING for row in rows)]
    yield Table(
        f"Modalities {details.where}",
        f"Means over the test samples after the last epoch, averaged over {details.run.unit(details.dataset)}s, with "
        "the half-width of the 95 % t-interval. D̄: mean cosine distance between the features of the modalities of a "
        "sample (after stage 1: between their projections, over the unlabelled samples).",
        tuple(Column(titles[i], i > 0) for i in shown),
        tuple(tuple(row[i] for i in shown) for row in rows),
        status_notes(details.run, details.dataset),
    )


def _quality_table(details: PointDetails) -> Iterator[Table]:
    """The quality of each modality, and how far the data determine it."""
    rows, unidentified, overlap = [], [], details.run.overlap(details.dataset)
    for method, some in details.stage1.items():
        for name in dict.fromkeys(name for quality in present(some, "quality") for name in quality):
            found = [quality[name] for quality in present(some, "quality") if name in quality]
            cells = (_quality_cell(some, name, part, overlap) for part in ("hopkins", "k_opt", "score", "weight"))
            known, reasons = present(found, "identified"), [one["reason"] for one in found if one.get("reason")]
            share = Text(f"{sum(known)} of {len(known)}", rank=sum(known)) if known else Text("–")
            rows.append((Text(details.run.title(method)), Text(name), *cells, share))
            if reasons:
                unidentified.append(f"{details.run.title(method)}, {name} ({reasons[0]})")
    if not rows:
        return
    numbers = (Column(title, True) for title in ("Hopkins H", "k_opt", "q", "β(QoM)", "k_opt identified"))
    unit = details.run.unit(details.dataset)
    caption = (
        f"Quality of the modalities, estimated from the unlabelled data; means over {unit}s, and in parentheses the "
        "5th and the 95th percentile over random subsets of 80 % of the samples, or after ± the half-width of the 95 "
        f"% t-interval over {unit}s where there are no subsets. q = H / max(|k_opt − classes|, 1), β = q / Σq."
    )
    notes = status_notes(details.run, details.dataset)
    if unidentified:
        text = f"The data do not determine k_opt, nor therefore q and β: {'; '.join(unidentified)}."
        notes += (Note(text, "warning"),)
    columns = (Column("Method"), Column("Modality"), *numbers)
    yield Table(f"Quality of the modalities {details.where}", caption, columns, tuple(rows), notes)


def quality_cautions(run: RunData) -> list[str]:
    """A sentence for each method and data set with modalities whose k_opt is not identified in all seeds."""
    modalities: dict[tuple[str, str], dict[str, None]] = {}
    for one in run.pretrained.values():
        for name, quality in (one.get("quality") or {}).items():
            if quality.get("identified") is False:
                modalities.setdefault((one["method"], one["dataset"]), {})[name] = None
    return [
        f"{run.title(method)} on {dataset}: the data do not determine k_opt of {listing(list(names))}, so the weights "
        "of guide 'quality' are uncertain"
        for (method, dataset), names in modalities.items()
    ]


def _quality_cell(details: Sequence[Details], modality: str, part: str, overlap: float) -> Text:
    """The mean of a part of a modality's quality, with the means of the ends of its intervals."""
    found = _entries(details, "quality", modality, part)
    intervals = [ends for _, ends in _entries(details, "quality", modality, f"{part}_interval")]
    if not intervals:
        return _mean(found, overlap)
    digits = 1 if part == "k_opt" else 3
    mean = float(statistics.mean(block_means(found)))
    low, high = (number(float(end), digits) for end in np.mean(intervals, axis=0))
    return Text(f"{number(mean, digits)} ({low} to {high})", rank=mean)


def _feature_plot(
    details: PointDetails, stage: Mapping[str, Sequence[Details]], what: str, names: Sequence[str]
) -> Iterator[Figure]:
    """The features of each modality for some samples, in a plane: a panel per method, from the first seed with them."""
    panels, seeds, variances = [], [], []
    for method, some in stage.items():
        first = next((one for one in some if one.get("modal_plane") is not None), None)
        if first is None:
            continue
        plane = first["modal_plane"]  # (n_samples, n_modalities, 2)
        plane = plane[:: math.ceil(len(plane) / MAX_POINTS)].astype(float)
        title = f"{details.run.title(method)}: D̄ = {number(first['modal_distance'], 2)}"
        panels.append(
            ScatterPanel(title, tuple(tuple(map(tuple, plane[:, m].tolist())) for m in range(plane.shape[1])))
        )
        seeds.append(f"{title} (seed {first['seed']})")
        variances.append(f"{100 * first['modal_plane_variance']:.0f} %")
    if not panels:
        return
    title = f"The modalities' {what} {details.where}"
    caption = (
        f"{title}. Each mark is one modality of one sample; at most {MAX_POINTS} samples of one seed are shown. The "
        "vectors are scaled to length 1 and projected onto their first two principal components, which explain "
        f"{listing(variances)} of their variance. D̄: mean cosine distance between the modalities of a sample. Planes "
        "of different methods are not comparable."
    )
    chart = ScatterPlot(tuple(names), tuple(panels))
    notes = status_notes(details.run, details.dataset)
    yield Figure(title, chart, f"{title}: {listing(seeds)}.", caption, notes)


def _missing(details: PointDetails) -> Iterator[Prose]:
    """Why attention or distances are missing, by method."""
    methods: dict[tuple[str, str], list[str]] = {}
    for method, some in details.stage2.items():
        for one in some:
            for what, why in one.get("absent", {}).items():
                methods.setdefault((what, why), []).append(details.run.title(method))
    titles = {"modal_distance": "D̄"}
    reasons = [
        f"{titles.get(what, what)} of {listing(named(list(dict.fromkeys(some))))} ({why})"
        for (what, why), some in methods.items()
    ]
    if reasons:
        yield Prose(f"Not available: {'; '.join(reasons)}.")


def _entries(details: Sequence[Details], *path: str) -> list[tuple[int, Any]]:
    """The entry at a path in the details that have it, with their blocks."""
    found = []
    for one in details:
        value: Any = one
        for name in path:
            value = (value or {}).get(name)
        if value is not None:
            found.append((one["block"], value))
    return found


def _mean(entries: Sequence[tuple[int, float]], overlap: float) -> Text:
    """A mean over blocks with the half-width of its 95 % t-interval."""
    if not entries:
        return MISSING
    values = block_means(entries)
    mean, half_width = float(statistics.mean(values)), float(statistics.t_half_width(values, overlap=overlap))
    interval = f" ± {number(half_width, 3)}" if half_width == half_width else ""
    return Text(number(mean, 3) + interval, rank=mean)
