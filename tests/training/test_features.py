"""Features of frozen encoders are computed once, and the result is the same as if they were computed each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.cmc import CMC
from baselines.cpc import CPC
from baselines.deepsense import DeepSense
from harness.cosmo.method import Cosmo
from harness.method import Batch, Classifier, Method, Phase, Pretrained, Task
from harness.nn.classifier import FusionClassifier, FusionHead
from harness.nn.encoders import build_encoders
from harness.options import Stage2
from harness.training import features
from harness.training.features import FrozenFeatures
from tests.training.training_runs import CLASSES, LABELLED, TASK, TEST, N, finish, second_stage, training_data


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of samples of each call of `FusionClassifier.encode`."""
    sizes: list[int] = []
    encode = FusionClassifier.encode

    def counted(self: FusionClassifier, batch: Batch) -> tuple[Tensor, ...]:
        sizes.append(len(batch["a"]))
        return encode(self, batch)

    monkeypatch.setattr(FusionClassifier, "encode", counted)
    return sizes


def test_frozen_encoders_run_once_in_the_whole_training(encoded: list[int]) -> None:
    finish(second_stage(CMC(), {"freeze_encoders": True}, epochs=6, evaluate_every=1))
    in_training = encoded[:-2]  # then the explanations, and one sample to count operations
    statistics = len(LABELLED)
    assert in_training == [statistics, len(LABELLED), len(TEST)]


def test_features_are_kept_for_a_phase_and_its_evaluations(encoded: list[int]) -> None:
    """The encoders are trained in epochs 1, 2 and 5, 6; what epoch 2's evaluation computes serves until epoch 5."""
    finish(second_stage(Cosmo(), {"iterative_epochs": 2, "guide": "none"}, epochs=6, evaluate_every=1))
    statistics = len(LABELLED)  # before each use in eval() mode: of the head in training, of all in an evaluation
    epoch = [8, 9, statistics, len(TEST)]
    first, second = [*epoch, statistics, *epoch], [statistics, len(LABELLED)]
    assert encoded[:-2] == [statistics, *first, *second, *first]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Cosmo(), {"iterative_epochs": 2, "guide": "none"}),
        (CMC(), {"iterative": True, "iterative_epochs": 1}),
        (CMC(), {"freeze_encoders": True}),
        (CPC(), {"form": "original", "freeze_encoders": True}),
    ],
)
def test_the_result_does_not_depend_on_it(
    method: Method, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = finish(second_stage(method, options, epochs=5, evaluate_every=1, lr=1e-3))
    monkeypatch.setattr(features, "MOST_BYTES", 0)
    computed = finish(second_stage(method, options, epochs=5, evaluate_every=1, lr=1e-3))
    # BatchNorm divides by the variance of the samples in train() mode, and by that of the population in eval() mode, so
    # the statistics of the head differ by n / (n - 1) if they are estimated from features instead
    np.testing.assert_allclose(kept.loss, computed.loss, rtol=5e-3)
    assert np.mean(kept.predictions["test"] == computed.predictions["test"]) > 0.9


@pytest.mark.parametrize(
    ("method", "options"),
    [(DeepSense(), {}), (CMC(), {}), (CMC(), {"iterative": True, "freeze": False, "iterative_epochs": 1})],
)
def test_nothing_is_kept_of_encoders_that_are_trained(method: Method, options: dict[str, Any]) -> None:
    model = method.build_classifier(TASK, method.Stage2.from_plain(options), None)
    frozen = FrozenFeatures(model, Stage2(epochs=4), training_data())
    frozen.begin(model.phase(2), LABELLED)
    assert not frozen._keep(LABELLED)
    assert frozen._kept == ()


class Tempered(FusionClassifier):
    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch) / 10


def test_a_forward_of_its_own_is_never_passed_by() -> None:
    model = Tempered(build_encoders(TASK.modalities), FusionHead((10, 9), CLASSES), CMC.Stage2(freeze_encoders=True))
    assert not FrozenFeatures(model, Stage2(epochs=4), training_data())._keep(LABELLED)


class OnlyForward(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.Linear(36, 4)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(self.encoders(batch["a"].flatten(1)))

    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({"head"}))


class OnlyForwardMethod(Method):
    name = "only-forward"
    title = "Only forward"

    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        return OnlyForward()


def test_a_classifier_need_not_have_features() -> None:
    result = finish(second_stage(OnlyForwardMethod(), epochs=4))
    assert result.loss[-1] < result.loss[0]


def test_data_on_the_device_are_those_of_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU holds all samples; here the CPU plays it."""
    data, samples = training_data(), np.array([3, 1, N - 1, 3])
    expected = data.batch(samples)
    resident = training_data()
    resident.__dict__["_resident"] = resident._normalised_on_device()
    for given in (samples, torch.from_numpy(samples)):
        found = resident.batch(given)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
