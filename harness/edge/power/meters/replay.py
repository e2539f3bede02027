"""A recorded trace, played again as if it were measured now: for tests and demonstrations. Every figure says so.

The file is what a profile job keeps as ``power.csv``: a column ``seconds``, and one a channel, its name ending in ``_watts``
or ``_joules``. A trace of power is repeated for as long as it is asked; a counter goes on where it ended.
"""

from __future__ import annotations

import csv
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from harness.edge.power.meter import Channel, Meter, MeterError
from harness.edge.power.rails import total_rails


class Replay(Meter):
    """A recorded trace of power, played again: nothing is measured. Argument: its CSV file."""

    name = "replay"
    title = "a recorded trace, played again (nothing is measured)"

    def open(self) -> tuple[Channel, ...]:
        if not self.argument:
            raise MeterError("it needs a recorded trace: replay:FILE.csv")
        try:
            with Path(self.argument).open(newline="", encoding="utf-8") as file:
                head, *rows = [row for row in csv.reader(file) if row]
            self._times = [float(row[0]) for row in rows]
            self._columns = [[float(row[column]) for row in rows] for column in range(1, len(head))]
        except (OSError, ValueError, IndexError) as error:
            raise MeterError(f"{self.argument} can't be read as a trace: {error}") from error
        rising = all(one < next_ for one, next_ in zip(self._times, self._times[1:], strict=False))
        if head[0] != "seconds" or len(rows) < 2 or not rising or not self._columns:
            raise MeterError(
                f"{self.argument} is no trace: a column seconds, rising, two rows at least, and a column NAME_watts"
            )
        names = [name.rpartition("_") for name in head[1:]]
        if odd := [name for name in names if name[2] not in ("watts", "joules")]:
            raise MeterError(f"{self.argument}: column {''.join(odd[0])} ends neither in _watts nor in _joules")
        labels = [name for name, _, _ in names]
        total = total_rails(labels) or (labels if len(labels) == 1 else ())
        self._kinds = ["power" if unit == "watts" else "counter" for _, _, unit in names]
        self._start = time.monotonic()
        what = f"replay of {Path(self.argument).name}, not measured"
        return tuple(
            Channel(label, "power" if kind == "power" else "counter", what, label in total)
            for label, kind in zip(labels, self._kinds, strict=True)
        )

    def read(self) -> Sequence[float]:
        span = self._times[-1] - self._times[0]
        rounds, at = divmod(time.monotonic() - self._start, span)
        at += self._times[0]
        index = min(bisect_right(self._times, at), len(self._times) - 1)
        before, after = self._times[index - 1], self._times[index]
        share = (at - before) / (after - before)
        values = [column[index - 1] + share * (column[index] - column[index - 1]) for column in self._columns]
        again = [rounds * (column[-1] - column[0]) for column in self._columns]
        return [
            value + more * (kind == "counter") for value, more, kind in zip(values, again, self._kinds, strict=True)
        ]
