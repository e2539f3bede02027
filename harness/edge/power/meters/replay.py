"""Replays a recorded trace as if it were being measured, for tests and demonstrations. Every figure says so.

The file has the format of the ``power.csv`` that a profile job leaves: a column ``seconds``, and a column for each
channel whose name ends in ``_watts`` or ``_joules``. Those marked ``(total)``, such as ``gpu-0 (total)_joules``, make
up the total; without a mark, it is the input of a known board or the only channel. The trace is repeated as long as
needed; counters continue where they ended.
"""

from __future__ import annotations

import csv
import io
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from harness.edge.power.meter import TOTAL_MARK, Channel, Meter, MeterError
from harness.edge.power.rails import total_rails
from harness.errors import InputError
from harness.reading import read_text

KINDS: dict[str, Literal["power", "counter"]] = {"watts": "power", "joules": "counter"}


class Replay(Meter):
    """A recorded trace of power, replayed: nothing is measured. Argument: its CSV file."""

    name = "replay"
    title = "a recorded trace, replayed (nothing is measured)"

    def open(self) -> tuple[Channel, ...]:
        if not self.argument:
            raise MeterError("it needs a recorded trace: replay:FILE.csv")
        names, self._times, self._columns = _read_trace(Path(self.argument))
        labels = [name.rpartition("_")[0] for name in names]
        self._kinds = [KINDS[name.rpartition("_")[2]] for name in names]
        self._start = time.monotonic()
        marked = [label for label in labels if label.endswith(TOTAL_MARK)]
        total = marked or total_rails(labels) or (labels if len(labels) == 1 else ())
        covers = f"replay of {Path(self.argument).name}, not measured"
        return tuple(
            Channel(label.removesuffix(TOTAL_MARK), kind, covers, label in total)
            for label, kind in zip(labels, self._kinds, strict=True)
        )

    def read(self) -> Sequence[float]:
        span = self._times[-1] - self._times[0]
        n_repeats, at = divmod(time.monotonic() - self._start, span)
        at += self._times[0]
        index = min(bisect_right(self._times, at), len(self._times) - 1)
        before, after = self._times[index - 1], self._times[index]
        share = (at - before) / (after - before)
        values = [column[index - 1] + share * (column[index] - column[index - 1]) for column in self._columns]
        counted = [n_repeats * (column[-1] - column[0]) for column in self._columns]
        return [
            value + joules * (kind == "counter")
            for value, joules, kind in zip(values, counted, self._kinds, strict=True)
        ]


def _read_trace(path: Path) -> tuple[list[str], list[float], list[list[float]]]:
    """The names of the channels with their units, the times, and the values of each channel."""
    try:
        head, *rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
        times = [float(row[0]) for row in rows]
        columns = [[float(row[column]) for row in rows] for column in range(1, len(head))]
    except (OSError, ValueError, IndexError, csv.Error, InputError) as error:
        raise MeterError(f"{path} cannot be read as a trace: {error}") from error
    increasing = all(one < following for one, following in pairwise(times))
    if head[0] != "seconds" or len(rows) < 2 or not increasing or not columns:
        raise MeterError(
            f"{path} is not a trace: it needs a column seconds with increasing values, at least two rows,"
            " and a column NAME_watts or NAME_joules"
        )
    for name in head[1:]:
        if name.rpartition("_")[2] not in KINDS:
            raise MeterError(f"{path}: column {name} ends neither in _watts nor in _joules")
    return head[1:], times, columns
