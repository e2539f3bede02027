from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from harness.nn.contrast import same_sample_floor, same_sample_loss


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
