"""FOCAL's losses: known values, symmetries, and what each weight switches on."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import NTXentLoss
from torch import Tensor

from baselines.focal import FOCAL, FOCALPretrainer, FOCALStage1, orthogonality_loss, private_loss, shared_loss
from harness.data.base import Modality
from harness.method import Task

TAU = 0.5
TASK = Task(tuple(Modality(name, "series", (14, 3)) for name in "abc"), 3)


def drawn(modalities: int = 3, samples: int = 4, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(modalities, samples, 2, 5, generator=generator, dtype=torch.float64))


def nt_xent(one: Tensor, other: Tensor) -> Tensor:
    loss: Tensor = NTXentLoss(TAU)(torch.cat((one, other)), torch.arange(len(one)).repeat(2))
    return loss


def test_contrastive_losses_are_nt_xent_of_the_pairs_that_belong_together() -> None:
    z = drawn()
    between_modalities = sum(nt_xent(one[:, v], other[:, v]) for one, other in combinations(z, 2) for v in (0, 1))
    torch.testing.assert_close(shared_loss(z, TAU), between_modalities)
    between_views = sum(nt_xent(one[:, 0], one[:, 1]) for one in z)
    torch.testing.assert_close(private_loss(z, TAU), between_views)


def test_orthogonality_by_hand() -> None:
    """One sample, two modalities. cos is 1, 0 and −1 in turn; a negative one costs nothing."""
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

    def both_views(vector: Tensor) -> Tensor:
        return vector.expand(1, 2, 2)

    shared = [both_views(x), both_views(x)]
    assert orthogonality_loss(shared, [both_views(y), both_views(y)]).item() == pytest.approx(2)  # the private parts
    assert orthogonality_loss(shared, [both_views(y), both_views(3 * x)]).item() == pytest.approx(2)  # one shared part
    assert orthogonality_loss(shared, [both_views(y), both_views(-x)]).item() == 0
    assert orthogonality_loss(shared, [both_views(x), both_views(2 * x)]).item() == pytest.approx(6)


@given(seed=st.integers(0, 99), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_neither_order_nor_length_matters(seed: int, scale: float) -> None:
    shared, private = drawn(seed=seed), drawn(seed=seed + 100)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))

    def total(shared: list[Tensor], private: list[Tensor]) -> Tensor:
        return shared_loss(shared, TAU) + private_loss(private, TAU) + orthogonality_loss(shared, private)

    expected = total(shared, private)
    torch.testing.assert_close(total([z[order] for z in shared], [z[order] for z in private]), expected)
    torch.testing.assert_close(total([z.flip(1) for z in shared], [z.flip(1) for z in private]), expected)
    torch.testing.assert_close(total(shared[::-1], private[::-1]), expected)
    torch.testing.assert_close(total([scale * z for z in shared], [scale * z for z in private]), expected)


def test_a_step_down_the_gradient_makes_subspaces_orthogonal() -> None:
    shared = [z.requires_grad_() for z in drawn(2)]
    private = [z.requires_grad_() for z in drawn(2, seed=1)]
    before = orthogonality_loss(shared, private)
    gradients = torch.autograd.grad(before, [*shared, *private])
    moved = [z - 0.01 * gradient for z, gradient in zip([*shared, *private], gradients, strict=True)]
    assert before.item() > 0
    assert orthogonality_loss(moved[:2], moved[2:]).item() < before.item()


def pretrainer(**options: float) -> FOCALPretrainer:
    torch.manual_seed(0)
    model = FOCAL().build_pretrainer(TASK, FOCALStage1.from_plain(options))
    assert isinstance(model, FOCALPretrainer)
    return model


def features(model: FOCALPretrainer, **batch: Tensor) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(1)
    return model(model.views(batch, rng), rng)


BATCH = {m.name: torch.randn(6, *m.shape, generator=torch.Generator().manual_seed(2)) for m in TASK.modalities}


def test_both_views_of_a_sample_stay_together() -> None:
    model = pretrainer(failure=0, noise=0, down_sampling=1).eval()
    for z in features(model, **BATCH):
        assert z.shape == (6, 2, 128)
        torch.testing.assert_close(z[:, 0], z[:, 1])  # nothing is augmented
    for z in features(pretrainer().eval(), **BATCH):
        assert not torch.allclose(z[:, 0], z[:, 1])


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    z = features(pretrainer().eval(), **BATCH)
    shared, private = [x[..., :64] for x in z], [x[..., 64:] for x in z]
    parts = {
        "shared_weight": shared_loss(shared, TAU),
        "private_weight": private_loss(private, TAU),
        "orthogonality_weight": orthogonality_loss(shared, private),
    }
    for name, part in parts.items():
        only = pretrainer(**{**dict.fromkeys(parts, 0), name: 2})
        torch.testing.assert_close(only.loss(z, torch.Generator()), 2 * part)
    published = parts["shared_weight"] + parts["private_weight"] + 3 * parts["orthogonality_weight"]
    torch.testing.assert_close(pretrainer().loss(z, torch.Generator()), published)


def test_the_private_half_learns_nothing_from_the_loss_between_modalities() -> None:
    z = [x.detach().requires_grad_() for x in features(pretrainer().eval(), **BATCH)]
    loss = pretrainer(private_weight=0, orthogonality_weight=0).loss(tuple(z), torch.Generator())
    reached = torch.autograd.grad(loss, z)
    for gradient in reached:
        assert gradient[..., :64].abs().sum() > 0
        assert gradient[..., 64:].abs().sum() == 0
