"""A summary of a data set, for ``harness data info``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from harness.data.base import Dataset, Recordings
from harness.errors import DataError


def describe(dataset: Dataset, recordings: Recordings) -> dict[str, Any]:
    """Summarise a data set as JSON: its samples, modalities, classes, subjects, default split, label pool and notes."""
    labels = np.bincount(recordings.label, minlength=recordings.n_classes).tolist()
    subjects, counts = np.unique(recordings.subject, return_counts=True)
    try:
        split: dict[str, Any] = {part: list(who) for part, who in asdict(dataset.default_split(recordings)).items()}
    except DataError as error:  # describing the data must work before an option chooses how to split it
        split = {"error": str(error)}
    return {
        "name": f"{dataset.name}:{dataset.argument}" if dataset.argument else dataset.name,
        "title": dataset.title,
        "fingerprint": recordings.fingerprint,
        "samples": recordings.n_samples,
        "modalities": [
            modality.to_json() | {"dtype": str(recordings.arrays[modality.name].dtype)}
            for modality in recordings.modalities
        ],
        "classes": [{"class": name, "samples": count} for name, count in zip(recordings.classes, labels, strict=True)],
        "subjects": [
            {"subject": int(subject), "samples": int(count)} for subject, count in zip(subjects, counts, strict=True)
        ],
        "default_split": split,
        "label_pool": dataset.label_pool(recordings),
        "notes": dict(recordings.notes),
    }
