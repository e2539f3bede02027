"""RealWorld-HAR: 8 activities of 15 subjects, recorded outdoors by devices at seven positions of the body."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from harness.data.alignment import MaxGap, ModalityIs, SensorAt, TimeSeries, aligned_recordings
from harness.data.base import DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import DelimitedText
from harness.data.files import Source, locate
from harness.data.splits import last_fifth
from harness.data.windows import Recording, WindowOptions, cut
from harness.errors import DataError

ACTIVITIES = {
    "climbingdown": "climbing down", "climbingup": "climbing up", "jumping": "jumping", "lying": "lying",
    "running": "running", "sitting": "sitting", "standing": "standing", "walking": "walking",
}  # fmt: skip
Position = Literal["chest", "forearm", "head", "shin", "thigh", "upperarm", "waist"]
POSITIONS: tuple[Position, ...] = ("chest", "forearm", "head", "shin", "thigh", "upperarm", "waist")
SENSORS = {"acc": "acc", "gyr": "gyro", "mag": "mag"}  # the first letters of files' names → sensor
RATE = 50
FILE = re.compile(
    rf"(?P<sensor>acc|gyr|mag)[a-z]*_(?P<activity>{'|'.join(ACTIVITIES)})_(?:(?P<first>\d{{1,3}})_)?"
    rf"(?P<position>{'|'.join(POSITIONS)})(?:_(?P<last>\d{{1,3}}))?\.csv",
    re.IGNORECASE,
)
ARCHIVE = re.compile(rf"({'|'.join(SENSORS)})[a-z]*_(?:{'|'.join(ACTIVITIES)})_(?:\d{{1,3}}_)?csv\.zip", re.IGNORECASE)
Key = tuple[int, str, int]
"""The subject, the activity and the number of the recording."""


class RealWorldOptions(WindowOptions):
    window: int = Field(128, ge=1, description="the length of a window in samples (50 per second)")
    stride: int = Field(64, ge=1, description="the distance between the starts of two windows, in samples")
    positions: tuple[Position, ...] = Field(POSITIONS, min_length=1, description="the positions to use")
    sensors: tuple[Literal["acc", "gyro", "mag"], ...] = Field(
        ("acc", "gyro"), min_length=1, description="the sensors to use"
    )
    modality: ModalityIs = "position"
    max_gap: MaxGap = 0.5


class RealWorldHar(Dataset):
    """RealWorld-HAR in its original layout ``proband1/data/acc_walking_csv.zip`` …, unpacked or zipped.

    The modalities are by default the seven positions chest, forearm, head, shin, thigh, upperarm and waist, each
    (window, 6): acceleration with gravity in m/s² and rotation in rad/s; the sensor mag is the magnetic field in µT.
    Each position has a device and files of its own, ``acc_walking_chest.csv`` with the columns ``attr_time`` (ms) and
    ``attr_x`` to ``attr_z``. They are aligned by their time and resampled to 50 Hz. Activities that were recorded in
    parts have zip files inside zip files. A recording that lacks a file is left out and counted.

    Source: Sztyler and Stuckenschmidt, PerCom 2016. The default split, the last fifth of the subjects, is ours.
    """

    name: ClassVar[str] = "realworld-har"
    title: ClassVar[str] = "RealWorld-HAR: 8 activities, 15 subjects, devices at seven positions"
    Options: ClassVar[type[DataOptions]] = RealWorldOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        names = ("realworld2016_dataset", "realworld2016_dataset.zip", "RealWorld2016", "RealWorld2016.zip")
        return (locate(root, names, self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        options = self.options
        counts: Counter[str] = Counter()
        wanted = [(p, s) for p in dict.fromkeys(options.positions) for s in dict.fromkeys(options.sensors)]
        found: dict[Key, dict[SensorAt, TimeSeries]] = defaultdict(dict)
        with Source(sources[0]) as source:
            for key, sensor, text in _files(source, "", options.sensors):
                if sensor in found[key]:
                    raise DataError(f"{text.where}: another file has the same recording of {' '.join(sensor)}")
                if sensor in wanted:
                    found[key][sensor] = _read(text)
        recordings: list[Recording] = []
        for (subject, activity, number), sensors in sorted(found.items()):
            if len(sensors) < len(wanted):
                counts["recordings_without_a_sensor"] += 1
                continue
            name, label = f"s{subject}_{activity}_{number}", list(ACTIVITIES).index(activity)
            recordings += aligned_recordings(
                name, subject, {one: sensors[one] for one in wanted}, label, RATE, options.max_gap, options.modality,
                counts,
            )  # fmt: skip
        return cut(recordings, tuple(ACTIVITIES.values()), options, str(sources[0]), "recordings", notes=dict(counts))

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return last_fifth(recordings)


def _files(source: Source, path: str, sensors: Container[str]) -> Iterator[tuple[Key, SensorAt, DelimitedText]]:
    """All recordings of the sensors below a folder or zip file, and those in the zip files inside.

    path: of the source inside the data set.
    """
    for member in source.members():
        name, full = PurePosixPath(member).name, f"{path}/{member}"
        archive, file = ARCHIVE.fullmatch(name), FILE.fullmatch(name)
        if archive and SENSORS[archive[1].lower()] in sensors:
            with source.inner(member) as inner:
                yield from _files(inner, full, sensors)
        elif file and SENSORS[file["sensor"].lower()] in sensors:
            subjects, numbers = re.findall(r"proband(\d{1,3})/", full), re.findall(r"_(\d{1,3})_csv(?:\.zip)?/", full)
            if not subjects:
                raise DataError(f"{source.where(member)}: it is in no folder proband1 to proband15")
            number = file["first"] or file["last"] or (numbers[-1] if numbers else "1")
            key = (int(subjects[-1]), file["activity"].lower(), int(number))
            at = (file["position"].lower(), SENSORS[file["sensor"].lower()])
            yield key, at, DelimitedText(partial(source.open, member), source.where(member), header=True)


def _read(text: DelimitedText) -> TimeSeries:
    table = text.read_named({"attr_time": "float64", "attr_x": "float32", "attr_y": "float32", "attr_z": "float32"})
    return TimeSeries(table["attr_time"].to_numpy() / 1000, table[["attr_x", "attr_y", "attr_z"]].to_numpy())
