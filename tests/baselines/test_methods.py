"""Every method, by its registered name: what it promises, and that its loss falls on tiny data."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from baselines.cpc import CPC
from baselines.single_modal import SingleModal
from harness import registry
from harness.cosmo.method import Cosmo
from harness.data.base import Modality
from harness.errors import InputError
from harness.method import Method, Pretrained, Task
from harness.options import Stage1, Stage2
from harness.training import TrainingData, pretrain, train

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
NAMES = sorted(registry.BUILT_IN["methods"])
MODALITIES = (
    Modality("acc", "series", (14, 3)),
    Modality("gyro", "series", (14, 3)),
    Modality("pose", "skeleton", (20, 8, 3)),
    Modality("depth", "frames", (16, 12, 14)),
)
CLASSES = 3
LABEL = np.arange(24) % CLASSES


def method_of(name: str) -> Method:
    method = registry.get("methods", name)()
    assert isinstance(method, Method)
    assert method.name == name
    return method


def training_data(task: Task) -> TrainingData:
    rng = np.random.default_rng(1)
    arrays = {
        m.name: (rng.normal(size=(24, *m.shape)) + LABEL.reshape(-1, *[1] * len(m.shape))) for m in task.modalities
    }
    return TrainingData(task, arrays, lambda _, x: x.astype(np.float32), seeds=(0,))


def run(generator: Any) -> Any:
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def plain(options: type | None) -> Any:
    values = {"quality": {"restarts": 1, "subsets": 0}} if options is Cosmo.Stage1 else {}
    return options.from_plain(values) if options else None  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("modalities", [2, 4])
def test_loss_falls(name: str, modalities: int) -> None:
    method, task = method_of(name), Task(MODALITIES[-modalities:], CLASSES)
    data, everything, pretrained = training_data(task), np.arange(24), None
    method.check(task, plain(method.Stage1), plain(method.Stage2))
    if method.Stage1:
        given = Stage1(**{"epochs": 6, "batch_size": 12, **method.SETTINGS.get("stage1", {})})
        stage1 = run(pretrain(method, plain(method.Stage1), given, data, everything))
        assert min(stage1.loss[3:]) < stage1.loss[0]
        pretrained = stage1.pretrained
    for variant in method.variants(task, plain(method.Stage2)) or ("",):
        settings = Stage2(epochs=8, batch_size=12)
        looks = {"test": everything}
        stage2 = run(train(method, plain(method.Stage2), settings, data, LABEL, everything, looks, pretrained, variant))
        assert min(stage2.loss[4:]) < (np.log(CLASSES) if method.fitted else stage2.loss[0])
        assert stage2.predictions["test"].max() < CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_readings_name_real_options(name: str) -> None:
    method = method_of(name)
    fields = set(method.Stage2.model_fields) | set(method.Stage1.model_fields if method.Stage1 else ())
    aliases = {f.alias for f in method.Stage2.model_fields.values() if f.alias}
    for reading in method.READINGS.values():
        assert set(reading) - {"stage1", "stage2"} <= fields | aliases
        Stage1.from_plain(reading.get("stage1", {}))
        Stage2.from_plain(reading.get("stage2", {}))


def test_the_authors_reading_of_cosmo_runs() -> None:
    task = Task(MODALITIES[1:3], CLASSES)
    method, reading = Cosmo(), Cosmo.READINGS["authors-code"]
    first = method.Stage1.from_plain({k: v for k, v in reading.items() if k in method.Stage1.model_fields})
    second = method.Stage2.from_plain({k: v for k, v in reading.items() if k in method.Stage2.model_fields})
    data, everything = training_data(task), np.arange(24)
    pretrained = run(pretrain(method, first, Stage1(epochs=1), data, everything)).pretrained
    result = run(train(method, second, Stage2(epochs=6), data, LABEL, everything, {"test": everything}, pretrained))
    np.testing.assert_allclose(result.explained["attention"].sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("modalities", "fusion", "width"),
    [((0, 1), "auto", 12), ((0, 1), "concat", 24), ((0, 2), "auto", None)],
)
def test_fusion_follows_the_modalities(modalities: tuple[int, ...], fusion: str, width: int | None) -> None:
    task = Task(tuple(MODALITIES[i] for i in modalities), CLASSES)
    model = Cosmo().build_classifier(task, Cosmo.Stage2.from_plain({"fusion": fusion, "guide": "none"}), None)
    widths = [e.width for e in model.encoders.values()]
    assert model.head.fusion == ("sum" if width == 12 else "concat")
    assert model.head.recurrent.gru.input_size == (width or sum(widths))
    batch = {m.name: torch.randn(2, *m.shape) for m in task.modalities}
    assert {n: f.shape for n, f in model.modal_features(batch).items()} == {
        m.name: (2, 16, w) for m, w in zip(task.modalities, widths, strict=True)
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "sum"}, "equal width"),
        ({"guide": "fixed", "guide_weights": [0.2, 0.3, 0.5]}, "2 numbers"),
        ({"guide": "fixed", "guide_weights": [0, 0]}, "not all zero"),
    ],
)
def test_options_that_do_not_fit_the_task(options: dict[str, Any], message: str) -> None:
    task = Task(MODALITIES[1:3], CLASSES)
    with pytest.raises(InputError, match=message):
        Cosmo().check(task, Cosmo.Stage1(), Cosmo.Stage2.from_plain(options))


def test_quality_needs_stage_one() -> None:
    with pytest.raises(InputError, match="stage 1"):
        Cosmo().build_classifier(Task(MODALITIES[:2], CLASSES), Cosmo.Stage2(), None)


@pytest.mark.parametrize(
    "options", [{"weights_range": [0.5, 0.5]}, {"weights": "dirichlet", "weights_range": [0.1, 0.9]}, {"positives": 1}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"weights_range|greater than or equal to 2"):
        Cosmo.Stage1.from_plain(options)


@pytest.mark.parametrize(("horizon", "fits"), [(None, True), (11, True), (12, False), (50, False)])
def test_cpc_horizon_is_checked_against_the_steps(horizon: int | None, fits: bool) -> None:
    task, options = Task(MODALITIES[:2], CLASSES), CPC.Stage1.from_plain({"horizon": horizon})
    if fits:
        assert CPC().build_pretrainer(task, options)
    else:
        with pytest.raises(InputError, match="the features have 12"):
            CPC().build_pretrainer(task, options)


def test_cpc_predicts_the_steps_after_the_past() -> None:
    model = CPC().build_pretrainer(Task(MODALITIES[:3], CLASSES), CPC.Stage1(horizon=1))
    batch = {m.name: torch.randn(4, *m.shape) for m in MODALITIES[:3]}
    predicted, came = model.eval()(batch, torch.Generator())
    assert predicted.shape == came.shape
    assert came.shape[:2] == (4, 1)


def test_single_modal_has_a_row_for_each_modality() -> None:
    task = Task(MODALITIES, CLASSES)
    assert SingleModal().variants(task, SingleModal.Stage2()) == ("acc", "gyro", "pose", "depth")
    assert list(SingleModal().build_classifier(task, None, None, "pose").encoders) == ["pose"]
    with pytest.raises(ValueError, match="variant"):
        SingleModal().build_classifier(task, None, None, "")


def test_pretrained_encoders_must_fit() -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        CPC().build_classifier(Task(MODALITIES[:2], CLASSES), CPC.Stage2(), Pretrained({}, {}))


def test_methods_import_neither_ray_nor_pandas_nor_sklearn() -> None:
    code = "import sys, harness.training, " + ", ".join(
        p.partition(":")[0] for p in registry.BUILT_IN["methods"].values()
    )
    code += "; sys.exit(', '.join({'ray', 'pandas', 'sklearn'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"imported: {done.stderr}"
