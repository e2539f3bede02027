"""Doubtful properties of a data set, with numbers, for ``harness data check``. None of them stops a study."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from harness.data.base import Dataset, Modality, Recordings
from harness.data.splits import PARTS, Split, allot, split_indices
from harness.errors import InputError

ROWS = 2048  # samples read at a time
SATURATED = 0.05  # fraction of a channel's values at its largest or smallest value, above which it counts as saturated
STUCK = 0.2  # fraction of the samples in which a channel does not change, above which that is reported
LAGGED_SAMPLES = 400  # samples that the lag of two modalities is computed from
LAG_CORRELATION = 0.3  # a lower peak of the cross-correlation says nothing
LAG_GAIN = 1.25  # by which the peak must exceed the correlation without a lag


def warnings_about(dataset: Dataset, recordings: Recordings, label_rate: float) -> list[str]:
    """A line for each doubtful property: duplicates, overlaps across parts, dead channels, lags and rare classes.

    label_rate: the rate that the numbers of labelled samples are computed for.
    """
    try:
        parts = split_indices(recordings, Split(), dataset.default_split(recordings))
    except InputError as error:
        parts = {}
        found = [f"there is no default split: {error}"]
    else:
        found = []
    part = np.full(recordings.n_samples, -1)
    for number, name in enumerate(PARTS):
        part[parts.get(name, np.empty(0, dtype=np.int64))] = number
    found += duplicates(recordings, part)
    found += divided_recordings(recordings)
    found += overlaps(recordings, part)
    for modality in recordings.modalities:
        found += channels(recordings.arrays[modality.name], modality)
    found += lags(recordings)
    if parts:
        pool = dataset.label_pool(recordings)
        found += rare_classes(recordings, parts, label_rate, pool)
    return found


def duplicates(recordings: Recordings, part: np.ndarray) -> Iterator[str]:
    """Samples with the same values in all modalities. part: (n_samples,), the part of each in the default split."""
    first: dict[bytes, int] = {}
    pairs = []
    for row in range(recordings.n_samples):
        digest = hashlib.blake2b(digest_size=16)
        for modality in recordings.modalities:
            digest.update(np.ascontiguousarray(recordings.arrays[modality.name][row]).tobytes())
        if (other := first.setdefault(digest.digest(), row)) != row:
            pairs.append((other, row))
    if pairs:
        one, two = (recordings.sample[row] for row in pairs[0])
        across = sum(part[a] != part[b] and part[a] >= 0 <= part[b] for a, b in pairs)
        labels = sum(recordings.label[a] != recordings.label[b] for a, b in pairs)
        yield (
            f"{len(pairs)} samples are copies of others, such as {two} of {one} (in different parts of the default "
            f"split: {across}; with different labels: {labels})"
        )


def divided_recordings(recordings: Recordings) -> Iterator[str]:
    """Recordings whose windows belong to several groups, so that a split by group divides them."""
    if divided := recordings.notes.get("divided_recordings"):
        yield (
            f"{len(divided)} recordings have windows in several groups, such as {divided[0]}; a split by these groups "
            "can put windows of one recording in two parts"
        )


def overlaps(recordings: Recordings, part: np.ndarray) -> Iterator[str]:
    """Samples that share time steps with the next one, which is in another part of the default split."""
    series = [m for m in recordings.modalities if m.kind == "series" and m.shape[0] >= 4]
    if not series:
        return
    array, across, overlapping = recordings.arrays[series[0].name], [], 0
    for row in range(recordings.n_samples - 1):
        if _overlap(array[row], array[row + 1]):
            overlapping += 1
            if part[row] != part[row + 1] and part[row] >= 0 <= part[row + 1]:
                across.append(row)
    if across:
        one, two = recordings.sample[across[0]], recordings.sample[across[0] + 1]
        yield (
            f"{len(across)} of {overlapping} pairs of overlapping windows are in different parts of the default split, "
            f"such as {one} and {two}"
        )


def _overlap(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether ``two`` begins inside ``one``: (time, channels) both, with at least two different common time steps."""
    for start in np.flatnonzero((one == two[0]).all(axis=1)):
        common = len(one) - start
        if start and common > 1 and np.array_equal(one[start:], two[:common]) and np.ptp(two[:common], axis=0).any():
            return True
    return False


def channels(array: np.ndarray, modality: Modality) -> Iterator[str]:
    """Channels of a series that are constant, stuck in many samples, or saturated."""
    if modality.kind != "series":
        return
    n, low, high = len(array), array[0].min(axis=0), array[0].max(axis=0)
    for start in range(0, n, ROWS):
        piece = array[start : start + ROWS]
        low, high = np.minimum(low, piece.min(axis=(0, 1))), np.maximum(high, piece.max(axis=(0, 1)))
    still, at_end = np.zeros(len(low)), np.zeros(len(low))
    for start in range(0, n, ROWS):
        piece = array[start : start + ROWS]
        still += (np.ptp(piece, axis=1) == 0).sum(axis=0)
        at_end += np.maximum((piece == low).sum(axis=(0, 1)), (piece == high).sum(axis=(0, 1)))
    flags = [channel for channel in range(len(low)) if set(np.unique(array[:64, :, channel])) <= {0, 1}]
    for channel in range(len(low)):
        name = f"channel {channel} of {modality.name}"
        if low[channel] == high[channel]:
            yield f"{name} is {low[channel]:g} in all samples"
        elif modality.shape[0] > 1 and still[channel] > STUCK * n:
            yield f"{name} does not change in {still[channel] / n:.0%} of the samples"
        elif channel not in flags and at_end[channel] > SATURATED * n * modality.shape[0]:
            share = at_end[channel] / (n * modality.shape[0])
            yield f"{name} has {share:.0%} of its values at an end of its range, {low[channel]:g} to {high[channel]:g}"


def lags(recordings: Recordings) -> Iterator[str]:
    """Modalities that are out of step: the lag at which the changes of two of them correlate best, if it is not 0."""
    series = [m for m in recordings.modalities if m.kind in ("series", "skeleton") and m.shape[0] >= 16]
    rows = np.unique(np.linspace(0, recordings.n_samples - 1, LAGGED_SAMPLES).astype(int))
    changes = {m.name: _changes(recordings.arrays[m.name][rows], min(one.shape[0] for one in series)) for m in series}
    names = list(changes)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            correlation = _correlation(changes[first], changes[second])
            middle = len(correlation) // 2
            lag = int(np.argmax(correlation)) - middle
            peak, without = correlation[lag + middle], correlation[middle]
            if abs(lag) > 1 and peak > LAG_CORRELATION and peak > LAG_GAIN * max(without, 0):
                side = "behind" if lag > 0 else "ahead of"
                share = abs(lag) / (len(changes[first][0]) + 1)
                yield (
                    f"{second} is {side} {first} by about {share:.0%} of a sample's length: "
                    f"their changes correlate with {peak:.2f} then, {without:.2f} without a lag"
                )


def _changes(array: np.ndarray, length: int) -> np.ndarray:
    """The amount of change at each time step (n, length − 1), without its mean, with norm 1; the length is common."""
    flat = array.reshape(*array.shape[:2], -1).astype(np.float64)
    time = np.linspace(0, flat.shape[1] - 1, length)
    steps = np.minimum(np.round(time).astype(int), flat.shape[1] - 1)
    scale = flat.std(axis=(0, 1))
    change = np.abs(np.diff(flat[:, steps] / np.where(scale > 0, scale, 1), axis=1)).sum(axis=2)
    change -= change.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(change, axis=1, keepdims=True)
    return np.divide(change, norm, out=np.zeros_like(change), where=norm > 0)


def _correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The mean cross-correlation for lags of up to a quarter of the length; the middle entry is lag 0."""
    from scipy.signal import correlate

    reach = one.shape[1] // 4
    total = sum(correlate(b, a, "full") for a, b in zip(one, two, strict=True))
    middle = one.shape[1] - 1
    return np.asarray(total)[middle - reach : middle + reach + 1] / len(one)


def rare_classes(
    recordings: Recordings, parts: dict[str, np.ndarray], label_rate: float, label_pool: int | None = None
) -> Iterator[str]:
    """Classes without samples in the training or the test part, and those that a label rate hardly labels."""
    counts = {
        name: np.bincount(recordings.label[rows][recordings.label[rows] >= 0], minlength=recordings.n_classes)
        for name, rows in parts.items()
    }
    for name in ("train", "test"):
        if empty := [recordings.classes[c] for c in np.flatnonzero(counts[name] == 0)]:
            yield f"no labelled sample in the default split's {name} part: {', '.join(empty)}"
    train = counts["train"]
    if (train == 0).any():
        return
    n = min(max(len(train), round(label_rate * (label_pool or int(train.sum())))), int(train.sum()))
    shares = allot(train.tolist(), n)
    few = [f"{recordings.classes[c]} 1 of {train[c]}" for c in range(len(train)) if shares[c] == 1]
    if few and max(shares) > 2:
        yield f"label_rate {label_rate} labels {n} training samples, but only one each of: {', '.join(few)}"
