"""Classification metrics: pure functions of arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metrics:
    """accuracy, macro_f1: in [0, 1]. per_class: recall of each class, NaN-free: None where the truth has no such sample.

    confusion: (n_classes, n_classes) counts, rows the truth.
    """

    accuracy: float
    macro_f1: float
    per_class: tuple[float | None, ...]
    confusion: np.ndarray


def metrics(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> Metrics:
    """Metrics of predictions (n,) against the truth (n,), both in [0, n_classes).

    Macro F1 is the mean over the classes that occur in truth or predictions; a class never predicted, or never true, counts
    as 0 (scikit-learn, zero_division=0). Raises ValueError for no samples.
    """
    from sklearn.metrics import confusion_matrix, f1_score

    if len(truth) == 0:
        raise ValueError("there is nothing to measure: no samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macro_f1 = f1_score(truth, predicted, average="macro", zero_division=0)
        confusion = confusion_matrix(truth, predicted, labels=np.arange(n_classes))
    right, of = confusion.diagonal(), confusion.sum(1)
    per_class = tuple(float(r / n) if n else None for r, n in zip(right, of, strict=True))
    return Metrics(float(np.mean(truth == predicted)), float(macro_f1), per_class, confusion)
