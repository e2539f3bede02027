"""The recordings of a data set under one split, and the samples that trials learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry
from harness.data import cache
from harness.data.base import Dataset, DefaultSplit, Recordings
from harness.data.folds import Folds, fold_splits
from harness.data.splits import (
    PARTS,
    Split,
    draw_labelled,
    draw_unlabelled,
    draw_validation,
    labelled_from_list,
    labelled_subjects,
    read_label_list,
    resolve_split,
    split_indices,
)
from harness.errors import InputError
from harness.keys import content_key
from harness.method import Task
from harness.options import Options
from harness.plan.plan import Plan
from harness.study import DatasetEntry
from harness.study.labels import LABEL_KEYS
from harness.study.model import General


@dataclass(frozen=True)
class SplitRecordings:
    """The recordings of a data set under one split, which samples are drawn from. fold: its number, from 1."""

    recordings: Recordings
    dataset: Dataset
    parts: Mapping[str, np.ndarray]
    subjects: Mapping[str, list[int]]
    seed_names: tuple[Any, ...]  # data set and split; followed by the seed, they seed every draw
    fold: int | None = None

    @property
    def shown_subjects(self) -> dict[str, list[int | str]]:
        """The subjects of each part, as a study gives them: by name if they have names."""
        return {part: [self.recordings.subject_text(one) for one in some] for part, some in self.subjects.items()}

    @property
    def task(self) -> Task:
        return Task(self.recordings.modalities, self.recordings.n_classes)


def about_data(sources: list[SplitRecordings]) -> dict[str, Any]:
    """The entry of a data set in plan.json. sources: one, or one for each fold."""
    first = sources[0]
    recordings, folded = first.recordings, first.fold is not None
    return {
        "title": first.dataset.title,
        "fingerprint": recordings.fingerprint,
        "modalities": [modality.to_json() for modality in recordings.modalities],
        "n_samples": recordings.n_samples,
        "n_unlabelled": recordings.n_unlabelled,
        "n_classes": recordings.n_classes,
        "classes": list(recordings.classes),
        "subjects": {} if folded else first.shown_subjects,
        "folds": [source.shown_subjects for source in sources] if folded else [],
        "notes": dict(recordings.notes),
    }


def _named(split: Split, recordings: Recordings) -> Split:
    """A split by number as one by name, if the subjects have names."""
    parts = {part: getattr(split, part) or () for part in PARTS}
    return Split(**{part: tuple(recordings.subject_text(one) for one in some) for part, some in parts.items()})


class DatasetSamples:
    """Reads and splits the recordings of one data set of a study, and draws samples from them."""

    def __init__(self, plan: Plan, entry: DatasetEntry, root: Path | None):
        self.plan, self.entry, self.root = plan, entry, root
        self.file = plan.study.file
        self.folds: Folds | None = self.file.folds_of(entry)
        self.loaded: dict[str, tuple[Dataset, Recordings]] = {}
        self.drawn: dict[str, np.ndarray] = {}

    def read(self, data_options: Options, general: General) -> list[SplitRecordings]:
        """The recordings under the split of a trial, or under that of each fold if the study has folds."""
        dataset, recordings = self._load(data_options)
        if self.folds is None:
            return [self._split(dataset, recordings, general, general.split)]
        by_number = fold_splits(self.folds, np.unique(recordings.subject).tolist(), labelled_subjects(recordings))
        splits = [_named(split, recordings) for split in by_number]
        return [
            self._split(dataset, recordings, general, split, number) for number, split in enumerate(splits, start=1)
        ]

    def _load(self, data_options: Options) -> tuple[Dataset, Recordings]:
        key = content_key(data_options.to_json())
        if key not in self.loaded:
            dataset = registry.get("datasets", self.entry.plugin)(data_options, self.entry.argument)
            self.loaded[key] = dataset, cache.load(dataset, self.root)
            self.plan.datasets.append(dataset)
        return self.loaded[key]

    def _split(
        self, dataset: Dataset, recordings: Recordings, general: General, split: Split, fold: int | None = None
    ) -> SplitRecordings:
        default = DefaultSplit(test=()) if fold else dataset.default_split(recordings)  # a fold names all its parts
        subjects = resolve_split(recordings, split, default)
        if not subjects["validation"]:
            self._check_validation([recordings.subject_text(subject) for subject in subjects["train"]], fold)
        parts = split_indices(recordings, split, default)
        names = (self.entry.name, content_key(subjects))
        if (n := general.validation_labels) is not None:  # drawn once, for all methods and seeds
            drawn = draw_validation(recordings.label, parts["validation"], n, *names, self.file.search_seed)
            parts = {**parts, "validation": drawn}
        return SplitRecordings(recordings, dataset, parts, subjects, names, fold)

    def _check_validation(self, train: Sequence[int | str], fold: int | None) -> None:
        """Raise `InputError` if the study selects or searches by validation subjects."""
        name = self.entry.name
        if self.file.select == "validation":
            where = "folds.validation" if fold else "split.validation"
            raise InputError(f"select: validation needs validation subjects, and {name} has none; set {where}")
        if self.file.search:
            example = "folds: {validation: 1}" if fold else f"split: {{validation: [{train[-1]}]}}"
            raise InputError(
                f"search needs validation subjects, and {name} has none; take some of the training subjects "
                f"({', '.join(map(str, train))}): {example}"
            )

    def draw(self, source: SplitRecordings, general: General, seed: int) -> dict[str, np.ndarray]:
        """The sample numbers of each part, and those that each stage of a trial with a stage 1 learns from."""
        labelled = self._labelled(source, general, seed)
        names = (*source.seed_names, seed)
        unlabelled = draw_unlabelled(source.parts["train"], labelled, general.unlabeled, *names)
        return {**source.parts, "labelled": labelled, "unlabelled": unlabelled}

    def _labelled(self, source: SplitRecordings, general: General, seed: int) -> np.ndarray:
        """The labelled samples, which are drawn once and are the same for every method."""
        names, amounts = (*source.seed_names, seed), general.to_json()
        key = content_key([source.recordings.fingerprint, [amounts[name] for name in LABEL_KEYS], names])
        if key not in self.drawn:
            try:
                self.drawn[key] = self._draw_labelled(source, general, names)
            except InputError as error:
                raise (InputError(f"fold {source.fold}: {error}") if source.fold else error) from None
        return self.drawn[key]

    def _draw_labelled(self, source: SplitRecordings, general: General, names: tuple[Any, ...]) -> np.ndarray:
        recordings, train = source.recordings, source.parts["train"]
        if general.label_list is not None:
            path = self.plan.study.path.parent / general.label_list
            self.plan.label_lists.append(path)
            samples = read_label_list(path, general.label_rate)
            return labelled_from_list(recordings, samples, train)
        return draw_labelled(
            recordings.label,
            train,
            recordings.n_classes,
            general.label_rate,
            source.dataset.label_pool(recordings),
            *names,
            labels=general.labels,
            labels_per_class=general.labels_per_class,
            classes=recordings.classes,
        )
