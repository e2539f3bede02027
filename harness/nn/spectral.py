"""The first layers of DeepSense and AttnSense as published: spectra of time intervals, and convolutions on them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.data.base import Modality
from harness.errors import InputError
from harness.nn.by_modality import ByModality
from harness.nn.encoders import Encoder

INTERVALS = 20  # as published, for windows of 5 s
SAMPLES = 10  # the length of an interval, and of its spectrum
FILTERS = 64
KERNEL = 3
DROPOUT = 0.2
WIDTH = SAMPLES - 3 * (KERNEL - 1)  # the width that remains of a spectrum after three convolutions


def require_series(modalities: Sequence[Modality], method: str) -> None:
    """Raise InputError, which names the modality, unless all are series or skeletons.

    The joints and axes of a skeleton are treated as channels.
    """
    for modality in modalities:
        if modality.kind not in ("series", "skeleton"):
            raise InputError(
                f"{method}: form 'original' needs series or skeletons, but {modality.name!r} is of kind "
                f"{modality.kind!r}; use form 'comparison'"
            )


def resample(x: Tensor, steps: int) -> Tensor:
    """Resample a series or skeleton (n, time, ...) to (n, channels, steps).

    Longer ones are averaged, shorter ones interpolated linearly.
    """
    series = x.flatten(2).transpose(1, 2)
    if series.shape[2] >= steps:
        return F.adaptive_avg_pool1d(series, steps)
    return F.interpolate(series, steps, mode="linear", align_corners=True)


def spectra(x: Tensor, intervals: int) -> Tensor:
    """The Fourier transform of each interval: (n, time, ...) → (n, 2·channels, intervals, 10).

    The channels hold all real parts, followed by all imaginary parts. The transform is not scaled, so its unit is that
    of the series times samples. Source: Yao et al. 2017, which does not say how an interval gets its 10 samples; here
    `resample` does it.
    """
    cut = resample(x, intervals * SAMPLES).reshape(len(x), -1, intervals, SAMPLES)
    transformed = torch.fft.fft(cut.float(), dim=3)
    return torch.cat([transformed.real, transformed.imag], dim=1)


def n_intervals(modalities: Sequence[Modality], asked: int | None) -> int:
    """The number of intervals: ``asked``, or by default 20.

    The default is reduced, to no less than 1, so that each interval has 10 samples of the shortest modality.
    """
    return asked or min(INTERVALS, max(1, min(m.shape[0] for m in modalities) // SAMPLES))


class SpectralEncoder(Encoder):
    """Three convolutions along the spectrum of each interval: (n, *modality.shape) → (n, 64, intervals · 4).

    Each is followed by BatchNorm, ReLU and dropout of whole filters with p = 0.2. Source: Yao et al. 2017 and the
    authors' code. Its first kernel, [1, 18] with stride 6, covers 3 spectral samples of 2·3 channels, as here.
    """

    def __init__(self, modality: Modality, intervals: int):
        self.intervals = intervals  # set first, since the base class computes a feature map
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
        """The feature map (n, 64, intervals, 4)."""
        return self.features(spectra(x, self.intervals))


def by_interval(features: Tensor) -> Tensor:
    """Reshape the features of a `SpectralEncoder`, (n, 64, intervals · 4), to its map (n, 64, intervals, 4)."""
    return features.reshape(*features.shape[:2], -1, WIDTH)


def build_spectral_encoders(modalities: Sequence[Modality], intervals: int | None, method: str) -> ByModality:
    """A randomly initialised `SpectralEncoder` for each modality.

    Raises InputError, which names ``method``, for frames and volumes.
    """
    require_series(modalities, method)
    count = n_intervals(modalities, intervals)
    return ByModality({m.name: SpectralEncoder(m, count) for m in modalities})
