"""Stage 1 on several workers is stage 1 on one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from baselines.cmc import CMC
from baselines.cocoa import COCOA
from baselines.cpc import CPC
from baselines.focal import FOCAL
from baselines.ntxent import NTXent
from baselines.siamese import Siamese
from harness.cosmo.method import Cosmo
from harness.data.base import Modality
from harness.errors import InputError
from harness.jobs import Progress
from harness.method import Method, Task
from harness.options import Augmentations, Stage1
from harness.training import TrainingData, pretrain
from harness.training.stage1 import _Run
from harness.training.workers import Workers
from tests.training.together import together

torch.set_num_threads(1)
N = 22  # parts of unlike size: 11 and 11, or 6, 6, 5 and 5
TASK = Task((Modality("a", "series", (24, 3)), Modality("b", "skeleton", (20, 8, 3))), 3)
METHODS: dict[str, tuple[type[Method], dict[str, Any]]] = {
    "cosmo": (Cosmo, {"quality": {"restarts": 1, "subsets": 0}}),
    "cosmo, each sample its own mixtures": (
        Cosmo,
        {"quality": {"restarts": 1, "subsets": 0}, "weights": "dirichlet", "weights_per": "sample"},
    ),
    "cosmo, augmented": (Cosmo, {"quality": {"restarts": 1, "subsets": 0}}),
    "cmc": (CMC, {}),
    "cmc, original": (CMC, {"form": "original"}),
    "cpc": (CPC, {}),
    "cocoa": (COCOA, {}),
    "focal": (FOCAL, {}),
    "ntxent": (NTXent, {}),
    "siamese": (Siamese, {}),
}


def training_data() -> TrainingData:
    rng = np.random.default_rng(0)
    arrays = {m.name: rng.normal(size=(N, *m.shape)).astype(np.float32) for m in TASK.modalities}
    return TrainingData(TASK, arrays, lambda _, x: x, seeds=("test", 0))


class InDoubles(TrainingData):
    def batch(self, samples: np.ndarray) -> dict[str, torch.Tensor]:
        return {name: x.double() for name, x in super().batch(samples).items()}


def run(name: str, count: int, **settings: Any) -> _Run:
    kind, options = METHODS[name]
    method, base = kind(), training_data()
    assert method.Stage1
    if name.endswith("augmented"):
        settings["augmentations"] = Augmentations()
    given = Stage1(**{"batch_size": N, "workers": count, "epochs": 3, **settings})
    data = InDoubles(base.task, base.arrays, base.normalise, base.device, base.seeds)
    torch.set_default_dtype(torch.float64)
    try:
        return _Run(method, method.Stage1.from_plain(options), given, data, np.arange(N), Workers.here(count))
    finally:
        torch.set_default_dtype(torch.float32)


def loss_and_gradients(name: str, count: int, batch_norm: str) -> tuple[float, dict[str, np.ndarray]]:
    """Of one whole batch, without dropout; BatchNorm "fixed" by its running statistics, or "sync"."""
    job = run(name, count, batch_norm="sync" if batch_norm == "sync" else "local")
    job.model.train()
    for module in job.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.GRU):
            module.dropout = 0.0
        if batch_norm == "fixed" and "BatchNorm" in type(module).__name__:
            module.eval()
    loss = job.gradients(job.loss, job.views(np.arange(N)))
    return loss.item(), {k: p.grad.numpy() for k, p in job.model.named_parameters() if p.grad is not None}


@pytest.fixture(scope="module")
def members() -> dict[int, list[dict[str, Any]]]:
    """What each of 2 and of 4 workers found; started once, for most of their time is torch's import."""
    return {count: together(count, everything, count) for count in (2, 4)}


def everything(count: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        norm: {name: loss_and_gradients(name, count, norm) for name in METHODS} for norm in ("fixed", "sync")
    }
    if count == 2:
        found["undisturbed"] = stage1(count)
        _, _, kept = stage1(count, stop=3)
        kept = Workers.here(count).collect(kept)[0]  # the first worker's, for both
        found["gone on"] = stage1(count, kept)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", ["fixed", "sync"])
@pytest.mark.parametrize("count", [2, 4])
def test_loss_and_gradients_are_those_of_one_process_on_the_whole_batch(
    count: int, batch_norm: str, members: dict[int, list[dict[str, Any]]]
) -> None:
    """In float64 to 1e-6 of the greatest gradient of each parameter, for every method with a stage 1.

    A bias before BatchNorm has no gradient but rounding errors, which are as large as the other gradients allow.
    """
    for name in METHODS:
        loss, gradients = loss_and_gradients(name, 1, batch_norm)
        for member in members[count]:
            got, theirs = member[batch_norm][name]
            assert got == pytest.approx(loss, rel=1e-6), name
            assert theirs.keys() == gradients.keys()
            largest = max(np.abs(gradient).max() for gradient in gradients.values())
            for parameter, expected in gradients.items():
                least = 1e-6 * np.abs(expected).max() + 1e-12 * max(1, largest)
                np.testing.assert_allclose(
                    theirs[parameter], expected, rtol=1e-6, atol=least, err_msg=f"{name}: {parameter}"
                )


def stage1(
    count: int = 1, checkpoint: bytes | None = None, stop: int = 0
) -> tuple[list[float], dict[str, np.ndarray], bytes | None]:
    """Loss of each epoch, encoders at the end, the last checkpoint; ``stop``: leave off after that epoch, as a killed process does."""
    method, kept, losses = Cosmo(), None, []
    settings = Stage1(epochs=4, batch_size=8, workers=count, checkpoint_every=2, lr_milestones=(1, 3))
    options = method.Stage1.from_plain(METHODS["cosmo"][1])
    doing: Generator[Progress, None, Any] = pretrain(
        method, options, settings, training_data(), np.arange(N), Workers.here(count), checkpoint
    )
    while True:
        try:
            progress = next(doing)
        except StopIteration as end:
            return list(end.value.loss), {k: v.numpy() for k, v in end.value.pretrained.encoders.items()}, kept
        kept = progress.checkpoint or kept
        losses.append(progress.loss)
        if progress.epoch == stop:
            return losses, {}, kept


def test_what_goes_on_from_a_checkpoint_ends_like_what_was_never_stopped() -> None:
    _, _, kept = stage1(stop=3)
    assert kept is not None
    check_equal(stage1(), stage1(checkpoint=kept))


@pytest.mark.slow
def test_workers_that_go_on_from_a_checkpoint_end_like_what_was_never_stopped(
    members: dict[int, list[dict[str, Any]]],
) -> None:
    for member in members[2]:
        check_equal(member["undisturbed"], member["gone on"])


def check_equal(one: Any, other: Any) -> None:
    assert one[0] == other[0]
    for name, expected in one[1].items():
        np.testing.assert_array_equal(other[1][name], expected, err_msg=name)


@pytest.mark.slow
def test_all_workers_end_with_the_same_parameters(members: dict[int, list[dict[str, Any]]]) -> None:
    (losses, first, _), (others, second, _) = (member["undisturbed"] for member in members[2])
    assert losses == others
    for name in first:
        if "running" not in name:  # "local" statistics are each worker's own
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_workers_without_a_group_are_refused() -> None:
    with pytest.raises(RuntimeError, match="process group of 2"):
        Workers.here(2)
    with pytest.raises(InputError, match="at least 8 samples for stage 1 on 4 workers, not 7"):
        next(pretrain(Cosmo(), None, Stage1(workers=4), training_data(), np.arange(7), Workers(0, 4)))


def test_workers_and_not_their_keeping_are_in_the_content() -> None:
    assert Stage1().content() == Stage1(gpus_per_worker=1, checkpoint_every=3, batch_norm="sync").content()
    assert Stage1(workers=2).content() != Stage1(workers=2, batch_norm="sync").content()
