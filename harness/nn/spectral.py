"""Spectra of time intervals and one sensor's convolutions on them: what DeepSense and AttnSense begin with, as published."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.data.base import Modality
from harness.errors import InputError
from harness.nn.encoders import Encoder

INTERVALS = 20  # as published for windows of 5 s
SAMPLES = 10  # of one interval, and so of its spectrum
FILTERS = 64
KERNEL = 3
DROPOUT = 0.2
WIDTH = SAMPLES - 3 * (KERNEL - 1)  # of the map that three convolutions leave of a spectrum


def require_series(modalities: Sequence[Modality], method: str) -> None:
    """Raises InputError, naming the modality, unless all are series, or skeletons, whose joints and axes are taken as channels."""
    for modality in modalities:
        if modality.kind not in ("series", "skeleton"):
            raise InputError(
                f"{method}: form 'original' is for time series and skeletons; {modality.name!r} is of kind {modality.kind!r}, "
                "for which form 'comparison' has an encoder"
            )


def resample(x: Tensor, steps: int) -> Tensor:
    """A series or skeleton (n, time, ...) as (n, channels, steps): means where it is longer, linear between samples where shorter."""
    series = x.flatten(2).transpose(1, 2)
    if series.shape[2] >= steps:
        return F.adaptive_avg_pool1d(series, steps)
    return F.interpolate(series, steps, mode="linear", align_corners=True)


def spectra(x: Tensor, intervals: int) -> Tensor:
    """(n, time, ...) → (n, 2·channels, intervals, 10): each interval's Fourier transform, all real parts and then all imaginary ones.

    Units are the series' own, times samples (the transform isn't scaled). Source: Yao et al. 2017; how an interval gets its 10
    samples is not published, here see `resample`.
    """
    cut = resample(x, intervals * SAMPLES).reshape(len(x), -1, intervals, SAMPLES)
    transformed = torch.fft.fft(cut.float(), dim=3)
    return torch.cat([transformed.real, transformed.imag], dim=1)


def n_intervals(modalities: Sequence[Modality], asked: int | None) -> int:
    """As many intervals as asked; by default 20, or fewer, so that each holds 10 samples of the shortest modality (at least one)."""
    return asked or min(INTERVALS, max(1, min(m.shape[0] for m in modalities) // SAMPLES))


class SpectralEncoder(Encoder):
    """One sensor: (n, *modality.shape) → (n, 64, intervals · 4): three convolutions along each interval's spectrum.

    Each has BatchNorm, ReLU and dropout 0.2 of whole filters. Source: Yao et al. 2017 and the authors' code, whose first
    kernel of [1, 18] with stride 6 is this one of 3 spectral samples on 2·3 channels.
    """

    def __init__(self, modality: Modality, intervals: int):
        self.intervals = intervals  # before the base's, which needs it to try a map
        super().__init__(modality)

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs in (2 * prod(shape[1:]), FILTERS, FILTERS):
            layers += [
                nn.Conv2d(inputs, FILTERS, (1, KERNEL)),
                nn.BatchNorm2d(FILTERS),
                nn.ReLU(inplace=True),
                nn.Dropout2d(DROPOUT),
            ]
        return nn.Sequential(*layers)

    def map(self, x: Tensor) -> Tensor:
        """(n, 64, intervals, 4)."""
        return self.features(spectra(x, self.intervals))


def by_interval(features: Tensor) -> Tensor:
    """A `SpectralEncoder`'s features (n, 64, intervals · 4) as its map (n, 64, intervals, 4)."""
    return features.reshape(*features.shape[:2], -1, WIDTH)


def build_spectral_encoders(modalities: Sequence[Modality], intervals: int | None, method: str) -> nn.ModuleDict:
    """A randomly initialised `SpectralEncoder` for each modality. ``method`` is named in the InputError for frames and volumes."""
    require_series(modalities, method)
    count = n_intervals(modalities, intervals)
    return nn.ModuleDict({m.name: SpectralEncoder(m, count) for m in modalities})
