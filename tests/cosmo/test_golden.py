"""Our networks in the authors' configuration, and our loss, give the golden values of the authors' published code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.attnsense import AttnSense
from baselines.cmc import CMC
from baselines.deepsense import DeepSense
from baselines.single_modal import SingleModal
from harness.cosmo.method import Cosmo
from harness.cosmo.positives import grid, mix
from harness.data.base import Modality
from harness.method import Pretrained, Task
from harness.nn.classifier import FusionClassifier
from harness.nn.contrast import same_sample_loss

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
GOLDEN = Path(__file__).parents[1] / "golden"
SPEC = json.loads((GOLDEN / "authors_utd.json").read_text())
VALUES = np.load(GOLDEN / "authors_utd.npz")
TASK = Task((Modality("inertial", "series", (120, 6)), Modality("skeleton", "skeleton", (40, 20, 3))), 27)
ENCODERS = {
    "imu_cnn_layers.features.": "encoders.inertial.features.",
    "skeleton_cnn_layers.features.": "encoders.skeleton.features.",
}
HEAD = {"gru.": "head.recurrent.gru.", "classifier.": "head.recurrent.classifier."}
ATTENTION = {"attn.reduce_d1.": "reduce.0.", "attn.reduce_d2.": "reduce.1.", "attn.weight.": "weight."}


def close(ours: Tensor, key: str) -> None:
    golden = VALUES[key].astype(np.float64)
    np.testing.assert_allclose(ours.detach().numpy(), golden, rtol=1e-6, atol=1e-6 * np.abs(golden).max() * 1e-3)


def parameters(network: str, names: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    """The golden parameters of a network, under our names (the longest prefix counts)."""
    for seed, name, shape, rule in SPEC["parameters"][network]:
        if rule == "leave":
            continue
        z = np.random.RandomState(seed).standard_normal(shape)
        value = eval(rule, {"z": z, "shape": shape, "sqrt": np.sqrt, "prod": np.prod, "abs": np.abs})
        prefix = max((p for p in names if name.startswith(p)), key=len)
        yield names[prefix] + name[len(prefix) :], torch.from_numpy(value.astype(np.float32).astype(np.float64))


def load(model: nn.Module, network: str, names: dict[str, str], given: tuple[str, ...] = ()) -> nn.Module:
    """Fill the model, all of it but counters and what stands under ``given``."""
    state = dict(parameters(network, names))
    missing, unexpected = model.double().load_state_dict(state, strict=False)
    assert not unexpected
    assert not [m for m in missing if not m.endswith("num_batches_tracked") and not m.startswith(given or "-")]
    return model.eval()


def inputs() -> dict[str, Tensor]:
    inertial = np.random.RandomState(1000).standard_normal((4, 1, 120, 6))
    skeleton = np.random.RandomState(1001).standard_normal((4, 1, 40, 20, 3))
    return {"inertial": torch.from_numpy(inertial[:, 0]), "skeleton": torch.from_numpy(skeleton[:, 0])}


@pytest.fixture(scope="module")
def stage1() -> Any:
    pretrainer = Cosmo().build_pretrainer(TASK, Cosmo.Stage1())
    names = {f"encoder.{theirs}": ours for theirs, ours in ENCODERS.items()}
    return load(
        pretrainer,
        "cosmo_stage1",
        {**names, "head_1.": "projections.inertial.layers.", "head_2.": "projections.skeleton.layers."},
    )


def test_encoders_projections_mixtures(stage1: Any) -> None:
    batch = inputs()
    for name, encoder in stage1.encoders.items():
        close(encoder.map(batch[name]), f"cosmo_stage1.encoder.{name}")
    projections = stage1(batch, torch.Generator())
    for name, projection in zip(stage1.encoders, projections, strict=True):
        close(projection, f"cosmo_stage1.projection.{name}")
    close(mix(projections, grid(9, 2)), "fusion_positives.p9")


@pytest.mark.parametrize("guide", [0, 1])
def test_cosmo_classifier(stage1: Any, guide: int) -> None:
    reading = {k: v for k, v in Cosmo.READINGS["authors-code"].items() if k in Cosmo.Stage2.model_fields}
    options = Cosmo.Stage2(**{**reading, "guide": "fixed" if guide else "none"})
    model = Cosmo().build_classifier(TASK, options, Pretrained(stage1.encoders.state_dict(), {}))
    at = "head.attention.attention." if guide else "head.attention."
    load(model, "cosmo_classifier", {**HEAD, **{k: at + v for k, v in ATTENTION.items()}}, given=("encoders.",))
    close(model.explain(inputs())["attention"], f"cosmo_classifier.guide{guide}.weights")
    close(model(inputs()), f"cosmo_classifier.guide{guide}.logits")


def test_cmc_classifier(stage1: Any) -> None:
    model = CMC().build_classifier(TASK, CMC.Stage2(), Pretrained(stage1.encoders.state_dict(), {}))
    load(
        model,
        "cmc_classifier",
        {**HEAD, **{k: "head.attention." + v for k, v in ATTENTION.items()}},
        given=("encoders.",),
    )
    close(model(inputs()), "cmc_classifier.logits")


def test_attnsense() -> None:
    model = AttnSense().build_classifier(TASK, AttnSense.Stage2(), None)
    load(model, "attnsense", {**ENCODERS, **HEAD, **{k: "head.attention." + v for k, v in ATTENTION.items()}})
    close(model.explain(inputs())["attention"], "attnsense.weights")
    close(model(inputs()), "attnsense.logits")


def test_deepsense() -> None:
    model = load(DeepSense().build_classifier(TASK, DeepSense.Stage2(), None), "deepsense", {**ENCODERS, **HEAD})
    close(model(inputs()), "deepsense.logits")


@pytest.mark.parametrize("row", ["inertial", "skeleton"])
def test_single_modal(row: str) -> None:
    model = SingleModal().build_classifier(TASK, SingleModal.Stage2(), None, row)
    assert isinstance(model, FusionClassifier)
    names = {"cnn_layers.": f"encoders.{row}.", **{f"cnn_layers.{k}": v for k, v in HEAD.items()}}
    load(model, f"single_{row}", names)
    close(model(inputs()), f"single_{row}.logits")


@pytest.mark.parametrize("case", SPEC["cases"], ids=lambda c: f"case{c['case']}")
def test_loss(case: dict[str, Any]) -> None:
    key = f"confusion_loss.case{case['case']}"
    features = torch.from_numpy(VALUES[f"{key}.features"]).requires_grad_()
    assert features.shape == (case["batch"], case["positives"], case["dim"])
    loss = same_sample_loss(normalize(features, dim=2), case["temperature"])
    loss.backward()
    assert float(loss.detach()) == pytest.approx(case["loss"], rel=1e-6)
    close(loss[None], f"{key}.loss")
    close(features.grad, f"{key}.grad")
