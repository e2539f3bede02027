"""The label and the subject of each recording or window, from columns, file names or tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.delimited import ColumnType
from harness.data.importing.config import ImportConfig, ValueSource
from harness.data.importing.tables import columns_of, read_table
from harness.errors import DataError


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
    """A separate table with the labels or the subjects of recordings, selected by the placeholders of file names."""

    def __init__(self, folder: Path, source: ValueSource, config: ImportConfig):
        self.source, self.path = source, folder / str(source.table)
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such table")
        self.keys = sorted(config.placeholders(config.files)) + list(config.split_by)
        types: dict[str, ColumnType] = {name: "float64" for name in (source.start, source.end) if name}
        header = config.model_copy(update={"header": True, "delimiter": None})
        there = columns_of(self.path, header)
        self.keys = [key for key in self.keys if key in there]
        if not self.keys:
            raise DataError(
                f"{self.path}: no column is a placeholder of files, by which a recording is found "
                f"({', '.join(sorted(config.placeholders(config.files))) or 'it has none'}): {', '.join(there)}"
            )
        self.frame = read_table(self.path, {**dict.fromkeys([*self.keys, source.value], "text"), **types}, header)

    def rows(self, of: Mapping[str, str]) -> pd.DataFrame:
        """The rows of a recording."""
        selected = np.ones(len(self.frame), dtype=bool)
        for key in self.keys:
            selected &= texts_of(self.frame[key]) == of[key]
        return self.frame[selected]

    def value(self, of: Mapping[str, str]) -> str:
        """The only value of a recording; "" if there is no row. Raises `DataError` if there are several."""
        values = sorted({text_of(value) for value in self.rows(of)[self.source.value]})
        if len(values) > 1:
            name = ", ".join(f"{key} {of[key]}" for key in self.keys)
            raise DataError(f"{self.path}: {name} has several values: {', '.join(values)}")
        return values[0] if values else ""

    def track(self, of: Mapping[str, str]) -> Track:
        """The labels of a recording over time. Raises `DataError` for intervals that are empty or overlap."""
        if self.source.start is None:
            return constant(self.value(of))
        rows = self.rows(of).sort_values(str(self.source.start))
        start, end = (rows[str(name)].to_numpy(np.float64) for name in (self.source.start, self.source.end))
        name = ", ".join(f"{key} {of[key]}" for key in self.keys)
        if (end <= start).any() or not np.isfinite(end - start).all():
            raise DataError(f"{self.path}: an interval of {name} does not end after its start")
        if (start[1:] < end[:-1] - 1e-9).any():
            raise DataError(f"{self.path}: two intervals of {name} overlap")
        return Track(start, end, np.array([text_of(value) for value in rows[self.source.value]], dtype=object))


def text_of(value: object) -> str:
    """A value of a column as text; "" if it is missing, and 3 for 3.0."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if text.casefold() == "nan" else text


def texts_of(column: pd.Series) -> np.ndarray:
    """All values of a column as text, (n,)."""
    codes, values = pd.factorize(column)
    texts = np.array([*(text_of(value) for value in values), ""], dtype=object)
    return np.asarray(texts[codes])
