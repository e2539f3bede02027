"""The contract of a data set, and the recordings that it loads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from harness.options import Options

ModalityKind = Literal["series", "skeleton", "frames", "volume"]
UNLABELLED = -1
"""The label of a sample without a label. Such a sample can be used by stage 1 only."""
UNKNOWN_SUBJECTS = "unknown_subjects"
"""The entry of the notes of recordings without subjects: what would hold them. Such recordings can't be split."""


@dataclass(frozen=True)
class Modality:
    """One modality of a data set.

    ``shape`` is the shape of one sample, time first: (time, channels) for a series, (time, joints, axes) for a
    skeleton, (time, height, width) for frames and (time, x, y, z) for a volume.
    """

    name: str
    kind: ModalityKind
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "shape": list(self.shape)}


@dataclass(frozen=True)
class Recordings:
    """All samples of a data set as they were recorded, neither normalised nor split.

    Attributes:
        arrays: Modality name → array of shape ``(n_samples, *modality.shape)``, of any real dtype, without NaN.
        label: (n_samples,), int64 in [0, n_classes), or `UNLABELLED`.
        subject: (n_samples,), int64, in the data set's own numbering, or from 1 if they have names.
        sample: (n_samples,), str, unique names such as ``a1_s2_t3``.
        classes: The names of the classes, by label.
        subject_names: The names of subjects 1, 2, …; () if they have numbers only.
        fingerprint: The key of all of the above, independent of the files that they were read from.
        notes: Facts about the files, such as counts and irregularities, for ``harness data info``.
    """

    modalities: tuple[Modality, ...]
    arrays: Mapping[str, np.ndarray]
    label: np.ndarray
    subject: np.ndarray
    sample: np.ndarray
    classes: tuple[str, ...]
    subject_names: tuple[str, ...] = ()
    fingerprint: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        return len(self.label)

    @property
    def has_label(self) -> np.ndarray:
        """(n_samples,), bool: which samples have a label."""
        return np.not_equal(self.label, UNLABELLED)

    @property
    def n_unlabelled(self) -> int:
        return self.n_samples - int(np.count_nonzero(self.has_label))

    def subject_text(self, subject: int) -> int | str:
        """A subject as it is shown and as a study gives it: its name if it has one."""
        return self.subject_names[subject - 1] if 1 <= subject <= len(self.subject_names) else subject

    @property
    def n_classes(self) -> int:
        return len(self.classes)


class DataOptions(Options):
    """The base class of a data set's options, which a study sets with ``options: {usc-had: {stride: 100}}``."""


@dataclass(frozen=True)
class DefaultSplit:
    """The split by subject of a study that names none. An empty ``train`` stands for all other subjects."""

    test: tuple[int, ...]
    validation: tuple[int, ...] = ()
    train: tuple[int, ...] = ()


class Dataset(ABC):
    """A data set plug-in: one subclass in one file.

    ``argument`` is the text after the colon in a study's ``arrays:my_recordings``, or "" if there is none.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"  # raise it when a change of the parser changes the arrays
    title: ClassVar[str]
    Options: ClassVar[type[DataOptions]] = DataOptions
    takes_argument: ClassVar[bool] = False

    def __init__(self, options: DataOptions, argument: str = ""):
        self.options: Any = options
        self.argument = argument

    @abstractmethod
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        """The files or folders below ``root`` that `load` reads; () for synthetic data.

        Raises `DataError`, which gives the names and the folder that were searched, if something is missing.
        """

    @abstractmethod
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        """Parse the sources. Raises `DataError`, which names the file, if it is unreadable or contains NaN."""

    @abstractmethod
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        """The split that the literature uses, or the closest one to it."""

    def about_samples(self, sources: tuple[Path, ...]) -> Mapping[str, np.ndarray]:
        """What is known of each sample beside its subject, (n_samples,) by name, to show with predictions."""
        return {}

    def label_pool(self, recordings: Recordings) -> int | None:
        """The number of samples that ``label_rate`` is a fraction of; None stands for all training samples."""
        return None
