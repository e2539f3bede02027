"""BatchNorm statistics for evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from baselines.cmc import CMC
from baselines.deepsense import DeepSense
from harness.cosmo.method import Cosmo
from harness.errors import InputError
from harness.method import ENCODERS, HEAD, Method
from harness.nn.classifier import Iterative
from harness.options import Stage2
from harness.training.batch_norm import MOST_PER_PASS, batch_norms, estimated_statistics, passes
from harness.training.stage2 import Training, train
from tests.training.training_runs import LABEL, LABELLED, TEST, finish, first_stage, second_stage, training_data

TURNS: dict[str, Any] = {"iterative": True, "iterative_epochs": 1, "guide": "none"}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))


@given(st.integers(2, 3 * MOST_PER_PASS))
def test_passes_are_a_partition_of_about_equal_parts(n: int) -> None:
    parts = passes(np.arange(n), np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(n))
    sizes = [len(part) for part in parts]
    assert 2 <= min(sizes) <= max(sizes) <= MOST_PER_PASS
    assert max(sizes) - min(sizes) <= 1


def test_statistics_are_means_over_batches_without_dropout() -> None:
    model, batches = network(), [torch.randn(8, 4), torch.randn(8, 4) + 1]
    layers = batch_norms([model])
    layers[0].running_mean += 7  # type: ignore[operator]
    with estimated_statistics(model, layers):
        for batch in batches:
            model(batch)
    inputs = [model[0](batch) for batch in batches]
    means, variances = (torch.stack([f(x) for x in inputs]).mean(0) for f in (lambda x: x.mean(0), lambda x: x.var(0)))
    torch.testing.assert_close(layers[0].running_mean, means)
    torch.testing.assert_close(layers[0].running_var, variances)
    assert layers[0].momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_after_one_pass_evaluation_scales_as_training_did() -> None:
    """The output in eval() mode has mean 0 and variance 1 after BatchNorm, but for the correction n / (n − 1)."""
    model, batch = network(), torch.randn(32, 4) * 3 + 5
    with estimated_statistics(model, batch_norms([model])):
        model(batch)
    out = model[2](model[0](batch))
    torch.testing.assert_close(out.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0), torch.ones(6), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("method", "options"), [(DeepSense(), {}), (Cosmo(), TURNS), (Cosmo(), {**TURNS, "frozen_mode": "train"})]
)
def test_evaluations_do_not_affect_training(method: Method, options: dict[str, Any]) -> None:
    every, last = (finish(second_stage(method, options, epochs=4, evaluate_every=n)) for n in (1, 4))
    assert every.loss == last.loss
    assert (every.predictions["test"][-1] == last.predictions["test"][-1]).all()


def test_statistics_only_affect_the_evaluations_of_joint_training() -> None:
    anew, running = (
        finish(second_stage(CMC(), epochs=4, batch_norm=batch_norm)) for batch_norm in ("reestimated", "running")
    )
    assert anew.loss == running.loss
    assert any((anew.predictions["test"] != running.predictions["test"]).flatten())


def test_trained_samples_are_recognised_at_evaluation() -> None:
    """After few steps the running statistics lag; with those of the labelled samples the model is the trained one."""
    accuracy = {}
    for batch_norm in ("reestimated", "running"):
        settings = Stage2(epochs=6, batch_size=17, lr=0.02, batch_norm=batch_norm)  # type: ignore[arg-type]
        options = DeepSense.Stage2()
        result = finish(
            train(DeepSense(), options, settings, training_data(), LABEL, LABELLED, {"test": LABELLED}, None)
        )
        accuracy[batch_norm] = np.mean(result.predictions["test"][-1] == LABEL[LABELLED])
    assert accuracy["reestimated"] > accuracy["running"] + 0.2


def test_part_in_eval_mode_has_the_statistics_of_its_inputs() -> None:
    """In the encoders' turn the head is in eval() mode, with statistics that belong to the present encoders."""
    settings = Stage2(epochs=2, batch_size=8)
    training = Training(Cosmo(), Cosmo.Stage2.from_plain(TURNS), settings, training_data(), LABEL, LABELLED, None)
    before = [layer.num_batches_tracked.item() for layer in batch_norms([training.model.get_submodule(HEAD)])]  # type: ignore[union-attr]
    training.epoch(1)
    after = [layer.num_batches_tracked.item() for layer in batch_norms([training.model.get_submodule(HEAD)])]  # type: ignore[union-attr]
    assert set(before) == {0}
    assert set(after) == {1}


def test_frozen_part_in_train_mode() -> None:
    options = Iterative(iterative_epochs=1, frozen_mode="train")
    assert options.phase(1).gradient == {ENCODERS}
    assert options.phase(1).train_mode == {ENCODERS, HEAD}
    assert Iterative(freeze_encoders=True, frozen_mode="train").phase(1).train_mode == {ENCODERS, HEAD}
    result = finish(second_stage(Cosmo(), {**TURNS, "frozen_mode": "train"}, epochs=2))
    assert np.isfinite(result.loss).all()


def test_frozen_mode_without_a_frozen_part() -> None:
    with pytest.raises((ValueError, InputError), match="frozen_mode: train needs freeze: true"):
        Iterative.from_plain({"freeze": False, "frozen_mode": "train"})


def test_stage_1_hands_over_its_running_statistics() -> None:
    """The distance between modalities is computed with statistics estimated anew, which don't leave stage 1."""
    encoders = finish(first_stage()).pretrained.encoders
    tracked = [value.item() for name, value in encoders.items() if name.endswith("num_batches_tracked")]
    assert set(tracked) == {8}  # 2 epochs of 4 batches; 1 would be the pass over all 30 samples


def test_authors_code_evaluates_with_running_statistics() -> None:
    for method in (Cosmo, CMC, DeepSense):
        assert method.READINGS["authors-code"]["stage2"]["batch_norm"] == "running"
    assert Stage2().batch_norm == "reestimated"
    assert not CMC.Stage2().iterative
    assert len(TEST)
