"""What a data set is: recordings in memory, and the contract by which one file adds a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from harness.options import Options

Kind = Literal["series", "skeleton", "frames", "volume"]


@dataclass(frozen=True)
class Modality:
    """One modality of every sample.

    ``shape`` is one sample's, time first: series (time, channels), skeleton (time, joints, axes),
    frames (time, height, width), volume (time, x, y, z).
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "shape": list(self.shape)}


@dataclass(frozen=True)
class Recordings:
    """All samples of a data set, as recorded: neither normalised nor split.

    arrays: modality name → array of shape (n_samples, *modality.shape), any real dtype, no NaN.
    label: (n_samples,) int64 in [0, n_classes). subject: (n_samples,) int64, the data set's own numbers.
    sample: (n_samples,) str, unique names such as ``a1_s2_t3``.
    fingerprint: key of all of the above, whatever files they came from.
    notes: facts about what was read (counts, quirks met), for ``harness data info``.
    """

    modalities: tuple[Modality, ...]
    arrays: Mapping[str, np.ndarray]
    label: np.ndarray
    subject: np.ndarray
    sample: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        return len(self.label)

    @property
    def n_classes(self) -> int:
        return len(self.classes)


class DataOptions(Options):
    """Base of a data set's own options (``options: {usc-had: {stride: 100}}`` in a study)."""


@dataclass(frozen=True)
class DefaultSplit:
    """The split by subject that a study gets when it names none; an empty ``train`` means all other subjects."""

    test: tuple[int, ...]
    validation: tuple[int, ...] = ()
    train: tuple[int, ...] = ()


class Dataset(ABC):
    """A data set plug-in: one file, one subclass.

    ``argument`` is what follows the colon in a study's ``arrays:my_recordings``; data sets that take none get "".
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"  # raise when parsing changes what the arrays hold
    title: ClassVar[str]
    Options: ClassVar[type[DataOptions]] = DataOptions
    takes_argument: ClassVar[bool] = False

    def __init__(self, options: DataOptions, argument: str = ""):
        self.options: Any = options
        self.argument = argument

    @abstractmethod
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        """The files or folders below ``root`` that `load` will read; () for made data.

        Raises `DataError` that says what was looked for and where, when something is missing.
        """

    @abstractmethod
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        """Parse the sources. Raises `DataError` naming the file for what is unreadable, truncated or not a number."""

    @abstractmethod
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        """The split of the literature, or the nearest to it."""

    def label_pool(self, recordings: Recordings) -> int | None:
        """The number of samples of which ``label_rate`` is a share; None: the number of training samples."""
        return None
