"""The fantasy device: a unit that runs in four modes, sensed by four unlike sensors. Made from a seed, needs no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from harness.data.base import DataOptions, Dataset, DefaultSplit, Modality, Recordings
from harness.data.windows import windows
from harness.keys import rng_of

COMMON_HZ = 100
SEGMENT_SECONDS = 2  # times a geometric number
LATENT_HZ = 80  # of the series that all sensors share; the slower ones take every 2nd or 4th sample
PEAK_SECONDS = 0.05  # the slowest sensor's interval, so that each sensor can see a peak of a shared series


@dataclass(frozen=True)
class Sensor:
    """A sensor's rate, and the mean and standard deviation of its additive Gaussian noise."""

    rate_hz: int
    noise_mean: float
    noise_std: float


@dataclass(frozen=True)
class Segment:
    """What a mode needs to make its part of a series: ``n`` samples from sample ``start``; a peak lasts ``peak`` samples."""

    start: int
    n: int
    rate_hz: int
    rng: np.random.Generator
    peak: int = 1


SENSORS = (Sensor(40, 0.0, 0.2), Sensor(80, 0.1, 0.1), Sensor(80, 0.0, 0.3), Sensor(20, 0.0, 0.1))


class FantasyOptions(DataOptions):
    seed: int = Field(0, description="another seed, another device")
    pairing: Literal["paired", "unpaired"] = Field(
        "paired", description="all sensors sense each series, or one sensor each"
    )
    series: int = Field(12, ge=2, le=10_000, description="number of series; splits are by series")
    seconds: int = Field(100, ge=1, le=100_000, description="length of a series")
    window: int = Field(200, ge=1, description="samples of one window (100 a second)")
    stride: int = Field(150, ge=1, description="samples from one window's start to the next one's")

    @model_validator(mode="after")
    def _window_fits(self) -> FantasyOptions:
        if self.window > self.seconds * COMMON_HZ:
            raise ValueError(f"a window of {self.window} samples is longer than a series of {self.seconds * COMMON_HZ}")
        return self


class FantasyDevice(Dataset):
    """Four modes (the classes), four sensors, 100 Hz rows of (value, missing flag).

    paired: one latent series sensed by all: modalities sensor_1 … sensor_4, each (window, 2). unpaired: each series is sensed by one
    sensor, in turn: one modality ``signal``. Values have no unit. A window's label is the mode of most of its time (a tie goes to
    the earlier class); its subject is its series, from 1. Two readings of ours: a shared series is made at 80 Hz, the fastest
    sensor's rate, and its peaks last 50 ms, as long as the slowest sensor's interval, or that sensor would miss three of four.
    Source: the talk "Usages of contrastive losses … for sensor data" (Beglerovic and Simon, 2020), modes and sensors as in its demo.
    """

    name: ClassVar[str] = "fantasy-device"
    title: ClassVar[str] = "a made device with four modes and four unlike sensors (no files needed)"
    Options: ClassVar[type[DataOptions]] = FantasyOptions

    @override
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return ()

    @override
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        window, stride = self.options.window, self.options.stride
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
        """One series as sensed: modality → (time, 2) float32 at 100 Hz, and the mode at each of these times."""
        seed, seconds = self.options.seed, self.options.seconds
        draw = ("fantasy-device", seed, number)
        plan = draw_segments(seconds, rng_of(*draw, "modes"))
        modes = np.repeat([mode for mode, _ in plan], [length * COMMON_HZ for _, length in plan])[: seconds * COMMON_HZ]
        if self.options.pairing == "unpaired":
            sensor = SENSORS[(number - 1) % len(SENSORS)]
            latent = make_signal(plan, seconds, sensor.rate_hz, rng_of(*draw, "signal"))
            return {"signal": sense(latent, sensor, rng_of(*draw, "noise"))}, modes
        latent = make_signal(plan, seconds, LATENT_HZ, rng_of(*draw, "signal"), peak=round(PEAK_SECONDS * LATENT_HZ))
        return {
            f"sensor_{s}": sense(latent[:: LATENT_HZ // sensor.rate_hz], sensor, rng_of(*draw, "noise", s))
            for s, sensor in enumerate(SENSORS, 1)
        }, modes

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        """The last third of the series (of 12: 9 to 12, one a sensor when unpaired)."""
        n: int = self.options.series
        return DefaultSplit(test=tuple(range(n - max(1, round(n / 3)) + 1, n + 1)))


def draw_segments(seconds: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(mode, seconds) of each segment: 2 s × Geometric(½), modes uniform but never the same twice running; at least ``seconds`` in all."""
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
    """The device's signal: (seconds · rate_hz,) float64. ``peak``: samples that a peak lasts."""
    parts, start = [], 0
    for mode, length in plan:
        parts.append(list(MODES.values())[mode](Segment(start, length * rate_hz, rate_hz, rng, peak)))
        start += length * rate_hz
    return np.concatenate(parts)[: seconds * rate_hz]


def sense(latent: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """The common representation of a series at the sensor's rate, with its noise: (time at 100 Hz, 2) float32, (value, missing flag)."""
    values = latent + rng.normal(sensor.noise_mean, sensor.noise_std, len(latent))
    common = np.zeros((len(latent) * COMMON_HZ // sensor.rate_hz, 2), dtype=np.float32)
    common[:, 1] = 1
    places = np.arange(len(latent)) * COMMON_HZ // sensor.rate_hz
    common[places, 0], common[places, 1] = values, 0
    return common


def sinus(part: Segment) -> np.ndarray:
    """Amplitude 1, 0.5 Hz; the phase runs on through the whole series."""
    return np.sin(np.pi * (part.start + np.arange(part.n)) / part.rate_hz)


def square(part: Segment) -> np.ndarray:
    """±1 from +1, flipping after each second plus U{0 … 10} samples."""
    holds = _lengths(part, 10)
    return np.repeat(_signs(len(holds)), holds)[: part.n]


def spikes(part: Segment) -> np.ndarray:
    """Ramps between −1 and 1 of one second plus U{0 … 3} samples, rising and falling in turn."""
    ramps = _lengths(part, 3)
    return np.concatenate(
        [sign * np.linspace(-1, 1, length) for sign, length in zip(_signs(len(ramps)), ramps, strict=True)]
    )[: part.n]


def peaks(part: Segment) -> np.ndarray:
    """0, but for one point of ±1 at a random place in each second, signs in turn."""
    signal = np.zeros(part.n)
    seconds = -(-part.n // part.rate_hz)
    places = np.arange(seconds) * part.rate_hz + part.rng.integers(0, part.rate_hz // part.peak, seconds) * part.peak
    for place, sign in zip(places, _signs(seconds), strict=True):
        signal[place : place + part.peak] = sign
    return signal


def _signs(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)


def _lengths(part: Segment, jitter: int) -> np.ndarray:
    """Lengths of one second plus U{0 … jitter} samples that cover the segment."""
    return part.rate_hz + part.rng.integers(0, jitter + 1, -(-part.n // part.rate_hz))


MODES: dict[str, Callable[[Segment], np.ndarray]] = {"sinus": sinus, "square": square, "spikes": spikes, "peaks": peaks}
