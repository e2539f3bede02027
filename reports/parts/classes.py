"""Accuracy by class, and confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reports.charts import HeatMap
from reports.document import Block, Column, Figure, Prose, Row, Table, Text
from reports.method_comparison import rounded_mean
from reports.parts.point_details import PointDetails, first_point_details, present
from reports.run import RunData
from reports.text import count, count_range, percent, score_notes

MOST_CONFUSIONS = 5  # that are listed for a method
MAX_SIDE_BY_SIDE = 15  # classes; larger confusion matrices are not legible at half the width


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
    """The reference and the other method with the highest mean accuracy, as far as they are among the methods.

    The means are over the finished trials, whether their folds are complete or not.
    """
    run, groups = details.run, details.run.groups(details.dataset)
    means = {}
    for method in run.methods:
        scores = [trial["accuracy"] for trial in run.done_trials(details.dataset, details.point, method)]
        if method in methods and not run.is_constant(details.dataset, groups[method, details.point]):
            means[method] = rounded_mean([score for score in scores if score is not None])
    others = sorted((method for method in means if method != run.reference), key=lambda method: -means[method])
    return [*([run.reference] if run.reference in methods else []), *others[:1]]


def _class_table(details: PointDetails, pooled: Mapping[str, Any], names: Sequence[str]) -> Table:
    titles = (Column(details.run.title(method), True) for method in pooled)
    rows = []
    for i, name in enumerate(names):
        predicted = [int(confusion[i].sum()) for confusion in pooled.values()]
        shares = [c[i, i] / c[i].sum() if c[i].sum() else math.nan for c in pooled.values()]
        cells = (Text(percent(share), rank=share) if share == share else Text("–") for share in shares)
        rows.append((Text(name), Text(count_range(predicted), rank=max(predicted)), *cells))
    return Table(
        f"Accuracy by class {details.where}",
        "Share of each class's test samples that were classified correctly, in per cent, pooled over trials. "
        "Predictions: how often its test samples were classified, once in each trial.",
        (Column("Class"), Column("Predictions", True), *titles),
        tuple(rows),
        score_notes(details.run, details.dataset),
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
        f"{title}: {counts.trace():.0f} of {counts.sum():.0f} predictions on the diagonal. {largest}".strip(),
        f"{title}: share of each true class in per cent, pooled over trials. {largest}".strip(),
        score_notes(details.run),
    )


def _largest_confusions(counts: np.ndarray, names: Sequence[str]) -> str:
    """A sentence with the `MOST_CONFUSIONS` most frequent confusions; empty if there is none."""
    wrong = counts - np.diag(np.diag(counts))
    order = [np.unravel_index(k, wrong.shape) for k in np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]]
    found = [f"{names[i]} taken for {names[j]} ({count(int(wrong[i, j]), 'time')})" for i, j in order if wrong[i, j]]
    return f"Most frequent confusions: {'; '.join(found)}." if found else ""
