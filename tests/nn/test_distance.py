import numpy as np
import pytest
import torch

from harness.nn.distance import modal_distance, modal_plane


def test_the_same_direction_is_near_opposite_ones_are_far() -> None:
    z = torch.randn(5, 16, 3)
    torch.testing.assert_close(modal_distance([z, 2 * z]), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(modal_distance([z, -z]), torch.full((5,), 2.0))
    torch.testing.assert_close(modal_distance([z, torch.zeros_like(z)]), torch.ones(5))


def test_three_modalities_are_three_pairs() -> None:
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert modal_distance([one, other, one]).item() == pytest.approx(2 / 3)


def test_a_plane_keeps_the_distances_of_what_lies_in_one() -> None:
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (6, 2))
    lengths = np.random.default_rng(1).uniform(0.5, 3, (6, 2, 1))
    flat = np.stack([np.cos(angles), np.sin(angles), np.zeros((6, 2))], axis=2)
    plane, variance = modal_plane(lengths * flat)
    assert variance == pytest.approx(1)
    assert plane.shape == (6, 2, 2)
    distance = modal_distance([torch.from_numpy(lengths * flat)[:, m] for m in (0, 1)])
    squared = np.sum((plane[:, 0] - plane[:, 1]) ** 2, axis=1)
    np.testing.assert_allclose(
        squared / 2, distance.numpy(), atol=1e-5
    )  # of vectors of length 1: |a − b|² = 2 (1 − cos)


def test_a_plane_is_the_same_each_time_and_needs_three_features() -> None:
    features = np.random.default_rng(0).normal(size=(200, 2, 600)).astype(np.float32)
    np.testing.assert_array_equal(modal_plane(features)[0], modal_plane(features)[0])
    with pytest.raises(ValueError, match="needs at least three feature vectors, not "):
        modal_plane(features[:1])
    assert np.isfinite(modal_plane(np.zeros((3, 2, 4)))[0]).all()
