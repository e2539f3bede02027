"""The user's own recordings: one array per modality, in ``NAME.npz`` beside ``NAME.json`` or in a folder."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
from pydantic import Field

from harness.data.base import (
    UNKNOWN_SUBJECTS,
    UNLABELLED,
    DataOptions,
    Dataset,
    DefaultSplit,
    Modality,
    ModalityKind,
    Recordings,
)
from harness.data.codes import read_labels, read_subjects
from harness.data.npy import UNREADABLE, map_npy, read_npz
from harness.data.splits import labelled_subjects
from harness.errors import DataError, InputError, did_you_mean
from harness.reading import parse_json, read_regular

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no separators and no leading dot, so it stays inside the data folder
KIND_OF_RANK: Mapping[int, ModalityKind] = {3: "series", 4: "frames", 5: "volume"}
FORM = 'it needs at least {"modalities": {"NAME": {}, ...}, "activities": ["...", ...]}'
CODES = {"label": "labels", "labelled": "labels", "subject": "subjects", "sample": "names"}


class ArraysOptions(DataOptions):
    group: str = Field(
        "subject",
        description="the array with one integer or text per sample that defines the split, such as subject or session",
    )
    modalities: tuple[str, ...] | None = Field(
        None, min_length=1, description="the modalities to use, in this order; all of them by default"
    )
    shapes: dict[str, tuple[int, ...]] = Field(
        {}, description="the shape of one sample, for arrays that are stored flattened: {skeleton: [40, 20, 3]}"
    )


class Arrays(Dataset):
    """Arrays of any shape, named ``arrays:NAME`` in a study.

    The files are ``NAME.npz`` and ``NAME.json``, or a folder ``NAME/`` that holds one ``MODALITY.npy`` per modality and
    a JSON file called ``NAME.json`` or ``index.json``. The JSON file has these entries:

    - ``modalities``: a list of names, or a mapping of names to {"kind": series | skeleton | frames | volume}.
    - ``activities``: the names of the classes (optional): a list by number, or a mapping of each stored label to one.
    - ``official_split``: {"test_subjects": […]} (optional).

    Each modality's array has shape (n_samples, time, …); a missing channel axis is added. A kind that is not given
    follows from the number of axes: 3 for a series, 4 for frames (or for a skeleton, if the last axis has length 2 or
    3), 5 for a volume. Further arrays are

    - ``label``: (n_samples,), integers, whole floats or text, or one-hot rows (n_samples, n_classes). A sample has no
      label if it is −1, NaN, empty or a row of zeros. See `harness.data.codes.read_labels`.
    - ``labelled``: (n_samples,), bool (optional): the label is ignored where it is false.
    - ``subject``: (n_samples,), integers or text.
    - ``sample``: (n_samples,), names (optional).

    Recordings for `harness predict` need neither ``label`` nor ``subject``. Units are the user's own; values are read
    as float32.
    """

    name: ClassVar[str] = "arrays"
    title: ClassVar[str] = "your own arrays: NAME.npz with NAME.json, or a folder of .npy files"
    Options: ClassVar[type[DataOptions]] = ArraysOptions
    takes_argument: ClassVar[bool] = True

    def sources(self, root: Path | None) -> tuple[Path, ...]:
        if not NAME.fullmatch(self.argument):
            raise DataError(
                f"arrays:{self.argument}: give a name of letters, digits, '.', '_' and '-', as in arrays:my_recordings"
            )
        if root is None:
            raise DataError(f"arrays:{self.argument}: no data folder is given; set --data DIR or HARNESS_DATA")
        file, about, folder = (root / f"{self.argument}{end}" for end in (".npz", ".json", ""))
        if file.is_file():
            if not about.is_file():
                raise DataError(f"{file}: there is no {about.name} beside it; {FORM}")
            return file, about
        if folder.is_dir():
            return (folder,)
        folders = (path.parent for path in root.glob("*/*.json") if NAME.fullmatch(path.parent.name))
        known = {path.stem for path in root.glob("*.npz")} | {path.name for path in folders}
        hint = did_you_mean(self.argument, known)
        raise DataError(
            f"arrays:{self.argument}: {root} contains neither {file.name} nor a folder {self.argument} ({hint})"
        )

    def load(self, sources: tuple[Path, ...]) -> Recordings:
        store = _Store(sources)
        names = self._names(store)
        arrays, modalities = {}, []
        for name in names:
            array = self._shaped(name, _as_float(store.read(name), f"{store.where}: {name}"), store.where)
            kind = store.kinds[name] or _kind_of(array, f"{store.where}: {name}")
            _check_kind(kind, array, f"{store.where}: {name}")
            arrays[name] = array
            modalities.append(Modality(name, kind, array.shape[1:]))
        n_samples, group = len(arrays[names[0]]), self.options.group
        stored = store.read("label") if "label" in store.there else np.full(n_samples, UNLABELLED)
        sample = (
            store.read("sample") if "sample" in store.there else np.array([f"r{row:06d}" for row in range(len(stored))])
        )
        if sample.dtype.kind != "U":
            raise DataError(f"{store.where}: sample has dtype {sample.dtype}; it should hold text")
        labels = read_labels(stored, store.about.get("activities"), sample, str(store.where), store.masked(len(stored)))
        notes: dict[str, Any] = {"group": group, "integer_arrays": store.codes(len(stored))}
        subject, who = np.zeros(len(stored), dtype=np.int64), tuple[str, ...]()
        if group in store.there:
            subject, who = read_subjects(store.read(group), sample, f"{store.where}: {group}")
        else:
            notes[UNKNOWN_SUBJECTS] = group
        if divided := store.divided(subject):
            notes["divided_recordings"] = divided
        if labels.mapping:
            notes["labels"] = dict(labels.mapping)
        recordings = Recordings(tuple(modalities), arrays, labels.label, subject, sample, labels.classes, who)
        return replace(recordings, notes={**notes, "default_test": self._official_test(store, recordings)})

    def _official_test(self, store: _Store, recordings: Recordings) -> list[int]:
        """The test subjects of the JSON file, as numbers. Raises `DataError` if they can't be tested."""
        listed = store.official_test()
        if not listed or self.options.group != "subject":
            return []
        number_of = {recordings.subject_text(int(s)): int(s) for s in np.unique(recordings.subject)}
        where = f"{store.where}: official_split.test_subjects"
        known = ", ".join(map(str, number_of))
        if unknown := [repr(subject) for subject in listed if subject not in number_of]:
            raise DataError(f"{where}: there is no subject {', '.join(unknown)}; available: {known}")
        if set(listed) == set(number_of):
            raise DataError(f"{where}: these are all subjects, so none is left to train on: {known}")
        return [number_of[subject] for subject in listed]

    def _names(self, store: _Store) -> list[str]:
        """The modalities to read. Raises `DataError` if an option names one that does not exist."""
        for option in (self.options.modalities or (), self.options.shapes):
            for name in option:
                if name not in store.kinds:
                    raise DataError(f"{store.where}: there is no modality {name!r}: {did_you_mean(name, store.kinds)}")
        names = list(self.options.modalities or store.kinds)
        for name in names:
            if name in (*CODES, self.options.group):
                raise DataError(f"{store.where}: {name!r} can't be a modality; it holds {CODES.get(name, 'groups')}")
            if names.count(name) > 1:
                raise DataError(f"options: {{arrays: {{modalities: …}}}}: {name!r} is named twice")
        return names

    def _shaped(self, name: str, array: np.ndarray, where: Path) -> np.ndarray:
        """The array in the shape that the options ask for, with a channel axis."""
        shape = self.options.shapes.get(name)
        if shape is not None:
            try:
                array = array.reshape(len(array), *shape)
            except ValueError as error:
                raise DataError(
                    f"{where}: {name} has shape {array.shape}, which can't be reshaped to {tuple(shape)} per sample"
                ) from error
        return array.reshape(*array.shape, *[1] * (3 - array.ndim))

    def about_samples(self, sources: tuple[Path, ...]) -> Mapping[str, np.ndarray]:
        """The recording of each sample, and its start in seconds, where the data set has these arrays."""
        store = _Store(sources)
        names = [name for name in ("recording", "start") if name in store.there and name not in store.kinds]
        return {name: array for name in names if (array := store.read(name)).ndim == 1}

    def default_split(self, recordings: Recordings) -> DefaultSplit:
        """The test subjects of the JSON file's ``official_split``; otherwise the last quarter of those with labels."""
        official = recordings.notes["default_test"]
        if official and self.options.group == "subject":
            return DefaultSplit(test=tuple(official))
        subjects, group = labelled_subjects(recordings), self.options.group
        if len(subjects) < 2:
            where, first = f"arrays:{self.argument}", recordings.subject_text(subjects[0])
            if len(np.unique(recordings.subject)) > 1:
                raise DataError(
                    f"{where}: only {group} {first} has labelled samples, but both the training part and the test part "
                    "need some"
                )
            others = [name for name in recordings.notes["integer_arrays"] if name not in ("label", group)]
            hint = f"available: {', '.join(others)}" if others else "there is no other integer array"
            raise DataError(
                f"{where}: '{group}' is {first} for all samples, so there is no subject to test on; name another array "
                f"with options: {{arrays: {{group: NAME}}}} ({hint})"
            )
        return DefaultSplit(test=tuple(subjects[-max(1, round(len(subjects) / 4)) :]))


class _Store:
    """The arrays and the JSON file of a data set. All methods raise `DataError`, which names the file."""

    def __init__(self, sources: tuple[Path, ...]):
        self.where = sources[0]
        self.about = self._json(sources[1] if len(sources) > 1 else self._index(sources[0]))
        self.there = self._there()
        self.kinds = self._kinds()

    @staticmethod
    def _index(folder: Path) -> Path:
        for name in (f"{folder.name}.json", "index.json"):
            if (folder / name).is_file():
                return folder / name
        raise DataError(f"{folder}: it contains neither {folder.name}.json nor index.json; {FORM}")

    @staticmethod
    def _json(path: Path) -> dict[str, Any]:
        try:
            content = parse_json(read_regular(path))
        except (OSError, ValueError, InputError) as error:
            raise DataError(f"{path}: not readable JSON ({error})") from error
        if (
            not isinstance(content, dict)
            or not isinstance(content.get("modalities"), (dict, list))
            or not content["modalities"]
        ):
            raise DataError(f"{path}: no modalities are listed; {FORM}")
        activities = content.get("activities") or []
        names = activities.values() if isinstance(activities, dict) else activities
        if not isinstance(activities, (list, dict)) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path}: activities should be a list of names, or a mapping of labels to names")
        return content

    def _there(self) -> list[str]:
        if self.where.is_dir():
            return sorted(path.stem for path in self.where.glob("*.npy"))
        try:
            with zipfile.ZipFile(self.where) as file:
                return sorted(name.removesuffix(".npy") for name in file.namelist())
        except UNREADABLE as error:
            raise DataError(f"{self.where}: not a readable .npz file; it may be truncated ({error})") from error

    def _kinds(self) -> dict[str, ModalityKind | None]:
        listed = self.about["modalities"]
        kinds: dict[str, ModalityKind | None] = {}
        for name in listed:
            if name in kinds:
                raise DataError(f"{self.where}: the modality {name!r} is listed twice")
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise DataError(
                    f"{self.where}: a modality may not be called {name!r}; use letters, digits, '.', '_' and '-' only"
                )
            entry = (listed[name] if isinstance(listed, dict) else None) or {}
            if not isinstance(entry, dict):
                raise DataError(f'{self.where}: modality {name} is {entry!r}; write {{"kind": "series"}}, or {{}}')
            kind = entry.get("kind")
            if kind is not None and kind not in get_args(ModalityKind):
                raise DataError(
                    f"{self.where}: kind of {name} is {kind!r}, none of {', '.join(get_args(ModalityKind))}"
                )
            kinds[name] = kind
        return kinds

    def read(self, name: str) -> np.ndarray:
        if name not in self.there:
            raise DataError(f"{self.where}: there is no array {name!r}; available: {', '.join(self.there) or 'none'}")
        if not self.where.is_dir():
            return read_npz(self.where, str(self.where), [name])[name]
        return map_npy(self.where / f"{name}.npy")

    def masked(self, n_samples: int) -> np.ndarray | None:
        """The samples whose label is to be ignored, (n_samples,) bool."""
        if "labelled" not in self.there or "labelled" in self.kinds:
            return None
        labelled = self.read("labelled")
        if labelled.shape != (n_samples,) or labelled.dtype.kind != "b":
            raise DataError(
                f"{self.where}: labelled must hold true or false for each of the {n_samples} samples, not "
                f"{labelled.dtype} of shape {labelled.shape}"
            )
        return np.logical_not(labelled)

    def divided(self, subject: np.ndarray) -> list[str]:
        """The recordings whose samples are in several groups, if there is an array with the name of each recording."""
        if "recording" not in self.there or "recording" in self.kinds:
            return []
        recording = self.read("recording")
        if recording.shape != subject.shape or recording.dtype.kind not in "iuU":
            return []
        pairs = {(str(name), int(one)) for name, one in zip(recording.tolist(), subject.tolist(), strict=True)}
        return sorted(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)

    def codes(self, n_samples: int) -> list[str]:
        """The names of the arrays with one integer or text per sample, which are those that ``group`` may name."""
        others = {name: self.read(name) for name in self.there if name not in (*self.kinds, "sample")}
        return [name for name, array in others.items() if array.shape == (n_samples,) and array.dtype.kind in "iuUS"]

    def official_test(self) -> list[int | str]:
        """The test subjects that the JSON file lists."""
        split = self.about.get("official_split", {"test_subjects": []})
        subjects = split.get("test_subjects") if isinstance(split, dict) and len(split) == 1 else None
        if not isinstance(subjects, list) or not all(type(subject) in (int, str) for subject in subjects):
            raise DataError(f'{self.where}: official_split should be {{"test_subjects": [SUBJECT, …]}}')
        if repeated := [subject for subject, times in Counter(subjects).items() if times > 1]:
            raise DataError(f"{self.where}: official_split.test_subjects: {repeated[0]!r} is listed twice")
        return subjects


def _as_float(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind not in "fiub" or array.ndim == 0 or array.size == 0:
        raise DataError(
            f"{where}: must hold real numbers, one entry per sample, not {array.dtype} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # an overflow becomes infinite; `cache.check` then names the sample
        return array.astype(np.float32, copy=False)


def _check_kind(kind: ModalityKind, array: np.ndarray, where: str) -> None:
    """Raise `DataError` if the array has too many or too few axes for its kind."""
    rank = 4 if kind == "skeleton" else next(rank for rank, one in KIND_OF_RANK.items() if one == kind)
    if array.ndim != rank:
        axes = {"series": "time, channels", "skeleton": "time, joints, axes", "frames": "time, height, width"}
        raise DataError(
            f"{where}: the shape is {array.shape}, but kind {kind} needs (samples, {axes.get(kind, 'time, x, y, z')})"
        )


def _kind_of(array: np.ndarray, where: str) -> ModalityKind:
    if array.ndim not in KIND_OF_RANK:
        raise DataError(
            f"{where}: the shape is {array.shape}; at most 5 axes are supported (samples, time and three in space)"
        )
    return "skeleton" if array.ndim == 4 and array.shape[-1] in (2, 3) else KIND_OF_RANK[array.ndim]
