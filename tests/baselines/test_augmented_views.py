"""The contrastive classics: their losses are pytorch-metric-learning's, their views what the augmentations promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import ContrastiveLoss, NTXentLoss, TripletMarginLoss

from baselines.augmented_views import AugmentedViews, ViewsPretrainer
from baselines.ntxent import NTXent
from baselines.siamese import Siamese
from baselines.triplet import Triplet
from harness.data.base import Modality
from harness.method import Task
from harness.nn.augment import add_noise, augment_modality, down_sample, sensor_failure
from harness.nn.contrast import same_sample_loss
from harness.options import Augmentations

TASK = Task((Modality("acc", "series", (14, 3)), Modality("depth", "frames", (16, 12, 14))), 3)
SHAPES = [(14, 3), (20, 8, 3), (16, 12, 14), (9, 4, 5, 6)]


def views(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.randn(2, n, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, second = torch.nn.functional.normalize(drawn, dim=2)
    return first, second


def pretrainer(method: AugmentedViews, **options: float) -> ViewsPretrainer:
    assert method.Stage1
    model = method.build_pretrainer(TASK, method.Stage1.from_plain(options))
    assert isinstance(model, ViewsPretrainer)
    return model


def loss(method: AugmentedViews, features: tuple[torch.Tensor, torch.Tensor], **options: float) -> torch.Tensor:
    return pretrainer(method, **options).loss(features, torch.Generator())


def test_losses_are_those_of_pytorch_metric_learning() -> None:
    both, labels = torch.cat(views()), torch.arange(6).repeat(2)
    torch.testing.assert_close(loss(Siamese(), views(), margin=0.7), ContrastiveLoss(neg_margin=0.7)(both, labels))
    torch.testing.assert_close(loss(Triplet(), views(), margin=0.3), TripletMarginLoss(margin=0.3)(both, labels))
    torch.testing.assert_close(loss(NTXent(), views(), temperature=0.2), NTXentLoss(temperature=0.2)(both, labels))
    torch.testing.assert_close(
        loss(NTXent(), views(), temperature=0.2), same_sample_loss(torch.stack(views(), dim=1), 0.2)
    )


def test_losses_by_hand() -> None:
    a, b = (
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        torch.tensor([[1.0, 0.0], [0.0, -1.0]]),
    )  # the second sample's views are opposite
    # of positives only those above 0 count: 2; all 8 negatives are √2 apart
    torch.testing.assert_close(loss(Siamese(), (a, b), margin=2.0), torch.tensor(2 + (2 - 2**0.5)))
    # the triplets with a loss are the second sample's: 2 − √2 + 0.2
    torch.testing.assert_close(loss(Triplet(), (a, b), margin=0.2), torch.tensor(2 - 2**0.5 + 0.2))


def test_a_great_batch_is_no_trouble_for_ntxent() -> None:
    assert torch.isfinite(loss(NTXent(), views(512)))


@pytest.mark.parametrize("method", [Siamese(), Triplet(), NTXent()])
def test_views_are_two_unlike_ones_and_one_draw_of_the_generator(method: AugmentedViews) -> None:
    model = pretrainer(method).eval()
    batch = {m.name: torch.randn(8, *m.shape) for m in TASK.modalities}

    def embed() -> tuple[torch.Tensor, torch.Tensor]:
        rng = torch.Generator().manual_seed(1)
        first, second = model(model.views(batch, rng), rng)
        return first, second

    first, second = embed()
    assert first.shape == second.shape == (8, 128)
    assert not torch.allclose(first, second)
    assert torch.equal(first, embed()[0])


@pytest.mark.parametrize("method", [Siamese(), NTXent()])
def test_forward_draws_alike_for_any_number_of_samples(method: AugmentedViews) -> None:
    model = pretrainer(method).eval()
    views = {m.name: torch.randn(8, 2, *m.shape) for m in TASK.modalities}
    states = []
    for n in (8, 5):  # two workers, one with fewer samples
        rng = torch.Generator().manual_seed(1)
        model({name: x[:n] for name, x in views.items()}, rng)
        states.append(rng.get_state())
    assert torch.equal(*states)


@pytest.mark.parametrize(
    "options",
    [{"margin": 0}, {"margin": 2.5}, {"failure": 1.5}, {"noise": -1}, {"down_sampling": 0}, {"temperature": 1}],
)
def test_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Siamese.Stage1.from_plain(options)


@pytest.mark.parametrize("shape", SHAPES)
def test_augmentations_of_any_kind_of_modality(shape: tuple[int, ...]) -> None:
    x = torch.randn(5, *shape)
    kept = x.clone()
    generator = torch.Generator().manual_seed(0)
    assert augment_modality(x, Augmentations(), generator).shape == x.shape
    assert torch.equal(x, kept)
    nothing = Augmentations(failure=0.0, noise=0.0, down_sampling=1)
    assert torch.equal(augment_modality(x, nothing, generator), x)


def test_a_failure_is_one_block_of_at_most_the_share() -> None:
    lost = (sensor_failure(torch.ones(2000, 20, 3), 0.3, torch.Generator().manual_seed(0)) == 0).all(2).numpy()
    lengths = lost.sum(1)
    assert set(lengths) == set(range(7))
    edges = np.abs(np.diff(lost.astype(int), axis=1, prepend=0, append=0)).sum(1)
    assert set(edges[lengths > 0]) == {2}
    assert lost.any(0).all()
    everything = sensor_failure(torch.ones(50, 4), 1.0, torch.Generator().manual_seed(0))
    assert set(everything.sum(1).tolist()) == {0, 1, 2, 3, 4}


def test_noise_has_the_promised_moments() -> None:
    noise = add_noise(torch.zeros(4000, 50, 2), 0.3, torch.Generator().manual_seed(0)).flatten(1)
    assert 0.28 < noise.std(1).max() < 0.36
    assert noise.std(1).min() < 0.01
    assert abs(noise.std(1).mean() - 0.15) < 0.01
    assert abs(noise.mean()) < 0.01
    assert 0.05 < noise.mean(1).std() < 0.065  # of U(−0.1, 0.1): 0.058


def test_down_sampling_holds_every_kth_step() -> None:
    steps = torch.arange(12.0).reshape(1, 12, 1).expand(500, 12, 1)
    found = {
        tuple(series) for series in down_sample(steps, 3, torch.Generator().manual_seed(0))[:, :, 0].int().tolist()
    }
    assert found == {
        tuple(range(12)),
        (0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10),
        (1, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11),
        (0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9),
        (1, 1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10),
        (2, 2, 2, 2, 2, 5, 5, 5, 8, 8, 8, 11),
    }
    assert down_sample(torch.ones(3, 1, 2), 9, torch.Generator()).shape == (3, 1, 2)
