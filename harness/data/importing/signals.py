"""Time stamps, gaps and rates: samples as they were recorded become a regular series at another rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.alignment import at_even_times
from harness.data.delimited import DelimitedText
from harness.data.importing.config import Missing, ModalityFiles, TextFormat
from harness.data.importing.text_files import delimiter_of, encoding_of, fields_of, first_lines, is_text
from harness.data.importing.times import joined, past_midnight, seconds, type_of
from harness.errors import DataError

GAP = 1.5  # sampling intervals; a longer step between two samples is a gap
MOST_MISSING = 10_000_000  # samples that gaps may add to a recording, unless it is much longer itself
RATE_TOLERANCE = 0.05  # by which the median step may differ from the stated rate


@dataclass(frozen=True)
class Signal:
    """The samples of one modality in one recording.

    time: (n,), seconds, increasing. values: (n, channels), NaN where missing. rows: (n,), the rows of the samples in
    the file. text: the file, if it is text.
    """

    where: Path
    time: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    text: DelimitedText | None = None

    def at(self, sample: int) -> str:
        """The place of a sample, for messages."""
        return place(self.where, int(self.rows[sample]), self.text)


def place(path: Path, row: int, text: DelimitedText | None) -> str:
    """The place of a row, from 0, for messages: the line in a text file."""
    return f"{path}, row {row}" if text is None else f"{path}:{text.line_of(row)}"


@dataclass
class Regular:
    """A series at a constant rate from ``start`` (seconds), and which samples at the recorded rate are missing.

    values: (n, channels) at ``rate``. missing: (m,), bool, at ``missing_rate``.
    """

    start: float
    rate: float
    values: np.ndarray
    missing_rate: float
    missing: np.ndarray
    counts: Counter[str] = field(default_factory=Counter)

    def is_missing(self, start: float, seconds: float) -> bool:
        """Whether any sample in the window is missing."""
        first = int(np.floor((start - self.start) * self.missing_rate + 1e-6))
        last = int(np.ceil((start + seconds - self.start) * self.missing_rate - 1e-6))
        return bool(self.missing[max(first, 0) : last].any())


def times_of(
    frame: pd.DataFrame, modality: ModalityFiles, path: Path, form: TextFormat, at: Callable[[int], str]
) -> np.ndarray:
    """The time of each row in seconds, without the modality's offset.

    Without a column of the time, rows follow each other at the stated rate. at: the place of a row, for messages.
    """
    if not modality.time_columns:
        start = _start(path, form, modality) if modality.start_line is not None else 0.0
        return start + np.arange(len(frame)) / modality.rate
    columns = [frame[name] for name in modality.time_columns]
    time = seconds(columns[0] if len(columns) == 1 else joined(columns), modality, modality.rate, at)
    return past_midnight(time) if modality.time_unit == "hms" else time


def _start(path: Path, form: TextFormat, modality: ModalityFiles) -> float:
    """The time at the beginning of a line of the file."""
    number = modality.start_line or 0
    where = f"{path}:{number}"
    if not is_text(path):
        raise DataError(f"{path}: start_line is for text files")
    line = "".join(first_lines(path, encoding_of(path, form.encoding), number)[number - 1 :])
    text = pd.Series(fields_of(line, form.delimiter or delimiter_of(line), path)[:1], dtype="object")
    if type_of(modality) != "text":
        text = pd.to_numeric(text.str.replace(form.decimal, "."), errors="coerce")
    start = float(seconds(text, modality, modality.rate, lambda row: where)[0]) if len(text) else np.nan
    if not np.isfinite(start):
        raise DataError(f"{where}: start_line: it does not begin with a time")
    return start


def in_order(time: np.ndarray) -> np.ndarray:
    """The rows, sorted by time, without those whose time is missing or repeats that of an earlier row."""
    order = np.argsort(time, kind="stable")
    order = order[np.isfinite(time[order])]
    return order[np.r_[True, np.diff(time[order]) > 0]] if len(order) else order


def check_time(signal: Signal, modality: ModalityFiles) -> None:
    """Raise `DataError` if the time is missing, does not increase, or advances at another rate than the stated one."""
    if (wrong := ~np.isfinite(signal.time)).any():
        raise DataError(f"{signal.at(int(np.argmax(wrong)))}: the time is missing")
    steps = np.diff(signal.time)
    if (wrong := steps <= 0).any():
        sample = int(np.argmax(wrong)) + 1
        what = "repeats" if steps[sample - 1] == 0 else "goes back from"
        raise DataError(
            f"{signal.at(sample)}: the time {what} {signal.time[sample - 1]:.6f} s ({np.count_nonzero(wrong)} such "
            "rows in all); unordered: sort sorts the rows and keeps the first of each time; or leave out time if the "
            "rows follow each other at rate"
        )
    if len(steps):
        rate = 1 / float(np.median(steps))
        if abs(rate / modality.rate - 1) > RATE_TOLERANCE:
            raise DataError(
                f"{signal.where}: the time advances by {rate:.4g} samples per second, but rate says {modality.rate:g}; "
                "correct rate or time_unit"
            )


def regular(signal: Signal, modality: ModalityFiles, missing: Missing, start: float, end: float) -> Regular:
    """The signal from ``start`` to ``end`` at the rate after the import.

    Values are interpolated linearly to even steps at the recorded rate, and resampled by a polyphase filter against
    aliasing. Gaps and missing values are treated as ``missing`` says; those that stay are marked and hold interpolated
    values. Raises `DataError`, which names the first of them, if the policy is to refuse.
    """
    there = np.isfinite(signal.values).all(axis=1)
    counts: Counter[str] = Counter({"missing_values": int(np.count_nonzero(~there))})
    if missing.policy == "refuse" and not there.all():
        place = signal.at(int(np.argmax(~there)))
        raise DataError(f"{place}: a value is missing ({counts['missing_values']} rows in all); {_ways()}")
    time, values, rate = signal.time[there], signal.values[there].astype(np.float64), modality.rate
    if len(time) < 2:
        raise DataError(f"{signal.where}: it has {len(time)} samples with all values; at least 2 are needed")
    # the first and the last samples may be missing as well, so the steps begin before the first and end after the last
    steps = np.diff(np.r_[signal.time[0] - 1 / rate, time, signal.time[-1] + 1 / rate])
    gaps = np.flatnonzero(steps * rate > GAP)
    lengths = np.round(steps[gaps] * rate).astype(int) - 1
    counts["gaps"] = len(gaps)
    if missing.policy == "refuse" and len(gaps):
        place = signal.at(int(np.flatnonzero(there)[gaps[0]]))
        gaps_in_all = f"{len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'} in all"
        raise DataError(f"{place}: {lengths[0]} samples are missing before it ({gaps_in_all}); {_ways()}")
    kept = lengths > (missing.up_to if missing.policy == "interpolate" else 0)
    counts["interpolated_samples"] = int(lengths[~kept].sum())
    n = max(int(np.floor((end - start) * rate + 1e-6)), 0)
    if n > max(MOST_MISSING, 100 * len(time)):
        leap = int(np.argmax(np.diff(signal.time)))
        raise DataError(
            f"{signal.at(leap + 1)}: the time leaps here by {signal.time[leap + 1] - signal.time[leap]:.6g} s, so that "
            f"{len(time)} samples are there and {n - len(time)} are missing; correct the time, or exclude the file"
        )
    grid = start + np.arange(n) / rate
    is_missing = np.zeros(n, dtype=bool)
    before, after = np.r_[-np.inf, time] + 0.5 / rate, np.r_[time, np.inf] - 0.5 / rate
    for gap in gaps[kept]:
        first, last = np.searchsorted(grid, [before[gap], after[gap]])
        is_missing[first:last] = True
    even = at_even_times(time, values, grid, rate, modality.rate_after)
    return Regular(start, modality.rate_after, even, rate, is_missing, counts)


def _ways() -> str:
    return "set missing.policy to drop or interpolate to go on without them"
