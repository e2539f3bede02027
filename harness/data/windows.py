"""Sliding windows of a series, and the windows of all recordings of a data set with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from harness.data.base import UNLABELLED, DataOptions, Modality, Recordings
from harness.errors import DataError

MAX_GIB = 8  # of a data set's windows


def check_windows_fit(lengths: Iterable[int], size: int, stride: int, values: int, what: str) -> None:
    """Raise `DataError`, with the arithmetic, if all complete windows of a data set take more than `MAX_GIB`.

    lengths: of the series. values: float32 values at each time step. what: the data set.
    """
    n = sum(max(0, (length - size) // stride + 1) for length in lengths)
    if (gib := n * size * values * 4 / 2**30) > MAX_GIB:
        raise DataError(
            f"{what}: {n:,} windows of {size:,} samples × {values} values × 4 bytes are {gib:,.0f} GiB, and may be "
            f"{MAX_GIB}; take a larger stride or a smaller window"
        )


def windows(series: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Cut an array (time, ...) into all complete windows, (n_windows, size, ...). Returns a copy.

    n_windows is 0 if the series is too short. Raises ValueError unless ``size`` and ``stride`` are at least 1.

    >>> windows(np.arange(7), size=3, stride=2).tolist()
    [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    """
    if size < 1 or stride < 1:
        raise ValueError(f"size and stride must be at least 1, not {size} and {stride}")
    if len(series) < size:
        return np.empty((0, size, *series.shape[1:]), dtype=series.dtype)
    view = np.lib.stride_tricks.sliding_window_view(series, size, axis=0)[::stride]
    return np.ascontiguousarray(np.moveaxis(view, -1, 1))


@dataclass(frozen=True)
class Recording:
    """One recording before it is cut into windows, at one sampling rate.

    values: modality → (time, channels). label: of each time step, or of all of them; `UNLABELLED` for none.
    """

    name: str
    subject: int
    values: Mapping[str, np.ndarray]
    label: np.ndarray | int

    def __len__(self) -> int:
        return min(map(len, self.values.values()))


class WindowOptions(DataOptions):
    """The options of a data set that is cut into windows. Each gives ``window`` and ``stride`` its own defaults."""

    window: int = Field(ge=1, description="the length of a window in samples")
    stride: int = Field(ge=1, description="the distance between the starts of two windows, in samples")


class LabelledWindowOptions(WindowOptions):
    """The options of a data set whose activity changes within a recording."""

    purity: float = Field(
        0.5, gt=0, le=1, description="the least fraction of a window that its label must take up; others have no label"
    )
    keep_unlabelled: bool = Field(True, description="keep windows without a label, which only stage 1 uses")


def cut(
    recordings: Sequence[Recording], classes: Sequence[str], options: WindowOptions, where: str, what: str,
    subject_names: Sequence[str] = (), notes: Mapping[str, Any] | None = None,
) -> Recordings:  # fmt: skip
    """Cut recordings into windows, each of which lies within one recording; what is left over at its end is dropped.

    With `LabelledWindowOptions`, the label of a window is the one that takes up most of it. where: the files, for
    messages. what: the recordings, such as "trials". Raises `DataError` if there is no window, or if the windows would
    take too much memory.
    """
    if not recordings:
        raise DataError(f"{where}: there are no {what} with data of all modalities")
    channels = {name: values.shape[1] for name, values in recordings[0].values.items()}
    check_windows_fit(map(len, recordings), options.window, options.stride, sum(channels.values()), where)
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in channels}
    labels, subjects, names = [], [], []
    for recording in recordings:
        label = _labels_of_windows(recording, len(classes), options)
        keep_all = not isinstance(options, LabelledWindowOptions) or options.keep_unlabelled
        kept = np.flatnonzero((label != UNLABELLED) | keep_all)
        for name, values in recording.values.items():
            pieces[name].append(windows(values[: len(recording)], options.window, options.stride)[kept])
        labels.append(label[kept])
        subjects += [recording.subject] * len(kept)
        names += [f"{recording.name}_w{number:03d}" for number in kept]
    if not names:
        longest = max(map(len, recordings))
        wrong = f"shorter than a window of {options.window} samples" if longest < options.window else "without a label"
        raise DataError(f"{where}: all {what} are {wrong}")
    return Recordings(
        modalities=tuple(Modality(name, "series", (options.window, n)) for name, n in channels.items()),
        arrays={name: np.concatenate(some) for name, some in pieces.items()},
        label=np.concatenate(labels),
        subject=np.array(subjects, dtype=np.int64),
        sample=np.array(names),
        classes=tuple(classes),
        subject_names=tuple(subject_names),
        notes={what: len(recordings), **(notes or {})},
    )


def _labels_of_windows(recording: Recording, n_classes: int, options: WindowOptions) -> np.ndarray:
    """The label of each window, (n_windows,) int64, from those of the time steps."""
    label = np.broadcast_to(np.asarray(recording.label, dtype=np.int64), len(recording))
    of_steps = windows(label, options.window, options.stride)
    if not isinstance(options, LabelledWindowOptions):  # the label is the same for the whole recording
        return of_steps[:, 0]
    counts = np.stack([(of_steps == c).sum(axis=1) for c in range(n_classes)], axis=1)
    enough = counts.max(axis=1) >= options.purity * options.window
    return np.where(enough, counts.argmax(axis=1), UNLABELLED).astype(np.int64)
