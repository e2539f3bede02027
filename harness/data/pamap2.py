"""PAMAP2: 12 daily activities of 9 subjects, recorded by IMUs at hand, chest and ankle, and a heart rate monitor."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.alignment import MaxGap, ModalityIs, SensorAt, TimeSeries, aligned_recordings
from harness.data.base import UNLABELLED, DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import ColumnType, DelimitedText, single_spaces
from harness.data.files import Source, locate
from harness.data.windows import LabelledWindowOptions, Recording, cut

PROTOCOL = {
    1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling", 7: "Nordic walking",
    12: "ascending stairs", 13: "descending stairs", 16: "vacuum cleaning", 17: "ironing", 24: "rope jumping",
}  # fmt: skip
OPTIONAL = {
    9: "watching TV", 10: "computer work", 11: "car driving", 18: "folding laundry", 19: "house cleaning",
    20: "playing soccer",
}  # fmt: skip
TRANSIENT = 0
RATE = 100
POSITIONS = ("hand", "chest", "ankle")
PARTS = {"temperature": 1, "acc": 3, "acc6": 3, "gyro": 3, "mag": 3, "orientation": 4}  # of each IMU: number of columns
SENSORS = ("acc", "gyro", "mag")


def _columns(position: str, sensor: str) -> list[str]:
    return [f"{position}_{sensor}_{channel}" for channel in range(PARTS[sensor])]


COLUMNS = (
    "timestamp", "activity", "heart_rate",
    *(name for position in POSITIONS for sensor in PARTS for name in _columns(position, sensor)),
)  # fmt: skip


class Pamap2Options(LabelledWindowOptions):
    window: int = Field(512, ge=1, description="the length of a window in samples (100 per second)")
    stride: int = Field(256, ge=1, description="the distance between the starts of two windows, in samples")
    modality: ModalityIs = "position"
    heart_rate: bool = Field(False, description="add the heart rate as a modality")
    optional: bool = Field(False, description="add the folder Optional, with six more activities of five subjects")
    max_gap: MaxGap = 0.5


class Pamap2(Dataset):
    """PAMAP2 in its original layout ``PAMAP2_Dataset/Protocol/subject101.dat`` …, unpacked or zipped.

    The modalities are by default hand, chest and ankle, each (window, 9): acceleration (the sensor of ±16 g) in m/s²,
    rotation in rad/s and magnetic field in µT. The second accelerometer, which saturates, the temperature and the
    invalid orientation are left out. With the option ``heart_rate`` there is also heart_rate (window, 1) in beats per
    minute, interpolated from about 9 Hz. Samples that were lost in radio transmission are interpolated up to
    ``max_gap``. The transient activity 0 has no label.

    Source: Reiss and Stricker, ISWC 2012. The window of 5.12 s is theirs. The split, subject 106 for the test and 105
    for validation, is that of Hammerla et al., IJCAI 2016. They leave out rope jumping and resample to 33.3 Hz.
    """

    name: ClassVar[str] = "pamap2"
    title: ClassVar[str] = "PAMAP2: 12 activities, 9 subjects, IMUs at hand, chest and ankle, heart rate"
    Options: ClassVar[type[DataOptions]] = Pamap2Options

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        names = ("PAMAP2_Dataset", "PAMAP2_Dataset.zip", "pamap2+physical+activity+monitoring.zip")
        return (locate(root, names, self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        folders = ("Protocol", "Optional") if self.options.optional else ("Protocol",)
        activities = {**PROTOCOL, **(OPTIONAL if self.options.optional else {})}
        counts: Counter[str] = Counter()
        recordings = []
        with Source(sources[0]) as outer, outer.within("PAMAP2_Dataset.zip") as source:
            for folder in folders:
                for (subject,), member in source.find(rf"{folder}/subject(\d+)\.dat").items():
                    name = f"s{subject}_{folder.lower()}"
                    recordings += self._recordings(source, member, name, subject, list(activities), counts)
        return cut(
            recordings, tuple(activities.values()), self.options, str(sources[0]), "recordings", notes=dict(counts)
        )

    def _recordings(
        self, source: Source, member: str, name: str, subject: int, activities: list[int], counts: Counter[str]
    ) -> list[Recording]:
        types: dict[str, ColumnType] = {"timestamp": "float64", "activity": "float64", "heart_rate": "float32"}
        for position in POSITIONS:
            types |= {one: "float32" for sensor in SENSORS for one in _columns(position, sensor)}
        text = DelimitedText(lambda: io.BytesIO(single_spaces(source.read(member))), source.where(member), " ")
        table = text.read(COLUMNS, types)
        label_of = {str(TRANSIENT): UNLABELLED, **{str(code): label for label, code in enumerate(activities)}}
        if not self.options.optional:
            label_of |= {str(code): UNLABELLED for code in OPTIONAL}
        label = text.labels(table["activity"], label_of, "PAMAP2")
        time = table["timestamp"].to_numpy(np.float64)
        sensors: dict[SensorAt, TimeSeries] = {
            (position, sensor): TimeSeries(time, table[_columns(position, sensor)].to_numpy(np.float32))
            for position in POSITIONS
            for sensor in SENSORS
        }
        options = self.options
        if options.heart_rate:
            beats = table[["heart_rate"]].to_numpy(np.float32)
            there = np.isfinite(beats[:, 0])  # between two of its measurements it is not lost, but not measured
            sensors["", "heart_rate"] = TimeSeries(time[there], beats[there])
        labels = TimeSeries(time, label)
        return aligned_recordings(name, subject, sensors, labels, RATE, options.max_gap, options.modality, counts)

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(test=(106,), validation=(105,))
