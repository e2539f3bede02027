"""Probes: their classifiers are scikit-learn's, their stage 1 is that of another method, and their options make sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from sklearn.linear_model import LogisticRegression as Solver
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from baselines.logistic_regression import LogisticRegressionHead
from baselines.nearest_neighbour import NearestNeighbourHead
from baselines.probe import Probing
from harness import registry
from harness.data.base import Modality
from harness.edge.runtimes import build
from harness.errors import InputError, StudyError
from harness.execute.inline import InlineExecutor
from harness.ledger import Ledger
from harness.method import Classifier, Task
from harness.plan import Plan, make_plan
from harness.study import read_study

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
TASK = Task((Modality("acc", "series", (14, 3)), Modality("pose", "skeleton", (20, 8, 3))), 3)
NAMES = ("nearest-neighbour", "logistic-regression")


def samples(n: int, width: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of labelled samples, their classes, and features of other samples. One feature is constant."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    labelled, others = (rng.normal(size=(m, width)) * 5 + 20 for m in (n, 12))
    labelled[:, :classes] += 4 * np.eye(classes)[label]
    labelled[:, -1] = others[:, -1] = 7
    return torch.from_numpy(labelled), torch.from_numpy(label), torch.from_numpy(others)


@given(n=st.integers(4, 20), classes=st.integers(2, 4), seed=st.integers(0, 99), cosine=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_nearest_neighbour_is_that_of_scikit_learn(n: int, classes: int, seed: int, cosine: bool) -> None:
    labelled, label, others = samples(n, 6, classes, seed)
    head = NearestNeighbourHead(6, classes, cosine).double()
    head.fit(labelled, label)
    steps = [StandardScaler(), *([Normalizer()] if cosine else []), KNeighborsClassifier(1)]
    solver = make_pipeline(*steps).fit(labelled.numpy(), label.numpy())
    np.testing.assert_array_equal(head(others).argmax(1), solver.predict(others.numpy()))
    assert (head(labelled).argmax(1) == label).all()


@given(classes=st.integers(2, 4), seed=st.integers(0, 99), c=st.sampled_from([0.01, 1.0, 10.0]))
@settings(max_examples=20, deadline=None)
def test_logistic_regression_is_that_of_scikit_learn(classes: int, seed: int, c: float) -> None:
    labelled, label, others = samples(16, 6, classes, seed)
    head = LogisticRegressionHead(6, classes, c).double()
    head.fit(labelled, label)
    solver = make_pipeline(StandardScaler(), Solver(C=c, max_iter=1000)).fit(labelled.numpy(), label.numpy())
    expected = solver.predict_proba(others.numpy())
    np.testing.assert_allclose(head(others).softmax(1).detach(), expected, atol=1e-6)


@pytest.mark.parametrize("head", [NearestNeighbourHead(6, 4, False), LogisticRegressionHead(6, 4, 1.0)])
@pytest.mark.parametrize("present", [(0, 2), (1, 2, 3), (3,)])
def test_a_class_without_labels_is_never_predicted(head: Any, present: tuple[int, ...]) -> None:
    labelled, label, others = samples(9, 6, len(present), 0)
    head.double().fit(labelled, torch.tensor(present)[label])
    logits = head(others)
    assert set(logits.argmax(1).tolist()) <= set(present)
    assert not logits.isnan().any()
    assert torch.isfinite(logits[:, list(present)]).all()


def fitted(name: str, variant: str) -> tuple[Classifier, dict[str, torch.Tensor]]:
    method = registry.get("methods", name)()
    torch.manual_seed(0)
    model = method.build_classifier(TASK, method.Stage2(), None, variant).eval()
    batch = {m.name: torch.randn(9, *m.shape) for m in TASK.modalities}
    with torch.no_grad():
        model.fit(model.encode(batch), torch.arange(9) % 3)
    return model, batch


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["random", "statistics"])
def test_a_fitted_probe_is_its_tensors(name: str, variant: str) -> None:
    model, batch = fitted(name, variant)
    method: Probing = registry.get("methods", name)()
    other = method.build_classifier(TASK, method.Stage2(), None, variant).eval()
    other.load_state_dict(load(save({key: x.contiguous() for key, x in model.state_dict().items()})))
    with torch.no_grad():
        torch.testing.assert_close(other(batch), model(batch))


@pytest.mark.parametrize("name", NAMES)
def test_a_fitted_probe_can_be_exported(name: str) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    model, batch = fitted(name, "random")
    with torch.no_grad():
        torch.testing.assert_close(build("onnx", "fp32", model, batch, 1)(batch), model(batch), atol=1e-3, rtol=1e-3)


# -- studies -------------------------------------------------------------------------------------------------------------

STUDY = """\
study: probes
datasets: [fantasy-device]
methods: [{methods}]
seeds: 1
label_rate: 0.5
stage1: {{epochs: 1}}
stage2: {{epochs: 3}}
{sweep}
options:
  fantasy-device: {{series: 4, seconds: 8, window: 20, stride: 20}}
  cosmo: {{positives: 3, quality: {{restarts: 1, subsets: 0}}}}
{options}
"""
BOTH = """\
  nearest-neighbour: {features: [cosmo, random, statistics]}
  logistic-regression: {features: [cosmo]}"""
ALL = "cosmo, nearest-neighbour, logistic-regression"


def plan(folder: Path, *overrides: str, methods: str = ALL, options: str = BOTH, sweep: str = "") -> Plan:
    path = folder / "study.yaml"
    path.write_text(STUDY.format(methods=methods, options=options, sweep=sweep))
    return make_plan(read_study(path, overrides), None)


def stage1_keys(planned: Plan) -> dict[str, str | None]:
    return {trial.method: trial.stage1_key for trial in planned.trials}


def test_probes_and_their_method_share_one_stage_1(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    (job,) = [job for job in planned.jobs.values() if job.kind == "pretrain"]
    assert job.content["method"]["name"] == job.about["method"] == "cosmo"
    assert job.content["options"]["positives"] == 3
    keys = stage1_keys(planned)
    assert keys["cosmo"] == keys["nearest-neighbour:cosmo"] == keys["logistic-regression:cosmo"] == job.key
    assert keys["nearest-neighbour:random"] is keys["nearest-neighbour:statistics"] is None
    unlabelled = {trial.method: trial.counts["unlabelled"] for trial in planned.trials}
    assert unlabelled["nearest-neighbour:cosmo"] == unlabelled["cosmo"] > 0
    assert unlabelled["nearest-neighbour:random"] == 0
    alone = plan(tmp_path, methods="logistic-regression")
    assert stage1_keys(alone) == {"logistic-regression:cosmo": job.key}


def test_a_probe_follows_the_options_of_the_method_whose_stage_1_it_takes(tmp_path: Path) -> None:
    for overrides in (("cosmo.positives=5",), ("cosmo.stage1.lr=0.1",), ("stage1.epochs=2",)):
        keys = stage1_keys(plan(tmp_path, *overrides))
        assert keys["cosmo"] == keys["nearest-neighbour:cosmo"] != stage1_keys(plan(tmp_path))["cosmo"]
    swept = plan(tmp_path, sweep="sweep: {cosmo.positives: [2, 5]}")
    of_probe, of_cosmo = (
        [t.stage1_key for t in swept.trials if t.method == m] for m in ("nearest-neighbour:cosmo", "cosmo")
    )
    assert of_probe == of_cosmo
    assert len(set(of_probe)) == 2


def train_keys(planned: Plan) -> dict[str, str | None]:
    return {trial.method: trial.key for trial in planned.trials}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("stage2.lr=0.5", True),
        ("stage2.epochs=9", True),
        ("nearest-neighbour.features=[random, statistics]", True),
        ("stage2.batch_norm=running", False),
        ("nearest-neighbour.distance=cosine", False),
    ],
)
def test_only_what_changes_a_probe_changes_its_key(tmp_path: Path, change: str, same: bool) -> None:
    before, after = train_keys(plan(tmp_path)), train_keys(plan(tmp_path, change))
    assert (before["nearest-neighbour:random"] == after["nearest-neighbour:random"]) is same


def test_swept_settings_of_gradient_descent_are_warned_of(tmp_path: Path) -> None:
    cautions = plan(tmp_path, sweep="sweep: {stage2.lr: [0.1, 0.01], label_rate: [0.5]}").cautions
    found = [caution for caution in cautions if "fitted once" in caution]
    assert found
    assert all("stage2.lr has no effect" in caution for caution in found)
    assert {caution.partition(" ")[0] for caution in found} == set(NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("  nearest-neighbour: {features: [cosmos]}", r"neither random, statistics nor a method.*did you mean 'cosmo'"),
        ("  nearest-neighbour: {features: [deepsense]}", "deepsense has no stage 1"),
        ("  nearest-neighbour: {features: [random, random]}", "each of the features should be named once"),
        ("  nearest-neighbour: {features: []}", "nearest-neighbour.features"),
        (
            "  nearest-neighbour: {stage2: {lr: 0.1}}",
            r"study.yaml:\d+: nearest-neighbour.stage2.lr: does not apply, because",
        ),
        ("  logistic-regression: {C: 0}", "logistic-regression.C"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        plan(tmp_path, options=options)


def test_encoders_that_are_not_shared_are_refused(tmp_path: Path) -> None:
    options = "  nearest-neighbour: {features: [cpc]}\n  cpc: {form: original, horizon: 9}"
    with pytest.raises((StudyError, InputError), match="nearest-neighbour can't start from stage 1 of cpc"):
        plan(tmp_path, options=options)


class Quiet:
    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def test_a_study_of_probes_runs(tmp_path: Path) -> None:
    planned = plan(tmp_path, methods="nearest-neighbour, logistic-regression")
    ledger = Ledger(tmp_path / "run")
    InlineExecutor().run(list(planned.jobs.values()), planned.data, ledger, Quiet())
    for trial in planned.trials:
        assert trial.key
        record = ledger.record(trial.key)
        assert record["status"] == "done", record["error"]
        result = record["result"]
        assert len(result["loss"]) == 1
        assert result["epochs_evaluated"] == [1]
        chance = 1 / planned.about_data["fantasy-device"]["n_classes"]
        assert result["curves"]["test"]["accuracy"][0] > chance, trial.method
