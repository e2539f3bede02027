"""UCI-HAPT: 6 activities and 6 postural transitions of 30 subjects, recorded by a phone at the waist at 50 Hz."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.base import UNLABELLED, DataOptions, Dataset, DefaultSplit, Modality, Recordings
from harness.data.files import Source, locate
from harness.data.windows import check_windows_fit, windows
from harness.errors import DataError

ACTIVITIES = (
    "walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying",
    "stand to sit", "sit to stand", "sit to lie", "lie to sit", "stand to lie", "lie to stand",
)  # fmt: skip
TEST_SUBJECTS = (2, 4, 9, 10, 12, 13, 18, 20, 24)


class HaptOptions(DataOptions):
    window: int = Field(128, ge=1, description="the length of a window in samples (50 per second)")
    stride: int = Field(64, ge=1, description="the distance between the starts of two windows, in samples")
    purity: float = Field(
        0.5, gt=0, le=1, description="the least fraction of a window that its label must take up; others have no label"
    )
    keep_unlabelled: bool = Field(True, description="keep windows without a label, which only stage 1 uses")


class UciHapt(Dataset):
    """UCI-HAPT in its original layout ``HAPT Data Set/RawData/acc_exp01_user01.txt`` …, unpacked or zipped.

    The modalities are acc (window, 3) in g, with gravity, and gyro (window, 3) in rad/s, unfiltered. Each window lies
    within one experiment; what is left over at its end is dropped. The label of a window is the one that takes up most
    of it by ``RawData/labels.txt``; with the default options, 27 % of the windows have none.

    Source: Reyes-Ortiz et al., Neurocomputing 171, 2016. Licence and download: UCI Machine Learning Repository, data
    set 341; the authors forbid commercial use. The test subjects are those of the authors. The authors' own windows,
    which never contain a change of the activity, are fewer.
    """

    name: ClassVar[str] = "uci-hapt"
    title: ClassVar[str] = "UCI-HAPT: 12 activities, 30 subjects, accelerometer and gyroscope, partly unlabelled"
    Options: ClassVar[type[DataOptions]] = HaptOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return (locate(root, ("HAPT Data Set", "HAPT", "HAPT.zip"), self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        window, stride = self.options.window, self.options.stride
        pieces: dict[str, list[np.ndarray]] = {"acc": [], "gyro": []}
        labels, subjects, names = [], [], []
        with Source(sources[0]) as source:
            series = dict(_series(source))
            of_samples = _labels(source, {experiment: len(both["acc"]) for experiment, both in series.items()})
        check_windows_fit((len(both["acc"]) for both in series.values()), window, stride, 6, self.name)
        for (experiment, user), both in series.items():
            label = self._of_windows(of_samples[experiment, user])
            kept = np.flatnonzero((label != UNLABELLED) | self.options.keep_unlabelled)
            for name, values in both.items():
                pieces[name].append(windows(values, window, stride)[kept])
            labels.append(label[kept])
            subjects += [user] * len(kept)
            names += [f"e{experiment}_u{user}_w{number:03d}" for number in kept]
        if not names:
            raise DataError(f"{sources[0]}: all experiments are shorter than a window of {window} samples")
        return Recordings(
            modalities=tuple(Modality(name, "series", (window, 3)) for name in pieces),
            arrays={name: np.concatenate(some) for name, some in pieces.items()},
            label=np.concatenate(labels),
            subject=np.array(subjects, dtype=np.int64),
            sample=np.array(names),
            classes=ACTIVITIES,
            notes={"experiments": len(series)},
        )

    def _of_windows(self, label: np.ndarray) -> np.ndarray:
        """The label of each window, from those of the samples."""
        cut = windows(label, self.options.window, self.options.stride)
        counts = np.stack([(cut == c).sum(axis=1) for c in range(len(ACTIVITIES))], axis=1)
        enough = counts.max(axis=1) >= self.options.purity * self.options.window
        return np.where(enough, counts.argmax(axis=1), UNLABELLED).astype(np.int64)

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        known = np.unique(recordings.subject)
        return DefaultSplit(test=tuple(subject for subject in TEST_SUBJECTS if subject in known))


def _series(source: Source) -> list[tuple[tuple[int, int], dict[str, np.ndarray]]]:
    """(experiment, user) and its series of both sensors, (time, 3) float32."""
    found = {kind: source.find(rf"{kind}_exp(\d+)_user(\d+)\.txt") for kind in ("acc", "gyro")}
    if found["acc"].keys() != found["gyro"].keys():
        alone = sorted(found["acc"].keys() ^ found["gyro"].keys())[0]
        raise DataError(f"{source.path}: experiment {alone[0]} of user {alone[1]} lacks the file of one sensor")
    made = []
    for (experiment, user), member in found["acc"].items():
        both = {"acc": _numbers(source, member, 3), "gyro": _numbers(source, found["gyro"][experiment, user], 3)}
        if len(both["acc"]) != len(both["gyro"]):
            raise DataError(f"{source.where(member)}: acc and gyro have different numbers of samples")
        made.append(((experiment, user), {name: values.astype(np.float32) for name, values in both.items()}))
    return made


def _labels(source: Source, lengths: dict[tuple[int, int], int]) -> dict[tuple[int, int], np.ndarray]:
    """(experiment, user) → the label of each sample."""
    member = next((one for one in source.members() if one.endswith("RawData/labels.txt") or one == "labels.txt"), None)
    if member is None:
        raise DataError(f"{source.path}: there is no RawData/labels.txt")
    labels = {key: np.full(length, UNLABELLED) for key, length in lengths.items()}
    for experiment, user, activity, start, end in _numbers(source, member, 5).astype(np.int64).tolist():
        if not 1 <= activity <= len(ACTIVITIES):
            raise DataError(f"{source.where(member)}: there is no activity {activity}; HAPT has 1 to {len(ACTIVITIES)}")
        if (experiment, user) in labels:
            if not 1 <= start <= end <= lengths[experiment, user]:
                raise DataError(
                    f"{source.where(member)}: samples {start} to {end} of experiment {experiment} do not exist; it has "
                    f"{lengths[experiment, user]}"
                )
            labels[experiment, user][start - 1 : end] = activity - 1  # numbered from 1, both ends included
    return labels


def _numbers(source: Source, member: str, columns: int) -> np.ndarray:
    try:
        found = np.loadtxt(io.BytesIO(source.read(member)), ndmin=2)
    except ValueError as error:
        raise DataError(f"{source.where(member)}: {error}") from error
    if found.shape[1:] != (columns,) or not np.isfinite(found).all():
        raise DataError(f"{source.where(member)}: each line should hold {columns} finite numbers")
    return found
