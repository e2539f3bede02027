"""MotionSense: 6 activities of 24 subjects, recorded by a phone in the front pocket at 50 Hz."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.alignment import MaxGap, SensorAt, TimeSeries, aligned_recordings
from harness.data.base import DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import DelimitedText
from harness.data.files import Source, locate
from harness.data.splits import last_fifth
from harness.data.windows import Recording, WindowOptions, cut

ACTIVITIES = {
    "dws": "downstairs", "ups": "upstairs", "wlk": "walking", "jog": "jogging", "sit": "sitting", "std": "standing",
}  # fmt: skip
RATE = 50
SensorKind = Literal["acc", "gyro", "gravity", "attitude"]
COLUMNS: Mapping[SensorKind, tuple[str, str, str]] = {
    "acc": ("userAcceleration.x", "userAcceleration.y", "userAcceleration.z"),
    "gyro": ("rotationRate.x", "rotationRate.y", "rotationRate.z"),
    "gravity": ("gravity.x", "gravity.y", "gravity.z"),
    "attitude": ("attitude.roll", "attitude.pitch", "attitude.yaw"),
}
ARCHIVE = "A_DeviceMotion_data.zip"
PLACES = ("A_DeviceMotion_data", ARCHIVE)
REPOSITORIES = ("motion-sense", "motion-sense-master")


class MotionSenseOptions(WindowOptions):
    window: int = Field(128, ge=1, description="the length of a window in samples (50 per second)")
    stride: int = Field(64, ge=1, description="the distance between the starts of two windows, in samples")
    modalities: tuple[SensorKind, ...] = Field(("acc", "gyro"), min_length=1, description="the modalities to use")
    max_gap: MaxGap = 0.5


class MotionSense(Dataset):
    """MotionSense in its original layout ``A_DeviceMotion_data/dws_1/sub_1.csv`` …, unpacked or zipped.

    The modalities are acc (window, 3), acceleration in g without gravity, and gyro (window, 3) in rad/s; with the
    option ``modalities`` also gravity (window, 3) in g and attitude (window, 3), roll, pitch and yaw in rad. The
    files have no time, so their rows are taken as 50 per second. Each window lies within one trial.

    Source: Malekzadeh et al., IoTDI 2019. The authors test on the shorter trials (11 to 16) of all subjects, or on
    other subjects; the default split, the last fifth of the subjects, is ours.
    """

    name: ClassVar[str] = "motion-sense"
    title: ClassVar[str] = "MotionSense: 6 activities, 24 subjects, phone, acceleration and rotation"
    Options: ClassVar[type[DataOptions]] = MotionSenseOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        within = tuple(f"{repository}/data/{place}" for repository in REPOSITORIES for place in PLACES)
        return (locate(root, (*PLACES, *within, *(f"{one}.zip" for one in REPOSITORIES)), self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        counts: Counter[str] = Counter()
        recordings: list[Recording] = []
        with Source(sources[0]) as outer, outer.within(ARCHIVE) as source:
            for label, code in enumerate(ACTIVITIES):
                for (trial, subject), member in source.find(rf"{code}_(\d+)/sub_(\d+)\.csv").items():
                    recordings += aligned_recordings(
                        f"s{subject}_{code}{trial}", subject, self._sensors(source, member), label, RATE,
                        self.options.max_gap, "sensor", counts,
                    )  # fmt: skip
        return cut(recordings, tuple(ACTIVITIES.values()), self.options, str(sources[0]), "trials", notes=dict(counts))

    def _sensors(self, source: Source, member: str) -> dict[SensorAt, TimeSeries]:
        text = DelimitedText(partial(source.open, member), source.where(member), header=True)
        columns = {kind: list(COLUMNS[kind]) for kind in dict.fromkeys(self.options.modalities)}
        table = text.read_named({name: "float32" for names in columns.values() for name in names})
        time = np.arange(len(table)) / RATE
        return {("", kind): TimeSeries(time, table[names].to_numpy()) for kind, names in columns.items()}

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return last_fifth(recordings)
