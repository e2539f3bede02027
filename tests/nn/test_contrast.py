from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from harness.nn import contrast
from harness.nn.contrast import mixture_loss, same_sample_floor, same_sample_loss


def plain(views: np.ndarray, temperature: float) -> float:
    """The formula, term by term."""
    n, p, d = views.shape
    flat, sample = views.reshape(n * p, d), np.repeat(np.arange(n), p)
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for s in range(n * p):
            e = np.exp(flat @ flat[s] / temperature)
            others = np.arange(n * p) != s
            positive = others & (sample == sample[s])
            total -= np.mean(np.log(e[positive] / e[others].sum()))
    return total / (n * p)


shapes = st.tuples(st.integers(1, 9), st.integers(2, 9), st.integers(1, 12))


@settings(max_examples=60, deadline=None)
@given(shapes, st.floats(0.005, 5.0), st.integers(0, 2**31))
def test_equals_the_plain_formula(shape: tuple[int, int, int], temperature: float, seed: int) -> None:
    views = normalize(torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)), dim=2)
    ours = same_sample_loss(views, temperature).item()
    assert math.isfinite(ours)
    expected = plain(views.numpy(), temperature)
    if math.isfinite(expected):
        assert ours == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert ours >= same_sample_floor(shape[1]) - 1e-9


@settings(max_examples=30, deadline=None)
@given(shapes, st.floats(0.005, 1.0), st.integers(0, 2**31), st.sampled_from([torch.float32, torch.bfloat16]))
def test_low_precision_does_not_overflow(
    shape: tuple[int, int, int], temperature: float, seed: int, dtype: torch.dtype
) -> None:
    views = (
        normalize(torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)), dim=2)
        .to(dtype)
        .requires_grad_()
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = same_sample_loss(views, temperature)
    loss.backward()
    assert views.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(views.grad).all()
    expected = same_sample_loss(views.detach().double(), temperature).item()
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_floor_is_reached_by_agreeing_views_far_from_others() -> None:
    views = torch.eye(8)[:, None].expand(8, 5, 8)
    assert same_sample_loss(views, 0.01).item() == pytest.approx(same_sample_floor(5), abs=1e-5)


def test_one_view_is_refused() -> None:
    with pytest.raises(ValueError, match="two views"):
        same_sample_loss(torch.ones(3, 1, 2), 0.1)


def materialised(features: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss of the mixtures themselves, with all similarities at once."""
    views = weights.to(features) @ features
    n, p, d = views.shape
    flat = views.reshape(n * p, d)
    similarity = flat @ flat.T / temperature
    sample = torch.arange(n * p) // p
    itself = torch.eye(n * p, dtype=torch.bool)
    positive = (sample[:, None] == sample) & ~itself
    log_share = similarity.masked_fill(itself, -math.inf).log_softmax(1)
    return -log_share[positive].mean()


mixtures = st.tuples(st.integers(1, 9), st.integers(2, 9), st.integers(1, 4), st.integers(1, 12))


@settings(max_examples=60, deadline=None)
@given(mixtures, st.booleans(), st.floats(0.05, 2.0), st.sampled_from([1, 40, 2**20]), st.integers(0, 2**31))
def test_mixtures_need_not_be_made(
    shape: tuple[int, int, int, int], per_sample: bool, temperature: float, at_once: int, seed: int
) -> None:
    n, p, m, d = shape
    rng = np.random.default_rng(seed)
    features = normalize(torch.from_numpy(rng.standard_normal((n, m, d))), dim=2)
    weights = torch.from_numpy(rng.dirichlet(np.ones(m), (n, p) if per_sample else p))
    gradients = []
    for loss in (mixture_loss, materialised):
        f, w = features.clone().requires_grad_(), weights.clone().requires_grad_(per_sample)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(contrast.SIMILARITIES_AT_ONCE, "cpu", at_once)
            value = loss(f, w, temperature)
            (3 * value).backward()
        gradients.append([value.detach(), f.grad] + [w.grad] * per_sample)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [32, 256])
def test_float32_agrees_with_float64(n: int) -> None:
    features = normalize(torch.randn(n, 2, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(n)), dim=2)
    weights = torch.stack([torch.arange(1, 10) / 10, 1 - torch.arange(1, 10) / 10], 1)
    expected = materialised(features, weights, 0.07).item()
    assert mixture_loss(features.float(), weights, 0.07).item() == pytest.approx(expected, rel=1e-6)
