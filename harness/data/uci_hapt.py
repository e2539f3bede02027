"""UCI-HAPT: 6 activities and 6 postural transitions of 30 subjects, recorded by a phone at the waist at 50 Hz."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.base import UNLABELLED, DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.files import Source, locate
from harness.data.windows import LabelledWindowOptions, Recording, cut
from harness.errors import DataError

ACTIVITIES = (
    "walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying",
    "stand to sit", "sit to stand", "sit to lie", "lie to sit", "stand to lie", "lie to stand",
)  # fmt: skip
TEST_SUBJECTS = (2, 4, 9, 10, 12, 13, 18, 20, 24)


class HaptOptions(LabelledWindowOptions):
    window: int = Field(128, ge=1, description="the length of a window in samples (50 per second)")
    stride: int = Field(64, ge=1, description="the distance between the starts of two windows, in samples")


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
        with Source(sources[0]) as source:
            series = dict(_series(source))
            labels = _labels(source, {experiment: len(both["acc"]) for experiment, both in series.items()})
        recordings = [
            Recording(f"e{experiment}_u{user}", user, both, labels[experiment, user])
            for (experiment, user), both in series.items()
        ]
        return cut(recordings, ACTIVITIES, self.options, str(sources[0]), "experiments")

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
