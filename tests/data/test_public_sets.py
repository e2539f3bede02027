"""Data sets in their original layouts, made small: windows, labels, alignment, and faults named by file and line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest

from harness import registry
from harness.data.cache import load
from harness.data.describe import describe
from harness.data.opportunity import COLUMNS, GESTURES
from harness.data.splits import Split, split_indices
from harness.errors import DataError

Layout = dict[str, bytes]


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def table(columns: list[np.ndarray], delimiter: str, end: str = "", header: str = "") -> bytes:
    """Text with one row per entry of the columns; whole numbers are written as such."""
    shown = [[str(v) if isinstance(v, str) else f"{v:.13g}" for v in np.asarray(one).tolist()] for one in columns]
    rows = [delimiter.join(row).replace("nan", "NaN") + end for row in zip(*shown, strict=True)]
    return "\n".join([*([header] if header else []), *rows, ""]).encode()


def pamap2() -> Layout:
    """Lying, then the transient activity, then sitting; the chest loses 1 s, and the heart has every 11th sample."""
    files = {}
    for subject in (101, 105, 106):
        n = 400
        columns = [np.full(n, float(column)) for column in range(54)]
        columns[0] = 8.38 + np.arange(n) / 100
        columns[1] = np.repeat([1, 0, 2], [150, 100, 150])
        columns[2] = np.where(np.arange(n) % 11 == 0, 100.0, np.nan)
        columns[4] = np.arange(n) * 1.0  # the hand's first acceleration
        columns[21 + 1] = np.where(np.arange(n) == 20, np.nan, 5.0)  # a sample of the chest is missing
        columns[21 + 2] = np.where((np.arange(n) >= 300) & (np.arange(n) < 399), np.nan, 6.0)
        files[f"PAMAP2_Dataset/Protocol/subject{subject}.dat"] = table(columns, " ")
    return files


def wisdm() -> Layout:
    """Two activities of two subjects; the watch has another clock, and subject 1602 has no gyroscope of the watch."""
    files = {}
    for subject in (1600, 1601, 1602):
        for device, offset in (("phone", 252207666810782), ("watch", 90426708196641)):
            for kind in ("accel", "gyro"):
                if (subject, device, kind) == (1602, "watch", "gyro"):
                    continue
                time = offset + np.arange(120) * 50_000_000
                x = np.tile(np.arange(60.0), 2) + 100 * (kind == "gyro")
                columns = [np.full(120, subject), np.repeat(["A", "S"], 60), time, x, x + 0.5, np.zeros(120)]
                name = f"wisdm-dataset/raw/{device}/{kind}/data_{subject}_{kind}_{device}.txt"
                files[name] = table(columns, ",", end=";")
    return files


def motion_sense() -> Layout:
    header = ",".join(
        ["", *(f"attitude.{a}" for a in ("roll", "pitch", "yaw"))]
        + [f"{what}.{axis}" for what in ("gravity", "rotationRate", "userAcceleration") for axis in "xyz"]
    )
    columns = [np.arange(45), *(np.full(45, column) + np.arange(45) / 100 for column in range(12))]
    return {
        f"A_DeviceMotion_data/{trial}/sub_{subject}.csv": table(columns, ",", header=header)
        for trial in ("dws_1", "dws_11", "ups_3", "wlk_7", "jog_9", "sit_5", "std_6")
        for subject in (1, 2)
    }


REALWORLD_NAMES = {"acc": "acc", "gyr": "Gyroscope"}


def realworld_har() -> Layout:
    """Two positions, 10 ms apart; climbing up was recorded in two parts, walking of subject 2 lacks a gyroscope."""
    files: Layout = {}
    for subject in (1, 2):
        for sensor, long in REALWORLD_NAMES.items():

            def of(activity: str, number: str = "", sensor: str = sensor, long: str = long) -> Layout:
                made = {}
                for position, late in (("chest", 0), ("waist", 10)):
                    time = 1435989000000 + late + np.arange(120) * 20
                    columns = [np.arange(120), time, np.arange(120.0), np.zeros(120), np.full(120, len(sensor + long))]
                    made[f"{long}_{activity}_{position}{number}.csv"] = table(
                        columns, ",", header="id,attr_time,attr_x,attr_y,attr_z"
                    )
                return made

            folder = f"realworld2016_dataset/proband{subject}/data"
            if (subject, sensor) != (2, "gyr"):
                files[f"{folder}/{sensor}_walking_csv.zip"] = zipped(of("walking"))
            files[f"{folder}/{sensor}_climbingup_csv.zip"] = zipped(
                {
                    f"{sensor}_climbingup_1_csv.zip": zipped(of("climbingup")),
                    f"{sensor}_climbingup_2_csv.zip": zipped(of("climbingup", "_2")),
                }
            )
            files[f"{folder}/mic_walking_csv.zip"] = b"not read"
    return files


def opportunity() -> Layout:
    files: Layout = {"OpportunityUCIDataset/dataset/label_legend.txt": b"not read"}
    for subject in (1, 2, 3, 4):
        for run in ("Drill", "ADL1", "ADL3", "ADL4"):
            columns = [np.full(60, float(column)) for column in range(250)]
            columns[1] = np.where(np.arange(60) == 30, np.nan, np.arange(60.0))
            columns[2] = np.full(60, np.nan)
            columns[243] = np.repeat([1, 5], 30)
            columns[249] = np.repeat([0, 404516], [20, 40])
            files[f"OpportunityUCIDataset/dataset/S{subject}-{run}.dat"] = table(columns, " ")
    return files


def hhar() -> Layout:
    """A phone at 100 Hz, with two samples swapped, one time repeated, a pause, and a part with the activity "null"."""
    header = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    files: Layout = {}
    for place in ("Phones", "Watch"):
        for sensor, late in (("accelerometer", 0), ("gyroscope", 5_000_000)):
            rows = []
            for user in "abc":
                n = 400
                created = 1424696631913248572 + late + np.arange(n) * 10_000_000
                created[300:] += 10**12
                created[[7, 8]] = created[[8, 7]]
                created[20] = created[19]
                labels = np.repeat(["stand", "null", "stairsup", "bike"], 100)
                device = "nexus4_1" if place == "Phones" else "gear_1"
                for i in range(n):
                    values = f"{i},{created[i] // 10**6},{created[i]},{i / 10},0.5,9.8"
                    rows.append(f"{values},{user},{device[:-2]},{device},{labels[i]}")
            files[f"Activity recognition exp/{place}_{sensor}.csv"] = "\n".join([header, *rows, ""]).encode()
    return files


LAYOUTS = {
    "pamap2": pamap2, "wisdm": wisdm, "motion-sense": motion_sense, "realworld-har": realworld_har,
    "opportunity": opportunity, "hhar": hhar,
}  # fmt: skip
OPTIONS: dict[str, dict[str, object]] = {
    "pamap2": {"window": 50, "stride": 50, "heart_rate": True},
    "wisdm": {"window": 20, "stride": 20},
    "motion-sense": {"window": 20, "stride": 20},
    "realworld-har": {"window": 50, "stride": 50, "positions": ["chest", "waist"]},
    "opportunity": {"window": 20, "stride": 20},
    "hhar": {"window": 25, "stride": 25},
}
WRAPPED = {
    "pamap2": ("pamap2+physical+activity+monitoring.zip", "PAMAP2_Dataset.zip"),
    "wisdm": ("wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip", "wisdm-dataset.zip"),
    "motion-sense": ("motion-sense-master.zip", "motion-sense-master/data/A_DeviceMotion_data.zip"),
    "realworld-har": ("realworld2016_dataset.zip", None),
    "opportunity": ("opportunity+activity+recognition.zip", None),
    "hhar": ("heterogeneity+activity+recognition.zip", "Activity recognition exp.zip"),
}


def made(name: str, **options: object):
    cls = registry.get("datasets", name)
    return cls(cls.Options.from_plain({**OPTIONS[name], **options}))


@pytest.mark.parametrize("name", LAYOUTS)
def test_folder_and_zip_are_the_same(name, unpack, pack):
    files, (outer, inner) = LAYOUTS[name](), WRAPPED[name]
    dataset = made(name)
    recordings = load(dataset, unpack(files))
    content = {inner: zipped(files)} if inner else files
    assert load(dataset, pack(content, outer)).fingerprint == recordings.fingerprint
    parts = split_indices(recordings, Split(), dataset.default_split(recordings))
    assert len(parts["train"]) > 0
    assert len(parts["test"]) > 0
    assert describe(dataset, recordings)["samples"] == recordings.n_samples


def test_a_window_longer_than_all_recordings(unpack):
    with pytest.raises(DataError, match="all trials are shorter than a window of 1000 samples"):
        load(made("motion-sense", window=1000), unpack(motion_sense()))


def test_pamap2(unpack):
    recordings = load(made("pamap2"), unpack(pamap2()))
    assert {m.name: m.shape for m in recordings.modalities} == {
        "hand": (50, 9), "chest": (50, 9), "ankle": (50, 9), "heart_rate": (50, 1),
    }  # fmt: skip
    of_one = recordings.subject == 101
    assert recordings.label[of_one].tolist() == [0, 0, 0, -1, -1, 1]  # and the gap of 1 s has no window
    hand = recordings.arrays["hand"][0]
    np.testing.assert_allclose(hand[:, 0], np.arange(50), atol=1e-3)
    assert hand[0, 1:].tolist() == [5, 6, 10, 11, 12, 13, 14, 15]  # without the second accelerometer
    assert recordings.arrays["chest"][0, 20].tolist() == [21, 5, 6, 27, 28, 29, 30, 31, 32]  # the lost sample
    assert (recordings.arrays["heart_rate"] == 100).all()
    assert recordings.classes[:2] == ("lying", "sitting")
    assert recordings.notes["missing_samples"] == 3 * 100
    by_sensor = load(made("pamap2", modality="sensor", heart_rate=False, keep_unlabelled=False), unpack(pamap2()))
    assert {m.name: m.shape[1] for m in by_sensor.modalities} == {"acc": 9, "gyro": 9, "mag": 9}
    assert (by_sensor.label >= 0).all()


def test_wisdm(unpack):
    recordings = load(made("wisdm"), unpack(wisdm()))
    assert [m.name for m in recordings.modalities] == ["phone_acc", "phone_gyro", "watch_acc", "watch_gyro"]
    assert recordings.notes["subjects_without_a_sensor"] == 1
    assert np.unique(recordings.subject).tolist() == [1600, 1601]
    assert recordings.classes[-1] == "folding clothes"
    assert set(recordings.label.tolist()) == {0, 17}
    for name in ("phone_acc", "watch_acc"):  # both clocks begin with the activity
        np.testing.assert_allclose(recordings.arrays[name][1, :, 0], np.arange(20, 40), atol=1e-3)


def test_motion_sense(unpack):
    recordings = load(made("motion-sense", modalities=["acc", "gravity"]), unpack(motion_sense()))
    assert len(recordings.label) == 2 * 14
    np.testing.assert_allclose(recordings.arrays["acc"][1, 0], [9.2, 10.2, 11.2], atol=1e-5)
    np.testing.assert_allclose(recordings.arrays["gravity"][0, 0], [3, 4, 5], atol=1e-5)
    assert recordings.sample[0] == "s1_dws1_p0_w000"


def test_realworld(unpack):
    recordings = load(made("realworld-har"), unpack(realworld_har()))
    assert {m.name: m.shape for m in recordings.modalities} == {"chest": (50, 6), "waist": (50, 6)}
    assert recordings.notes["recordings_without_a_sensor"] == 1
    assert sorted({name.split("_p")[0] for name in recordings.sample.tolist()}) == [
        "s1_climbingup_1", "s1_climbingup_2", "s1_walking_1", "s2_climbingup_1", "s2_climbingup_2",
    ]  # fmt: skip
    difference = recordings.arrays["chest"][0, :, 0] - recordings.arrays["waist"][0, :, 0]
    np.testing.assert_allclose(difference, 0.5, atol=1e-4)  # 10 ms of 20 ms


def test_opportunity(unpack):
    columns = [column for some in COLUMNS.values() for column in some]
    assert len(set(columns)) == len(columns) == 113
    assert {46, 49, 59, 72, 85, 98, 101, 134} & set(columns) == set()  # the quaternions, and the objects' sensors
    recordings = load(made("opportunity"), unpack(opportunity()))
    assert {m.name: m.shape[1] for m in recordings.modalities} == {
        "torso": 15, "right_arm": 30, "left_arm": 30, "legs": 38,
    }  # fmt: skip
    close = list(GESTURES.values()).index("close door 1")
    assert recordings.label[:3].tolist() == [-1, close, close]
    legs = recordings.arrays["legs"][:3, :, :3].reshape(60, 3)
    assert legs[:, 0].tolist() == list(range(60))  # with the missing value interpolated
    assert (legs[:, 1] == 0).all()
    assert recordings.notes["channels_of_a_run_without_a_value"] == 16
    dataset = made("opportunity", split_by="challenge", task="locomotion", null_class=True, modality="sensor")
    recordings = load(dataset, unpack(opportunity()))
    assert {m.name: m.shape[1] for m in recordings.modalities} == {"acc": 63, "gyro": 27, "mag": 15, "orientation": 8}
    assert recordings.classes == ("standing", "walking", "sitting", "lying", "null")
    parts = split_indices(recordings, Split(), dataset.default_split(recordings))
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 8 * 3, "validation": 6, "test": 6}
    assert recordings.subject_names == ("train", "validation", "test")


def test_hhar(unpack):
    recordings = load(made("hhar"), unpack(hhar()))
    assert recordings.subject_names == ("a", "b", "c")
    of_one = recordings.subject == 1
    assert recordings.label[of_one].tolist() == [2, 2, -1, -1, 4, 4, 0, 0]
    assert (recordings.notes["stretches"], recordings.notes["repeated_times"]) == (6, 6)
    begin = {name: recordings.arrays[name][1, 0, 0] for name in ("acc", "gyro")}
    assert begin == pytest.approx({"acc": 5.05, "gyro": 5.0}, abs=1e-3)  # at the time of the first sample of both
    np.testing.assert_allclose(np.diff(recordings.arrays["acc"][1, :, 0]), 0.2, atol=1e-3)  # from 100 to 50 Hz
    both = load(made("hhar", devices="both", clock="arrival"), unpack(hhar()))
    assert both.n_samples > 1.8 * recordings.n_samples


FAULTS = {
    "pamap2": [
        ("Protocol/subject101.dat", 3, lambda row: row + b" 1", r"subject101\.dat:3: .*54.*55"),
        ("Protocol/subject101.dat", 2, lambda row: row.replace(b" 1 ", b" 77 ", 1), r"\.dat:2: there is no activity '77'"),
    ],
    "wisdm": [
        ("phone/accel/data_1600_accel_phone.txt", 4, lambda row: row.replace(b"3,", b"3x,", 1), "data_1600_accel_phone.txt:4"),
        ("watch/gyro/data_1600_gyro_watch.txt", 5, lambda row: row.replace(b",A,", b",N,"), r"watch\.txt:5: there is no activity 'N'"),
        ("watch/gyro/data_1600_gyro_watch.txt", 6, lambda row: row.replace(b"1600,", b"1601,"), r"watch\.txt:6: the subject is not 1600"),
    ],
    "motion-sense": [
        ("dws_1/sub_1.csv", 3, lambda row: row + b",", r"dws_1/sub_1\.csv:3: "),
        ("dws_1/sub_1.csv", 1, lambda row: row.replace(b"userA", b"a"), r"sub_1\.csv:1: there is no column 'userAcceleration\.x'"),
    ],
    "opportunity": [
        ("dataset/S1-ADL1.dat", 9, lambda row: row[:-5], r"S1-ADL1\.dat:9: "),
        ("dataset/S1-ADL1.dat", 30, lambda row: row.replace(b"404516", b"404599"), r"\.dat:30: there is no activity '404599'"),
    ],
    "hhar": [
        ("Phones_accelerometer.csv", 12, lambda row: row.replace(b"stand", b"stood"), r"\.csv:12: there is no activity 'stood'"),
        ("Phones_gyroscope.csv", 12, lambda row: row.replace(b"9.8", b"high"), r"gyroscope\.csv:12: z is 'high', which is not a number"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_faults_are_named_by_file_and_line(name, fault, unpack):
    file, line, change, message = fault
    files = LAYOUTS[name]()
    member = next(one for one in files if one.endswith(file))
    rows = files[member].split(b"\n")
    changed = change(rows[line - 1])
    assert changed != rows[line - 1]
    rows[line - 1] = changed
    with pytest.raises(DataError, match=message):
        load(made(name), unpack({**files, member: b"\n".join(rows)}))


def test_a_fault_inside_nested_zip_files_is_named(unpack):
    files = realworld_har()
    member = "realworld2016_dataset/proband1/data/acc_walking_csv.zip"
    broken = zipped(
        {"acc_walking_chest.csv": b"id,attr_time,attr_x,attr_y,attr_z\n0,1435989000000,1,2,3\n1,soon,1,2,3\n"}
    )
    with pytest.raises(DataError, match=r"acc_walking_csv\.zip/acc_walking_chest\.csv:3: attr_time is 'soon'"):
        load(made("realworld-har"), unpack({**files, member: broken}))
    with pytest.raises(DataError, match=r"acc_walking_csv\.zip: not a readable zip file"):
        load(made("realworld-har"), unpack({**files, member: b"PK rubbish"}))
