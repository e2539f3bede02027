"""WISDM: 18 activities of 51 subjects, recorded by the accelerometers and gyroscopes of a phone and a watch."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.alignment import MaxGap, ModalityIs, SensorAt, TimeSeries, aligned_recordings
from harness.data.base import DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import ColumnType, DelimitedText
from harness.data.files import Source, locate
from harness.data.splits import last_fifth
from harness.data.windows import Recording, WindowOptions, cut
from harness.errors import DataError

ACTIVITIES = {
    "A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing", "F": "typing",
    "G": "brushing teeth", "H": "eating soup", "I": "eating chips", "J": "eating pasta", "K": "drinking from a cup",
    "L": "eating a sandwich", "M": "kicking a ball", "O": "playing catch", "P": "dribbling a ball", "Q": "writing",
    "R": "clapping", "S": "folding clothes",
}  # fmt: skip
LABEL_OF = {code: label for label, code in enumerate(ACTIVITIES)}
RATE = 20
SENSORS: Mapping[SensorAt, tuple[str, str]] = {  # → the words in the names of files
    ("phone", "acc"): ("phone", "accel"),
    ("phone", "gyro"): ("phone", "gyro"),
    ("watch", "acc"): ("watch", "accel"),
    ("watch", "gyro"): ("watch", "gyro"),
}
COLUMNS = ("subject", "activity", "time", "x", "y", "z")
TYPES: Mapping[str, ColumnType] = {
    "subject": "float64", "activity": "text", "time": "float64", "x": "float32", "y": "float32", "z": "float32",
}  # fmt: skip


class WisdmOptions(WindowOptions):
    window: int = Field(200, ge=1, description="the length of a window in samples (20 per second)")
    stride: int = Field(200, ge=1, description="the distance between the starts of two windows, in samples")
    modality: ModalityIs = "both"
    max_gap: MaxGap = 0.5


class Wisdm(Dataset):
    """WISDM (2019) in its original layout ``wisdm-dataset/raw/phone/accel/data_1600_accel_phone.txt`` …, also zipped.

    The modalities are by default phone_acc, phone_gyro, watch_acc and watch_gyro, each (window, 3): acceleration with
    gravity in m/s² and rotation in rad/s, at 20 Hz. The clocks of the phone and the watch are not the same: the two
    sensors of a device are aligned by time, and the devices by the start of each activity, so a lag between them of up
    to some seconds is possible. A subject or an activity that lacks a sensor is left out and counted.

    Source: Weiss, Yoneda and Hayajneh, IEEE Access 7, 2019. The windows of 10 s are theirs. They test each subject by
    models of their own or of others; the default split, the last fifth of the subjects, is ours.
    """

    name: ClassVar[str] = "wisdm"
    title: ClassVar[str] = "WISDM: 18 activities, 51 subjects, phone and watch, accelerometer and gyroscope"
    Options: ClassVar[type[DataOptions]] = WisdmOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        wrapped = "wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip"
        return (locate(root, ("wisdm-dataset", "wisdm-dataset.zip", wrapped), self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        counts: Counter[str] = Counter()
        recordings: list[Recording] = []
        with Source(sources[0]) as outer, outer.within("wisdm-dataset.zip") as source:
            found = {
                sensor: source.find(rf"{device}/{kind}/data_(\d+)_{kind}_{device}\.txt")
                for sensor, (device, kind) in SENSORS.items()
            }
            for (subject,) in sorted(set().union(*found.values())):
                if all((subject,) in members for members in found.values()):
                    read = {name: _read(source, members[subject,], subject) for name, members in found.items()}
                    recordings += self._recordings(read, subject, counts)
                else:
                    counts["subjects_without_a_sensor"] += 1
        return cut(
            recordings, tuple(ACTIVITIES.values()), self.options, str(sources[0]), "recordings", notes=dict(counts)
        )

    def _recordings(
        self, read: Mapping[SensorAt, Mapping[int, TimeSeries]], subject: int, counts: Counter[str]
    ) -> list[Recording]:
        recordings = []
        for code, label in LABEL_OF.items():
            sensors = {name: by_label[label] for name, by_label in read.items() if label in by_label}
            if len(sensors) < len(SENSORS):
                counts["activities_without_a_sensor"] += 1
                continue
            begin = {
                device: min(float(one.time.min()) for (of, _), one in sensors.items() if of == device)
                for device, _ in sensors
            }
            sensors = {name: TimeSeries(one.time - begin[name[0]], one.values) for name, one in sensors.items()}
            recordings += aligned_recordings(
                f"s{subject}_{code}", subject, sensors, label, RATE, self.options.max_gap, self.options.modality, counts
            )
        return recordings

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return last_fifth(recordings)


def _read(source: Source, member: str, subject: int) -> dict[int, TimeSeries]:
    """The samples of one sensor by label. Each line ends in a semicolon."""
    text = DelimitedText(lambda: io.BytesIO(source.read(member).replace(b";", b"")), source.where(member))
    table = text.read(COLUMNS, TYPES)
    other = table["subject"].to_numpy() != subject
    if other.any():
        raise DataError(
            f"{text.where}:{text.line_of(int(np.argmax(other)))}: the subject is not {subject}, as in the file's name"
        )
    label = text.labels(table["activity"], LABEL_OF, "WISDM")
    time, values = table["time"].to_numpy() * 1e-9, table[["x", "y", "z"]].to_numpy()
    if not np.isfinite(time).all():
        raise DataError(f"{text.where}:{text.line_of(int(np.argmin(np.isfinite(time))))}: the time is missing")
    return {int(one): TimeSeries(time[label == one], values[label == one]) for one in np.unique(label)}
