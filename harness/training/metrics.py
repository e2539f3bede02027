"""Classification metrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metrics:
    """The metrics of predictions.

    Attributes:
        accuracy: In [0, 1].
        macro_f1: In [0, 1].
        per_class: The recall of each class, or None for a class that has no sample.
        confusion: (n_classes, n_classes), counts; the rows are the true classes.
    """

    accuracy: float
    macro_f1: float
    per_class: tuple[float | None, ...]
    confusion: np.ndarray


def metrics(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> Metrics:
    """Compute the metrics of predictions (n,) given the true classes (n,), both in [0, n_classes).

    Macro F1 is the mean over the classes that occur in either of them. A class that is never predicted, or that has no
    sample, counts as 0 (``zero_division=0`` in scikit-learn). Raises ValueError if there are no samples.
    """
    from sklearn.metrics import confusion_matrix, f1_score

    if len(truth) == 0:
        raise ValueError("metrics can't be computed: there are no samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macro_f1 = f1_score(truth, predicted, average="macro", zero_division=0)
        confusion = confusion_matrix(truth, predicted, labels=np.arange(n_classes))
    right, of = confusion.diagonal(), confusion.sum(1)
    per_class = tuple(float(r / n) if n else None for r, n in zip(right, of, strict=True))
    return Metrics(float(np.mean(truth == predicted)), float(macro_f1), per_class, confusion)
