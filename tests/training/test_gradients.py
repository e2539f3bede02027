"""Gradients step by step and, where there is a GPU, as a CUDA graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.cosmo.method import Cosmo
from harness.method import Batch
from harness.options import Stage1
from harness.training import gradients, pretrain
from harness.training.gradients import Gradients
from tests.training.training_runs import FEW, UNLABELLED, finish, training_data

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_gradients_are_those_of_the_batch_and_of_no_other() -> None:
    model = nn.Linear(3, 1)
    unused = nn.Parameter(torch.zeros(1))
    gradients_of = Gradients([*model.parameters(), unused], "cpu", static=True)
    for batch in (torch.eye(3), 2 * torch.eye(3)):
        loss = gradients_of(lambda b: model(b["x"]).sum(), {"x": batch})
        assert not loss.requires_grad
        assert model.weight.grad is not None
        assert torch.equal(model.weight.grad, batch.sum(0, keepdim=True))
    assert unused.grad is None


def test_frozen_parameters_get_none() -> None:
    model = nn.Linear(3, 1)
    model.bias.requires_grad_(False)
    gradients_of = Gradients(list(model.parameters()), "cpu", static=False)
    gradients_of(lambda b: model(b["x"]).sum(), {"x": torch.ones(2, 3)})
    assert model.bias.grad is None


@needs_gpu
def test_a_graph_gives_the_losses_of_single_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 samples in batches of 8: three of each epoch's batches are replayed, and the last one of 6 is not."""
    method, settings = Cosmo(), Stage1(epochs=6, batch_size=8)
    options = method.Stage1.from_plain(FEW)
    captured = []
    build = gradients._Captured
    monkeypatch.setattr(gradients, "_Captured", lambda *a: captured.append(build(*a)) or captured[-1])
    graph = finish(pretrain(method, options, settings, training_data(device="cuda"), UNLABELLED))
    assert len(captured) == 1
    monkeypatch.setattr(gradients, "EAGER_STEPS", 10**9)
    eager = finish(pretrain(method, options, settings, training_data(device="cuda"), UNLABELLED))
    assert len(captured) == 1
    np.testing.assert_allclose(graph.loss, eager.loss, rtol=1e-3)


@needs_gpu
def test_a_step_does_not_wait_for_the_gpu() -> None:
    weight = torch.ones(4, device="cuda", requires_grad=True)

    def loss_of(batch: Batch) -> Tensor:
        return (batch["x"] * weight).sum()

    of = Gradients([weight], "cuda", static=False)  # type: ignore[list-item]
    batch = {"x": torch.ones(4, device="cuda")}
    of(loss_of, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        of(loss_of, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
