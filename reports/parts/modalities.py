"""Attention, quality of the modalities, and the distance of their features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reports import statistics
from reports.charts import ScatterPanel, ScatterPlot
from reports.document import Block, Column, Figure, Note, Prose, Table, Text
from reports.parts.point_details import Details, PointDetails, block_means, first_point_details, present
from reports.run import RunData
from reports.text import listing, named, number, score_notes

MISSING = Text("–")
MAX_POINTS = 100  # samples in a scatter plot


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
    with_interval = any("±" in cell.text for row in rows for cell in row)
    half_width = ", with the half-width of the 95 % t-interval" if with_interval else ""
    shown = [i for i in range(len(titles)) if any(row[i] != MISSING for row in rows)]
    yield Table(
        f"Modalities {details.where}",
        f"Means over the test samples after the last epoch, averaged over {details.run.unit(details.dataset)}s"
        f"{half_width}. D̄: mean cosine distance between the features of the modalities of a sample (after "
        "stage 1: between their projections, over the unlabelled samples).",
        tuple(Column(titles[i], i > 0) for i in shown),
        tuple(tuple(row[i] for i in shown) for row in rows),
        score_notes(details.run, details.dataset),
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
    notes = score_notes(details.run, details.dataset)
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
    notes = score_notes(details.run, details.dataset)
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
