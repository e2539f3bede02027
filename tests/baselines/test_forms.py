"""The original forms of DeepSense, AttnSense, CPC and CMC: they train, they are told apart in keys, their readings are the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.cmc import cross_view_loss
from baselines.cpc import JOINT, OriginalClassifier
from harness import registry
from harness.data.base import Modality
from harness.errors import InputError, StudyError
from harness.execute.inline import InlineExecutor
from harness.ledger import Ledger
from harness.method import Task
from harness.nn.spectral import n_intervals, spectra
from harness.options import Stage1, Stage2
from harness.plan import Plan, make_plan
from harness.study import read_study
from harness.training import Stage2Result, TrainingData, pretrain, pretrained_to_bytes, train

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
FORMED = ("deepsense", "attnsense", "cpc", "cmc")
MODALITIES = (
    Modality("acc", "series", (44, 3)),
    Modality("pose", "skeleton", (24, 5, 3)),
    Modality("gyro", "series", (7, 1)),
    Modality("depth", "frames", (16, 12, 14)),
)
CLASSES, N = 3, 24
LABEL = np.arange(N) % CLASSES
ADAM = {"optimizer": "adam", "lr": 0.003}


def run(generator: Any) -> Any:
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def training_data(task: Task) -> TrainingData:
    rng = np.random.default_rng(1)
    arrays = {m.name: rng.normal(size=(N, *m.shape)) + LABEL.reshape(-1, *[1] * len(m.shape)) for m in task.modalities}
    return TrainingData(task, arrays, lambda _, x: x.astype(np.float32), seeds=(0,))


def trained(name: str, modalities: tuple[Modality, ...]) -> tuple[Any, Stage2Result]:
    """Both stages of a method's original form."""
    method, task, everything = registry.get("methods", name)(), Task(modalities, CLASSES), np.arange(N)
    second = method.Stage2.from_plain({"form": "original"})
    first = method.Stage1.from_plain({"form": "original"}) if method.Stage1 else None
    method.check(task, first, second)
    data = training_data(task)
    stage1 = run(pretrain(method, first, Stage1(epochs=6, batch_size=12, **ADAM), data, everything)) if first else None
    settings = Stage2(epochs=10, batch_size=12, **ADAM)
    pretrained = stage1.pretrained if stage1 else None
    return stage1, run(train(method, second, settings, data, LABEL, everything, {"test": everything}, pretrained))


@pytest.mark.parametrize(
    ("name", "modalities"),
    [(name, MODALITIES[:n]) for name in FORMED for n in (1, 2, 3) if n > 1 or name in ("deepsense", "cpc")]
    + [("cmc", MODALITIES)],
)
def test_the_original_form_learns_from_any_number_of_modalities(name: str, modalities: tuple[Modality, ...]) -> None:
    stage1, stage2 = trained(name, modalities)
    if stage1:
        assert min(stage1.loss[3:]) < stage1.loss[0]
    assert min(stage2.loss[5:]) < stage2.loss[0]
    if name == "attnsense":
        np.testing.assert_allclose(stage2.explained["attention"].sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", FORMED)
def test_same_seeds_same_bits(name: str) -> None:
    (stage1, one), (again, other) = trained(name, MODALITIES[:2]), trained(name, MODALITIES[:2])
    assert one.loss == other.loss
    np.testing.assert_array_equal(one.predictions["test"], other.predictions["test"])
    if stage1:
        assert pretrained_to_bytes(stage1.pretrained) == pretrained_to_bytes(again.pretrained)


@pytest.mark.parametrize("name", ["deepsense", "attnsense", "cpc"])
def test_frames_have_no_original_form(name: str) -> None:
    method = registry.get("methods", name)()
    options = [stage.from_plain({"form": "original"}) if stage else None for stage in (method.Stage1, method.Stage2)]
    with pytest.raises(
        InputError, match=f"{name}: form 'original' needs series or skeletons, but 'depth' is of kind 'frames'"
    ):
        method.check(Task(MODALITIES, CLASSES), *options)


def test_intervals_are_for_the_original_form_alone() -> None:
    method = registry.get("methods", "deepsense")
    with pytest.raises(ValueError, match="intervals is for form 'original'"):
        method.Stage2.from_plain({"intervals": 4})
    model = method().build_classifier(Task(MODALITIES[:2], CLASSES), method.Stage2(form="original", intervals=7), None)
    assert model.encoders["acc"](torch.randn(2, 44, 3)).shape == (2, 64, 7 * 4)


@pytest.mark.parametrize(
    ("lengths", "asked", "intervals"),
    [((200, 200), None, 20), ((1000,), None, 20), ((120, 40), None, 4), ((5,), None, 1), ((120, 40), 9, 9)],
)
def test_intervals_hold_ten_samples_of_the_shortest_modality(
    lengths: tuple[int, ...], asked: int | None, intervals: int
) -> None:
    assert n_intervals([Modality(str(i), "series", (n, 3)) for i, n in enumerate(lengths)], asked) == intervals


def test_a_spectrum_shows_the_frequency_of_its_interval() -> None:
    time = torch.arange(40) / 10  # four intervals of ten samples
    waves = torch.stack(
        [torch.cos(2 * torch.pi * 2 * time), torch.full((40,), 3.0)], dim=1
    )  # two periods an interval; a constant
    real = spectra(waves[None], 4)[0, :2]
    expected = torch.zeros(2, 4, 10)
    expected[0, :, (2, 8)] = 5
    expected[1, :, 0] = 30
    torch.testing.assert_close(real, expected, atol=1e-4, rtol=0)


def test_deepsense_has_the_published_shapes() -> None:
    task = Task((Modality("acc", "series", (200, 3)), Modality("gyro", "series", (200, 3))), 6)
    method = registry.get("methods", "deepsense")
    state = method().build_classifier(task, method.Stage2(form="original"), None).state_dict()
    convolutions = [tuple(w.shape) for name, w in state.items() if name.endswith("weight") and w.dim() > 2]
    assert convolutions[:3] == [
        (64, 6, 1, 3),
        (64, 64, 1, 3),
        (64, 64, 1, 3),
    ]  # 6 channels of 3 samples: [1, 18], stride 6
    assert convolutions[6:] == [(64, 64, 1, 2, 8), (64, 64, 1, 2, 6), (64, 64, 1, 2, 4)]


def test_a_window_that_is_too_short_for_the_default_horizon() -> None:
    cpc, task = registry.get("methods", "cpc"), Task((Modality("a", "series", (3, 2)),), 2)
    with pytest.raises(InputError, match="cpc: at least 2 time steps are needed, but the features have 1"):
        cpc().check(task, cpc.Stage1(), cpc.Stage2())


@pytest.mark.parametrize(("horizon", "fits"), [(None, True), (23, True), (24, False), (28, False)])
def test_the_originals_horizon_is_checked_against_the_window(horizon: int | None, fits: bool) -> None:
    cpc, task = registry.get("methods", "cpc"), Task(MODALITIES[:2], CLASSES)
    options = cpc.Stage1.from_plain({"form": "original", "horizon": horizon})
    if fits:
        cpc().check(task, options, cpc.Stage2())
    else:
        with pytest.raises(
            InputError, match=f"a horizon of {horizon} needs more than {horizon} time steps, but the window has 24"
        ):
            cpc().check(task, options, cpc.Stage2())


def test_cpc_of_two_equal_sensors_is_the_published_network() -> None:
    cpc, task = (
        registry.get("methods", "cpc"),
        Task((Modality("acc", "series", (50, 3)), Modality("gyro", "series", (50, 3))), 4),
    )
    model = cpc().build_pretrainer(task, cpc.Stage1(form="original", horizon=28))
    convolutions = [tuple(w.shape) for name, w in model.encoders.state_dict().items() if "convolutions" in name]
    assert convolutions == [(32, 6, 3), (64, 32, 3), (128, 64, 3)]
    assert len(model.predictors) == 28
    predicted, came = model({m.name: torch.randn(5, 50, 3) for m in task.modalities}, torch.Generator())
    assert predicted.shape == came.shape == (5, 28, 128)


def test_frozen_encoders_stay_as_stage_1_left_them() -> None:
    cpc, task = registry.get("methods", "cpc"), Task(MODALITIES[:1], CLASSES)
    for form in ("original", "comparison"):
        model = cpc().build_classifier(task, cpc.Stage2(form=form, freeze_encoders=True), None)
        assert model.phase(1).gradient == {"head"}
    model = cpc().build_classifier(task, cpc.Stage2(form="original"), None)
    assert isinstance(model, OriginalClassifier)
    assert list(model.encoders) == [JOINT]
    assert model.phase(1).gradient == {"encoders", "head"}


def test_cross_view_loss_by_hand() -> None:
    a = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=1)
    b = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=1)
    e = (a @ b.T / 0.5).exp()
    by_hand = -(e.diag() / e.sum(1)).log().mean() - (e.diag() / e.sum(0)).log().mean()
    torch.testing.assert_close(cross_view_loss((a, b), 0.5), by_hand)
    torch.testing.assert_close(cross_view_loss((a, b, a), 0.5), 2 * by_hand + cross_view_loss((a, a), 0.5))


# -- studies -------------------------------------------------------------------------------------------------------------

STUDY = """\
study: forms
datasets: [fantasy-device]
methods: [{methods}]
seeds: 1
label_rate: 0.5
options:
  fantasy-device: {{series: 6, seconds: 8, window: 60, stride: 40, pairing: {pairing}}}
{rest}
"""


def plan(folder: Path, methods: str, rest: str = "", pairing: str = "paired", *overrides: str) -> Plan:
    path = folder / "study.yaml"
    path.write_text(STUDY.format(methods=methods, rest=rest, pairing=pairing))
    return make_plan(read_study(path, overrides), None)


def settings(folder: Path, name: str, options: str, *overrides: str) -> Any:
    path = folder / "study.yaml"
    path.write_text(STUDY.format(methods=name, rest=f"  {name}: {options}", pairing="paired"))
    study = read_study(path, overrides)
    return study.settings(study.file.datasets[0], name, {})


def test_the_original_reading_has_the_published_settings(tmp_path: Path) -> None:
    found = settings(tmp_path, "deepsense", "{reading: original}")
    stage2 = found.general.stage2
    assert found.stage2_options.form == "original"
    assert (stage2.optimizer, stage2.lr, stage2.betas, stage2.weight_decay) == ("adam", 1e-4, (0.5, 0.9), 5e-4)
    found = settings(tmp_path, "cpc", "{reading: original}")
    stage1, stage2 = found.general.stage1, found.general.stage2
    assert (found.stage1_options.form, found.stage1_options.horizon) == ("original", 28)
    assert (stage1.optimizer, stage1.lr, stage1.epochs, stage1.batch_size, stage1.lr_decay) == (
        "adam",
        5e-4,
        150,
        64,
        0.8,
    )
    assert stage1.lr_milestones[:5] == (25, 50, 75, 100, 125)
    assert (found.stage2_options.form, found.stage2_options.freeze_encoders, stage2.lr) == ("original", True, 5e-4)
    found = settings(tmp_path, "cmc", "{reading: original}")
    assert (found.stage1_options.form, found.stage2_options.form, found.stage2_options.freeze_encoders) == (
        "original",
        "original",
        True,
    )
    assert found.general.stage1 == Stage1()


def test_what_a_study_says_wins_over_the_reading(tmp_path: Path) -> None:
    found = settings(tmp_path, "cpc", "{reading: original, horizon: 9, stage1: {lr: 0.1}}", "stage1.epochs=3")
    assert (found.stage1_options.horizon, found.general.stage1.lr, found.general.stage1.epochs) == (9, 0.1, 3)
    assert found.general.stage1.optimizer == "adam"
    found = settings(tmp_path, "cpc", "{form: original}")
    assert found.general.stage1 == Stage1()
    assert found.stage1_options.horizon is None


def test_a_wrong_form_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"study.yaml:8: deepsense.form: 'orignal' should be 'comparison' or 'original'"
    ):
        settings(tmp_path, "deepsense", "{form: orignal}")
    with pytest.raises(StudyError, match="a horizon of 28 needs more than 28 time steps, but the window has 20"):
        plan(tmp_path, "cpc", "  cpc: {reading: original}", "paired", "fantasy-device.window=20")


@pytest.mark.parametrize(
    ("change", "shared"),
    [("cpc.freeze_encoders=true", True), ("cpc.form=original", False), ("stage1.betas=[0.5, 0.9]", True)],
)
def test_only_what_changes_stage_1_changes_its_key(tmp_path: Path, change: str, shared: bool) -> None:
    before, after = (
        {key for key, job in plan(tmp_path, "cpc", "", "paired", *overrides).jobs.items() if job.kind == "pretrain"}
        for overrides in ((), (change,))
    )
    assert (before == after) is shared


class Quiet:
    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@pytest.mark.parametrize(
    ("pairing", "methods"),
    [
        ("paired", "deepsense, attnsense, cpc, cmc, cocoa, focal, siamese, triplet, ntxent"),
        ("unpaired", "deepsense, cpc, siamese, triplet, ntxent, single-modal"),
    ],
)
def test_a_study_of_them_runs(tmp_path: Path, pairing: str, methods: str) -> None:
    names = methods.split(", ")
    rest = "\n".join(f"  {name}: {{reading: original}}" for name in names if name in FORMED)
    planned = plan(tmp_path, methods, rest, pairing, "stage1.epochs=1", "stage2.epochs=1", "cpc.horizon=10")
    ledger = Ledger(tmp_path / "run")
    InlineExecutor().run(list(planned.jobs.values()), planned.data, ledger, Quiet())
    records = [ledger.record(key) for key in planned.jobs]
    assert [record["error"]["message"] for record in records if record["status"] != "done"] == []
    assert len(planned.trials) == len(names)
