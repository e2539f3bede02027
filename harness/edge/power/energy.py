"""Energy of a window of time from the trace of a meter, as pure functions of arrays.

Power is integrated by the trapezoidal rule over the monotonic clock; counters are subtracted. Both are interpolated at
the edges of the window. A figure that is not available is None, with a reason; nothing is estimated.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness.edge.power.counter import GAP_PERIODS, counted, longest_hidden, longest_still
from harness.edge.power.meter import TOTAL_MARK, Channel
from reports.cleaning import spreadsheet_safe

MIN_SAMPLES = 100  # a window needs this many samples or `MIN_SECONDS`
MIN_SECONDS = 5.0
JUMP_SECONDS = 0.5  # a change of the wall clock against the monotonic clock that is reported
STILL_SECONDS = 3.0  # a counter that shows the same value for longer stands still
PEAK_SECONDS = 1.0  # the peak of a counter is its highest mean over this time: its steps are too coarse for less


@dataclass(frozen=True)
class Trace:
    """Everything that a sampler has read.

    times: seconds of the monotonic clock, increasing, of shape (n_samples,).
    values: watts or joules, of shape (n_samples, n_channels).
    clock: of shape (n_reports, 3), about one row a second: monotonic time, wall clock minus monotonic time, and CPU
    seconds of the sampler.
    error: why sampling ended early; None if it did not. notes: those of the meter, such as channels it left out.
    """

    meter: str
    channels: tuple[Channel, ...]
    hertz: float
    times: np.ndarray
    values: np.ndarray
    clock: np.ndarray
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def sampler_core_share(self) -> float | None:
        """The cost of sampling as a share of one core: CPU time of the sampler per second."""
        if len(self.clock) < 2:
            return None
        seconds, cpu = self.clock[-1, 0] - self.clock[0, 0], self.clock[-1, 2] - self.clock[0, 2]
        return float(cpu / seconds) if seconds > 0 else None

    def to_csv(self) -> bytes:
        """The trace as a CSV file that the replay meter reads: seconds since the first sample, then the channels.

        Names of channels that are part of the total end in `TOTAL_MARK`. Counters are corrected for overflows.
        """
        text = io.StringIO()
        units = {"power": "watts", "counter": "joules"}
        writer = csv.writer(text, lineterminator="\n")
        names = [f"{channel.name}{TOTAL_MARK * channel.in_total}_{units[channel.kind]}" for channel in self.channels]
        writer.writerow(["seconds", *map(spreadsheet_safe, names)])
        times = [f"{time:.6f}" for time in self.times - self.times[:1]]
        columns = [_cells(channel, self.times, self.values[:, i]) for i, channel in enumerate(self.channels)]
        writer.writerows(zip(times, *columns, strict=True))
        return text.getvalue().encode()


def _cells(channel: Channel, times: np.ndarray, values: np.ndarray) -> list[str]:
    """The values of a channel in `Trace.to_csv`."""
    if channel.kind == "power":
        return [f"{value:.6g}" for value in values]
    joules, read = values.copy(), ~np.isnan(values)
    joules[read] = values[read][:1] + counted(values[read], times[read], channel.wraps_at)
    return [f"{value:.6f}" for value in joules]


@dataclass(frozen=True)
class Figures:
    """Energy and power of one channel or of the total. If they are None, ``reason`` says why."""

    energy_joules: float | None
    mean_watts: float | None
    peak_watts: float | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class EnergyWindow:
    """What a meter measured in a window of time.

    total: gross energy of the channels that make up the total.
    coverage: the share of the window between the first and the last sample, from 0 to 1. Below 1 there is no total, and
    ``partial`` has the figures of the part that was sampled.
    n_samples, hertz: number and rate of the samples inside the window. asked_hertz: the rate that was asked for.
    above_idle_joules: gross energy minus the energy at ``idle_watts``.
    gaps: (seconds after the start, seconds) of each gap between samples.
    flags: cautions for the reader. errors: what went wrong.
    """

    meter: str
    covers: str
    seconds: float
    n_samples: int
    hertz: float
    asked_hertz: float
    coverage: float
    channels: Mapping[str, Figures]
    total: Figures
    partial: Figures | None
    idle_watts: float | None
    above_idle_joules: float | None
    sampler_core_share: float | None
    gaps: tuple[tuple[float, float], ...] = ()
    flags: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        content = dict(self.__dict__) | {
            "total": self.total.to_json(),
            "partial": self.partial.to_json() if self.partial else None,
        }
        content["channels"] = {name: figures.to_json() for name, figures in self.channels.items()}
        return (
            content | {name: list(content[name]) for name in ("gaps", "flags", "errors")} | {"kinds": dict(self.kinds)}
        )


@dataclass(frozen=True)
class _Span:
    """A window of time, and the part of it that the samples of a trace cover, from ``first`` to ``last``."""

    trace: Trace
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @cached_property
    def inside(self) -> np.ndarray:
        """Which samples lie inside the window, bool of shape (n_samples,)."""
        return (self.trace.times >= self.start) & (self.trace.times <= self.end)

    @cached_property
    def n_samples(self) -> int:
        return int(self.inside.sum())

    @property
    def hertz(self) -> float:
        return self.n_samples / self.seconds if self.seconds > 0 else 0.0

    @property
    def first(self) -> float:
        return max(self.start, float(self.trace.times[0])) if len(self.trace.times) else self.end

    @property
    def last(self) -> float:
        return min(self.end, float(self.trace.times[-1])) if len(self.trace.times) else self.end

    @property
    def coverage(self) -> float:
        return max(0.0, (self.last - self.first) / self.seconds) if self.seconds > 0 else 0.0

    @property
    def is_whole(self) -> bool:
        return self.coverage >= 1 - 1e-9

    @property
    def unfit(self) -> str | None:
        """Why there is no energy for the whole window; None if there is."""
        if self.n_samples < MIN_SAMPLES and self.seconds < MIN_SECONDS:
            return (
                f"window too short: {self.n_samples} samples in {self.seconds:.2f} s;"
                f" at least {MIN_SAMPLES} samples or {MIN_SECONDS:g} s are needed"
            )
        if self.is_whole:
            return None
        first, last = max(0.0, self.first - self.start), max(0.0, self.last - self.start)
        why = f": {self.trace.error}" if self.trace.error else ""
        return f"sampled only from {first:.1f} s to {last:.1f} s of {self.seconds:.1f} s{why}"


def energy_window(trace: Trace, start: float, end: float, idle_watts: float | None = None) -> EnergyWindow:
    """The energy from ``start`` to ``end``, in seconds of the monotonic clock.

    idle_watts: mean power of the total at rest, if known.
    """
    span = _Span(trace, start, end)
    sampled = _sampled_channels(span)
    channels = {
        name: _absent(span.unfit) if span.unfit and not figures.reason else figures for name, figures in sampled.items()
    }
    total = _total(span, channels, span.unfit)
    gaps = _gaps(span)
    return EnergyWindow(
        meter=trace.meter,
        covers=_covers(trace),
        seconds=span.seconds,
        n_samples=span.n_samples,
        hertz=span.hertz,
        asked_hertz=trace.hertz,
        coverage=span.coverage,
        channels=channels,
        total=total,
        partial=None if span.is_whole else _total(span, sampled, None),
        idle_watts=idle_watts,
        above_idle_joules=_above_idle(total, idle_watts, span.seconds),
        sampler_core_share=trace.sampler_core_share,
        gaps=gaps,
        flags=tuple(_flags(span, gaps, total, idle_watts)),
        errors=(trace.error,) if trace.error else (),
        kinds={channel.name: channel.kind for channel in trace.channels},
    )


def _covers(trace: Trace) -> str:
    """What the total of a trace measures."""
    parts = [channel.covers for channel in trace.channels if channel.in_total]
    return " + ".join(parts) or "no total: each channel by itself"


def _above_idle(total: Figures, idle_watts: float | None, seconds: float) -> float | None:
    if idle_watts is None or total.energy_joules is None:
        return None
    return total.energy_joules - idle_watts * seconds


def _sampled_channels(span: _Span) -> dict[str, Figures]:
    """The figures of each channel over the sampled part of the window."""
    times, values = span.trace.times, span.trace.values
    if span.last <= span.first or len(times) < 2:
        return {channel.name: _absent("no samples") for channel in span.trace.channels}
    return {
        channel.name: _channel(channel, times, values[:, index], span.first, span.last)
        for index, channel in enumerate(span.trace.channels)
    }


def _flags(
    span: _Span, gaps: tuple[tuple[float, float], ...], total: Figures, idle_watts: float | None
) -> Iterator[str]:
    """Cautions for the reader of the figures."""
    yield from span.trace.notes
    if idle_watts is not None and total.mean_watts is not None and total.mean_watts < idle_watts:
        yield (
            f"the energy above idle is negative: {total.mean_watts:.2f} W on average, but {idle_watts:.2f} W at rest;"
            " the device was not at rest, or its clocks or its temperature changed"
        )
    if gaps:
        yield f"{len(gaps)} gaps in the samples, the longest {max(gap for _, gap in gaps):.2f} s"
    if jump := _clock_jump(span):
        yield f"the wall clock jumped by {jump:+.1f} s; the times are those of the monotonic clock"
    if span.trace.meter.startswith("replay"):
        yield "replayed from a recorded trace: nothing was measured"


def _absent(reason: str | None) -> Figures:
    return Figures(None, None, None, reason)


def _channel(channel: Channel, times: np.ndarray, values: np.ndarray, first: float, last: float) -> Figures:
    """The figures of one channel from ``first`` to ``last``, both between its first and last sample."""
    read = ~np.isnan(values)
    if failed := int((~read & (times >= first) & (times <= last)).sum()):
        return _absent(f"{failed} readings failed")
    times, values = times[read], values[read]
    if channel.kind == "power":
        from scipy.integrate import trapezoid  # takes half a second to import, and listing the meters needs no integral

        at, watts = _cut(times, values, first, last)
        energy = float(trapezoid(watts, at))
        return Figures(energy, energy / (last - first), float(watts.max()))
    joules = counted(values, times, channel.wraps_at)
    inside = (times[1:] > first) & (times[:-1] < last)
    steps, pauses = np.diff(joules)[inside], np.diff(times)[inside]
    if (steps < 0).any():
        return _absent(f"the counter went back by {-float(steps.min()):g} J: it was reset")
    if channel.wraps_at is not None and (hidden := longest_hidden(channel.wraps_at, steps, pauses)):
        return _absent(
            f"a pause of {hidden:.1f} s between samples: the counter overflows at {channel.wraps_at:g} J and may have"
            " done so more than once"
        )
    energy = float(np.interp(last, times, joules) - np.interp(first, times, joules))
    still = longest_still(steps, pauses)
    if energy <= 0 or still > STILL_SECONDS:
        return _absent(f"the counter stood still for {still:.1f} s")
    return Figures(energy, energy / (last - first), _counter_peak(times, joules, first, last))


def _cut(times: np.ndarray, values: np.ndarray, first: float, last: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and values between two moments, with interpolated values at the moments themselves."""
    at = np.concatenate([[first], times[(times > first) & (times < last)], [last]])
    return at, np.interp(at, times, values)


def _counter_peak(times: np.ndarray, joules: np.ndarray, first: float, last: float) -> float | None:
    if last - first < PEAK_SECONDS:
        return None
    at, before = _cut(times, joules, first, last - PEAK_SECONDS)
    return float((np.interp(at + PEAK_SECONDS, times, joules) - before).max() / PEAK_SECONDS)


def _total(span: _Span, channels: Mapping[str, Figures], reason: str | None) -> Figures:
    """The sum of the channels that make up the total, over the sampled part of the window.

    reason: why there is no energy for the window; None if there is.
    """
    parts = [channel for channel in span.trace.channels if channel.in_total]
    if not parts:
        known = bool(span.trace.channels)
        return _absent("no total rail is known: each rail stands by itself" if known else reason or "no channels")
    missing = [f"{part.name}: {channels[part.name].reason}" for part in parts if channels[part.name].reason]
    if missing:
        return _absent(reason or "; ".join(missing))
    energy = sum(channels[part.name].energy_joules or 0.0 for part in parts)
    return Figures(energy, energy / (span.last - span.first), _total_peak(span, parts))


def _total_peak(span: _Span, parts: list[Channel]) -> float | None:
    """The peak power of the sum of channels; None if some are counters and some are not."""
    trace = span.trace
    columns = [trace.values[:, trace.channels.index(part)] for part in parts]
    kinds = {part.kind for part in parts}
    if kinds == {"power"}:
        return float(_cut(trace.times, np.sum(columns, axis=0), span.first, span.last)[1].max())
    if kinds == {"counter"}:
        joules = [counted(column, trace.times, part.wraps_at) for part, column in zip(parts, columns, strict=True)]
        return _counter_peak(trace.times, np.sum(joules, axis=0), span.first, span.last)
    return None


def _gaps(span: _Span) -> tuple[tuple[float, float], ...]:
    """(seconds after the start, seconds) of each pause of more than `GAP_PERIODS`."""
    if span.last <= span.first:
        return ()
    at = np.concatenate([[span.first], span.trace.times[span.inside], [span.last]])
    pauses = np.diff(at)
    long = np.flatnonzero(pauses > GAP_PERIODS / span.trace.hertz)
    return tuple((float(at[i] - span.start), float(pauses[i])) for i in long)


def _clock_jump(span: _Span) -> float:
    """By how many seconds the wall clock moved against the monotonic clock; 0 if by no more than `JUMP_SECONDS`."""
    clock = span.trace.clock
    if not len(clock):
        return 0.0
    near = clock[(clock[:, 0] >= span.start - 2) & (clock[:, 0] <= span.end + 2), 1]
    if len(near) < 2:
        return 0.0
    jump = float(near[np.argmax(np.abs(near - near[0]))] - near[0])
    return jump if abs(jump) > JUMP_SECONDS else 0.0
