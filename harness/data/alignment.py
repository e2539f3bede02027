"""Sensors with rates of their own, jitter and gaps become series at one rate on one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from harness.data.windows import Recording

MaxGap = Annotated[
    float, Field(gt=0, description="the longest gap, in seconds, to interpolate; no window contains a longer one")
]
ModalityIs = Annotated[
    Literal["position", "sensor", "both"],
    Field(
        description="what one modality is: all sensors at one position, one kind of sensor at all positions, or one "
        "kind of sensor at one position"
    ),
]
SensorAt = tuple[str, str]
"""The position of a sensor and its kind, such as ("hand", "acc"); the position is "" where it does not matter."""


@dataclass(frozen=True)
class TimeSeries:
    """The samples of one sensor, in any order.

    time: (n,), seconds. values: (n, channels); a sample with a NaN is missing.
    """

    time: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Stretch:
    """A time in which all sensors were recorded.

    time: (n,), seconds, in even steps. values: sensor → (n, channels), float32.
    """

    time: np.ndarray
    values: Mapping[SensorAt, np.ndarray]


def align(sensors: Mapping[SensorAt, TimeSeries], rate: float, max_gap: float, counts: Counter[str]) -> list[Stretch]:
    """The stretches in which no sensor has a gap of more than ``max_gap`` seconds, with all sensors at ``rate``.

    Missing samples and repeated times are left out and counted. Shorter gaps are interpolated linearly. A sensor with a
    higher rate is resampled by a polyphase filter against aliasing.
    """
    clean = {name: _in_order(one, counts) for name, one in sensors.items()}
    intervals = [(-np.inf, np.inf)]
    for one in clean.values():
        intervals = _common(intervals, _without_gaps(one.time, max_gap))
    recorded = {name: _recorded_rate(one.time, rate) for name, one in clean.items()}
    stretches = []
    for start, end in intervals:
        values = {name: _within(one, start, end, recorded[name], rate) for name, one in clean.items()}
        n = min(map(len, values.values()))
        if n > 1:
            stretches.append(Stretch(start + np.arange(n) / rate, {name: some[:n] for name, some in values.items()}))
    counts["stretches"] += len(stretches)
    return stretches


def _in_order(series: TimeSeries, counts: Counter[str]) -> TimeSeries:
    there = np.isfinite(series.values).all(axis=1) & np.isfinite(series.time)
    counts["missing_samples"] += int(np.count_nonzero(~there))
    time, first = np.unique(series.time[there], return_index=True)
    counts["repeated_times"] += int(np.count_nonzero(there)) - len(time)
    return TimeSeries(time, series.values[there][first])


def _without_gaps(time: np.ndarray, max_gap: float) -> list[tuple[float, float]]:
    """The first and the last time of each run without a long gap, of increasing times."""
    if not len(time):
        return []
    gaps = np.flatnonzero(np.diff(time) > max_gap + 1e-9)
    return list(zip(time[np.r_[0, gaps + 1]].tolist(), time[np.r_[gaps, len(time) - 1]].tolist(), strict=True))


def _common(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The intersections of two sorted lists of disjoint intervals."""
    found, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if start < end:
            found.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return found


def _recorded_rate(time: np.ndarray, rate: float) -> float:
    """The multiple of ``rate``, at least ``rate`` itself, that is closest to the rate of the samples."""
    if len(time) < 2:
        return rate
    return rate * max(1, round(1 / float(np.median(np.diff(time))) / rate))


def _within(series: TimeSeries, start: float, end: float, recorded: float, rate: float) -> np.ndarray:
    """The values of a series between two times at ``rate``, (n, channels), float32."""
    first = max(int(np.searchsorted(series.time, start, "right")) - 1, 0)
    last = int(np.searchsorted(series.time, end, "left")) + 1
    grid = start + np.arange(int((end - start) * recorded + 1e-6) + 1) / recorded
    return at_even_times(series.time[first:last], series.values[first:last], grid, recorded, rate).astype(np.float32)


def at_even_times(
    time: np.ndarray, values: np.ndarray, grid: np.ndarray, rate: float, rate_after: float
) -> np.ndarray:  # fmt: skip
    """Interpolate (n, channels) linearly at ``grid``, whose rate is ``rate``, and resample it to ``rate_after``."""
    even = np.stack([np.interp(grid, time, values[:, channel]) for channel in range(values.shape[1])], axis=1)
    return resampled(even, rate, rate_after)


def resampled(series: np.ndarray, rate: float, rate_after: float) -> np.ndarray:
    """Resample (n, channels) by a polyphase filter against aliasing. The ends are extended by a line."""
    if rate == rate_after or not len(series):
        return series
    from scipy.signal import resample_poly

    ratio = Fraction(rate_after / rate).limit_denominator(1000)
    found: np.ndarray = resample_poly(series, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return found


def nearest(time: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The value of the sample that is nearest in time: time and values (n,), at (m,) → (m,). ``time`` increases.

    >>> nearest(np.array([0.0, 1.0, 2.0]), np.array([5, 6, 7]), np.array([-1.0, 0.4, 0.6, 9.0])).tolist()
    [5, 5, 6, 7]
    """
    after = np.clip(np.searchsorted(time, at), 1, max(len(time) - 1, 1))
    before_is_nearer = at - time[after - 1] <= time[np.minimum(after, len(time) - 1)] - at
    return values[np.minimum(np.where(before_is_nearer, after - 1, after), len(time) - 1)]


def by_modality(values: Mapping[SensorAt, np.ndarray], modality: ModalityIs) -> dict[str, np.ndarray]:
    """Join the channels of the sensors that belong to one modality, (time, channels) each, in order of appearance.

    >>> one = {(where, "acc"): np.zeros((9, 3)) for where in ("hand", "chest")} | {("hand", "gyro"): np.zeros((9, 3))}
    >>> {name: joined.shape for name, joined in by_modality(one, "sensor").items()}
    {'acc': (9, 6), 'gyro': (9, 3)}
    """
    joined: dict[str, list[np.ndarray]] = {}
    for (position, sensor), series in values.items():
        name = {"position": position or sensor, "sensor": sensor, "both": f"{position}_{sensor}".lstrip("_")}[modality]
        joined.setdefault(name, []).append(series)
    return {name: np.concatenate(some, axis=1) for name, some in joined.items()}


def aligned_recordings(
    name: str, subject: int, sensors: Mapping[SensorAt, TimeSeries], label: int | TimeSeries, rate: float,
    max_gap: float, modality: ModalityIs, counts: Counter[str],
) -> list[Recording]:  # fmt: skip
    """A recording for each stretch of time without a long gap. label: of all samples, or of some times, (n,)."""
    recordings = []
    order = np.argsort(label.time, kind="stable") if isinstance(label, TimeSeries) else None
    for number, stretch in enumerate(align(sensors, rate, max_gap, counts)):
        values = by_modality(stretch.values, modality)
        of_steps: int | np.ndarray
        if isinstance(label, TimeSeries):
            of_steps = nearest(label.time[order], label.values[order], stretch.time)
        else:
            of_steps = label
        recordings.append(Recording(f"{name}_p{number}", subject, values, of_steps))
    if not recordings:
        counts["recordings_without_common_time"] += 1
    return recordings
