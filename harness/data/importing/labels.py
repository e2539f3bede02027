"""The label and the subject of each recording or window, from columns, file names or tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.delimited import ColumnType
from harness.data.importing.config import Clock, ImportConfig, ValueSource, placeholders
from harness.data.importing.signals import place
from harness.data.importing.tables import columns_of, find_files, read_table
from harness.data.importing.text_files import delimited, is_text
from harness.data.importing.times import DAY, is_absolute, seconds, type_of
from harness.errors import DataError

ROUNDING = 0.01  # sampling intervals; ends of intervals are sums, and not exact for times counted from 1970
WHOLE = re.compile(r"^(-?\d+)\.0+$")


@dataclass(frozen=True)
class Track:
    """The label over time: from ``start`` to ``end`` (seconds, sorted by start) the label is ``text``; "" for none."""

    start: np.ndarray
    end: np.ndarray
    text: np.ndarray

    def most_common(self, start: float, end: float) -> tuple[str, float]:
        """The label that takes up most of a window, and the fraction that it takes up; the first in a tie."""
        first, last = np.searchsorted(self.end, start, "right"), np.searchsorted(self.start, end, "left")
        shares: dict[str, float] = {}
        for row in range(first, last):
            shared = min(self.end[row], end) - max(self.start[row], start)
            shares[self.text[row]] = shares.get(self.text[row], 0.0) + shared
        without = (end - start) - sum(shares.values())
        if without > 1e-9 * (end - start):
            shares[""] = shares.get("", 0.0) + without
        text = max(shares, key=lambda one: shares[one])
        return text, shares[text] / (end - start)


def constant(text: str) -> Track:
    """A label that holds for all times."""
    return Track(np.array([-np.inf]), np.array([np.inf]), np.array([text], dtype=object))


def from_samples(time: np.ndarray, text: np.ndarray, rate: float) -> Track:
    """The label of each sample as a track: a sample's holds until the next sample, at most for 1.5 intervals."""
    change = np.flatnonzero(np.r_[True, text[1:] != text[:-1]])
    last = np.r_[change[1:] - 1, len(text) - 1]
    after = np.minimum(np.r_[time[1:], np.inf], time + 1.5 / rate)
    after[-1] = time[-1] + 1 / rate
    return Track(time[change], after[last], text[change])


class ValueTable:
    """Separate tables with the labels or the subjects of recordings: one for all, or one for each recording.

    The rows of a recording are selected by the placeholders of its files' names, or by the name of one of its files.
    used: for each table that was read, which of its rows belong to a recording. without: recordings without a table.
    check_clock: called with what `harness.data.importing.times.is_absolute` says of the times of each table.
    """

    def __init__(
        self, folder: Path, source: ValueSource, config: ImportConfig, check_clock: Callable[[bool | None, str], None]
    ):
        self.source, self.folder, self.check_clock = source, folder, check_clock
        self.known = sorted(placeholders(config.files)) + config.split_columns
        table = str(source.table)
        self.of_recordings = bool(placeholders(table))
        self.paths = find_files(folder, table) if self.of_recordings else {(): folder / table}
        self.frames: dict[Path, pd.DataFrame] = {}
        self.used: dict[Path, np.ndarray] = {}
        self.without: list[str] = []
        if not self.of_recordings:
            if not self.paths[()].is_file():
                raise DataError(f"{self.paths[()]}: there is no such table")
            if not (self._keys(self.paths[()]) or source.file is not None):
                there = ", ".join(columns_of(self.paths[()], source.format))
                raise DataError(
                    f"{self.paths[()]}: no column is a placeholder of files, by which a recording is found "
                    f"({', '.join(self.known) or 'it has none'}): {there}; file names the column with names of files"
                )

    def _keys(self, path: Path) -> list[str]:
        there = columns_of(path, self.source.format)
        return [key for key in self.known if key in there]

    def _read(self, path: Path) -> pd.DataFrame:
        """The rows of a table that count."""
        source, times = self.source, (self.source.start, self.source.end)
        texts = [*self._keys(path), source.value, *source.where, *([] if source.file is None else [source.file])]
        types: dict[str, ColumnType] = {str(name): "text" for name in texts}
        types |= {str(name): type_of(source) for name in times if name is not None}
        if source.duration is not None:
            types[str(source.duration)] = "text" if source.time_unit == "hms" else "float64"
        frame = read_table(path, types, source.format)
        frame["row"] = np.arange(len(frame))
        frame = frame[rows_where(frame, source.where)]
        if source.where and not len(frame):
            raise DataError(f"{path}: where: no row has {told(source.where)}")
        return frame.reset_index(drop=True)

    def rows(self, of: Mapping[str, str], files: Iterable[Path]) -> tuple[Path | None, pd.DataFrame]:
        """The table of a recording and its rows in it; no table if there is none for this recording."""
        own = {key: path for key, path in self.paths.items() if all(of[name] == value for name, value in key)}
        if not own:
            self.without.append(told(of))
            return None, pd.DataFrame()
        path = next(iter(own.values()))
        if path not in self.frames:
            self.frames = {path: self._read(path)} if self.of_recordings else self.frames | {path: self._read(path)}
            self.used[path] = np.zeros(len(self.frames[path]), dtype=bool)
        frame = self.frames[path]
        selected = np.ones(len(frame), dtype=bool)
        for key in self._keys(path):
            selected &= _same(frame[key], of[key])
        if self.source.file is not None:
            names = {name for file in files for name in _names(file.relative_to(self.folder))}
            texts = texts_of(frame[str(self.source.file)])
            selected &= np.array([text.replace("\\", "/") in names for text in texts], dtype=bool)
        self.used[path] |= selected
        return path, frame[selected]

    def value(self, of: Mapping[str, str], files: Iterable[Path]) -> str:
        """The only value of a recording; "" if there is no row. Raises `DataError` if there are several."""
        path, rows = self.rows(of, files)
        values = sorted(set(self._texts(rows))) if path else []
        if len(values) > 1:
            raise DataError(f"{path}: {told(of)} has several values: {', '.join(values)}")
        return values[0] if values else ""

    def _texts(self, rows: pd.DataFrame) -> np.ndarray:
        return texts_of(rows[str(self.source.value)], names_of(self.source))

    def track(self, of: Mapping[str, str], files: Iterable[Path], start: float, end: float, rate: float) -> Track:
        """The labels of a recording, which lasts from ``start`` to ``end`` (seconds), over time.

        rate: samples per second, for times in samples.

        Raises `DataError` for intervals that are empty or overlap, and if none lies within the recording.
        """
        if self.source.start is None:
            return constant(self.value(of, files))
        path, rows = self.rows(of, files)
        if path is None or not len(rows):
            return constant("")
        begins, ends = self._intervals(path, rows, start if self.source.from_start else 0.0, rate)
        if self.source.time_unit == "hms" and not self.source.from_start and end > DAY:  # it goes past midnight
            begins = begins + DAY * ((begins < start) & (begins + DAY < end))
            ends = ends if ends is None else ends + DAY * (ends < begins)
        order = np.argsort(begins, kind="stable")
        ends = np.r_[begins[order][1:], np.inf] if ends is None else ends[order]
        begins = begins[order]
        if (wrong := ~(ends > begins)).any():
            row = int(rows["row"].to_numpy()[order][np.argmax(wrong)])
            raise DataError(f"{self._at(path, row)}: an interval of {told(of)} does not end after its start")
        if (wrong := begins[1:] < ends[:-1] - ROUNDING / rate).any():
            row = int(rows["row"].to_numpy()[order][np.argmax(wrong) + 1])
            raise DataError(
                f"{self._at(path, row)}: two intervals of {told(of)} overlap; where selects the rows that count"
            )
        if not ((begins < end) & (ends > start)).any():
            raise DataError(
                f"{path}: no interval of {told(of)} lies within the recording: they are from {begins[0]:.10g} to "
                f"{ends[-1]:.10g} s, and it is from {start:.10g} to {end:.10g} s; see time_unit and from_start of label"
            )
        return Track(begins, ends, self._texts(rows)[order])

    def _intervals(
        self, path: Path, rows: pd.DataFrame, start: float, rate: float
    ) -> tuple[np.ndarray, np.ndarray | None]:
        source, numbers = self.source, rows["row"].to_numpy()

        def times(name: object, clock: Clock) -> np.ndarray:
            column = rows[str(name)].reset_index(drop=True)
            return seconds(column, clock, rate, lambda row: self._at(path, int(numbers[row])))

        self.check_clock(is_absolute(rows[str(source.start)], source), str(path))
        begins = times(source.start, source) + start
        if source.duration is not None:
            lasts = Clock(time_unit="s" if source.time_unit == "date" else source.time_unit)
            return begins, begins + times(source.duration, lasts)
        return begins, times(source.end, source) + start if source.end is not None else None

    def _at(self, path: Path, row: int) -> str:
        return place(path, row, delimited(path, self.source.format) if is_text(path) else None)

    def unused(self) -> list[str]:
        """A line for each table with rows that belong to no recording, and for recordings that have no table.

        Raises `DataError` if no row belongs to a recording.
        """
        found = []
        if self.of_recordings and not self.used:
            raise DataError(f"{self.folder}: no table {self.source.table} has the placeholders of a recording")
        if self.without:
            found.append(f"{len(self.without)} recordings have no table {self.source.table}, such as {self.without[0]}")
        for path, used in self.used.items():
            if not used.any() and not self.of_recordings and len(used):
                column = ", ".join(self._keys(path)) if self.source.file is None else self.source.file
                raise DataError(
                    f"{path}: none of its {len(used)} rows belongs to a recording; compare its column {column} with "
                    "the names of the files"
                )
            if left := int(np.count_nonzero(~used)):
                found.append(f"{path}: {left} of {len(used)} rows belong to no recording")
        return found


def rows_where(frame: pd.DataFrame, where: Mapping[str, object]) -> np.ndarray:
    """Which rows have these values in these columns, (n,), bool."""
    selected = np.ones(len(frame), dtype=bool)
    for column, value in where.items():
        selected &= texts_of(frame[column]) == text_of(value)
    return selected


def told(of: Mapping[str, object]) -> str:
    """What identifies a recording, for messages."""
    return ", ".join(f"{name} {value}" for name, value in of.items()) or "the only recording"


def _same(column: pd.Series, text: str) -> np.ndarray:
    """Which values are this text; if none is, which are the same whole number, since 01 is often written as 1."""
    same = texts_of(column) == text_of(text)
    if not same.any() and re.fullmatch("[0-9]{1,18}", text):
        same = texts_of(column.astype(str).str.strip().str.lstrip("0")) == text.lstrip("0")
    return np.asarray(same)


def _names(file: Path) -> set[str]:
    """The ways to write a file's name: with and without its folders and its suffix."""
    parts = file.as_posix().split("/")
    whole = {"/".join(parts[number:]) for number in range(len(parts))}
    return whole | {name.removesuffix(file.suffix) for name in whole}


def from_one_hot(frame: pd.DataFrame, source: ValueSource, at: Callable[[int], str]) -> np.ndarray:
    """The name of the column with 1 in each row, (n,); "" if all are 0. Raises `DataError`, which names the row."""
    columns = list(map(str, source.columns or ()))
    number = {"": "0", "false": "0", "False": "0", "true": "1", "True": "1"}
    texts = [texts_of(frame[name], number) for name in columns]
    ones = np.stack([one == "1" for one in texts], axis=1)
    known = np.stack([(one == "1") | (one == "0") for one in texts], axis=1)
    if (wrong := ~known.all(axis=1) | (ones.sum(axis=1) > 1)).any():
        row = int(np.argmax(wrong))
        values = ", ".join(str(one[row]) for one in texts)
        raise DataError(f"{at(row)}: {', '.join(columns)} are {values}; one should be 1 and the others 0, or all 0")
    names = np.array([*(names_of(source).get(name, name) for name in columns), ""], dtype=object)
    return np.asarray(names[np.where(ones.any(axis=1), ones.argmax(axis=1), -1)])


def names_of(source: ValueSource) -> dict[str, str]:
    """Value as written → value, where they differ. -1 is no value, unless it is renamed."""
    return {"-1": "", **{text_of(written): value for written, value in source.rename.items()}}


def text_of(value: object) -> str:
    """A value of a column as text; "" if it is missing, and 3 for 3.0, also where that is text already."""
    if value is None or value != value:
        return ""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    return "" if text.casefold() == "nan" else WHOLE.sub(r"\1", text)


def texts_of(column: pd.Series, rename: Mapping[str, str] | None = None) -> np.ndarray:
    """All values of a column as text, (n,). rename: text → other text."""
    codes, values = pd.factorize(column)
    texts = [*(text_of(value) for value in values), ""]
    return np.array([(rename or {}).get(text, text) for text in texts], dtype=object)[codes]
