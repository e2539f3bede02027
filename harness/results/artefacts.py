"""What the artefacts of a trial hold beyond its row in the table: pure functions of the ledger."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

from harness.errors import InputError
from harness.ledger import Ledger
from harness.results.selection import selected_index
from harness.training.metrics import Metrics, metrics

Part = Literal["test", "validation"]


def measured(ledger: Ledger, key: str, select: str | None = None, part: Part = "test") -> Metrics:
    """All metrics of the train job ``key`` at the evaluation that ``select`` chooses; None: as the study says.

    Raises InputError for a job that isn't done, or a part that was not evaluated.
    """
    truth, predicted = predictions(ledger, key, select, part)
    record, plan = ledger.record(key), ledger.plan()
    assert record is not None
    return metrics(truth, predicted, plan["data"][record["about"]["dataset"]]["n_classes"])


def per_class(ledger: Ledger, key: str, select: str | None = None, part: Part = "test") -> np.ndarray:
    """Accuracy of each class (n_classes,), in the data set's order; NaN where the part has no sample of it. Else as `measured`."""
    return np.array(measured(ledger, key, select, part).per_class, dtype=np.float64)


def confusion(ledger: Ledger, key: str, select: str | None = None, part: Part = "test") -> np.ndarray:
    """Counts (n_classes, n_classes), rows the truth, columns the prediction. Else as `measured`."""
    return measured(ledger, key, select, part).confusion


def predictions(
    ledger: Ledger, key: str, select: str | None = None, part: Part = "test"
) -> tuple[np.ndarray, np.ndarray]:
    """Truth and predictions, both (n,) class numbers. Else as `measured`."""
    record = ledger.record(key)
    if record is None or record["status"] != "done" or record["kind"] != "train":
        raise InputError(f"job {key} is no finished train job")
    arrays = _arrays(ledger, key)
    if f"{part}_true" not in arrays:
        raise InputError(f"job {key} has no {part} samples")
    index = selected_index(record["result"], select or ledger.plan()["select"])
    return arrays[f"{part}_true"], arrays[f"{part}_predicted"][index]


def explained(ledger: Ledger, key: str) -> dict[str, np.ndarray]:
    """What the classifier said of each test sample after the last epoch, first axis the sample: ``attention``, …"""
    prefix = "explained_"
    return {name.removeprefix(prefix): array for name, array in _arrays(ledger, key).items() if name.startswith(prefix)}


def _arrays(ledger: Ledger, key: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(ledger.artefact(key, "predictions.npz")), allow_pickle=False) as file:
        return dict(file)
