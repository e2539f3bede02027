"""Models that a run keeps, and their predictions for labelled and unlabelled recordings."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import harness
from harness.cli import entry
from harness.errors import InputError
from harness.ledger import Ledger
from harness.results.models import find_trial, model_of
from harness.results.onnx_file import model_to_onnx
from harness.results.predict import Predictions, choose_samples, predict_arrays, predict_samples
from harness.results.run import RunResults
from harness.training.features import FrozenFeatures
from harness.training.trained_model import probabilities

METHODS = (
    "single-modal", "deepsense", "attnsense", "cpc", "cmc", "cosmo", "cocoa", "focal", "siamese", "triplet", "ntxent",
    "nearest-neighbour", "logistic-regression",
)  # fmt: skip
STUDY = f"""\
study: kept
datasets: [arrays:mine]
methods: [{", ".join(METHODS)}]
seeds: 1
labels_per_class: 3
split: {{test: [dora]}}
keep_models: true
stage1: {{epochs: 1}}
stage2: {{epochs: 1}}
options:
  cosmo: {{quality: {{restarts: 1, subsets: 0}}, iterative: false}}
  nearest-neighbour: {{features: [statistics, cosmo]}}
"""
PEOPLE, N = ("anna", "bob", "cem", "dora"), 360  # dora's are evaluated in two chunks
SHAPES = {"acc": (30, 3), "gyro": (24, 2)}


def write_arrays(folder: Path, seed: int = 0, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    rng, label = np.random.default_rng(seed), np.arange(N) % 3
    arrays: dict[str, Any] = {
        name: (rng.normal(3, 2, (N, *shape)) + label[:, None, None]).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    arrays["label"] = np.where(np.arange(N) % 5 == 4, "", np.array(["rest", "walk", "run"])[label])
    arrays["subject"] = np.repeat(PEOPLE, N // 4)
    arrays["sample"] = np.array([f"w{row:03d}" for row in range(N)])
    arrays["recording"] = np.repeat(["a", "b"], N // 2)
    folder.mkdir(parents=True)
    for name in set(arrays) - set(without):
        np.save(folder / f"{name}.npy", arrays[name])
    (folder / "index.json").write_text(json.dumps({"modalities": [n for n in SHAPES if n not in without]}))
    return arrays


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    write_arrays(folder / "data/mine")
    write_arrays(folder / "data/new", 1, ("label", "subject", "sample"))
    return folder


@pytest.fixture(scope="module")
def evaluated(place: Path, run_study: Callable[..., Ledger]) -> tuple[Ledger, list[np.ndarray]]:
    """A run of every method, and the logits of the evaluation of each trial, in their order."""
    seen: list[np.ndarray] = []
    original = FrozenFeatures.evaluation_logits

    def recorded(self: FrozenFeatures, samples: np.ndarray) -> Iterator[torch.Tensor]:
        parts = list(original(self, samples))
        if len(samples) > 9:  # not those of the labelled samples
            seen.append(torch.cat(parts).float().numpy())
        return iter(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenFeatures, "evaluation_logits", recorded)
        ledger = run_study(STUDY, place, place / "data")
    return ledger, seen


def predictions(ledger: Ledger, place: Path, wanted: dict[str, str], *dataset: str, **chosen: Any) -> Predictions:
    results = RunResults.open(ledger.root)
    trial = find_trial(results, wanted.pop("key", None), wanted)
    samples = choose_samples(results, trial, *dataset, root=place / "data", **chosen)
    return predict_samples(model_of(results, trial), samples, place / "data")


def test_predictions_have_the_bits_of_the_evaluation(place: Path, evaluated: tuple[Ledger, list[np.ndarray]]) -> None:
    ledger, seen = evaluated
    results = RunResults.open(ledger.root)
    assert {trial.method.partition(":")[0] for trial in results.plan.trials} == set(METHODS)
    trained = sorted((r for r in ledger.records() if r["kind"] == "train"), key=lambda record: record["started_at"])
    for record, logits in zip(trained, seen, strict=True):
        found = predictions(ledger, place, {"key": record["key"]}, subjects=["dora"])
        labelled = found.columns["label"] != ""
        assert 64 < labelled.sum() < len(labelled)
        np.testing.assert_array_equal(found.logits[labelled], logits, record["about"]["method"])
        predicted = np.array(found.classes)[found.logits[labelled].argmax(1)]
        assert (
            np.mean(predicted == found.columns["label"][labelled]) == record["result"]["curves"]["test"]["accuracy"][-1]
        )


def test_recordings_without_labels_and_subjects(place: Path, evaluated: tuple[Ledger, list[np.ndarray]]) -> None:
    results = RunResults.open(evaluated[0].root)
    trial = find_trial(results, wanted={"method": "cosmo"})
    found = predictions(evaluated[0], place, {"method": "cosmo"}, "arrays:new")
    rows = list(csv.DictReader(found.to_csv().decode().splitlines()))
    assert list(rows[0]) == ["sample", "recording", "predicted", "p(rest)", "p(run)", "p(walk)"]
    assert [row["sample"] for row in rows] == [f"r{row:06d}" for row in range(N)]
    assert found.probabilities.sum(1) == pytest.approx(np.ones(N))
    assert sum(found.counts.values()) == N
    for row in rows:
        assert max(["rest", "run", "walk"], key=lambda name: float(row[f"p({name})"])) == row["predicted"]
    arrays = {name: np.load(place / f"data/new/{name}.npy") for name in SHAPES}
    shares = harness.open_run(evaluated[0].root).predict(trial.key, arrays)
    np.testing.assert_array_equal(shares.to_numpy(), found.probabilities)
    assert list(shares.columns) == ["rest", "run", "walk"]
    single = find_trial(results, wanted={"method": "single-modal:acc"})
    one = predict_arrays(model_of(results, single), {"acc": arrays["acc"]}, "samples")  # the other sensor is not needed
    assert one.shape == (N, 3)


def test_a_trial_is_named_by_what_distinguishes_it(evaluated: tuple[Ledger, list[np.ndarray]]) -> None:
    results = RunResults.open(evaluated[0].root)
    assert find_trial(results, wanted={"method": "cosmo", "seed": "0"}).method == "cosmo"
    with pytest.raises(InputError, match=r"2 trials have method single-modal.*\n.*single-modal:acc.*\n.*:gyro"):
        find_trial(results, wanted={"method": "single-modal"})
    with pytest.raises(InputError, match=r"no trials have method cosmo, seed 7; give"):
        find_trial(results, wanted={"method": "cosmo", "seed": "7"})
    with pytest.raises(InputError, match="no trial has the option 'label_rate'"):
        find_trial(results, wanted={"label_rate": "0.1"})
    with pytest.raises(InputError, match="is not a trial, but the job 'pretrain"):
        find_trial(results, find_trial(results, wanted={"method": "cosmo"}).stage1_key)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc": np.zeros((4, 30, 2))}, "acc has 2 channels, and the model was trained on 3"),
        (
            {"gyro": np.zeros((4, 25, 2))},
            "gyro has windows of 25 time steps, and the model was trained on windows of 24",
        ),
        ({"gyro": np.zeros((4, 24))}, r"a sample of gyro has shape \(24,\), and the model was trained on \(24, 2\)"),
        ({"gyro": np.zeros((5, 24, 2))}, "different numbers of samples: acc 4, gyro 5"),
        ({"acc": np.full((4, 30, 3), np.nan)}, "acc of sample 0 contains NaN"),
        ({"acc": np.full((4, 30, 3), "a")}, "acc should hold real numbers"),
        ({"acc": None}, "the model needs acc, gyro, and there is no modality 'acc'; there are gyro"),
    ],
)
def test_other_recordings_than_in_training(
    evaluated: tuple[Ledger, list[np.ndarray]], changes: dict[str, Any], message: str
) -> None:
    run = harness.open_run(evaluated[0].root)
    arrays = {name: np.zeros((4, *shape)) for name, shape in SHAPES.items()} | changes
    key = find_trial(RunResults.open(run.folder), wanted={"method": "deepsense"}).key
    with pytest.raises(InputError, match=f"^samples: .*{message}"):
        run.predict(key, {name: array for name, array in arrays.items() if array is not None})


def test_a_finished_run_keeps_its_models_afterwards(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(**overrides: Any) -> tuple[harness.Run, dict[str, Any]]:
        done = harness.run(
            place / "late.yaml", data=place / "data", out=place / "late", overrides=overrides, inline=True
        )
        (path,) = (done.folder / "records").glob("*.json")
        return done, json.loads(path.read_text())

    def predict(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "predict", str(place / "late"), *arguments])
        with pytest.raises(SystemExit) as done:
            entry()
        return int(done.value.code or 0), " ".join(capsys.readouterr().err.split())

    (place / "late.yaml").write_text(
        STUDY.replace(", ".join(METHODS), "nearest-neighbour").replace("[statistics, cosmo]", "[statistics]")
    )
    command = ("--method", "nearest-neighbour", "--data", str(place / "data"), "--out", str(place / "out/labels.csv"))
    first, without = run(keep_models=False)
    status, message = predict(*command)
    assert (status, "has kept no model: run the study again with keep_models: true" in message) == (2, True)
    capsys.readouterr()
    _, record = run()
    assert "1 trial is done without a model, and keep_models asks for it" in capsys.readouterr().out
    assert (record["key"], record["result"]["curves"]) == (without["key"], without["result"]["curves"])
    assert run()[1] == record  # nothing is run again
    assert predict(*command, "--unlabelled", "--subjects", "anna, dora")[0] == 0
    rows = list(csv.DictReader((place / "out/labels.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} == {""}
    assert {row["subject"] for row in rows} == {"anna", "dora"}
    assert predict(*command, "--where", "seed")[1].endswith(
        "it should be NAME=VALUE, for example --where label_rate=0.1"
    )
    assert "there is no subject 'ann': did you mean 'anna'?" in predict(*command, "--subjects", "ann")[1]
    model = first.folder / "artefacts" / record["key"] / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1])
    status, message = predict(*command)
    assert (status, "model.safetensors is damaged or missing" in message) == (2, True)


def test_the_model_as_onnx_takes_recordings_as_they_are(
    place: Path, evaluated: tuple[Ledger, list[np.ndarray]]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    results = RunResults.open(evaluated[0].root)
    arrays = {name: np.load(place / f"data/new/{name}.npy") for name in SHAPES}
    model = model_of(results, find_trial(results, wanted={"method": "logistic-regression:random"}))
    session = onnxruntime.InferenceSession(model_to_onnx(model, {name: array[:9] for name, array in arrays.items()}))
    (shares,) = session.run(None, arrays)
    np.testing.assert_allclose(shares, probabilities(predict_arrays(model, arrays, "samples")), atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["rest", "run", "walk"]'
    session.run(None, {name: array[:1] for name, array in arrays.items()})
