"""COCOA's loss: values by hand, its extremes, and what its gradients do."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from baselines.cocoa import COCOA, COCOAStage1, cocoa_loss
from harness.data.base import Modality
from harness.method import Task

TAU, LAMBDA = 0.5, 0.25


def unit_views(samples: int, modalities: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(samples, modalities, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=2)


def test_the_loss_by_hand() -> None:
    """Two samples: the modalities of the first are equal, those of the second at a right angle."""
    x, y = [1.0, 0.0], [0.0, 1.0]
    views = torch.tensor([[x, x], [x, y]], dtype=torch.float64)
    positives = [1.0, (2 + 2 * math.exp(1 / TAU)) / 4]
    negatives = 2 * [math.exp(1 / TAU) + math.exp(0)]  # equal in the first modality, at a right angle in the second
    expected = sum(positives) / 2 + LAMBDA * sum(negatives) / 2
    assert cocoa_loss(views, TAU, LAMBDA).item() == pytest.approx(expected)


@given(samples=st.integers(2, 6), modalities=st.integers(2, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_loss_is_that_of_loops_over_pairs(samples: int, modalities: int, seed: int) -> None:
    z = unit_views(samples, modalities, seed)
    total = 0.0
    for i in range(samples):
        pairs = [math.exp((1 - z[i, v] @ z[i, w]) / TAU) for v in range(modalities) for w in range(modalities)]
        total += sum(pairs) / modalities**2
        for v in range(modalities):
            others = [math.exp(z[i, v] @ z[j, v] / TAU) for j in range(samples) if j != i]
            total += LAMBDA * sum(others) / (samples - 1)
    assert cocoa_loss(z, TAU, LAMBDA).item() == pytest.approx(total / samples)


@given(seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_samples_nor_of_modalities_matters(seed: int) -> None:
    z = unit_views(5, 3, seed)
    expected = cocoa_loss(z, TAU, LAMBDA)
    torch.testing.assert_close(cocoa_loss(z[torch.randperm(5)], TAU, LAMBDA), expected)
    torch.testing.assert_close(cocoa_loss(z[:, torch.randperm(3)], TAU, LAMBDA), expected)


def test_agreement_is_the_minimum_of_the_positives() -> None:
    agreeing = unit_views(4, 1).expand(4, 3, 5)
    assert cocoa_loss(agreeing, TAU, 0.0).item() == pytest.approx(1)
    assert cocoa_loss(unit_views(4, 3), TAU, 0.0).item() > 1


def test_a_step_down_the_gradient_pulls_modalities_together_and_samples_apart() -> None:
    z = unit_views(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cocoa_loss(x, TAU, LAMBDA), (z,))

    def moved(negative_weight: float) -> Tensor:
        (gradient,) = torch.autograd.grad(cocoa_loss(z, TAU, negative_weight), z)
        return F.normalize(z - 1e-3 * gradient, dim=2).detach()

    def agreement(views: Tensor) -> float:
        return float((views[:, 0] * views[:, 1]).sum(1).mean())

    def similarity(views: Tensor) -> float:
        return float(torch.einsum("ivd,jvd->ij", views, views).fill_diagonal_(0).exp().sum())

    assert agreement(moved(0.0)) > agreement(z.detach())
    assert similarity(moved(100.0)) < similarity(z.detach())


def test_a_temperature_at_which_the_loss_could_overflow_is_refused() -> None:
    opposite = torch.tensor([[[1.0], [-1.0]], [[-1.0], [1.0]]])
    assert torch.isfinite(cocoa_loss(opposite, 0.025, 1.0))
    with pytest.raises(ValueError, match="temperature"):
        COCOAStage1.from_plain({"temperature": 0.02})


def test_the_pretrainer_contrasts_normalised_projections() -> None:
    task = Task((Modality("a", "series", (14, 3)), Modality("b", "series", (14, 2))), 3)
    model = COCOA().build_pretrainer(task, COCOAStage1(temperature=TAU, negative_weight=LAMBDA))
    batch = {m.name: torch.randn(6, *m.shape) for m in task.modalities}
    features = model(model.views(batch, torch.Generator()), torch.Generator())
    torch.testing.assert_close(torch.stack(features).norm(dim=2), torch.ones(2, 6))
    expected = cocoa_loss(torch.stack(features, dim=1), TAU, LAMBDA)
    torch.testing.assert_close(model.loss(features, torch.Generator()), expected)
