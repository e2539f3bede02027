from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.data.base import Modality
from harness.nn.encoders import SkeletonEncoder, build_encoders
from harness.nn.layers import DepthFoldedConv3d, Dropout


@pytest.mark.parametrize(("depth", "kernel"), [(3, (5, 5, 2)), (2, (5, 4, 2)), (4, (1, 2, 1)), (1, (3, 3, 1))])
def test_folded_convolution_equals_conv3d(depth: int, kernel: tuple[int, int, int]) -> None:
    folded = DepthFoldedConv3d(3, 7, kernel, depth).double()
    plain = nn.Conv3d(3, 7, kernel).double()
    plain.load_state_dict(folded.state_dict())
    x = torch.randn(4, 3, 9, 8, depth, dtype=torch.float64)
    ours = folded(x.permute(0, 4, 1, 2, 3).flatten(0, 1)).unflatten(0, (4, -1)).permute(0, 2, 3, 4, 1)
    theirs = plain(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    torch.testing.assert_close(folded.weight.grad, plain.weight.grad, rtol=1e-10, atol=1e-10)


def test_skeleton_stack_equals_conv3d_stack_in_training() -> None:
    ours = SkeletonEncoder(Modality("s", "skeleton", (18, 15, 3))).double()
    layers: list[nn.Module] = []
    for layer in ours.features:
        if isinstance(layer, nn.Conv3d):
            layers.append(nn.Conv3d(layer.in_channels, layer.out_channels, layer.kernel_size))
        elif isinstance(layer, nn.BatchNorm2d):
            layers.append(nn.BatchNorm3d(layer.num_features))
        else:
            layers.append(nn.Identity() if isinstance(layer, Dropout) else nn.ReLU())
            if isinstance(layer, Dropout):
                layer.p = 0.0
    plain = nn.Sequential(*layers).double()
    plain.load_state_dict(ours.features.state_dict())
    x = torch.randn(5, 18, 15, 3, dtype=torch.float64)
    torch.testing.assert_close(ours.map(x), plain(x.unsqueeze(1)), rtol=1e-9, atol=1e-9)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(dict(ours.features.named_buffers())[name], buffer)


@pytest.mark.parametrize("p", [0.5, 0.25, 0.2])
def test_dropout_keeps_the_mean_and_its_share(p: float) -> None:
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(301, 333))
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.01)
    assert out.max().item() == pytest.approx(1 / (1 - p))
    assert torch.equal(Dropout(p).eval()(torch.ones(3)), torch.ones(3))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("series", (120, 6)), ("series", (200, 3)), ("series", (50, 2)), ("series", (8, 1)), ("series", (1, 1)),
        ("skeleton", (40, 20, 3)), ("skeleton", (10, 25, 2)), ("skeleton", (4, 6, 3)),
        ("frames", (20, 30, 40)), ("frames", (16, 112, 112)), ("frames", (3, 8, 90)), ("frames", (1, 1, 1)),
        ("volume", (20, 16, 32, 16)), ("volume", (2, 3, 3, 2)),
    ],
)  # fmt: skip
def test_every_shape_gives_sixteen_steps(kind: str, shape: tuple[int, ...]) -> None:
    encoder = build_encoders([Modality("m", kind, shape)])["m"]  # type: ignore[arg-type]
    out = encoder(torch.randn(2, *shape))
    assert out.shape == (2, 16, encoder.width)
    assert encoder.map_shape[0] == 16
    assert encoder.time >= 1
