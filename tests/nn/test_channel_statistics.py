"""Statistics by channel: those of NumPy and SciPy, for any kind of modality."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.nn.channel_statistics import STATISTICS, ChannelStatistics


def by_name(x: Tensor) -> dict[str, Tensor]:
    """Name → (n, channels)."""
    found = ChannelStatistics()(x).unflatten(1, (-1, len(STATISTICS)))
    return dict(zip(STATISTICS, found.unbind(2), strict=True))


@given(n=st.integers(1, 3), time=st.integers(1, 30), channels=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_they_are_those_of_numpy(n: int, time: int, channels: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, time, channels))
    found = by_name(torch.from_numpy(x))
    expected = {
        "mean": x.mean(1),
        "standard deviation": x.std(1),
        "minimum": x.min(1),
        "lower quartile": np.quantile(x, 0.25, axis=1),
        "median": np.median(x, axis=1),
        "upper quartile": np.quantile(x, 0.75, axis=1),
        "maximum": x.max(1),
        "energy": (x**2).mean(1),
        "mean absolute change": np.abs(np.diff(x, axis=1)).mean(1) if time > 1 else np.zeros((n, channels)),
    }
    assert set(STATISTICS) == {*expected, "dominant frequency"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("periods", [1, 3, 8])
def test_the_dominant_frequency_is_that_of_the_strongest_wave(periods: int) -> None:
    time = torch.arange(40) / 40
    wave = 2 * torch.sin(2 * math.pi * periods * time) + 50 + 0.5 * torch.sin(2 * math.pi * 5 * time)
    assert by_name(wave.reshape(1, 40, 1))["dominant frequency"].item() == periods


@pytest.mark.parametrize("shape", [(14, 3), (20, 8, 3), (16, 12, 14), (9, 4, 5, 6), (1, 2)])
def test_any_kind_of_modality_has_them(shape: tuple[int, ...]) -> None:
    found = ChannelStatistics()(torch.randn(5, *shape))
    assert found.shape == (5, math.prod(shape[1:]) * len(STATISTICS))
    assert torch.isfinite(found).all()
