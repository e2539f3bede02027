"""A summary of a data set, for ``harness data info``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from harness.data.base import Dataset, Recordings
from harness.errors import DataError


def describe(dataset: Dataset, recordings: Recordings) -> dict[str, Any]:
    """Summarise a data set as JSON: its samples, modalities, classes, subjects, default split, label pool and notes."""
    labels = np.bincount(recordings.label[recordings.has_label], minlength=recordings.n_classes).tolist()
    subjects, of_sample = np.unique(recordings.subject, return_inverse=True)
    counts = np.bincount(of_sample)
    labelled = np.bincount(of_sample[recordings.has_label], minlength=len(subjects))
    try:
        split: dict[str, Any] = {
            part: [recordings.subject_text(one) for one in who]
            for part, who in asdict(dataset.default_split(recordings)).items()
        }
    except DataError as error:  # describing the data must work before an option chooses how to split it
        split = {"error": str(error)}
    return {
        "name": f"{dataset.name}:{dataset.argument}" if dataset.argument else dataset.name,
        "title": dataset.title,
        "fingerprint": recordings.fingerprint,
        "samples": recordings.n_samples,
        "unlabelled": recordings.n_unlabelled,
        "modalities": [
            modality.to_json() | {"dtype": str(recordings.arrays[modality.name].dtype)}
            for modality in recordings.modalities
        ],
        "classes": [{"class": name, "samples": count} for name, count in zip(recordings.classes, labels, strict=True)],
        "subjects": [
            {"subject": recordings.subject_text(int(subject)), "samples": int(count), "labelled": int(with_label)}
            for subject, count, with_label in zip(subjects, counts, labelled, strict=True)
        ],
        "default_split": split,
        "label_pool": dataset.label_pool(recordings),
        "notes": dict(recordings.notes),
    }
