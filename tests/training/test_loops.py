from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from baselines.cmc import CMC
from baselines.cpc import CPC
from baselines.deepsense import DeepSense
from baselines.logistic_regression import LogisticRegression
from baselines.nearest_neighbour import NearestNeighbour
from baselines.ntxent import NTXent
from harness.cosmo.method import Cosmo
from harness.errors import DataError, InputError
from harness.method import Method
from harness.options import Stage1, Stage2
from harness.training import (
    Stage2Result,
    TrainingData,
    pretrain,
    pretrained_from_bytes,
    pretrained_to_bytes,
    train,
)
from harness.training.stage2 import Evaluations, Training, apply_phase
from tests.training.training_runs import (
    FEW,
    LABEL,
    LABELLED,
    TASK,
    TEST,
    UNLABELLED,
    finish,
    first_stage,
    second_stage,
    training_data,
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def same(one: Stage2Result, other: Stage2Result) -> bool:
    return one.loss == other.loss and np.array_equal(one.predictions["test"], other.predictions["test"])


def test_results_have_the_promised_shapes() -> None:
    stage1 = finish(first_stage())
    assert len(stage1.loss) == 2
    assert stage1.loss_floor is not None
    assert min(stage1.loss) > stage1.loss_floor
    assert set(stage1.pretrained.diagnostics["quality"]) == {"a", "b"}
    stage2 = finish(second_stage(Cosmo(), None, stage1.pretrained))
    assert stage2.epochs_evaluated == (2, 3)
    assert stage2.predictions["test"].shape == (2, len(TEST))
    assert stage2.predictions["test"].dtype == np.uint16
    assert stage2.explained["attention"].shape == (len(TEST), 2)
    assert stage2.n_parameters > 0
    assert stage2.seconds > 0


@pytest.mark.parametrize(("most", "drawn"), [(1, [0]), (3, [0, 50, 100]), (200, list(range(150)))])
def test_features_are_kept_of_a_few_evenly_spread_samples(
    most: int, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.stage2.IN_PLANE", most)

    def explain(chunk: np.ndarray) -> dict[str, torch.Tensor]:
        return {"attention": torch.tensor(chunk), "features": torch.tensor(chunk)}

    training = SimpleNamespace(model=SimpleNamespace(explain=explain))
    evaluations = Evaluations(cast(Any, training), cast(Any, SimpleNamespace(batch=lambda chunk: chunk)), {})
    explained = evaluations.explain(np.arange(150))
    assert explained["attention"].tolist() == list(range(150))
    assert explained["features"].tolist() == drawn


def test_same_seeds_same_bits_also_interleaved_and_the_callers_draws_are_left_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    pretrained = finish(first_stage()).pretrained
    alone = finish(second_stage(Cosmo(), None, pretrained)), finish(second_stage())
    one, other = second_stage(Cosmo(), None, pretrained), second_stage()
    first_loss = next(one).loss
    torch.manual_seed(8)
    next(other)
    torch.rand(3)
    both = finish(one), finish(other)
    assert first_loss == alone[0].loss[0]
    assert same(both[0], alone[0])
    assert same(both[1], alone[1])
    again = finish(first_stage()).pretrained
    assert pretrained_to_bytes(again) == pretrained_to_bytes(pretrained)
    torch.manual_seed(7)
    finish(first_stage())
    assert torch.equal(torch.get_rng_state(), before)


def test_other_seeds_other_bits() -> None:
    method = DeepSense()
    results = [
        finish(
            train(
                method,
                method.Stage2(),
                Stage2(epochs=1),
                training_data(seeds=(s,)),
                LABEL,
                LABELLED,
                {"test": TEST},
                None,
            )
        )
        for s in (0, 1)
    ]
    assert results[0].loss != results[1].loss


def test_no_epochs_still_evaluates_once() -> None:
    result = finish(second_stage(epochs=0))
    assert result.epochs_evaluated == (0,)
    assert result.predictions["test"].shape == (1, len(TEST))
    assert finish(first_stage(epochs=0)).loss == ()


def test_the_quality_can_be_that_of_the_encoders_after_the_last_epoch() -> None:
    asked = {"quality": {**FEW["quality"], "features": "encoders"}}
    untrained, trained = (
        finish(first_stage(options=asked, epochs=epochs)).pretrained.diagnostics["quality"] for epochs in (0, 3)
    )
    assert all(trained[name]["hopkins"] != untrained[name]["hopkins"] for name in ("a", "b"))
    checkpoint = next(first_stage(options=asked, epochs=3, checkpoint_every=1)).checkpoint
    resumed = finish(first_stage(options=asked, epochs=3, checkpoint=checkpoint))
    assert resumed.pretrained.diagnostics["quality"] == trained
    assert Cosmo.Stage1.from_plain(asked).content()["quality"]["version"] == "2"
    assert "version" not in Cosmo.Stage1().content()["quality"]


def test_without_contrastive_learning_the_encoders_are_random_and_the_quality_is_found() -> None:
    result = finish(first_stage(options={**FEW, "contrastive": False}, epochs=5))
    assert result.loss == ()
    assert result.pretrained.diagnostics["quality"]
    untrained = finish(first_stage(epochs=0)).pretrained.encoders
    assert all(torch.equal(result.pretrained.encoders[name], tensor) for name, tensor in untrained.items())


def test_stage_two_starts_from_stage_one() -> None:
    pretrained = finish(first_stage()).pretrained
    model = Cosmo().build_classifier(TASK, Cosmo.Stage2(), pretrained)
    for name, tensor in model.encoders.state_dict().items():
        assert torch.equal(tensor, pretrained.encoders[name])
    back = pretrained_from_bytes(pretrained_to_bytes(pretrained), pretrained.diagnostics)
    assert all(torch.equal(back.encoders[name], tensor) for name, tensor in pretrained.encoders.items())


@pytest.mark.parametrize(("freeze", "moves"), [(True, False), (False, True)])
@pytest.mark.parametrize(("epochs", "resting"), [(2, "head"), (4, "encoders")])
def test_freezing(freeze: bool, moves: bool, epochs: int, resting: str) -> None:
    """T_iter = 2: epochs 1, 2 train the encoders, 3, 4 the head. BatchNorm's buffers rest in either reading."""
    method = CMC()
    models: list[Any] = []
    build = method.build_classifier
    method.build_classifier = lambda *a: models.append(build(*a)) or models[-1]  # type: ignore[method-assign, func-returns-value]
    options = {"iterative": True, "iterative_epochs": 2, "freeze": freeze}
    loop = second_stage(method, options, epochs=epochs, weight_decay=0.1, batch_norm="running")
    for _ in range(epochs - 1):
        next(loop)
    part = getattr(models[0], resting)
    parameters = {n: p.detach().clone() for n, p in part.named_parameters()}
    buffers = {n: b.clone() for n, b in part.named_buffers()}
    next(loop)
    moved = [n for n, p in part.named_parameters() if not torch.equal(p, parameters[n])]
    assert bool(moved) == moves
    assert all(torch.equal(b, buffers[n]) for n, b in part.named_buffers())


def test_turns() -> None:
    full, short = Cosmo.Stage2(iterative_epochs=5), Cosmo.Stage2(iterative_epochs=5, first_phase="short")
    assert [next(iter(full.phase(e).gradient)) for e in (1, 5, 6, 10, 11)] == [
        "encoders",
        "encoders",
        "head",
        "head",
        "encoders",
    ]
    assert [next(iter(short.phase(e).gradient)) for e in (1, 4, 5, 9, 10)] == [
        "encoders",
        "encoders",
        "head",
        "head",
        "encoders",
    ]
    head_first = Cosmo.Stage2(iterative_epochs=5, first_part="head")
    assert [next(iter(head_first.phase(e).gradient)) for e in (1, 5, 6, 10, 11)] == [
        "head",
        "head",
        "encoders",
        "encoders",
        "head",
    ]
    assert CMC.Stage2(freeze_encoders=True).phase(1).gradient == {"head"}
    assert CMC.Stage2().phase(1).gradient == {"head", "encoders"}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Cosmo(), {"guide": "none", "iterative_epochs": 1}),
        (Cosmo(), {"guide": "none", "iterative_epochs": 1, "freeze": False}),
        (CPC(), {"form": "original", "freeze_encoders": True}),
        (DeepSense(), {"form": "original"}),
    ],
)
def test_gradients_flow_through_a_gru_in_train_mode_only(device: str, method: Method, options: dict[str, Any]) -> None:
    """cuDNN computes gradients in no other mode."""
    data = training_data(device=device)
    training = Training(method, method.Stage2.from_plain(options), Stage2(), data, LABEL, LABELLED, None)
    modes = []
    for module in training.model.modules():
        if isinstance(module, nn.RNNBase):
            module.register_forward_hook(lambda gru, _, output: modes.append((output[0].requires_grad, gru.training)))
    for epoch in (1, 2):
        training.epoch(epoch)
    assert (True, True) in modes or options.get("freeze_encoders")
    assert (True, False) not in modes
    training.ready_for_evaluation()
    assert not any(module.training for module in training.model.modules())


def test_phase_of_an_unknown_part_is_an_error() -> None:
    from harness.method import Phase

    with pytest.raises(KeyError, match="decoder"):
        apply_phase(DeepSense().build_classifier(TASK, DeepSense.Stage2(), None), Phase(frozenset({"decoder"})))


@pytest.mark.parametrize("stage", [first_stage, second_stage])
def test_a_loss_that_is_not_finite_names_the_epoch(stage: Any) -> None:
    with pytest.raises(RuntimeError, match=r"loss of stage \d is .* in epoch \d"):
        finish(stage(lr=1e30, epochs=9))


def test_too_few_samples_is_bad_input() -> None:
    method = Cosmo()
    with pytest.raises(InputError, match="unlabeled: cosmo needs at least 4 samples for stage 1, not 3"):
        finish(pretrain(method, method.Stage1(), Stage1(epochs=0), training_data(), np.arange(3)))
    with pytest.raises(InputError, match="two labelled"):
        finish(train(DeepSense(), None, Stage2(), training_data(), LABEL, np.arange(1), {}, None))


@pytest.mark.parametrize(
    "settings", [{"precision": "bf16"}, {"optimizer": "adam", "lr": 1e-3}, {"lr_milestones": (1, 2)}]
)
def test_settings(settings: dict[str, Any]) -> None:
    pretrained = finish(first_stage(**settings)).pretrained
    result = finish(second_stage(Cosmo(), None, pretrained, **settings))
    assert all(np.isfinite(result.loss))
    assert all(t.dtype != torch.bfloat16 for t in pretrained.encoders.values())


@pytest.mark.parametrize("method", [NearestNeighbour(), LogisticRegression()])
def test_probes_classify_in_mixed_precision(method: Method) -> None:
    def predicted(precision: str) -> np.ndarray:
        settings, evaluated = Stage2.from_plain({"epochs": 1, "precision": precision}), {"labelled": LABELLED}
        stage2 = train(
            method, method.Stage2(), settings, training_data(), LABEL, LABELLED, evaluated, None, "statistics"
        )
        return finish(stage2).predictions["labelled"]

    assert np.array_equal(predicted("bf16"), predicted("fp32"))


def test_samples_are_not_put_together_for_diagnostics_that_a_method_does_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    batch = TrainingData.batch
    monkeypatch.setattr(TrainingData, "batch", lambda data, some: sizes.append(len(some)) or batch(data, some))
    finish(first_stage(CPC(), {}))
    assert 0 < max(sizes) < len(UNLABELLED)


@pytest.mark.parametrize("method", [Cosmo(), CMC(), CPC(), NTXent()])
def test_augmentations_change_stage_1_and_draw_the_same_again(method: Method) -> None:
    few = FEW if isinstance(method, Cosmo) else {}
    plain = finish(first_stage(method, few))
    augmented = finish(first_stage(method, few, augmentations={"noise": 0.5}))
    assert augmented.loss != plain.loss
    assert augmented.loss == finish(first_stage(method, few, augmentations={"noise": 0.5})).loss
    if isinstance(method, Cosmo | CMC):  # the others draw from the same generator
        nothing = {"failure": 0.0, "noise": 0.0, "down_sampling": 1}
        assert finish(first_stage(method, few, augmentations=nothing)).loss == plain.loss


def test_encoders_may_have_a_rate_of_their_own() -> None:
    same = finish(second_stage(encoders_lr=0.01))
    assert same.loss == finish(second_stage()).loss
    slow = finish(second_stage(encoders_lr=1e-5))
    assert slow.loss != same.loss
    assert "encoders_lr" not in Stage2().content()
    assert Stage2(encoders_lr=0.1).content()["encoders_lr"] == 0.1


@pytest.mark.parametrize("header", [
    {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 48]},
    {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 48]},
    {"dtype": "F4", "shape": [96], "data_offsets": [0, 48]},
    {"dtype": "BOOL", "shape": [48], "data_offsets": [0, 48]},
])  # fmt: skip
def test_encoders_that_are_not_what_their_header_claims_are_refused(header: dict[str, object]) -> None:
    text = json.dumps({"imu.weight": header}).encode()
    for content in (len(text).to_bytes(8, "little") + text + bytes(48), (2**60).to_bytes(8, "little") + text, b""):
        with pytest.raises(DataError, match="the encoders of stage 1 can't be read"):
            pretrained_from_bytes(content, {})
