"""HHAR: 6 activities of 9 subjects, recorded by phones and watches of several models, each at a rate of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.alignment import MaxGap, TimeSeries, aligned_recordings
from harness.data.base import UNLABELLED, DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import ColumnType, DelimitedText
from harness.data.files import Source, locate
from harness.data.splits import last_fifth
from harness.data.windows import LabelledWindowOptions, Recording, cut
from harness.errors import DataError

ACTIVITIES = {
    "bike": "biking", "sit": "sitting", "stand": "standing", "walk": "walking", "stairsup": "stairs up",
    "stairsdown": "stairs down",
}  # fmt: skip
LABEL_OF = {**{code: label for label, code in enumerate(ACTIVITIES)}, "null": UNLABELLED}
RATE = 50
DEVICES = {"phones": "Phones", "watches": "Watch"}
SENSORS = {"acc": "accelerometer", "gyro": "gyroscope"}
CLOCKS = {"creation": ("Creation_Time", 1e-9), "arrival": ("Arrival_Time", 1e-3)}  # column, seconds per unit


class HharOptions(LabelledWindowOptions):
    window: int = Field(250, ge=1, description="the length of a window in samples (50 per second)")
    stride: int = Field(125, ge=1, description="the distance between the starts of two windows, in samples")
    devices: Literal["phones", "watches", "both"] = Field("phones", description="the devices to use")
    clock: Literal["creation", "arrival"] = Field(
        "creation", description="the time of a sample: when the device measured it, or when the application got it"
    )
    max_gap: MaxGap = 0.5


class Hhar(Dataset):
    """HHAR in its original layout ``Activity recognition exp/Phones_accelerometer.csv`` …, unpacked or zipped.

    The modalities are acc (window, 3), with gravity in m/s², and gyro (window, 3) in rad/s, of one device. Each subject
    wore several devices at once, and the recordings of each of them are samples of their own. The two sensors of a
    device are aligned by its own clock, samples out of order are sorted, repeated times are counted and used once, and
    rates from 50 to 200 Hz are resampled to 50 Hz. The activity "null" has no label. A device without one of the two
    sensors is left out and counted.

    Source: Stisen et al., SenSys 2015. DeepSense (Yao et al., WWW 2017) tests each subject once; the default split, the
    last fifth of the subjects, is ours.
    """

    name: ClassVar[str] = "hhar"
    title: ClassVar[str] = "HHAR: 6 activities, 9 subjects, phones and watches, accelerometer and gyroscope"
    Options: ClassVar[type[DataOptions]] = HharOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        names = ("Activity recognition exp", "Activity recognition exp.zip", "heterogeneity+activity+recognition.zip")
        return (locate(root, names, self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        chosen, options = self.options.devices, self.options
        counts: Counter[str] = Counter()
        recordings: list[tuple[str, Recording]] = []
        with Source(sources[0]) as outer, outer.within("Activity recognition exp.zip") as source:
            for word in [word for name, word in DEVICES.items() if chosen in (name, "both")]:
                acc, gyro = (_read(source, f"{word}_{file}.csv", options.clock) for file in SENSORS.values())
                counts["devices_without_a_sensor"] += len(acc.keys() ^ gyro.keys())
                for user, device in sorted(acc.keys() & gyro.keys()):
                    sensors = {("", "acc"): acc[user, device][0], ("", "gyro"): gyro[user, device][0]}
                    recordings += [
                        (user, one)
                        for one in aligned_recordings(
                            f"{user}_{device}",
                            0,
                            sensors,
                            acc[user, device][1],
                            RATE,
                            options.max_gap,
                            "sensor",
                            counts,
                        )
                    ]
        users = sorted({user for user, _ in recordings})
        numbered = [replace(one, subject=users.index(user) + 1) for user, one in recordings]
        return cut(numbered, tuple(ACTIVITIES.values()), options, str(sources[0]), "recordings", users, dict(counts))

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return last_fifth(recordings)


def _read(source: Source, name: str, clock: str) -> dict[tuple[str, str], tuple[TimeSeries, TimeSeries]]:
    """(user, device) → the samples of one sensor, and their labels."""
    member = next((one for one in source.members() if one.split("/")[-1] == name), None)
    if member is None:
        raise DataError(f"{source.path}: there is no {name}")
    column, seconds = CLOCKS[clock]
    types: Mapping[str, ColumnType] = {
        column: "float64", "x": "float32", "y": "float32", "z": "float32", "User": "text", "Device": "text",
        "gt": "text",
    }  # fmt: skip
    text = DelimitedText(partial(source.open, member), source.where(member), header=True)
    table = text.read_named(types)
    label = text.labels(table["gt"], LABEL_OF, "HHAR")
    time, values = table[column].to_numpy(np.float64) * seconds, table[["x", "y", "z"]].to_numpy()
    if not (there := np.isfinite(time)).all():
        raise DataError(f"{text.where}:{text.line_of(int(np.argmin(there)))}: the {column} is missing")
    found = {}
    for user, device in table[["User", "Device"]].drop_duplicates().astype(str).itertuples(index=False, name=None):
        of = np.flatnonzero((table["User"] == user) & (table["Device"] == device))
        found[user, device] = (TimeSeries(time[of], values[of]), TimeSeries(time[of], label[of]))
    return found
