import pytest
import torch

from harness.nn.distance import modal_distance


def test_the_same_direction_is_near_opposite_ones_are_far() -> None:
    z = torch.randn(5, 16, 3)
    torch.testing.assert_close(modal_distance([z, 2 * z]), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(modal_distance([z, -z]), torch.full((5,), 2.0))
    torch.testing.assert_close(modal_distance([z, torch.zeros_like(z)]), torch.ones(5))


def test_three_modalities_are_three_pairs() -> None:
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert modal_distance([one, other, one]).item() == pytest.approx(2 / 3)
