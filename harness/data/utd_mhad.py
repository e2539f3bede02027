"""UTD-MHAD: 27 actions of 8 subjects, recorded by an IMU at the wrist or thigh and a Kinect (skeleton, depth video)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.base import DataOptions, Dataset, DefaultSplit, Modality, Recordings
from harness.data.files import Indices, Source, locate
from harness.errors import DataError

ACTIVITIES = (
    "swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot", "draw x",
    "draw circle clockwise", "draw circle counter-clockwise", "draw triangle", "bowling", "boxing", "baseball swing",
    "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pickup and throw", "jog", "walk",
    "sit to stand", "stand to sit", "lunge", "squat",
)  # fmt: skip
SUBJECTS, TRIALS = 8, 4
LABEL_POOL_PER_CLASS = 20  # 5 % of it is one labelled trial per class
INERTIAL = Modality("inertial", "series", (120, 6))
SKELETON = Modality("skeleton", "skeleton", (40, 20, 3))
DEPTH = Modality("depth", "frames", (20, 30, 40))
BLOCK = 8  # the 240 × 320 depth map is reduced by this factor along each side
SOURCES = {
    "inertial": ("UTD-MHAD/Inertial", "Inertial", "UTD-MHAD.zip", "Inertial.zip"),
    "skeleton": ("UTD-MHAD/Skeleton", "Skeleton", "UTD-MHAD.zip", "Skeleton.zip"),
    "depth": ("UTD-MHAD/Depth", "Depth", "UTD-MHAD-Depth-subset.zip", "Depth.zip"),
}


class UtdOptions(DataOptions):
    depth: bool = Field(False, description="add the depth video, and use only the trials that have one")


class UtdMhad(Dataset):
    """UTD-MHAD in its original layout ``UTD-MHAD/Inertial/a1_s1_t1_inertial.mat`` …, unpacked or zipped.

    The modalities are inertial (120, 6), acceleration in g followed by rotation in °/s; skeleton (40, 20, 3), the
    joints' positions in m; and with the option ``depth`` also depth (20, 30, 40) in mm, where 0 is no measurement. Each
    trial is resampled linearly as a whole, to 120 time steps of the IMU and 40 frames of the skeleton, so the sampling
    rate differs between trials. Of the depth video 20 evenly spaced frames are kept, with each 8 × 8 block replaced by
    the mean of its non-zero pixels, or by 0 if less than a quarter of them are non-zero.

    Source: Chen, Jafari, Kehtarnavaz, ICIP 2015. The split and the label pool are those of Cosmo (Ouyang et al.,
    MobiCom 2022).
    """

    name: ClassVar[str] = "utd-mhad"
    title: ClassVar[str] = "UTD-MHAD: 27 actions, 8 subjects, IMU and skeleton"
    Options: ClassVar[type[DataOptions]] = UtdOptions

    @property
    def parts(self) -> tuple[str, ...]:
        """The recordings that a trial must have."""
        return ("inertial", "skeleton", "depth") if self.options.depth else ("inertial", "skeleton")

    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return tuple(locate(root, SOURCES[part], f"{self.name} ({part})") for part in self.parts)

    def load(self, sources: tuple[Path, ...]) -> Recordings:
        with ExitStack() as stack:
            opened = {part: stack.enter_context(Source(path)) for part, path in zip(self.parts, sources, strict=True)}
            found = {part: source.find(rf"a(\d+)_s(\d+)_t(\d+)_{part}\.mat") for part, source in opened.items()}
            trials = _common_trials(found, opened)
            arrays = {
                "inertial": np.stack([_inertial(opened["inertial"], found["inertial"][trial]) for trial in trials])
            }
            arrays["skeleton"] = np.stack([_skeleton(opened["skeleton"], found["skeleton"][trial]) for trial in trials])
            if self.options.depth:
                arrays["depth"] = np.stack([_depth(opened["depth"], found["depth"][trial]) for trial in trials])
        activities = sorted({activity for activity, _, _ in trials})
        notes = {"trials": len(trials), "missing_trials": _missing(trials, activities)}
        if len(activities) < len(ACTIVITIES):
            notes["activities"] = activities
        return Recordings(
            modalities=(INERTIAL, SKELETON, DEPTH)[: len(arrays)],
            arrays=arrays,
            label=np.array([activities.index(activity) for activity, _, _ in trials], dtype=np.int64),
            subject=np.array([subject for _, subject, _ in trials], dtype=np.int64),
            sample=np.array([_name(trial) for trial in trials]),
            classes=tuple(ACTIVITIES[activity - 1] for activity in activities),
            notes=notes,
        )

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(test=(7, 8))

    def label_pool(self, recordings: Recordings) -> int | None:
        return LABEL_POOL_PER_CLASS * recordings.n_classes


def _name(trial: Indices) -> str:
    return "a{}_s{}_t{}".format(*trial)


def _common_trials(found: dict[str, dict[Indices, str]], opened: dict[str, Source]) -> list[Indices]:
    """The trials to read, as (activity, subject, trial), sorted.

    Each must have both the IMU and the skeleton. The depth video may be missing, because it is published in parts.
    """
    for has, lacks in (("inertial", "skeleton"), ("skeleton", "inertial")):
        alone = sorted(found[has].keys() - found[lacks].keys())
        if alone:
            named = ", ".join(_name(trial) for trial in alone[:5]) + (" …" if len(alone) > 5 else "")
            raise DataError(f"{opened[lacks].path}: {len(alone)} trials have {has} data but no {lacks} file: {named}")
    trials = sorted(set.intersection(*(set(members) for members in found.values())))
    if not trials:
        raise DataError(
            f"no trial has all of {', '.join(found)} in {', '.join(str(source.path) for source in opened.values())}"
        )
    for trial in trials:
        if not 1 <= trial[0] <= len(ACTIVITIES):
            raise DataError(f"{_name(trial)}: there is no activity {trial[0]}; UTD-MHAD has 1 to {len(ACTIVITIES)}")
    return trials


def _missing(trials: list[Indices], activities: list[int]) -> list[str]:
    """The names of the trials of these activities (8 subjects × 4 trials each) that are missing."""
    nominal = [(a, s, t) for a in activities for s in range(1, SUBJECTS + 1) for t in range(1, TRIALS + 1)]
    return [_name(trial) for trial in nominal if trial not in set(trials)]


def resample(series: np.ndarray, length: int) -> np.ndarray:
    """Interpolate linearly at ``length`` even time steps, including both ends: (time, ...) → (length, ...) float32."""
    position = np.linspace(0, len(series) - 1, length)
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, len(series) - 1)
    share = (position - before).reshape(-1, *[1] * (series.ndim - 1))
    resampled: np.ndarray = series[before] * (1 - share) + series[after] * share
    return resampled.astype(np.float32)


def _inertial(source: Source, member: str) -> np.ndarray:
    return resample(source.read_mat(member, "d_iner", (None, 6)), INERTIAL.shape[0])


def _skeleton(source: Source, member: str) -> np.ndarray:
    return resample(source.read_mat(member, "d_skel", (20, 3, None)).transpose(2, 0, 1), SKELETON.shape[0])


def _depth(source: Source, member: str) -> np.ndarray:
    frames, height, width = DEPTH.shape
    video = source.read_mat(member, "d_depth", (height * BLOCK, width * BLOCK, None)).transpose(2, 0, 1)
    video = video[np.linspace(0, len(video) - 1, frames).round().astype(int)]
    blocks = video.reshape(frames, height, BLOCK, width, BLOCK).astype(np.int64)
    seen = (blocks > 0).sum(axis=(2, 4))
    mean = blocks.sum(axis=(2, 4)) / np.maximum(seen, 1)
    return np.where(seen >= BLOCK * BLOCK // 4, mean.round(), 0).astype(np.float32)
