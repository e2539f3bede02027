"""What lies behind the figures of merit: classes and confusions, learning by epoch, the weights of the modalities, the cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reports import statistics
from reports.charts import HeatMap, LineChart, Panel, ScatterPanel, ScatterPlot, Series
from reports.comparison import with_figures
from reports.document import Block, Column, Figure, Prose, Row, Table, Text
from reports.parts.figures import series
from reports.run import ACCURACY, METRICS, Point, Run
from reports.text import clean, listing, number, percent, point_text, status_notes

Rows = Sequence[Mapping[str, Any]]
MOST_DRAWN = 100  # samples in a plane
MOST_SIDE_BY_SIDE = 15  # classes of matrices whose labels can be read at half the width


def first_point(run: Run, dataset: str) -> Point | None:
    """The first point of a sweep that has figures: what is shown of one point is shown of this one."""
    done = {point for (_, point), group in run.groups(dataset).items() if group.values(ACCURACY)}
    return next((point for point in run.points(dataset) if point in done), None)


def found(run: Run, rows: Rows, name: str) -> list[Any]:
    """What the details of some trials hold under a name, those that hold it."""
    return [value for row in rows if (value := run.details.get(row["key"], {}).get(name)) is not None]


# -- classes ---------------------------------------------------------------------------------------------------------------


def class_blocks(run: Run, dataset: str) -> Iterator[Block]:
    """Accuracy of each class by method, and the confusions of the reference and of the best other method, pooled over seeds."""
    point = first_point(run, dataset)
    pooled = (
        {}
        if point is None
        else {m: sum(c) for m in run.methods if (c := found(run, run.at(dataset, point, m), "confusion"))}
    )
    if point is None or not pooled:
        yield Prose(f"No predictions by class are in the ledger for {clean(dataset)}.")
        return
    size = len(next(iter(pooled.values())))
    names = [clean(name) for name in (run.study["data"].get(dataset) or {}).get("classes") or range(size)]
    where = _where(dataset, point)
    yield _class_table(run, dataset, pooled, names, where)
    groups = with_figures(run.groups(dataset), run.methods, point, ACCURACY)
    others = [g for g in groups if g.method != run.reference and g.method in pooled]
    best = sorted(others, key=lambda group: -float(statistics.mean(group.values(ACCURACY))))[:1]
    shown = [method for method in (run.reference, *(group.method for group in best)) if method in pooled]
    figures = tuple(_confusion(run, method, pooled[method], names, where) for method in shown)
    yield from figures if size > MOST_SIDE_BY_SIDE else (Row(figures),)


def _class_table(run: Run, dataset: str, pooled: Mapping[str, Any], names: Sequence[str], where: str) -> Table:
    columns = (Column("Class"), Column("Tested", True), *(Column(clean(run.title(method)), True) for method in pooled))
    rows = []
    for i, name in enumerate(names):
        tested = max(int(confusion[i].sum()) for confusion in pooled.values())
        cells = [c[i, i] / c[i].sum() if c[i].sum() else math.nan for c in pooled.values()]
        numbers = (Text(percent(v), rank=v) if v == v else Text("–") for v in cells)
        rows.append((Text(name), Text(str(tested), rank=tested), *numbers))
    caption = "Share of a class's test samples that were recognised, in per cent, pooled over seeds."
    return Table(f"Accuracy by class {where}", caption, columns, tuple(rows), status_notes(run, dataset))


def _confusion(run: Run, method: str, confusion: Any, names: Sequence[str], where: str) -> Figure:
    counts = np.asarray(confusion, dtype=np.float64)
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, sums, out=np.full_like(counts, np.nan), where=sums > 0)
    title = f"Confusions of {clean(run.title(method))} {where}"
    wrong = counts - np.diag(np.diag(counts))
    mixed = [
        (int(i), int(j))
        for i, j in (np.unravel_index(k, wrong.shape) for k in np.argsort(-wrong, axis=None, kind="stable")[:3])
    ]
    said = [f"{names[i]} taken for {names[j]} ({wrong[i, j]:.0f} times)" for i, j in mixed if wrong[i, j]]
    alt = f"{title}: {counts.trace():.0f} of {counts.sum():.0f} on the diagonal." + (
        f" Most frequent: {'; '.join(said)}." if said else ""
    )
    heat = HeatMap(
        tuple(names),
        tuple(names),
        tuple(map(tuple, shares.tolist())),
        "predicted",
        "true",
        "share of the true class (%)",
    )
    return Figure(
        title,
        heat,
        alt,
        f"{title}: share of each true class in per cent, pooled over seeds; empty where it is 0.",
        status_notes(run),
    )


# -- learning --------------------------------------------------------------------------------------------------------------


def learning_blocks(run: Run, dataset: str) -> Iterator[Block]:
    """Accuracy and macro-F1 by epoch of stage 2, loss by epoch of both stages, at the first point."""
    point = first_point(run, dataset)
    if point is None:
        return
    rows = {method: run.at(dataset, point, method) for method in run.methods}
    where, figures = _where(dataset, point), []
    for metric in METRICS:
        styles = {
            m: [(d["epochs"], d[metric.column]) for r in some if (d := run.details.get(r["key"])) and d.get("epochs")]
            for m, some in rows.items()
        }
        title = f"{metric.title} on the test samples by epoch {where}"
        caption = "Epochs of stage 2." if run.oracle else "Epochs of stage 2; nothing was chosen by these figures."
        figures += _by_epoch(run, title, f"{metric.title} (%)", styles, 100, caption)
    losses = {m: [(range(1, len(loss) + 1), loss) for loss in found(run, some, "loss")] for m, some in rows.items()}
    figures += _by_epoch(run, f"Loss of stage 2 by epoch {where}", "loss", losses, 1, "Mean over the labelled samples.")
    pretrained = {
        m: [p for key in dict.fromkeys(r["stage1_key"] for r in some) if (p := run.pretrained.get(key or ""))]
        for m, some in rows.items()
    }
    losses = {
        m: [(range(1, len(p["loss"]) + 1), p["loss"]) for p in some if p["loss"]] for m, some in pretrained.items()
    }
    caption = "Mean over the unlabelled samples; losses of different methods are different things."
    figures += _by_epoch(run, f"Loss of stage 1 by epoch {where}", "loss", losses, 1, caption)
    if figures:
        yield Row(tuple(figures))
    else:
        yield Prose(f"No figures by epoch are in the ledger for {clean(dataset)}.")


def _by_epoch(
    run: Run, title: str, y_title: str, curves: Mapping[str, Sequence[tuple[Any, Any]]], scale: float, caption: str
) -> list[Figure]:
    """One figure of curves by epoch, a line for each method that has any; none where there is nothing to draw."""
    lines, ends = [], []
    for method, some in curves.items():
        at: dict[float, list[float]] = {}
        for epochs, values in some:
            for epoch, value in zip(epochs, values, strict=True):
                at.setdefault(float(epoch), []).append(float(value))
        if len(at) > 1:
            lines.append(series(clean(run.title(method)), run.styles[method], at, scale))
            ends.append(f"{lines[-1].name} {number(lines[-1].y[0], 2)} to {number(lines[-1].y[-1], 2)}")
    if not lines:
        return []
    chart = LineChart(
        (Panel("", "epoch", tuple(lines)),),
        y_title,
        bottom=0.0 if scale > 1 else None,
        top=_top(lines) if scale > 1 else None,
    )
    more = (
        "bands are 95 % t-intervals over seeds"
        if any(max(line.counts) > 1 for line in lines)
        else "one seed, so no interval"
    )
    return [
        Figure(
            title,
            chart,
            f"{title}: {'; '.join(ends)}.",
            f"{title}. {caption} Lines are means, {more}.",
            status_notes(run),
        )
    ]


def _top(lines: Sequence[Series]) -> float:
    """The upper end of an axis in per cent: above all means and intervals, at most 100."""
    highest = max(end for line in lines for end in (*line.y, *line.high) if end == end)
    return min(100.0, 10 * (int(highest / 10) + 1))


# -- modalities ------------------------------------------------------------------------------------------------------------


def modality_blocks(run: Run, dataset: str) -> Iterator[Block]:
    """Attention's weights, the quality of the modalities, and D̄, the distance of their features; what is absent with its reason."""
    point = first_point(run, dataset)
    if point is None:
        return
    names = [m["name"] for m in (run.study["data"].get(dataset) or {}).get("modalities") or ()]
    rows = {method: run.at(dataset, point, method) for method in run.methods}
    first = {
        m: [p for key in dict.fromkeys(r["stage1_key"] for r in some) if (p := run.pretrained.get(key or ""))]
        for m, some in rows.items()
    }
    lines: list[tuple[Text, ...]] = []
    absent: dict[tuple[str, str], list[str]] = {}
    for method, some in rows.items():
        weights, distances = found(run, some, "attention"), found(run, some, "modal_distance")
        early = [p["modal_distance"] for p in first[method] if p.get("modal_distance") is not None]
        for row in some:
            for what, why in run.details.get(row["key"], {}).get("absent", {}).items():
                absent.setdefault((what, clean(why)), []).append(clean(run.title(method)))
        if weights or distances or early:
            cells = (_mean_text([w[name] for w in weights if name in w]) for name in names)
            lines.append((Text(clean(run.title(method))), *cells, _mean_text(early), _mean_text(distances)))
    where = _where(dataset, point)
    if lines:
        heads = (*(f"Attention: {clean(name)}" for name in names), "D̄ after stage 1", "D̄ after stage 2")
        caption = (
            "Mean over the test samples after the last epoch, then over seeds, with the half-width of the 95 % t-interval. D̄: mean cosine "
            "distance between the modalities' features of one sample (after stage 1: of their projections, over the unlabelled samples)."
        )
        yield Table(
            f"Modalities {where}",
            caption,
            (Column("Method"), *(Column(h, True) for h in heads)),
            tuple(lines),
            status_notes(run, dataset),
        )
    yield from _quality(run, first, where)
    yield from _plane(run, dataset, "projections of unlabelled samples after stage 1", first, names, where)
    later = {m: [{**run.details.get(row["key"], {}), "seed": row["seed"]} for row in some] for m, some in rows.items()}
    yield from _plane(run, dataset, "features of test samples after stage 2", later, names, where)
    said = {"attention": "attention", "modal_distance": "D̄"}
    reasons = [
        f"{said.get(what, what)} of {listing(list(dict.fromkeys(who)))}: {why}" for (what, why), who in absent.items()
    ]
    if reasons:
        yield Prose(f"Not there: {'; '.join(reasons)}.")


def _plane(
    run: Run, dataset: str, what: str, held: Mapping[str, Rows], names: Sequence[str], where: str
) -> Iterator[Figure]:
    """The modalities' features of some samples in a plane, a panel for each method that has them; of its first seed."""
    panels, said, variances = [], [], []
    for method, some in held.items():
        found = next((one for one in some if one.get("modal_plane") is not None), None)
        if found is None:
            continue
        points = found["modal_plane"][:: math.ceil(len(found["modal_plane"]) / MOST_DRAWN)].astype(float)
        title = f"{clean(run.title(method))}: D̄ = {number(found['modal_distance'], 2)}"
        panels.append(
            ScatterPanel(title, tuple(tuple(map(tuple, points[:, m].tolist())) for m in range(points.shape[1])))
        )
        said.append(f"{title} (seed {found['seed']})")
        variances.append(f"{100 * found['modal_plane_variance']:.0f} %")
    if panels:
        title = f"The modalities' {what} {where}"
        caption = (
            f"{title}: a mark is one modality of one sample, at most {MOST_DRAWN} samples of one seed. They are scaled to length 1 and "
            f"shown in the plane of their two principal components, which holds {listing(variances)} of their variance. D̄: mean cosine "
            "distance between those of one sample. Planes of different methods can't be compared."
        )
        chart = ScatterPlot(tuple(map(clean, names)), tuple(panels))
        yield Figure(title, chart, f"{title}: {listing(said)}.", caption, status_notes(run, dataset))


def _quality(run: Run, first: Mapping[str, Sequence[Mapping[str, Any]]], where: str) -> Iterator[Block]:
    rows = []
    for method, some in first.items():
        qualities = [p["quality"] for p in some if p.get("quality")]
        for name in dict.fromkeys(name for quality in qualities for name in quality):
            of = [quality[name] for quality in qualities if name in quality]
            cells = (_mean_text([q[what] for q in of if what in q]) for what in ("hopkins", "k_opt", "score", "weight"))
            rows.append((Text(clean(run.title(method))), Text(clean(name)), *cells))
    if rows:
        columns = (
            Column("Method"),
            Column("Modality"),
            *(Column(head, True) for head in ("Hopkins H", "k_opt", "q", "β(QoM)")),
        )
        caption = "Quality of the modalities from the unlabelled data, mean over seeds: q = H / max(|k_opt − classes|, 1), β = q / Σq."
        yield Table(f"Quality of the modalities {where}", caption, columns, tuple(rows))


def _mean_text(values: Sequence[float]) -> Text:
    if not values:
        return Text("–")
    centre, half = float(statistics.mean(values)), float(statistics.t_half_width(values))
    return Text(number(centre, 3) + (f" ± {number(half, 3)}" if half == half else ""), rank=centre)


# -- cost ------------------------------------------------------------------------------------------------------------------


def cost_table(run: Run) -> Table | None:
    """Seconds by stage, method and host, each job once; sizes of the trained networks. None where nothing has run."""
    spent: dict[tuple[str, str, str, str], dict[str, tuple[float, float]]] = {}
    for row in run.rows:
        detail, early = run.details.get(row["key"], {}), run.pretrained.get(row["stage1_key"] or "")
        if early:
            place = (row["dataset"], "stage 1", row["method"].partition(":")[0], str(early.get("host", "–")))
            spent.setdefault(place, {})[row["stage1_key"]] = (
                early["train_seconds"],
                early.get("findings_seconds") or 0.0,
            )
        elif row["stage1_key"] and row["stage1_seconds"] is not None:
            spent.setdefault((row["dataset"], "stage 1", row["method"], "–"), {})[row["stage1_key"]] = (
                row["stage1_seconds"],
                0.0,
            )
        if row["status"] == "done" and row["stage2_seconds"] is not None:
            place = (row["dataset"], "stage 2", row["method"], str(detail.get("host", "–")))
            spent.setdefault(place, {})[row["key"]] = (row["stage2_seconds"], detail.get("evaluation_seconds") or 0.0)
    if not spent:
        return None
    rows = []
    for (dataset, stage, method, host), jobs in spent.items():
        train, other = (sum(pair[i] for pair in jobs.values()) for i in (0, 1))
        names = (Text(clean(dataset)), Text(stage), Text(clean(run.title(method))), Text(clean(host)))
        each = train / len(jobs)
        rows.append(
            (*names, Text(str(len(jobs)), rank=len(jobs)), *(Text(number(v), rank=v) for v in (each, train, other)))
        )
    heads = ("Data set", "Stage", "Method", "Host")
    numbers = ("Jobs", "Seconds a job", "Training (s)", "Other (s)")
    caption = (
        "Training alone. Other: assessing the quality of the data in stage 1, evaluation in stage 2. "
        "A job shared by several trials is counted once."
    )
    return Table(
        "Computing time", caption, (*map(Column, heads), *(Column(head, True) for head in numbers)), tuple(rows)
    )


def size_table(run: Run) -> Table | None:
    """Parameters and FLOPs of each method's network; None where they aren't known."""
    rows = []
    for dataset in run.datasets:
        for method in run.methods:
            some = [row for (name, _), rs in run.by_group(dataset).items() if name == method for row in rs]
            parameters, flops = found(run, some, "n_parameters"), found(run, some, "flops")
            if parameters or flops:
                cells = (_span(parameters, "{:,.0f}", 1), _span(flops, "{:.2f}", 1e6))
                rows.append((Text(clean(dataset)), Text(clean(run.title(method))), *cells))
    columns = (Column("Data set"), Column("Method"), Column("Parameters", True), Column("MFLOPs an inference", True))
    caption = "Of stage 2's network. A multiply-add counts as two; convolutions, matrix products and GRUs are counted."
    return Table("Size of the networks", caption, columns, tuple(rows)) if rows else None


def _span(values: Sequence[float], form: str, unit: float) -> Text:
    if not values:
        return Text("–")
    ends = list(dict.fromkeys(form.format(v / unit).replace(",", "\u202f") for v in (min(values), max(values))))
    return Text(" to ".join(ends), rank=float(max(values)))


def _where(dataset: str, point: Point) -> str:
    return f"at {point_text(point)} on {clean(dataset)}" if point.options else f"on {clean(dataset)}"
