"""What the artefacts of a trial hold beyond its line in the table."""

from __future__ import annotations

import numpy as np

from harness.errors import InputError
from harness.results.records import Part, TrainRecord
from harness.results.run import RunResults
from harness.results.selection import selected_index
from harness.training.metrics import Metrics, metrics


def evaluated(results: RunResults, key: str, select: str | None = None, part: Part = "test") -> Metrics:
    """All metrics of the train job ``key`` at one evaluation.

    select: which evaluation, "last", "validation" or "oracle"; None: the one that the study selects. Raises InputError
    for a job that isn't done, or a part of the data that was not evaluated.
    """
    truth, predicted = predictions(results, key, select, part)
    named = {trial.key: trial.dataset for trial in results.plan.trials}
    dataset = named.get(key, _trained(results, key).about.dataset)
    if dataset not in results.plan.data:
        raise InputError(f"job {key} is of the data set {dataset}, which the plan does not have")
    return metrics(truth, predicted, results.plan.data[dataset].n_classes)


def per_class(results: RunResults, key: str, select: str | None = None, part: Part = "test") -> np.ndarray:
    """Recall of each class, shape (n_classes,); NaN for a class without samples. See `evaluated`."""
    return np.array(evaluated(results, key, select, part).per_class, dtype=np.float64)


def confusion(results: RunResults, key: str, select: str | None = None, part: Part = "test") -> np.ndarray:
    """Counts, shape (n_classes, n_classes): rows are the truth, columns the prediction. See `evaluated`."""
    return evaluated(results, key, select, part).confusion


def predictions(
    results: RunResults, key: str, select: str | None = None, part: Part = "test"
) -> tuple[np.ndarray, np.ndarray]:
    """Truth and predictions, both class numbers of shape (n,). See `evaluated`."""
    record = _trained(results, key)
    arrays = results.arrays(record, "predictions.npz")
    if f"{part}_true" not in arrays:
        raise InputError(f"job {key} has no {part} samples")
    index = selected_index(record.result, select or results.plan.select)
    return arrays[f"{part}_true"], arrays[f"{part}_predicted"][index]


def explained(results: RunResults, key: str) -> dict[str, np.ndarray]:
    """What the classifier reports of each test sample after the last epoch, first axis the sample: ``attention``, …"""
    prefix, arrays = "explained_", results.arrays(_trained(results, key), "predictions.npz")
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _trained(results: RunResults, key: str) -> TrainRecord:
    if record := results.trained(key):
        return record
    raise InputError(f"job {key} is no finished train job")
