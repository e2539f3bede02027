"""OPPORTUNITY: gestures and locomotion of 4 subjects in a kitchen, recorded by sensors on the whole body at 30 Hz."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from harness.data.alignment import ModalityIs, SensorAt, by_modality
from harness.data.base import UNLABELLED, DataOptions, Dataset, DefaultSplit, Recordings
from harness.data.delimited import ColumnType, DelimitedText, single_spaces
from harness.data.files import Source, locate
from harness.data.splits import last_fifth
from harness.data.windows import LabelledWindowOptions, Recording, cut

LOCOMOTION = {1: "standing", 2: "walking", 4: "sitting", 5: "lying"}
GESTURES = {
    406516: "open door 1", 406517: "open door 2", 404516: "close door 1", 404517: "close door 2",
    406520: "open fridge", 404520: "close fridge", 406505: "open dishwasher", 404505: "close dishwasher",
    406519: "open drawer 1", 404519: "close drawer 1", 406511: "open drawer 2", 404511: "close drawer 2",
    406508: "open drawer 3", 404508: "close drawer 3", 408512: "clean table", 407521: "drink from cup",
    405506: "toggle switch",
}  # fmt: skip
NULL = 0
N_COLUMNS = 250
LABEL_COLUMN = {"locomotion": 243, "gestures": 249}  # from 0, as all columns here
CODES = {"locomotion": LOCOMOTION, "gestures": GESTURES}
# 12 accelerometers, then 5 inertial units with a quaternion each, then 2 inertial units in the shoes
ACCELEROMETERS = (
    "legs", "torso", "left_arm", "right_arm", "left_arm", "torso",
    "legs", "right_arm", "right_arm", "left_arm", "left_arm", "right_arm",
)  # fmt: skip  # RKN^, HIP, LUA^, RUA_, LH, BACK, RKN_, RWR, RUA^, LUA_, LWR, RH
UNITS = ("torso", "right_arm", "right_arm", "left_arm", "left_arm")  # BACK, RUA, RLA, LUA, LLA
UNIT = {"acc": 3, "gyro": 3, "mag": 3, "": 4}
SHOE = {"orientation": 3, "acc": 6, "gyro": 6, "compass": 1}  # Euler angles; twice in the frames of body and world
POSITIONS = ("torso", "right_arm", "left_arm", "legs")
SENSORS = ("acc", "gyro", "mag", "orientation")
PARTS = ("train", "validation", "test")
CHALLENGE = {  # (subject, run) → part, from 1
    **{(1, run): 1 for run in ("Drill", "ADL1", "ADL2", "ADL3", "ADL4", "ADL5")},
    **{(subject, run): 1 for subject in (2, 3) for run in ("Drill", "ADL1", "ADL2")},
    **{(subject, "ADL3"): 2 for subject in (2, 3)},
    **{(subject, run): 3 for subject in (2, 3) for run in ("ADL4", "ADL5")},
}


def _columns() -> dict[SensorAt, list[int]]:
    """The 113 columns of the sensors on the body: (position, sensor) → columns."""
    found: dict[SensorAt, list[int]] = {(position, sensor): [] for position in POSITIONS for sensor in SENSORS}
    column = 1  # column 0 is the time
    for position in ACCELEROMETERS:
        found[position, "acc"] += range(column, column + 3)
        column += 3
    for unit, parts in [*((position, UNIT) for position in UNITS), ("legs", SHOE), ("legs", SHOE)]:
        for part, n in parts.items():
            sensor = "orientation" if part == "compass" else part
            if sensor:
                found[unit, sensor] += range(column, column + n)
            column += n
    return {at: columns for at, columns in found.items() if columns}


COLUMNS = _columns()


class OpportunityOptions(LabelledWindowOptions):
    window: int = Field(30, ge=1, description="the length of a window in samples (30 per second)")
    stride: int = Field(15, ge=1, description="the distance between the starts of two windows, in samples")
    task: Literal["gestures", "locomotion"] = Field("gestures", description="which labels to use")
    null_class: bool = Field(False, description="make what is none of the activities a class, not unlabelled")
    modality: ModalityIs = "position"
    split_by: Literal["subjects", "challenge"] = Field(
        "subjects", description="split by subject, or by the runs of the challenge, whose parts then are the subjects"
    )


class Opportunity(Dataset):
    """OPPORTUNITY in its original layout ``OpportunityUCIDataset/dataset/S1-ADL1.dat`` …, unpacked or zipped.

    The modalities are by default torso (window, 15), right_arm (window, 30), left_arm (window, 30) and legs
    (window, 38): the 113 channels of the sensors on the body that the challenge uses, in the units of the files. By
    sensor they are acc (63), gyro (27), mag (15) and orientation (8). As in the literature, missing values are
    interpolated linearly within a run, and a channel without any value in a run is 0; both are counted. The
    classes are 17 gestures, or 4 modes of locomotion. What is none of them has no label, or is a class of its own.

    Source: Chavarriaga et al., Pattern Recognition Letters 34, 2013, and Roggen et al., INSS 2010. With ``split_by:
    challenge`` the split is that of the challenge with the validation runs of Ordóñez and Roggen, Sensors 2016: ADL3 of
    subjects 2 and 3 validate, ADL4 and ADL5 of them test, and subject 4 is not used.
    """

    name: ClassVar[str] = "opportunity"
    title: ClassVar[str] = "OPPORTUNITY: 17 gestures or 4 modes of locomotion, 4 subjects, sensors on the whole body"
    Options: ClassVar[type[DataOptions]] = OpportunityOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        names = ("OpportunityUCIDataset", "OpportunityUCIDataset.zip", "opportunity+activity+recognition.zip")
        return (locate(root, names, self.name),)

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        options, challenge = self.options, self.options.split_by == "challenge"
        counts: Counter[str] = Counter()
        recordings = []
        with Source(sources[0]) as outer, outer.within("OpportunityUCIDataset.zip") as source:
            runs = {(s, f"ADL{n}"): member for (s, n), member in source.find(r"S(\d+)-ADL(\d+)\.dat").items()}
            runs |= {(s, "Drill"): member for (s,), member in source.find(r"S(\d+)-Drill\.dat").items()}
            for (subject, run), member in sorted(runs.items()):
                if challenge and (subject, run) not in CHALLENGE:
                    continue
                values, label = self._read(source, member, counts)
                group = CHALLENGE[subject, run] if challenge else subject
                recordings.append(Recording(f"s{subject}_{run}", group, values, label))
        classes = [*CODES[options.task].values(), *(["null"] if options.null_class else [])]
        names = PARTS if challenge else ()
        return cut(recordings, classes, options, str(sources[0]), "runs", names, dict(counts))

    def _read(
        self, source: Source, member: str, counts: Counter[str]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:  # fmt: skip
        """The modalities of a run, and the label of each time step."""
        codes = CODES[self.options.task]
        label_of = {str(code): label for label, code in enumerate(codes)}
        label_of[str(NULL)] = len(codes) if self.options.null_class else UNLABELLED
        text = DelimitedText(lambda: io.BytesIO(single_spaces(source.read(member))), source.where(member), " ")
        label_column = str(LABEL_COLUMN[self.options.task])
        types: dict[str, ColumnType] = {str(one): "float32" for columns in COLUMNS.values() for one in columns}
        table = text.read([str(number) for number in range(N_COLUMNS)], {**types, label_column: "float64"})
        label = text.labels(table[label_column], label_of, "OPPORTUNITY")
        values = {
            at: np.stack([_filled(table[str(one)].to_numpy(), counts) for one in columns], axis=1)
            for at, columns in COLUMNS.items()
        }
        return by_modality(values, self.options.modality), label

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        if self.options.split_by == "challenge":
            return DefaultSplit(train=(1,), validation=(2,), test=(3,))
        return last_fifth(recordings)


def _filled(values: np.ndarray, counts: Counter[str]) -> np.ndarray:
    """One channel of a run, (n,), with missing values interpolated linearly, or 0 if it has no value."""
    there = np.isfinite(values)
    if there.all():
        return values
    counts["missing_values"] += int(np.count_nonzero(~there))
    if not there.any():
        counts["channels_of_a_run_without_a_value"] += 1
        return np.zeros_like(values)
    step = np.arange(len(values))
    return np.interp(step, step[there], values[there]).astype(np.float32)
