"""The fantasy device: a synthetic data set of a device with four modes and four sensors. It needs no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from harness.data.base import DataOptions, Dataset, DefaultSplit, Modality, Recordings
from harness.data.windows import check_windows_fit, windows
from harness.keys import rng_of

COMMON_HZ = 100
SEGMENT_SECONDS = 2  # a segment lasts this long times a geometric random number
MAX_SECONDS = 200_000  # of all series together
LATENT_HZ = 80  # the rate of the series that all sensors share; slower sensors take every 2nd or 4th sample
PEAK_SECONDS = 0.05  # the sampling interval of the slowest sensor, so that every sensor sees each peak


@dataclass(frozen=True)
class Sensor:
    """A sensor: its rate, and the mean and standard deviation of its additive Gaussian noise."""

    rate_hz: int
    noise_mean: float
    noise_std: float


@dataclass(frozen=True)
class Segment:
    """The part of a series during which the mode stays the same.

    It has ``n`` samples and begins at sample ``start``. A peak lasts ``peak`` samples.
    """

    start: int
    n: int
    rate_hz: int
    rng: np.random.Generator
    peak: int = 1


SENSORS = (Sensor(40, 0.0, 0.2), Sensor(80, 0.1, 0.1), Sensor(80, 0.0, 0.3), Sensor(20, 0.0, 0.1))


class FantasyOptions(DataOptions):
    seed: int = Field(0, description="the seed from which the recordings are generated")
    pairing: Literal["paired", "unpaired"] = Field(
        "paired", description="whether all sensors record each series (paired) or only one of them (unpaired)"
    )
    noise: float = Field(
        1.0, ge=0, description="the standard deviation of the sensors' noise, relative to that of the talk's demo"
    )
    series: int = Field(12, ge=2, le=10_000, description="the number of series; splits are by series")
    seconds: int = Field(100, ge=1, le=100_000, description="the length of a series in seconds")
    window: int = Field(200, ge=1, description="the length of a window in samples (100 per second)")
    stride: int = Field(150, ge=1, description="the distance between the starts of two windows, in samples")

    @model_validator(mode="after")
    def _window_fits(self) -> FantasyOptions:
        if self.window > self.seconds * COMMON_HZ:
            samples = self.seconds * COMMON_HZ
            raise ValueError(f"a window of {self.window} samples is longer than a series of {samples} samples")
        if self.series * self.seconds > MAX_SECONDS:
            raise ValueError(
                f"{self.series:,} series of {self.seconds:,} seconds are {self.series * self.seconds:,} seconds, "
                f"and may be {MAX_SECONDS:,}"
            )
        return self


class FantasyDevice(Dataset):
    """Four modes (the classes) recorded by four sensors, as pairs of value and missing flag at 100 Hz.

    With ``pairing: paired`` all sensors record the same series; the modalities are sensor_1 to sensor_4, each of shape
    (window, 2). With ``unpaired`` the sensors take turns, one per series, and the only modality is ``signal``. Values
    have no unit. The label of a window is the mode that takes up most of it (the earlier class in a tie), and its
    subject is the number of its series, from 1.

    Source: the talk "Usages of contrastive losses … for sensor data" (Beglerovic and Simon, 2020), with the modes and
    sensors of its demo. Two details are ours: a shared series is generated at 80 Hz, the rate of the fastest sensor,
    and its peaks last 50 ms, the sampling interval of the slowest sensor, which would otherwise miss three in four.
    """

    name: ClassVar[str] = "fantasy-device"
    title: ClassVar[str] = "a synthetic device with four modes and four different sensors (no files needed)"
    Options: ClassVar[type[DataOptions]] = FantasyOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return ()

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        window, stride = self.options.window, self.options.stride
        lengths = [self.options.seconds * COMMON_HZ] * self.options.series
        n_signals = len(SENSORS) if self.options.pairing == "paired" else 1
        check_windows_fit(lengths, window, stride, 2 * n_signals, self.name)
        label, subject, sample = [], [], []
        pieces: dict[str, list[np.ndarray]] = {}
        for number in range(1, self.options.series + 1):
            sensed, modes = self._series(number)
            of_windows = np.array([np.bincount(w).argmax() for w in windows(modes, window, stride)], dtype=np.int64)
            label.append(of_windows)
            subject += [number] * len(of_windows)
            sample += [f"s{number}_w{w:03d}" for w in range(len(of_windows))]
            for name, series in sensed.items():
                pieces.setdefault(name, []).append(windows(series, window, stride))
        return Recordings(
            modalities=tuple(Modality(name, "series", (window, 2)) for name in pieces),
            arrays={name: np.concatenate(parts) for name, parts in pieces.items()},
            label=np.concatenate(label),
            subject=np.array(subject, dtype=np.int64),
            sample=np.array(sample),
            classes=tuple(MODES),
            notes={"series": self.options.series, "pairing": self.options.pairing},
        )

    def _series(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One recorded series: modality → (time, 2) float32 at 100 Hz, and the mode at each time step."""
        seed, seconds = self.options.seed, self.options.seconds
        draw = ("fantasy-device", seed, number)
        plan = draw_segments(seconds, rng_of(*draw, "modes"))
        modes = np.repeat([mode for mode, _ in plan], [length * COMMON_HZ for _, length in plan])[: seconds * COMMON_HZ]
        if self.options.pairing == "unpaired":
            sensor = SENSORS[(number - 1) % len(SENSORS)]
            latent = make_signal(plan, seconds, sensor.rate_hz, rng_of(*draw, "signal"))
            return {"signal": self._sense(latent, sensor, rng_of(*draw, "noise"))}, modes
        latent = make_signal(plan, seconds, LATENT_HZ, rng_of(*draw, "signal"), peak=round(PEAK_SECONDS * LATENT_HZ))
        return {
            f"sensor_{s}": self._sense(latent[:: LATENT_HZ // sensor.rate_hz], sensor, rng_of(*draw, "noise", s))
            for s, sensor in enumerate(SENSORS, 1)
        }, modes

    def _sense(self, latent: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
        return sense(latent, replace(sensor, noise_std=self.options.noise * sensor.noise_std), rng)

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        """The last third of the series, which is 9 to 12 of 12 (one for each sensor if they are unpaired)."""
        n: int = self.options.series
        return DefaultSplit(test=tuple(range(n - max(1, round(n / 3)) + 1, n + 1)))


def draw_segments(seconds: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Draw the segments of a series as pairs of mode and length in seconds, at least ``seconds`` long in total.

    A length is 2 s times a draw from Geometric(½). Modes are uniform, but never the same twice in a row.
    """
    plan: list[tuple[int, int]] = []
    covered = 0
    while covered < seconds:
        others = [mode for mode in range(len(MODES)) if not plan or mode != plan[-1][0]]
        plan.append((int(rng.choice(others)), SEGMENT_SECONDS * int(rng.geometric(0.5))))
        covered += plan[-1][1]
    return plan


def make_signal(
    plan: list[tuple[int, int]], seconds: int, rate_hz: int, rng: np.random.Generator, peak: int = 1
) -> np.ndarray:
    """The device's signal, (seconds · rate_hz,) float64. ``peak`` is the length of a peak in samples."""
    parts, start = [], 0
    for mode, length in plan:
        parts.append(list(MODES.values())[mode](Segment(start, length * rate_hz, rate_hz, rng, peak)))
        start += length * rate_hz
    return np.concatenate(parts)[: seconds * rate_hz]


def sense(latent: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Add a sensor's noise to a series at its rate and place it on the 100 Hz grid.

    Returns (time, 2) float32: the value and the missing flag, which is 1 between the sensor's samples.
    """
    values = latent + rng.normal(sensor.noise_mean, sensor.noise_std, len(latent))
    common = np.zeros((len(latent) * COMMON_HZ // sensor.rate_hz, 2), dtype=np.float32)
    common[:, 1] = 1
    steps = np.arange(len(latent)) * COMMON_HZ // sensor.rate_hz
    common[steps, 0], common[steps, 1] = values, 0
    return common


def sine(part: Segment) -> np.ndarray:
    """A sine of amplitude 1 and 0.5 Hz, whose phase continues through the whole series."""
    return np.sin(np.pi * (part.start + np.arange(part.n)) / part.rate_hz)


def square(part: Segment) -> np.ndarray:
    """A square wave that starts at +1 and changes its sign after one second plus U{0 … 10} samples."""
    holds = _lengths(part, 10)
    return np.repeat(_signs(len(holds)), holds)[: part.n]


def spikes(part: Segment) -> np.ndarray:
    """Ramps between −1 and 1, each one second plus U{0 … 3} samples long, rising and falling in turn."""
    ramps = _lengths(part, 3)
    return np.concatenate(
        [sign * np.linspace(-1, 1, length) for sign, length in zip(_signs(len(ramps)), ramps, strict=True)]
    )[: part.n]


def peaks(part: Segment) -> np.ndarray:
    """Zero, except for one peak at a random time in each second, +1 and −1 in turn."""
    signal = np.zeros(part.n)
    seconds = -(-part.n // part.rate_hz)
    starts = np.arange(seconds) * part.rate_hz + part.rng.integers(0, part.rate_hz // part.peak, seconds) * part.peak
    for start, sign in zip(starts, _signs(seconds), strict=True):
        signal[start : start + part.peak] = sign
    return signal


def _signs(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)


def _lengths(part: Segment, jitter: int) -> np.ndarray:
    """Lengths of one second plus U{0 … jitter} samples, enough to cover the segment."""
    return part.rate_hz + part.rng.integers(0, jitter + 1, -(-part.n // part.rate_hz))


MODES: dict[str, Callable[[Segment], np.ndarray]] = {"sine": sine, "square": square, "spikes": spikes, "peaks": peaks}
