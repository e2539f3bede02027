"""From files to windows: formats, alignment, resampling, labels, missing values, and each fault with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from harness.data.alignment import resampled
from harness.data.arrays import Arrays, ArraysOptions
from harness.data.cache import load
from harness.data.importing.config import Clock, ImportConfig, read_config
from harness.data.importing.importer import GrowingArray, import_folder
from harness.data.importing.labels import Track, from_samples
from harness.data.importing.times import seconds
from harness.errors import DataError

RATE = 10


def config(**changes: object) -> ImportConfig:
    content: dict[str, object] = {
        "files": "{subject}.csv",
        "modalities": {"x": {"columns": ["a"], "time": "t", "rate": RATE}},
        "subject": {"name": "subject"},
        "label": {"column": "label"},
        "windows": {"seconds": 1},
    }
    return ImportConfig.from_plain(content | changes)


def table(seconds: int = 4, **columns: object) -> pd.DataFrame:
    """Samples whose value is their number, half of them of each class."""
    n = seconds * RATE
    made = {"t": np.arange(n) / RATE, "a": np.arange(n), "label": ["rest"] * (n // 2) + ["walk"] * (n - n // 2)}
    return pd.DataFrame(made | columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("s1", "s2"):
        table().to_csv(tmp_path / "in" / f"{name}.csv", index=False)
    return tmp_path / "in"


def imported(folder: Path, of: ImportConfig, name: str = "out") -> dict[str, np.ndarray]:
    out = folder.parent / name
    import_folder(folder, of, out)
    return {path.stem: np.load(path) for path in out.glob("*.npy")}


def test_windows_labels_and_subjects(folder):
    made = imported(folder, config())
    assert made["x"].shape == (8, 10, 1)
    assert made["x"][1, :, 0].tolist() == list(range(10, 20))
    assert made["label"].tolist() == ["rest", "rest", "walk", "walk"] * 2
    assert made["subject"].tolist() == ["s1"] * 4 + ["s2"] * 4
    assert made["sample"][5] == "s2_w00001"
    recordings = load(Arrays(ArraysOptions(), "out"), folder.parent)
    assert (recordings.classes, recordings.subject_names) == (("rest", "walk"), ("s1", "s2"))
    assert isinstance(np.load(folder.parent / "out/x.npy", mmap_mode="r"), np.memmap)


def test_overlap_purity_and_the_null_class(folder):
    windows = {"seconds": 1, "overlap": 0.5, "purity": 0.8}
    made = imported(folder, config(windows=windows))
    assert len(made["label"]) == 2 * 6  # of 7 windows, one is half rest and half walk
    made = imported(folder, config(windows=windows | {"impure": "unlabelled"}), "impure")
    assert made["label"].tolist()[:7] == ["rest"] * 3 + [""] + ["walk"] * 3
    for choice, labels in {"drop": {"walk"}, "unlabelled": {"", "walk"}, "keep": {"rest", "walk"}}.items():
        made = imported(folder, config(null_labels=["rest"], null_class=choice), choice)
        assert set(made["label"].tolist()) == labels


@pytest.mark.parametrize("form", ["tsv", "parquet", "npy", "mat", "headless"])
def test_other_formats_hold_the_same(folder, form):
    wanted = imported(folder, config())
    other = folder.parent / form
    other.mkdir()
    changes: dict[str, object] = {"files": f"{{subject}}.{form}"}
    frame = table()
    numbers = frame.assign(label=(frame["label"] == "walk").astype(int))
    by_number = {"modalities": {"x": {"columns": [1], "time": 0, "rate": RATE}}, "label": {"column": 2}}
    for name in ("s1", "s2"):
        path = other / f"{name}.{form}"
        if form == "tsv":
            frame.to_csv(path, index=False, sep="\t")
        elif form == "parquet":
            frame.to_parquet(path)
        elif form == "npy":
            np.save(path, numbers.to_numpy(np.float64))
        elif form == "mat":
            savemat(path, {"data": numbers.to_numpy(np.float64), "about": np.ones(3)})
        else:
            frame.to_csv(other / f"{name}.csv", index=False, header=False)
    if form == "headless":
        changes = {"header": False}
    if form in ("npy", "mat", "headless"):
        changes |= by_number
    if form == "mat":
        with pytest.raises(
            DataError, match=r"no column '\d': known: about, data\.0, data\.1, data\.2; variable names one array"
        ):
            import_folder(other, config(**changes), folder.parent / "x")
        changes["variable"] = "data"
    made = imported(other, config(**changes), "made")
    np.testing.assert_array_equal(made["x"], wanted["x"])
    assert [str(one) for one in made["label"]] == [
        {"rest": "0", "walk": "1"}[one] if form in ("npy", "mat") else one for one in wanted["label"]
    ]


def test_one_long_table(folder):
    whole = pd.concat([table().assign(who=3, run=1), table().assign(who=3, run=2), table().assign(who=11, run=1)])
    whole.sample(frac=1, random_state=0).sort_values("t", kind="stable").to_csv(folder.parent / "all.csv", index=False)
    long = folder.parent / "long"
    long.mkdir()
    (folder.parent / "all.csv").rename(long / "all.csv")
    made = imported(long, config(files="all.csv", split_by=["who", "run"], subject={"column": "who"}))
    assert made["subject"].tolist() == [3] * 8 + [11] * 4
    assert made["recording"].tolist()[::4] == ["3_1", "3_2", "11_1"]
    with pytest.raises(
        DataError, match=r"several subjects \(11, 3\) in one recording; separate them with split_by: \[who\]"
    ):
        import_folder(long, config(files="all.csv", split_by=["run"], subject={"column": "who"}), folder.parent / "no")


def test_labels_and_subjects_from_tables(folder):
    pd.DataFrame({"trial": ["s1", "s2"], "person": ["anna", "bob"]}).to_csv(
        folder / "people.tsv", sep="\t", index=False
    )
    spans = {"trial": ["s1", "s1", "s2"], "label": ["sit", "run", "sit"], "from": [0, 2, 1], "to": [2, 3, 3]}
    pd.DataFrame(spans).to_parquet(folder / "labels.parquet")
    subject, label = (
        {"table": "people.tsv", "value": "person"},
        {"table": "labels.parquet", "start": "from", "end": "to"},
    )
    made = imported(folder, config(files="{trial}.csv", subject=subject, label=label))
    assert made["subject"].tolist() == ["anna"] * 4 + ["bob"] * 4
    assert made["label"].tolist() == ["sit", "sit", "run", "", "", "sit", "sit", ""]
    pd.DataFrame(spans | {"to": [2.5, 3, 3]}).to_parquet(folder / "labels.parquet")
    with pytest.raises(DataError, match="two intervals of trial s1 overlap"):
        import_folder(folder, config(files="{trial}.csv", subject=subject, label=label), folder.parent / "never")


def test_sensors_with_different_rates_and_clocks(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    time = np.arange(0, 20, 1 / 50)
    pd.DataFrame({"t": time * 1000 + 5000, "a": np.sin(2 * np.pi * 0.5 * (time + 5))}).to_csv(folder / "1_slow.csv")
    time = np.arange(0, 20, 1 / 200)
    stamps = pd.to_datetime((time + 3.0 - 1.0) * 1e9, utc=True).strftime("%Y-%m-%dT%H:%M:%S.%f")
    pd.DataFrame({"t": stamps, "a": np.sin(2 * np.pi * 0.5 * (time + 3))}).to_csv(folder / "1_fast.csv")
    modalities = {
        "slow": {"files": "{subject}_slow.csv", "columns": ["a"], "time": "t", "time_unit": "ms", "rate": 50},
        "fast": {
            "files": "{subject}_fast.csv", "columns": ["a"], "time": "t", "time_unit": "date", "rate": 200,
            "resample": 50, "offset": 1.0,
        },
    }  # fmt: skip
    made = imported(folder, config(files="{subject}_slow.csv", modalities=modalities, label=None))
    assert made["slow"].shape == made["fast"].shape == (18, 50, 1)
    np.testing.assert_allclose(made["fast"], made["slow"], atol=0.02)  # the same signal at the same time
    assert made["start"].tolist() == [5.0 + second for second in range(18)]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([(100, 50), (50, 20), (200, 64), (50, 100)]), st.floats(0.5, 4))
def test_resampling_keeps_slow_waves_and_removes_what_would_alias(rates, hertz):
    before, after = rates
    time, later = np.arange(10 * before) / before, np.arange(10 * after) / after
    slow = resampled(np.sin(2 * np.pi * hertz * time)[:, None], before, after)[:, 0]
    middle = slice(after, 9 * after)
    np.testing.assert_allclose(slow[middle], np.sin(2 * np.pi * hertz * later)[middle], atol=0.05)
    if after < before:
        fast = resampled(np.sin(2 * np.pi * 0.48 * before * time)[:, None], before, after)[:, 0]
        assert np.abs(fast[middle]).max() < 0.1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", ""]), min_size=3, max_size=60), st.integers(0, 40), st.integers(1, 20))
def test_the_label_of_a_window_is_that_of_most_of_its_samples(labels, first, length):
    first, length = min(first, len(labels) - 1), min(length, len(labels) - min(first, len(labels) - 1))
    track = from_samples(np.arange(len(labels)) / 10, np.array(labels, dtype=object), 10)
    text, share = track.most_common(first / 10, (first + length) / 10)
    inside = labels[first : first + length]
    assert inside.count(text) == max(inside.count(one) for one in inside)
    assert share == pytest.approx(inside.count(text) / length)


def test_what_no_interval_covers_has_no_label():
    track = Track(np.array([0.0, 5.0]), np.array([2.0, 6.0]), np.array(["a", "b"], dtype=object))
    assert track.most_common(0, 4) == ("a", 0.5)
    assert track.most_common(2, 4) == ("", 1.0)


def holes() -> pd.DataFrame:
    """Eight seconds with a missing value after 0.5 s and a gap of three samples after 3.2 s."""
    frame = table(8)
    return frame.drop(index=range(32, 35)).assign(a=lambda f: f["a"].where(f.index != 5))


def test_gaps_and_missing_values_are_counted(folder):
    for path in folder.iterdir():
        holes().to_csv(path, index=False)
    with pytest.raises(DataError, match=r"s1\.csv:7: a value is missing \(1 rows in all\); set missing.policy"):
        import_folder(folder, config(), folder.parent / "no")
    dropped = import_folder(folder, config(missing={"policy": "drop"}), folder.parent / "drop").counts
    assert (dropped["windows"], dropped["dropped_missing"], dropped["missing_values"]) == (16, 4, 2)
    filled = import_folder(folder, config(missing={"policy": "interpolate", "up_to": 2}), folder.parent / "some").counts
    assert (filled["dropped_missing"], filled["interpolated_samples"]) == (2, 2)
    made = imported(folder, config(missing={"policy": "interpolate", "up_to": 3}), "all")
    np.testing.assert_allclose(made["x"][:8, :, 0].ravel(), np.arange(80), atol=1e-4)
    assert not (folder.parent / "no").exists()
    counts = json.loads((folder.parent / "all/index.json").read_text())["import"]["counts"]
    assert counts["interpolated_samples"] == 8


def test_what_is_missing_at_the_ends_is_a_gap_too(folder):
    frame = table(8)
    for path in folder.iterdir():
        frame.assign(a=frame["a"].where((frame.index >= 5) & (frame.index < 75))).to_csv(path, index=False)
    made = import_folder(folder, config(missing={"policy": "drop"}), folder.parent / "drop").counts
    assert (made["windows"], made["dropped_missing"]) == (16, 4)
    made = import_folder(folder, config(missing={"policy": "interpolate", "up_to": 4}), folder.parent / "few").counts
    assert (made["dropped_missing"], made["interpolated_samples"]) == (4, 0)
    made = import_folder(folder, config(missing={"policy": "interpolate", "up_to": 5}), folder.parent / "all").counts
    assert (made["dropped_missing"], made["interpolated_samples"]) == (0, 20)


def test_a_time_that_leaps_is_named_instead_of_filling_the_memory(folder):
    for policy in ("drop", "interpolate"):
        table(4, t=np.r_[0, 1.7e9 + np.arange(39) / RATE]).to_csv(folder / "s2.csv", index=False)
        with pytest.raises(DataError, match=r"s2\.csv:3: the time leaps here by 1\.7e\+09 s, so that 40 samples are"):
            imported(folder, config(missing={"policy": policy}))


def test_clock_times_go_past_midnight(folder):
    times = [*(f"23:59:{58 + i / RATE}" for i in range(20)), *(f"0:00:0{i / RATE}" for i in range(20))]
    for path in folder.iterdir():
        table(4, t=times).to_csv(path, index=False)
    clock = {"columns": ["a"], "time": "t", "time_unit": "hms", "rate": RATE}
    made = imported(folder, config(modalities={"x": clock}))
    assert made["x"][:4, :, 0].ravel().tolist() == pytest.approx(list(range(40)), abs=1e-4)
    assert made["start"][:4].tolist() == pytest.approx([86398, 86399, 86400, 86401])
    rows = ["0:00:01,0:00:02,c", "23:59:59,0:00:01,b", "23:50:00,23:59:59,a"]  # in any order
    lines = [f"{subject},{row}" for subject in ("s1", "s2") for row in rows]
    (folder.parent / "labels.csv").write_text("\n".join(["subject,from,to,label", *lines]))
    label = {"table": "../labels.csv", "start": "from", "end": "to", "time_unit": "hms"}
    made = imported(folder, config(modalities={"x": clock}, label=label), "labelled")
    assert made["label"].tolist() == ["a", "b", "b", "c"] * 2


def test_durations_are_no_clock_times():
    durations = pd.Series(["13:00:00", "0:00:05"])
    assert seconds(durations, Clock(time_unit="hms"), RATE, str).tolist() == [46_800, 5]


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("Europe/Berlin", None),
        ("UTC", "no interval of subject s1 lies within the recording"),
        (None, r"labels\.csv: the dates have no time zone, but those of .*s1\.csv have one; time_zone names it"),
    ],
)
def test_dates_with_and_without_a_time_zone_are_not_mixed(folder, zone, message):
    dates = pd.date_range("2024-06-01 12:00", periods=40, freq="100ms").strftime("%Y-%m-%dT%H:%M:%S.%f+02:00")
    for path in folder.iterdir():
        table(4, t=dates).drop(columns="label").to_csv(path, index=False)
    rows = [f"{subject},2024-06-01 12:00:00,2024-06-01 13:00:00,a" for subject in ("s1", "s2")]
    (folder.parent / "in/labels").mkdir()
    (folder / "labels/labels.csv").write_text("\n".join(["subject,from,to,label", *rows]))
    clock = {"columns": ["a"], "time": "t", "time_unit": "date", "rate": RATE}
    label = {"table": "labels/labels.csv", "start": "from", "end": "to", "time_unit": "date", "time_zone": zone}
    of = config(modalities={"x": clock}, label=label)
    if message:
        with pytest.raises(DataError, match=message):
            imported(folder, of)
    else:
        assert imported(folder, of)["label"].tolist() == ["a"] * 8


def test_codes_are_whole_numbers_however_they_are_written(folder):
    codes = ["-1.0"] * 10 + ["0.0"] * 10 + ["1.0"] * 10 + ["2"] * 10
    for path in folder.iterdir():
        table(4, label=codes).to_csv(path, index=False)
    made = imported(folder, config(null_labels=[0], label={"column": "label", "rename": {"2.0": "two"}}))
    assert made["label"].tolist() == ["", "1", "two"] * 2


def test_intervals_that_follow_each_other_do_not_overlap_by_rounding(folder):
    start = 1.7e9 + 0.1
    for path in folder.iterdir():
        table(7, t=start + np.arange(70) / RATE).drop(columns="label").to_csv(path, index=False)
    rows = [f"{s},{start + 0.7 * i:.1f},0.7,{'ab'[i % 2]}" for s in ("s1", "s2") for i in range(10)]
    (folder.parent / "labels.csv").write_text("\n".join(["subject,from,for,label", *rows]))
    label = {"table": "../labels.csv", "start": "from", "duration": "for"}
    made = imported(folder, config(label=label, windows={"seconds": 0.7}))
    assert made["label"].tolist() == ["a", "b"] * 10


def test_a_name_that_no_study_could_use_is_refused_before_anything_is_read(folder):
    with pytest.raises(DataError, match="a data set can't be called 'my recordings'"):
        import_folder(folder, config(), folder.parent / "my recordings")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,a,label\n0,1,x\n0.1,oops,x\n", r"s1\.csv:3: a is 'oops', which is not a number"),
        ('t,a,label\n0,"1,5",x\n', r"s1\.csv:2: a is '1,5', which is not a number \(a decimal comma\?\)"),
        ("t,a,label\n0,1,x\n0.1,2,x,9,9\n0.2,3\n", r"s1\.csv:3: Expected 3 columns, got 5"),
        ("t,a,label\n0,1,x\n\n0.1,,x\n", r"s1\.csv:4: a value is missing"),
        ("t,a,label\n0,1,x\n0.1\n", r"s1\.csv:3: Expected 3 columns, got 1"),
        ("t,b,label\n0,1,x\n", r"s1\.csv: there is no column 'a': known: b, label, t"),
        ("t,a,label\n", r"s1\.csv: it has no rows"),
        ("", r"s1\.csv: it is empty"),
        (
            f"{'t' * 200_000},a,label\n0,1,x\n",
            r"s1\.csv: the line 'tttttttttttttttttttt'… can't be read \(field larger",
        ),
        ("t,a,label\n0,1,x\n0.1,1,x\n0.1,2,x\n", r"s1\.csv:4: the time repeats 0.100000 s"),
        ("t,a,label\n0,1,x\n0.1,1,x\n0.0,2,x\n", r"s1\.csv:4: the time goes back from 0.100000 s"),
        ("t,a,label\n0,1,x\n,1,x\n0.2,2,x\n", r"s1\.csv:3: the time is missing"),
        ("t,a,label\n0,1,x\n1,1,x\n2,2,x\n", "the time advances by 1 samples per second, but rate says 10"),
        ("t,a,label\n0,1,x\n0.1,1,x\n0.2,2,x\n0.9,2,x\n", r"s1\.csv:5: 6 samples are missing before it"),
        (
            "t,a,label\n0,1,x\n0.1,1,x\n0.2,2,x\n",
            "no window is left; recordings shorter than a window: 1|no window is left",
        ),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "s1.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        import_folder(tmp_path, config(), tmp_path.parent / "never")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": "{subject}.txt"}, "no file matches '{subject}.txt'; it has s1.csv, s2.csv"),
        ({"subject": {"table": "people.csv"}}, r"people\.csv: there is no such table"),
        ({"label": {"column": "lable"}}, "there is no column 'lable': did you mean 'label'"),
    ],
)
def test_what_is_not_there_is_named(folder, change, message):
    with pytest.raises(DataError, match=re.escape(message) if "matches" in message else message):
        import_folder(folder, config(**change), folder.parent / "never")


def test_two_spellings_of_a_class_are_refused(folder):
    table(label="Rest").to_csv(folder / "s2.csv", index=False)
    with pytest.raises(DataError, match="'rest' and 'Rest' differ only in case or spaces"):
        import_folder(folder, config(), folder.parent / "never")


def test_an_existing_folder_is_kept(folder):
    imported(folder, config())
    with pytest.raises(DataError, match="it exists already"):
        import_folder(folder, config(), folder.parent / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("windows: {seconds: 0}", r"import\.yaml:4: windows\.seconds: 0 should be greater than 0"),
        (
            "windows: {second: 1}",
            r"import\.yaml:4: windows\.second: there is no such option\n +did you mean 'seconds'\?",
        ),
        ("windows: {seconds: 0.001}", "a window of 0.001 s has no sample of x"),
        (
            "windows: {seconds: 1}\nlabel: {}",
            r"import\.yaml:5: label: {} needs exactly one of column, columns, name and table",
        ),
        ("windows: {seconds: 1}\nlabel: {name: who}", r"label\.name: files has no placeholder {who}; it has subject"),
        (
            "windows: {seconds: 1}\nmissing: {policy: ignore}",
            r"import\.yaml:5: missing\.policy: 'ignore' should be 'refuse'",
        ),
        ("windows: [", r"import\.yaml:5: invalid YAML"),
        (
            "windows: {seconds: 1}\nsubjekt: 1",
            r"import\.yaml:5: subjekt: there is no such option\n +did you mean 'subject'",
        ),
    ],
)
def test_faults_of_the_configuration_are_named_with_their_line(tmp_path, line, message):
    text = "files: '{subject}.csv'\nmodalities: {x: {columns: [a], rate: 10}}\nsubject: {name: subject}\n"
    (tmp_path / "import.yaml").write_text(text + line + "\n")
    with pytest.raises(DataError, match=message):
        read_config(tmp_path / "import.yaml")


def test_a_growing_array_is_a_plain_npy_file(tmp_path):
    array = GrowingArray(tmp_path / "x.npy", (4, 2))
    for number in range(1234):
        array.append(np.full((4, 2), number))
    array.close()
    assert np.load(tmp_path / "x.npy")[:, 0, 0].tolist() == list(range(1234))
