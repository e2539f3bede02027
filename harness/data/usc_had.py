"""USC-HAD: 12 daily activities of 14 subjects, recorded by one IMU at the hip at 100 Hz and cut into windows."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.base import DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.files import Source, locate
from harness.data.windows import Recording, WindowOptions, cut
from harness.errors import DataError

ACTIVITIES = (
    "walking forward", "walking left", "walking right", "walking upstairs", "walking downstairs", "running forward",
    "jumping up", "sitting", "standing", "sleeping", "elevator up", "elevator down",
)  # fmt: skip
LABEL_POOL = 20_000  # 1 % of it is 200 labelled windows, as in Cosmo's evaluation


class UscOptions(WindowOptions):
    window: int = Field(200, ge=1, description="the length of a window in samples (100 per second)")
    stride: int = Field(200, ge=1, description="the distance between the starts of two windows, in samples")


class UscHad(Dataset):
    """USC-HAD in its original layout ``USC-HAD/Subject1/a1t1.mat``, unpacked or zipped.

    The modalities are acc (window, 3) in g and gyro (window, 3) in °/s. Each window lies within one trial; what is left
    over at the end of a trial is dropped. Labels and subjects are taken from the path, because the activity number
    inside ``Subject14/a3t2`` is wrong.

    Source: Zhang and Sawchuk, UbiComp 2012 (SAGAware). The split is the one that is common in the literature. The label
    pool is that of Cosmo (Ouyang et al., MobiCom 2022): it does not depend on the stride, so neither does the number of
    labelled windows.
    """

    name: ClassVar[str] = "usc-had"
    title: ClassVar[str] = "USC-HAD: 12 activities, 14 subjects, accelerometer and gyroscope"
    Options: ClassVar[type[DataOptions]] = UscOptions

    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return (locate(root, ("USC-HAD", "USC-HAD.zip"), self.name),)

    def load(self, sources: tuple[Path, ...]) -> Recordings:
        recordings = []
        with Source(sources[0]) as source:
            for (person, activity, trial), member in source.find(r"Subject(\d+)/a(\d+)t(\d+)\.mat").items():
                if not 1 <= activity <= len(ACTIVITIES):
                    raise DataError(
                        f"{source.where(member)}: there is no activity {activity}; USC-HAD has 1 to {len(ACTIVITIES)}"
                    )
                readings = source.read_mat(member, "sensor_readings", (None, 6)).astype(np.float32)
                values = {"acc": readings[:, :3], "gyro": readings[:, 3:]}
                recordings.append(Recording(f"s{person}_a{activity}_t{trial}", person, values, activity - 1))
        too_short = [one.name for one in recordings if len(one) < self.options.window]
        notes = {"trials_shorter_than_a_window": too_short}
        return cut(recordings, ACTIVITIES, self.options, str(sources[0]), "trials", notes=notes)

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(train=tuple(range(1, 11)), validation=(11, 12), test=(13, 14))

    @override
    def label_pool(self, recordings: Recordings) -> int | None:
        return LABEL_POOL
