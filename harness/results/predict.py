"""Predictions of a kept model for recordings, labelled or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.data.base import UNKNOWN_SUBJECTS, Dataset, Recordings
from harness.data.cache import dataset_named, load_any
from harness.errors import InputError, did_you_mean
from harness.results.plan_records import PlannedTrial
from harness.results.run import RunResults
from harness.training.trained_model import TrainedModel, probabilities
from reports.cleaning import spreadsheet_safe


@dataclass(frozen=True)
class Predictions:
    """The predictions of a model.

    logits: (n_samples, n_classes), float32. classes: the names of the classes. columns: what is known of each sample,
    name → (n_samples,): its name and, where known, subject, recording, start and label.
    """

    logits: np.ndarray
    classes: tuple[str, ...]
    columns: Mapping[str, np.ndarray]

    @property
    def probabilities(self) -> np.ndarray:
        """(n_samples, n_classes), float64; each row sums to 1."""
        return probabilities(self.logits)

    @property
    def counts(self) -> dict[str, int]:
        """Class → how many samples are predicted to be of it."""
        counts = np.bincount(self.logits.argmax(1), minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def to_csv(self) -> bytes:
        """A row for each sample: what is known of it, the predicted class, and the probability of each class.

        No cell is one that a spreadsheet evaluates.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(spreadsheet_safe, [*self.columns, "predicted", *(f"p({name})" for name in self.classes)]))
        known = zip(*(column.tolist() for column in self.columns.values()), strict=True)
        for about, number, shares in zip(known, self.logits.argmax(1), self.probabilities.tolist(), strict=True):
            row = [*about, self.classes[number], *(f"{share:.6g}" for share in shares)]
            writer.writerow(map(spreadsheet_safe, row))
        return text.getvalue().encode()


@dataclass(frozen=True)
class ChosenSamples:
    """The samples of a data set to predict. rows: (n,), their numbers."""

    name: str
    dataset: Dataset
    recordings: Recordings
    rows: np.ndarray

    def arrays(self, part: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
        """The recordings of some of the samples, by modality."""
        return {name: array[self.rows[part]] for name, array in self.recordings.arrays.items()}


def choose_samples(
    results: RunResults,
    trial: PlannedTrial,
    dataset: str | None = None,
    root: Path | None = None,
    subjects: Collection[str] = (),
    unlabelled: bool = False,
) -> ChosenSamples:
    """Read a data set, which may lack labels and subjects, by default that of the trial.

    Args:
        results: The run of the trial.
        trial: The trial. A data set of the same kind as the trial's has the same options.
        dataset: A data set as in a study.
        root: The folder with the data sets.
        subjects: The subjects to predict; by default all.
        unlabelled: Whether to predict only samples without a label.

    Raises:
        InputError: The recordings can't be read, or there are no such samples.
    """
    name = dataset or trial.dataset
    reader = _dataset(name, trial, results)
    recordings = load_any(reader, root)
    return ChosenSamples(name, reader, recordings, _rows(recordings, name, subjects, unlabelled))


def predict_samples(model: TrainedModel, samples: ChosenSamples, root: Path | None = None) -> Predictions:
    """The predictions of a model. Raises `InputError` if the samples are not such as it was trained on."""
    recordings, rows = samples.recordings, samples.rows
    logits = np.empty((len(rows), len(model.about.classes)), dtype=np.float32)
    for has_label in (True, False):  # those with a label alone, as an evaluation, in the same chunks
        part = recordings.has_label[rows] == has_label
        logits[part] = predict_arrays(model, samples.arrays(part), samples.name)
    columns = {one: column[rows] for one, column in _columns(samples.dataset, recordings, root).items()}
    return Predictions(logits, model.about.classes, columns)


def _dataset(name: str, trial: PlannedTrial, results: RunResults) -> Dataset:
    options: Mapping[str, Any] = {}
    if name.partition(":")[0] == trial.dataset.partition(":")[0] and (record := results.trained(trial.key)):
        options = record.about.data_options
    return dataset_named(name, options)


def _rows(recordings: Recordings, name: str, subjects: Collection[str], unlabelled: bool) -> np.ndarray:
    """The numbers of the samples to predict. Raises `InputError` for an unknown subject, or if there are none."""
    chosen = np.ones(recordings.n_samples, dtype=bool)
    if subjects:
        if UNKNOWN_SUBJECTS in recordings.notes:
            raise InputError(
                f"{name}: it has no subjects, because there is no array {recordings.notes[UNKNOWN_SUBJECTS]!r}"
            )
        number_of = {str(recordings.subject_text(int(one))): int(one) for one in np.unique(recordings.subject)}
        if unknown := [one for one in subjects if one not in number_of]:
            raise InputError(f"{name}: there is no subject {unknown[0]!r}: {did_you_mean(unknown[0], number_of)}")
        chosen &= np.isin(recordings.subject, [number_of[one] for one in subjects])
    if unlabelled:
        chosen &= ~recordings.has_label
    if not chosen.any():
        raise InputError(f"{name}: there are no such samples" + (" without a label" if unlabelled else ""))
    return np.flatnonzero(chosen)


def _columns(dataset: Dataset, recordings: Recordings, root: Path | None) -> dict[str, np.ndarray]:
    """What is known of each sample, by name."""
    columns = {"sample": recordings.sample}
    if UNKNOWN_SUBJECTS not in recordings.notes:
        columns["subject"] = np.array([recordings.subject_text(int(one)) for one in recordings.subject], dtype=object)
    columns |= dataset.about_samples(dataset.sources(root))
    if recordings.has_label.any():
        names = np.array([*recordings.classes, ""], dtype=object)  # the last one is that of UNLABELLED, -1
        columns["label"] = names[recordings.label]
    return columns


def predict_arrays(model: TrainedModel, arrays: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    """The logits (n_samples, n_classes) of recordings (n_samples, *shape) by modality.

    They are computed with as many threads as in training, and on the same device if this machine has one. Raises
    `InputError`, which begins with ``where``, if the recordings are not such as the model was trained on.
    """
    checked = _checked(model, arrays, where)
    device, threads = model.about.device if torch.cuda.is_available() else "cpu", torch.get_num_threads()
    torch.set_num_threads(model.about.threads)
    try:
        return model.logits(checked, device)
    finally:
        torch.set_num_threads(threads)


def _checked(model: TrainedModel, arrays: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """The modalities that the model uses."""
    known = {one.name: one.shape for one in model.about.inputs if one.used}
    if missing := [name for name in known if name not in arrays]:
        raise InputError(
            f"{where}: the model needs {', '.join(known)}, and there is no modality {missing[0]!r}; there are "
            f"{', '.join(arrays) or 'none'}"
        )
    found = {name: np.asarray(arrays[name]) for name in known}
    for name, array in found.items():
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise InputError(f"{where}: {name} should hold real numbers, one array per sample, not {array.dtype}")
        if array.shape[1:] != known[name]:
            raise InputError(f"{where}: {_difference(name, array.shape[1:], known[name])}")
        finite = np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if not finite.all():
            raise InputError(f"{where}: {name} of sample {int(np.argmin(finite))} contains NaN or infinite values")
    lengths = {name: len(array) for name, array in found.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"{where}: the modalities have different numbers of samples: {shown}")
    return found


def _difference(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What differs between the shapes of one sample."""
    if len(found) == len(expected) == 2 and found[1] != expected[1]:
        return f"{name} has {found[1]} channels, and the model was trained on {expected[1]}"
    if len(found) == len(expected) and found[1:] == expected[1:]:
        return f"{name} has windows of {found[0]} time steps, and the model was trained on windows of {expected[0]}"
    return f"a sample of {name} has shape {found}, and the model was trained on {expected}"
