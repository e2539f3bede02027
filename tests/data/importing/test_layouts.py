"""Folders as people have them: the first draft of each imports the same windows as plain CSV files."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from harness.cli import app
from harness.data.importing import importer
from harness.data.importing.config import ImportConfig, ModalityFiles, ValueSource, read_config
from harness.data.importing.draft import draft
from harness.data.importing.importer import Imported, import_folder
from harness.errors import DataError

RATE, SECONDS = 50, 8
PEOPLE = ("s1", "s2")
N = RATE * SECONDS
TIME = np.arange(N) / RATE
ACC = {
    person: np.random.default_rng(number).normal(size=(N, 3)).round(4).astype(np.float32)
    for number, person in enumerate(PEOPLE)
}
LABEL = np.repeat(["walking", "sitting", ""], [200, 100, 100])
SPANS = [("walking", 0.0, 4.0), ("sitting", 4.0, 6.0)]
NAMES = ["acc x", "acc y", "acc z"]


def frame(person: str, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(NAMES, ACC[person].T, strict=True)) | columns)


def german_spreadsheet(folder: Path) -> None:
    """One long table with decimal commas, the day first and a code page of Windows."""
    stamps = pd.Timestamp("2024-05-03 23:59:57", tz="Europe/Berlin") + pd.to_timedelta(TIME, unit="s")
    text = [stamp.strftime("%d.%m.%Y %H:%M:%S.%f%z").replace(".000000", "") for stamp in stamps]
    whole = pd.concat([frame(person, Zeitstempel=text, Tätigkeit=LABEL, Proband=person) for person in PEOPLE])
    whole.to_csv(folder / "Messung Büro (1).csv", sep=";", decimal=",", encoding="cp1252", index=False)


def utf16_with_units(folder: Path) -> None:
    """Unicode text of a spreadsheet with a row of units."""
    for person in PEOPLE:
        table = frame(person, Time=TIME, Activity=LABEL).astype(object)
        units = pd.DataFrame([dict(zip(table.columns, ["g", "g", "g", "s", ""], strict=True))])
        pd.concat([units, table]).to_csv(folder / f"{person}_day1.txt", sep="\t", encoding="utf-16", index=False)


def two_clocks(folder: Path) -> None:
    """A folder for each recording: nanoseconds since 1970 in one file, seconds in the other; instants of labels."""
    for number, person in enumerate(PEOPLE):
        inside = folder / f"v1-user{number + 1} Küche-2024-05-0{number + 1}"
        inside.mkdir()
        since = 1_714_000_000_000_000_000 + number * 10**15
        frame(person, time=since + (TIME * 1e9).astype(np.int64)).to_csv(inside / "Accelerometer.csv", index=False)
        gyro = pd.DataFrame({"Time (s)": np.arange(2 * N) / 100, "Gyro (rad/s)": np.zeros(2 * N)})
        gyro.to_csv(inside / "Gyroscope.csv", index=False)
        notes = {"time": [since, since + 4 * 10**9, since + 6 * 10**9], "seconds_elapsed": [0.0, 4.0, 6.0]}
        pd.DataFrame(notes | {"text": ["walking", "sitting", ""]}).to_csv(inside / "Annotation.csv", index=False)


def nested_structs(folder: Path) -> None:
    codes = np.select([LABEL == "walking", LABEL == "sitting"], ["walking", "sitting"], "").astype(object)
    for person in PEOPLE:
        content = {"acc": {"values": ACC[person], "t": TIME}, "label": codes, "gyro": {"values": np.zeros((9, 2))}}
        savemat(folder / f"{person}.mat", {"data": content, "fs": 50.0})


def intervals_for_all(folder: Path) -> None:
    """Arrays, and one table of intervals that names their files."""
    for person in PEOPLE:
        np.save(folder / f"{person}.npy", ACC[person])
    rows = [(f"{person}.npy", start, end, name) for person in PEOPLE for name, start, end in SPANS]
    pd.DataFrame(rows, columns=["file", "start", "end", "label"]).to_csv(folder / "labels.csv", sep=";", index=False)


def intervals_of_each(folder: Path) -> None:
    """For each recording a table without names of columns, as programs for annotation write it."""
    for person in PEOPLE:
        frame(person, t_ms=TIME * 1000).to_csv(folder / f"{person}.csv", index=False)
        lines = [f"activity\t\t0:00:0{start}\t0:00:0{end}\t{name}\n" for name, start, end in SPANS]
        (folder / f"{person}_tiers.txt").write_text("".join(lines))


def parquet_with_index(folder: Path) -> None:
    """Folders of a partition, an index of dates, nullable integers and categories."""
    for person in PEOPLE:
        inside = folder / f"user={person[1:]}"
        inside.mkdir()
        table = frame(person, activity=pd.Categorical(np.where(LABEL == "", None, LABEL)))
        table["count"] = pd.array(np.arange(N), dtype="Int64")
        table.index = pd.DatetimeIndex(pd.Timestamp("2024-01-01") + pd.to_timedelta(TIME, unit="s"), name="timestamp")
        table.to_parquet(inside / "part-0.parquet")


def one_hot(folder: Path) -> None:
    for person in PEOPLE:
        columns = {name: (name == LABEL).astype(int) for name in ("walking", "sitting")}
        frame(person, time=TIME, **columns).to_csv(folder / f"{person}.csv", index=False)


def lines_before_the_names(folder: Path) -> None:
    """Date and time in two columns, and a table of labels by number, without the zeros of the files' names."""
    dates = pd.Timestamp("2024-05-03 14:05:06") + pd.to_timedelta(TIME, unit="s")
    for number, person in enumerate(PEOPLE, 1):
        table = frame(person, Date=dates.strftime("%d.%m.%Y"), Time=dates.strftime("%H:%M:%S.%f"))
        text = f"Serial number, 17\n\nFirmware 2\n{table.to_csv(index=False)}"
        (folder / f"00{number} (2024)RAW.csv").write_text(text)
    rows = [
        (number, name, *(dates[0] + pd.Timedelta(seconds=one) for one in (start, end)))
        for number in (1, 2)
        for name, start, end in SPANS
    ]
    pd.DataFrame(rows, columns=["id", "label", "start", "end"]).to_csv(folder / "diary.csv", index=False)


def wristband(folder: Path) -> None:
    """No names of columns: the first line is the start, the second the rate."""
    for person in PEOPLE:
        (folder / person).mkdir()
        np.savetxt(
            folder / person / "ACC.csv", ACC[person], "%.4f", ",", header="1.7e9,1.7e9,1.7e9\n50,50,50", comments=""
        )
        eda = np.r_[np.zeros(8), np.ones(32)]  # from two seconds earlier
        np.savetxt(folder / person / "EDA.csv", eda, "%.4f", header="1699999998\n4.0", comments="")
    rows = [(person, name, start, end) for person in PEOPLE for name, start, end in SPANS]
    pd.DataFrame(rows, columns=["id", "label", "start", "end"]).to_csv(folder / "labels.csv", index=False)


def sensors_in_rows(folder: Path) -> None:
    """The rows of all sensors in the order of their times, each of which ends with a delimiter."""
    for person in PEOPLE:
        of = {"a": {"sensor": "Accelerometer", "activity": LABEL}, "g": {"sensor": "Gyroscope", "activity": LABEL}}
        both = pd.concat([frame(person, ms=TIME * 1000, **of["a"]), frame(person, ms=TIME * 1000, **of["g"])])
        text = both.sort_values("ms").to_csv(index=False).replace("\n", ",\n")
        (folder / f"{person}.csv").write_text(text.replace(",\n", "\n", 1))


def arrays_of_two_rates(folder: Path) -> None:
    for person in PEOPLE:
        gyro = np.zeros((2 * N, 3))
        np.savez(folder / f"{person}.npz", acc=ACC[person], gyro=gyro, time=TIME, label=LABEL.astype(str))


def whole_seconds(folder: Path) -> None:
    """Dates in a column of any name, which are the same for all samples of a second."""
    stamps = (pd.Timestamp("2024-05-03 10:00") + pd.to_timedelta(np.floor(TIME), unit="s")).strftime(
        "%m/%d/%Y %H:%M:%S"
    )
    for person in PEOPLE:
        frame(person, When=stamps, activity_name=LABEL).to_csv(folder / f"trial_{person}.csv", index=False)


def numbers_of_samples(folder: Path) -> None:
    """Numbers with spaces between them, and labels by the numbers of samples."""
    rows = [(number, name, start, end) for number in (1, 2) for name, start, end in SPANS]
    lines = [f"{number} {name} {start * RATE:.0f} {end * RATE:.0f}\n" for number, name, start, end in rows]
    (folder / "labels.dat.txt").write_text("".join(lines))
    for number, person in enumerate(PEOPLE, 1):
        np.savetxt(folder / f"exp0{number}_acc.txt", ACC[person])


OF_SAMPLES = (
    "label: {table: labels.dat.txt, start: a, end: b, time_unit: samples, "
    "format: {delimiter: ' ', header: false, names: [exp, label, a, b]}}\n# label:"
)
LAYOUTS: list[tuple[Callable[[Path], None], dict[str, str]]] = [
    (german_spreadsheet, {}),
    (utf16_with_units, {}),
    (two_clocks, {}),
    (nested_structs, {}),
    (intervals_for_all, {"rate: 100": "rate: 50"}),
    (intervals_of_each, {}),
    (parquet_with_index, {}),
    (one_hot, {}),
    (lines_before_the_names, {}),
    (wristband, {}),
    (sensors_in_rows, {}),
    (arrays_of_two_rates, {}),
    (whole_seconds, {}),
    (numbers_of_samples, {"rate: 100": "rate: 50", "# label:": OF_SAMPLES}),
]


@pytest.mark.parametrize(("write", "edits"), LAYOUTS, ids=lambda one: getattr(one, "__name__", ""))
def test_the_draft_imports_the_layout(tmp_path, write, edits):
    folder = tmp_path / "in [1] ü"
    folder.mkdir()
    write(folder)
    text = draft(folder)
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "import.yaml").write_text(text, encoding="utf-8")
    config = read_config(tmp_path / "import.yaml")
    import_folder(folder, config, tmp_path / "out")
    name = next(iter(config.modalities))
    wanted = np.concatenate([[ACC[person][RATE * k : RATE * k + 100] for k in range(7)] for person in PEOPLE])
    np.testing.assert_allclose(np.load(tmp_path / f"out/{name}.npy"), wanted, atol=1e-4)
    labels = np.load(tmp_path / "out/label.npy").tolist()
    sure = [0, 1, 2, 4, 6]  # windows of a single label
    assert [labels[k] for k in sure] == ["walking"] * 3 + ["sitting", ""]
    assert labels[7:] == labels[:7]
    assert len(set(np.load(tmp_path / "out/subject.npy").tolist())) == 2


def config(**changes: object) -> ImportConfig:
    content: dict[str, object] = {
        "files": "{subject}.csv",
        "modalities": {"acc": {"columns": NAMES, "time": "time", "rate": RATE}},
        "subject": {"name": "subject"},
        "label": {"column": "label"},
        "windows": {"seconds": 2, "overlap": 0.5},
    }
    return ImportConfig.from_plain(content | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for person in PEOPLE:
        frame(person, time=TIME, label=LABEL).to_csv(tmp_path / "in" / f"{person}.csv", index=False)
    return tmp_path / "in"


def imported(folder: Path, **changes: object) -> tuple[Imported, list[str]]:
    out = folder.parent / "out"
    found = import_folder(folder, config(**changes), out)
    return found, np.load(out / "label.npy").tolist()


def test_sensors_are_aligned_by_the_time_in_their_first_line(tmp_path):
    (tmp_path / "in").mkdir()
    wristband(tmp_path / "in")
    (tmp_path / "import.yaml").write_text(draft(tmp_path / "in"))
    import_folder(tmp_path / "in", read_config(tmp_path / "import.yaml"), tmp_path / "out")
    assert np.load(tmp_path / "out/EDA.npy").min() == 1
    (tmp_path / "in/s2/EDA.csv").write_text("soon\n4.0\n" + "1\n" * 32)
    with pytest.raises(DataError, match=r"EDA\.csv:1: start_line: it does not begin with a time"):
        import_folder(tmp_path / "in", read_config(tmp_path / "import.yaml"), tmp_path / "never")


def test_rows_out_of_order_are_sorted_and_repeated_times_left_out(folder):
    _, wanted = imported(folder)
    values = np.load(folder.parent / "out/acc.npy")
    (folder.parent / "out").rename(folder.parent / "sorted")
    for path in folder.iterdir():
        table = pd.read_csv(path)
        pd.concat([table[100:], table[:100], table[50:60]]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"s1\.csv:302: the time goes back .* \(2 such rows in all\); unordered: sort"):
        imported(folder)
    found, labels = imported(folder, unordered="sort")
    assert (found.counts["rows_left_out"], labels) == (20, wanted)
    np.testing.assert_array_equal(np.load(folder.parent / "out/acc.npy"), values)


def test_values_are_renamed_and_minus_one_is_no_label(folder):
    table = frame("s2", time=TIME, label=np.where(LABEL == "sitting", -1, 7))
    table.to_csv(folder / "s2.csv", index=False)
    found, labels = imported(folder, label={"column": "label", "rename": {"7": "Walking", "walking": "Walking"}})
    assert labels[7:9] == ["Walking"] * 2
    assert labels[11] == ""
    assert set(found.labels) == {"Walking", "sitting"}


def test_files_are_checked_before_anything_is_read_and_may_be_excluded(folder):
    (folder / "s3.csv").write_text("")
    (folder / "s4.csv").write_text("time,acc x,acc y,acc z,label\n\n")
    frame("s1", time=TIME, label=LABEL).drop(columns="acc y").to_csv(folder / "s5.csv", index=False)
    message = r"s3\.csv: it is empty\n.*s4\.csv: it has no rows\n.*s5\.csv: there is no column 'acc y'.*\n\(exclude:"
    with pytest.raises(DataError, match=message):
        imported(folder)
    assert imported(folder, exclude=["s3.csv", "s[45].csv", "s4*", "s5.csv"])[0].counts["recordings"] == 2
    assert "exclude: [s3.csv, s4.csv]" in draft(folder)


@pytest.mark.parametrize(
    ("table", "label", "message"),
    [
        ("subject,start,end,label\nx,0,1,a\n", {}, "none of its 1 rows belongs to a recording; compare its column subj"),
        ("subject,start,end,label\ns1,9000,9500,a\n", {}, "they are from 9000 to 9500 s, and it is from 0 to 8 s"),
        ("subject,start,end,label\ns1,2,2,a\n", {}, r"labels\.csv:2: an interval of subject s1 does not end"),
        ("subject,start,end,label\ns1,0,2,a\n\ns1,1,3,b\n", {}, r"labels\.csv:4: two intervals of subject s1 overlap"),
        ("subject,start,end,label\ns1,0,2,a\n", {"where": {"label": "b"}}, "where: no row has label b"),
        ("start,end,label\n0,2,a\n", {}, r"no column is a placeholder of files.* file names the column"),
        ("subject,start,end,label\ns1,soon,2,a\n", {"time_unit": "hms"}, r"'soon' is not a time such as 14:05:06\.5"),
        (
            "subject,start,end,label\ns1,3.5.2024,4.5.2024,a\n",
            {"time_unit": "date"},
            r"labels\.csv:2: the time '3\.5\.2024' is not a time .* give its form with date_format",
        ),
    ],
)  # fmt: skip
def test_faults_of_a_table_of_intervals_are_named(folder, table, label, message):
    (folder / "labels.csv").write_text(table)
    source = {"table": "labels.csv", "start": "start", "end": "end"} | label
    with pytest.raises(DataError, match=message):
        imported(folder, files="{subject}.csv", exclude=["labels.csv"], label=source)


def test_rows_of_no_recording_are_noted_and_tiers_selected(folder):
    rows = "who,start,lasts,label,tier\n1,0,4,walking,a\n1,1,2,loud,b\n2,4,2,sitting,a\n9,0,1,walking,a\n"
    (folder / "labels.csv").write_text(rows)
    source = {"table": "labels.csv", "start": "start", "duration": "lasts", "where": {"tier": "a"}}
    found, labels = imported(folder, files="s{who}.csv", subject={"name": "who"}, label=source)
    assert labels == ["walking"] * 3 + ["walking", "", "", ""] + ["", "", "", "sitting", "sitting", "sitting", ""]
    assert [re.sub(".*labels", "labels", note) for note in found.notes] == [
        "labels.csv: 1 of 3 rows belong to no recording"
    ]


def test_recordings_without_a_table_are_noted(folder):
    source = {"table": "{subject}.tsv", "start": "start", "end": "end"}
    (folder / "x.tsv").write_text("start\tend\tlabel\n0\t1\ta\n")
    with pytest.raises(DataError, match=r"no table {subject}\.tsv has the placeholders of a recording"):
        imported(folder, label=source)
    (folder / "x.tsv").rename(folder / "s2.tsv")
    notes = imported(folder, label=source)[0].notes
    assert notes == ["1 recordings have no table {subject}.tsv, such as subject s1"]


def test_sensors_without_a_common_time_are_refused(folder):
    modalities = {}
    for name, later in {"a": 0, "b": 5000}.items():
        frame("s1", time=TIME + later).to_csv(folder / f"{name}-7.csv", index=False)
        modalities[name] = {"files": f"{name}-{{subject}}.csv", "columns": NAMES, "time": "time", "rate": RATE}
    message = r"a-7\.csv: the modalities .* no time in common: a 0 to 7\.98 s, b 5000 to 5007\.98 s; see time_unit"
    with pytest.raises(DataError, match=message):
        imported(folder, modalities=modalities, label=None)
    together = {name: one | {"from_start": True} for name, one in modalities.items()}
    assert imported(folder, modalities=together, label=None)[0].counts["windows"] == 7


def test_an_interrupted_import_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(importer.GrowingArray, "append", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    (folder.parent / "import.yaml").write_text(draft(folder))
    command = ["data", "import", str(folder), "--config", str(folder.parent / "import.yaml")]
    done = CliRunner().invoke(app, [*command, "--out", str(folder.parent / "data/mine")])
    assert done.exit_code == 130
    assert re.search("interrupted: .*mine was not made", done.output.replace("\n", ""))
    assert list((folder.parent / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("harness.data.importing.recordings.read_table", MemoryError(), r"s1\.csv: it does not fit into memory"),
        ("harness.data.importing.importer.GrowingArray.append", OSError(28, "No space left"), "out: No space left"),
    ],
)
def test_a_full_memory_or_disk_is_one_message(folder, monkeypatch, where, error, message):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(where, fail)
    with pytest.raises(DataError, match=message):
        imported(folder)
    assert list(folder.parent.iterdir()) == [folder]


def test_new_recordings_need_no_label(folder):
    (folder.parent / "import.yaml").write_text(draft(folder))
    for path in folder.iterdir():
        pd.read_csv(path).drop(columns="label").to_csv(path, index=False)
    command = ["data", "import", str(folder), "--config", str(folder.parent / "import.yaml")]
    refused = CliRunner().invoke(app, [*command, "--out", str(folder.parent / "out")])
    assert isinstance(refused.exception, DataError)
    done = CliRunner().invoke(app, [*command, "--out", str(folder.parent / "out"), "--no-labels"])
    assert done.exit_code == 0
    assert "unlabelled: 14" in done.output


def test_all_keys_can_be_printed():
    shown = CliRunner().invoke(app, ["data", "import", "--keys"]).stdout
    fields = {*ImportConfig.model_fields, *ModalityFiles.model_fields, *ValueSource.model_fields}
    for name in fields - {"windows", "missing", "subject"}:
        assert re.search(rf"^{name}\b", shown, re.MULTILINE), name


def test_recordings_have_names_of_their_own(folder):
    for path, name in zip(sorted(folder.iterdir()), ("a_1-2.csv", "a-1_2.csv"), strict=True):
        path.rename(folder / name)
    imported(folder, files="{a}-{b}.csv", subject={"name": "a"})
    assert set(np.load(folder.parent / "out/recording.npy").tolist()) == {"a_1_2", "a_1_2_2"}
    assert len(set(np.load(folder.parent / "out/sample.npy").tolist())) == 14


def test_two_spellings_of_a_subject_are_refused(folder):
    (folder / "s2.csv").rename(folder / "S01.csv")
    with pytest.raises(DataError, match="subject: 'S01' and 's1' differ only in case, spaces or leading zeros; rename"):
        imported(folder)
    assert set(imported(folder, subject={"name": "subject", "rename": {"S01": "s1"}})[0].subjects) == {"s1"}
