from __future__ import annotations

import pytest
import torch

from harness.cosmo.positives import draw_weights, grid, mix


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_two_modalities_get_the_authors_grid() -> None:
    assert torch.allclose(grid(9, 2)[:, 0], torch.arange(1, 10, dtype=torch.float64) / 10)
    assert grid(20, 2).min() > 0


@pytest.mark.parametrize("kind", ["grid", "uniform", "dirichlet"])
@pytest.mark.parametrize("modalities", [2, 3, 4])
@pytest.mark.parametrize("per", ["batch", "sample"])
def test_weights_sum_to_one(kind, modalities: int, per) -> None:  # type: ignore[no-untyped-def]
    weights = draw_weights(kind, 5, 9, modalities, rng(), per=per)
    assert weights.shape == ((5, 9, modalities) if per == "sample" else (9, modalities))
    assert torch.allclose(weights.sum(-1), torch.ones(1, dtype=torch.float64))
    assert weights.min() >= 0
    assert len(torch.unique(weights.reshape(-1, modalities)[:9], dim=0)) == 9


@pytest.mark.parametrize("kind", ["grid", "uniform"])
def test_range(kind) -> None:  # type: ignore[no-untyped-def]
    first = draw_weights(kind, 1, 50, 2, rng(), 0.3, 0.6)[:, 0]
    assert 0.3 <= first.min() < 0.35
    assert 0.55 < first.max() <= 0.6


def test_per_sample_draws_differ_and_same_state_draws_the_same() -> None:
    weights = draw_weights("uniform", 4, 9, 3, rng(), per="sample")
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights, draw_weights("uniform", 4, 9, 3, rng(), per="sample"))


def test_mixtures() -> None:
    features = (torch.randn(4, 6), torch.randn(4, 6), torch.randn(4, 6))
    for per in ("batch", "sample"):
        weights = draw_weights("dirichlet", 4, 5, 3, rng(), per=per)  # type: ignore[arg-type]
        mixed = mix(features, weights)
        w = weights.expand(4, 5, 3).float()
        expected = sum(w[:, :, j, None] * features[j][:, None] for j in range(3))
        torch.testing.assert_close(mixed, expected)
