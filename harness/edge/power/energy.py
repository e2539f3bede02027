"""From a meter's trace to the energy of a window: pure functions of arrays.

Power is integrated by trapezoid on the monotonic clock, counters are subtracted, both interpolated at the window's edges. A
figure that is not available is absent, with the reason; nothing is estimated.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from harness.edge.power.meter import Channel

ENOUGH_SAMPLES = 100
ENOUGH_SECONDS = 5.0
GAP_PERIODS = 3.0
JUMP_SECONDS = 0.5
PEAK_SECONDS = 1.0  # a counter's peak is its highest mean over so long: its steps are too coarse for less


@dataclass(frozen=True)
class Trace:
    """Everything that a sampler has read.

    times: (n,) seconds of the monotonic clock, rising. values: (n, n_channels) watts or joules. clock: (m, 3) once a second
    or so: monotonic time, wall clock minus monotonic, the sampler's own CPU seconds. error: why sampling ended early, if it did.
    """

    meter: str
    channels: tuple[Channel, ...]
    hertz: float
    times: np.ndarray
    values: np.ndarray
    clock: np.ndarray
    error: str | None = None

    @property
    def sampler_core_share(self) -> float | None:
        """The sampler's own CPU time per second of sampling: its cost, as a share of one core."""
        if len(self.clock) < 2:
            return None
        seconds, cpu = self.clock[-1, 0] - self.clock[0, 0], self.clock[-1, 2] - self.clock[0, 2]
        return float(cpu / seconds) if seconds > 0 else None

    def to_csv(self) -> bytes:
        """As a file that the replay meter reads: seconds since the first sample, then the channels."""
        text = io.StringIO()
        units = {"power": "watts", "counter": "joules"}
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["seconds", *(f"{channel.name}_{units[channel.kind]}" for channel in self.channels)])
        for time, values in zip(self.times - self.times[:1], self.values, strict=True):
            writer.writerow(
                [f"{time:.6f}", *(f"{value:.6g}" if abs(value) < 1e5 else f"{value:.3f}" for value in values)]
            )
        return text.getvalue().encode()


@dataclass(frozen=True)
class Figures:
    """Energy and power of one channel, or of the total; None where ``reason`` says why not."""

    energy_joules: float | None
    mean_watts: float | None
    peak_watts: float | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class EnergyWindow:
    """What a meter measured between two moments.

    total: gross energy of the channels that make up the total. coverage: share of the window between the first and the last
    sample, from 0 to 1; below 1 the total is absent, and ``partial`` has the figures of the part that was sampled.
    n_samples, hertz: inside the window, as they came; asked_hertz: as they should. above_idle_joules: gross energy less
    ``idle_watts`` over the window. gaps: (seconds after the start, length) of each pause of more than three periods.
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
    """A window of time and what of it the samples of a trace cover: ``first`` to ``last``, both inside the window."""

    trace: Trace
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @cached_property
    def inside(self) -> np.ndarray:
        """Which samples lie inside the window, (n,) bool."""
        return (self.trace.times >= self.start) & (self.trace.times <= self.end)

    @cached_property
    def n_samples(self) -> int:
        return int(self.inside.sum())

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
        """Why no energy of the whole window can be given; None if it can."""
        if too_little := _too_little(self.n_samples, self.seconds):
            return too_little
        return (
            None
            if self.is_whole
            else _not_whole(self.trace, self.first - self.start, self.last - self.start, self.seconds)
        )


def energy_window(trace: Trace, start: float, end: float, idle_watts: float | None = None) -> EnergyWindow:
    """The energy from ``start`` to ``end`` (seconds of the monotonic clock). idle_watts: the total's mean power at rest."""
    span = _Span(trace, start, end)
    sampled = _sampled_channels(span)
    channels = {
        name: _absent(span.unfit) if span.unfit and not figures.reason else figures for name, figures in sampled.items()
    }
    total = _total(trace, channels, span.first, span.last, span.unfit)
    gaps = _gaps(trace, span.inside, span.first, span.last, start)
    above = (
        None if idle_watts is None or total.energy_joules is None else total.energy_joules - idle_watts * span.seconds
    )
    return EnergyWindow(
        meter=trace.meter,
        covers=" + ".join(channel.covers for channel in trace.channels if channel.in_total)
        or "no total: each channel by itself",
        seconds=span.seconds,
        n_samples=span.n_samples,
        hertz=span.n_samples / span.seconds if span.seconds > 0 else 0.0,
        asked_hertz=trace.hertz,
        coverage=span.coverage,
        channels=channels,
        total=total,
        partial=None if span.is_whole else _total(trace, sampled, span.first, span.last, None),
        idle_watts=idle_watts,
        above_idle_joules=above,
        sampler_core_share=trace.sampler_core_share,
        gaps=gaps,
        flags=tuple(_flags(span, gaps)),
        errors=(trace.error,) if trace.error else (),
        kinds={channel.name: channel.kind for channel in trace.channels},
    )


def _sampled_channels(span: _Span) -> dict[str, Figures]:
    """The figures of each channel over the part of the window that was sampled."""
    times, values = span.trace.times, span.trace.values
    if span.last <= span.first or len(times) < 2:
        return {channel.name: _absent("no samples") for channel in span.trace.channels}
    return {
        channel.name: _channel(channel, times, values[:, index], span.first, span.last)
        for index, channel in enumerate(span.trace.channels)
    }


def _flags(span: _Span, gaps: tuple[tuple[float, float], ...]) -> Iterator[str]:
    """What a reader of the figures should know."""
    if gaps:
        yield f"{len(gaps)} gaps in the samples, the longest of {max(gap for _, gap in gaps):.2f} s"
    if jump := _clock_jump(span.trace, span.start, span.end):
        yield f"the wall clock jumped by {jump:+.1f} s; times are of the monotonic clock"
    if span.trace.meter.startswith("replay"):
        yield "replayed from a recorded trace: nothing was measured"


def _too_little(n_samples: int, seconds: float) -> str | None:
    if n_samples >= ENOUGH_SAMPLES or seconds >= ENOUGH_SECONDS:
        return None
    return f"window too short: {n_samples} samples in {seconds:.2f} s, it takes {ENOUGH_SAMPLES} samples or {ENOUGH_SECONDS:g} s"


def _not_whole(trace: Trace, first: float, last: float, seconds: float) -> str:
    why = f": {trace.error}" if trace.error else ""
    return f"sampled only from {max(0.0, first):.1f} s to {max(0.0, last):.1f} s of {seconds:.1f} s{why}"


def _absent(reason: str | None) -> Figures:
    return Figures(None, None, None, reason)


def _channel(channel: Channel, times: np.ndarray, values: np.ndarray, first: float, last: float) -> Figures:
    """One channel from ``first`` to ``last``, both within its samples."""
    if channel.kind == "power":
        at, watts = _cut(times, values, first, last)
        energy = float(trapezoid(watts, at))
        return Figures(energy, energy / (last - first), float(watts.max()))
    counted = _counted(channel, values)
    steps = np.diff(counted)[(times[1:] > first) & (times[:-1] < last)]
    if (steps < 0).any():
        return _absent(f"the counter went back by {-float(steps.min()):g} J: it was reset")
    energy = float(np.interp(last, times, counted) - np.interp(first, times, counted))
    if energy <= 0:
        return _absent("the counter stood still")
    return Figures(energy, energy / (last - first), _counter_peak(times, counted, first, last))


def _counted(channel: Channel, values: np.ndarray) -> np.ndarray:
    """Joules since the first sample, across wraps of the counter."""
    steps = np.diff(values)
    if channel.wraps_at is not None:
        steps = np.where(steps < 0, steps + channel.wraps_at, steps)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _cut(times: np.ndarray, values: np.ndarray, first: float, last: float) -> tuple[np.ndarray, np.ndarray]:
    """The samples between two moments, and those moments themselves, interpolated."""
    at = np.concatenate([[first], times[(times > first) & (times < last)], [last]])
    return at, np.interp(at, times, values)


def _counter_peak(times: np.ndarray, counted: np.ndarray, first: float, last: float) -> float | None:
    if last - first < PEAK_SECONDS:
        return None
    at, joules = _cut(times, counted, first, last - PEAK_SECONDS)
    return float((np.interp(at + PEAK_SECONDS, times, counted) - joules).max() / PEAK_SECONDS)


def _total(trace: Trace, channels: Mapping[str, Figures], first: float, last: float, reason: str | None) -> Figures:
    """The sum of the channels that make up the total."""
    parts = [channel for channel in trace.channels if channel.in_total]
    if not parts:
        return _absent(
            "no total rail is known: each rail stands by itself" if trace.channels else reason or "no channels"
        )
    if missing := [
        f"{channel.name}: {channels[channel.name].reason}" for channel in parts if channels[channel.name].reason
    ]:
        return _absent(reason or "; ".join(missing))
    energy = sum(channels[channel.name].energy_joules or 0.0 for channel in parts)
    columns = [trace.values[:, trace.channels.index(channel)] for channel in parts]
    peak: float | None = None
    if all(channel.kind == "power" for channel in parts):
        peak = float(_cut(trace.times, np.sum(columns, axis=0), first, last)[1].max())
    elif all(channel.kind == "counter" for channel in parts):
        counted = np.sum([_counted(channel, column) for channel, column in zip(parts, columns, strict=True)], axis=0)
        peak = _counter_peak(trace.times, counted, first, last)
    return Figures(energy, energy / (last - first), peak)


def _gaps(trace: Trace, inside: np.ndarray, first: float, last: float, start: float) -> tuple[tuple[float, float], ...]:
    at = np.concatenate([[first], trace.times[inside], [last]]) if last > first else np.empty(0)
    pauses = np.diff(at)
    return tuple((float(at[i] - start), float(pauses[i])) for i in np.flatnonzero(pauses > GAP_PERIODS / trace.hertz))


def _clock_jump(trace: Trace, start: float, end: float) -> float:
    """By how much the wall clock moved against the monotonic one within a window, if by more than half a second."""
    near = (
        trace.clock[(trace.clock[:, 0] >= start - 2) & (trace.clock[:, 0] <= end + 2), 1]
        if len(trace.clock)
        else np.empty(0)
    )
    if len(near) < 2:
        return 0.0
    jump = float(near[np.argmax(np.abs(near - near[0]))] - near[0])
    return jump if abs(jump) > JUMP_SECONDS else 0.0
