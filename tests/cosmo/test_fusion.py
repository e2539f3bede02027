from __future__ import annotations

import pytest
import torch

from harness.cosmo.fusion import DotAttention, EqualAttention, GuidedAttention
from harness.nn.attention import JointAttention


def features(widths: tuple[int, ...], n: int = 5) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(n, 16, w).relu() for w in widths]


@pytest.mark.parametrize("widths", [(8, 8), (8, 3), (5, 6, 7), (4, 4, 4, 4)])
def test_weights_sum_to_one(widths: tuple[int, ...]) -> None:
    z = features(widths)
    for attention in (DotAttention(widths), DotAttention(widths, "none"), JointAttention(widths), EqualAttention()):
        weights = attention(z)
        assert weights.shape == (5, len(widths))
        torch.testing.assert_close(weights.sum(1), torch.ones(5))
        guided = GuidedAttention(attention, range(1, len(widths) + 1), 0.8)(z)
        torch.testing.assert_close(guided.sum(1), torch.ones(5))


def test_lambda_extremes() -> None:
    z, attention = features((8, 3)), DotAttention((8, 3))
    torch.testing.assert_close(GuidedAttention(attention, [3, 7], 0.0)(z), attention(z))
    torch.testing.assert_close(GuidedAttention(attention, [3, 7], 1.0)(z), torch.tensor([[0.3, 0.7]]).expand(5, 2))


def test_formula() -> None:
    z, attention = features((8, 3)), DotAttention((8, 3), "none")
    score = []
    for feature, linear in zip(z, attention.linear, strict=True):
        mu = torch.tanh(feature @ linear.weight.T + linear.bias)
        score.append((mu * feature).sum(2).mean(1))
    torch.testing.assert_close(attention(z), torch.stack(score, 1).softmax(1))


def test_equal_widths_share_one_matrix_and_scale_keeps_a_wide_modality_from_saturating() -> None:
    assert len(DotAttention((8, 8, 8)).linear) == 1
    widths = (4000, 40)
    torch.manual_seed(0)
    attention = DotAttention(widths)
    plain = DotAttention(widths, "none")
    plain.load_state_dict(attention.state_dict())
    with torch.no_grad():
        for one in (attention, plain):
            for linear in one.linear:
                linear.weight.add_(torch.eye(len(linear.weight)))  # as training aligns μ with z
    z = features(widths)
    assert plain(z).max() > 0.9999
    assert attention(z).max() < plain(z).max()
