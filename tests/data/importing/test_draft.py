"""The first draft of a configuration: what is a sensor, a person, a label and a time is guessed from names and columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.importing.config import read_config
from harness.data.importing.draft import draft
from harness.data.importing.importer import import_folder
from harness.errors import DataError


def write(folder: Path, name: str, delimiter: str = ",", **columns: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    n = 300
    frame = pd.DataFrame({"timestamp": 1_700_000_000_000 + 20 * np.arange(n), **columns}, index=range(n))
    frame.to_csv(path, index=False, sep=delimiter)


AXES = {axis: np.linspace(0, 1, 300) for axis in ("x", "y", "z")}


def test_numbered_people_and_a_semicolon(tmp_path):
    for person in ("P01", "P02", "P11"):
        for session in (1, 2):
            write(tmp_path / "watch", f"day1/{person}_session{session}.csv", ";", **AXES, activity="rest")
    text = draft(tmp_path / "watch")
    (tmp_path / "import.yaml").write_text(text)
    config = read_config(tmp_path / "import.yaml")
    assert config.files == "day1/{subject}_session{session}.csv"
    assert config.delimiter == ";"
    (sensor,) = config.modalities.values()
    assert (sensor.columns, sensor.time, sensor.time_unit, sensor.rate) == (("x", "y", "z"), "timestamp", "ms", 50)
    assert config.label is not None
    assert config.label.column == "activity"
    made = import_folder(tmp_path / "watch", config, tmp_path / "out")
    assert dict(made.subjects) == {"P01": 10, "P02": 10, "P11": 10}


def test_people_by_name_are_no_sensors(tmp_path):
    for person in ("anna", "bob"):
        for trial in ("a", "b", "c"):
            write(tmp_path, f"{person}_{trial}.csv", **AXES)
    text = draft(tmp_path)
    assert "files: '{part1}_{part2}.csv'" in text
    assert "subject: {name: part1}  # CHECK" in text
    assert "# label:" in text


def test_places_on_the_body_are_sensors(tmp_path):
    for person in ("s1", "s2"):
        for place in ("wrist", "ankle"):
            write(tmp_path, f"{place}/{person}.csv", **AXES)
    text = draft(tmp_path)
    assert "  wrist:\n    files: 'wrist/{subject}.csv'" in text
    assert "  ankle:\n    files: 'ankle/{subject}.csv'" in text


def test_nothing_to_import(tmp_path):
    (tmp_path / "notes.doc").write_text("")
    with pytest.raises(DataError, match=r"there is no file that can be imported; known: \.csv, \.tsv"):
        draft(tmp_path)
    (tmp_path / "x.parquet").write_text("broken")
    with pytest.raises(DataError, match=r"x\.parquet: can't be read"):
        draft(tmp_path)


def test_files_with_other_columns_are_no_sensors(tmp_path):
    write(tmp_path, "s1.csv", **AXES, activity="rest")
    write(tmp_path, "s2.csv", activity="rest", note="a", moving=True, **AXES)
    assert "files: '{subject}.csv'" in draft(tmp_path)
    assert "columns: [x, 'y', z]" in draft(tmp_path)


def test_one_file_is_one_subject(tmp_path):
    write(tmp_path, "day 1/whole.csv", **AXES)
    (tmp_path / "import.yaml").write_text(draft(tmp_path))
    assert read_config(tmp_path / "import.yaml").files == "day 1/{subject}.csv"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x1f\x8b\x08\x00" * 99, r"a\.csv: it is not text; if it is UTF-16"),
        (b"version https://example.org/spec\nsize 12\n", "it needs at least 20 rows and a column of numbers"),
        (b"\n\n", r"a\.csv: it is empty"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"no file was found to be a table of samples: .*{reason}"):
        draft(tmp_path)


def test_a_time_that_is_not_understood_is_told(tmp_path):
    write(tmp_path, "s1.csv", **AXES, time="noon")
    write(tmp_path, "s2.csv", **AXES, time="noon")
    for path in tmp_path.iterdir():
        pd.read_csv(path).drop(columns="timestamp").to_csv(path, index=False)
    assert "# time: time  # CHECK: it was not understood as a time" in draft(tmp_path)
