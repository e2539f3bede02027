"""One encoder for each kind of modality. Its feature map has 16 channels, which the layers above read as 16 steps.

The encoders of series and skeletons are the authors' networks for UTD-MHAD (golden values are in tests/golden), with
kernels clipped to inputs that are smaller. The authors' published code has no encoder of frames or volumes; ours has
convolutions of the same widths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn

from harness.data.base import Modality, ModalityKind
from harness.nn.by_modality import ByModality
from harness.nn.layers import DepthFoldedConv3d, Dropout

WIDTHS = (64, 64, 32, 16)
STEPS = WIDTHS[-1]
DROPOUT = 0.5
POOLED = 40  # frames and volumes are pooled to at most this many pixels per side before the first convolution


class Encoder(nn.Module, ABC):
    """The base class of encoders: (n, *modality.shape) → (n, 16, width).

    ``map_shape`` is (16, time, ...), the shape of a sample's feature map; ``width`` is the product of all axes but the
    first. ``features`` are four blocks of convolution, BatchNorm and ReLU, with Dropout 0.5 in between (authors' code).
    """

    def __init__(self, modality: Modality):
        super().__init__()
        self.modality = modality
        self.features = self.build(modality.shape)
        with torch.no_grad():
            self.map_shape = tuple(self.eval().map(torch.zeros(1, *modality.shape)).shape[1:])
        self.train()

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        """The layers for samples of this shape."""

    @abstractmethod
    def map(self, x: Tensor) -> Tensor:
        """The feature map (n, 16, time, ...) of samples (n, *modality.shape)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).flatten(2)

    @property
    def time(self) -> int:
        """The length of the feature map's time axis."""
        return self.map_shape[1]

    @property
    def width(self) -> int:
        """The number of features in each of the 16 steps."""
        return prod(self.map_shape[1:])


def _stack(convolutions: Sequence[nn.Module], norm: Callable[[int], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (convolution, width) in enumerate(zip(convolutions, WIDTHS, strict=True)):
        layers += [convolution, norm(width), nn.ReLU(inplace=True)]
        if i < len(WIDTHS) - 1:
            layers.append(Dropout(DROPOUT))
    return nn.Sequential(*layers)


def _clip(kernel: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(k, s) for k, s in zip(kernel, size, strict=True))


class SeriesEncoder(Encoder):
    """Encodes a series (time, channels) as an image with one channel: the authors' IMU network, 120x6 → 16x118x4."""

    KERNELS = ((2, 2), (2, 2), (1, 1), (1, 1))

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        convolutions: list[nn.Module] = []
        inputs, size = 1, shape
        for width, wanted in zip(WIDTHS, self.KERNELS, strict=True):
            time, channels = _clip(wanted, size)
            convolutions.append(nn.Conv2d(inputs, width, (time, channels)))
            inputs, size = width, (size[0] - time + 1, size[1] - channels + 1)
        return _stack(convolutions, nn.BatchNorm2d)

    def map(self, x: Tensor) -> Tensor:
        return self.features(x.unsqueeze(1))


class SkeletonEncoder(Encoder):
    """Encodes a skeleton (time, joints, axes): the authors' skeleton network, 40x20x3 → 16x24x7x1.

    The parameters are those of the authors' Conv3d layers. `DepthFoldedConv3d` computes the same result faster.
    """

    KERNELS = ((5, 5, 2), (5, 5, 2), (5, 5, 1), (5, 2, 1))

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        convolutions: list[nn.Module] = []
        inputs, size = 1, shape
        for width, wanted in zip(WIDTHS, self.KERNELS, strict=True):
            time, joints, axes = _clip(wanted, size)
            convolutions.append(DepthFoldedConv3d(inputs, width, (time, joints, axes), size[2]))
            inputs, size = width, (size[0] - time + 1, size[1] - joints + 1, size[2] - axes + 1)
        self.depth = size[2]
        return _stack(convolutions, nn.BatchNorm2d)  # over the folded axes it has the same statistics as BatchNorm3d

    def map(self, x: Tensor) -> Tensor:
        folded = x.permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(1)
        return self.features(folded).unflatten(0, (-1, self.depth)).permute(0, 2, 3, 4, 1)


class FramesEncoder(Encoder):
    """Encodes frames (time, height, width), or volumes (time, x, y, z) with z as input channels, by strided Conv3d.

    20 frames of 30x40 pixels → 16x4x4x6. Larger frames are pooled to at most 40 pixels per side first, so that 112x112
    pixels cost about the same. The network is our own; its widths and the order of its layers are the authors'.
    """

    KERNELS = ((3, 5, 5), (3, 3, 3), (3, 3, 3), (3, 1, 1))
    STRIDES = ((1, 2, 2), (2, 2, 2), (1, 1, 1), (1, 1, 1))

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        factor = max(1, -(-max(shape[1:3]) // POOLED))
        height, width = _clip((factor, factor), shape[1:3])
        self.pool = nn.AvgPool3d((1, height, width)) if factor > 1 else nn.Identity()
        inputs = shape[3] if len(shape) == 4 else 1
        size = (shape[0], shape[1] // height, shape[2] // width)
        convolutions: list[nn.Module] = []
        for outputs, wanted, (dt, dh, dw) in zip(WIDTHS, self.KERNELS, self.STRIDES, strict=True):
            t, h, w = _clip(wanted, size)
            convolutions.append(nn.Conv3d(inputs, outputs, (t, h, w), (dt, dh, dw)))
            inputs, size = outputs, ((size[0] - t) // dt + 1, (size[1] - h) // dh + 1, (size[2] - w) // dw + 1)
        return _stack(convolutions, nn.BatchNorm3d)

    def map(self, x: Tensor) -> Tensor:
        channels = x.unsqueeze(1) if x.dim() == 4 else x.permute(0, 4, 1, 2, 3)
        return self.features(self.pool(channels))


BY_KIND: dict[ModalityKind, type[Encoder]] = {
    "series": SeriesEncoder,
    "skeleton": SkeletonEncoder,
    "frames": FramesEncoder,
    "volume": FramesEncoder,
}


def build_encoders(modalities: Sequence[Modality]) -> ByModality:
    """One randomly initialised encoder for each modality, under its name."""
    return ByModality({m.name: BY_KIND[m.kind](m) for m in modalities})
