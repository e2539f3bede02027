"""What the records of real jobs hold besides accuracy, and what can be read from their artefacts."""

from __future__ import annotations

import io

import numpy as np
import pytest

from harness.errors import InputError
from harness.ledger import Ledger, Record
from harness.results.artefacts import confusion, evaluated, explained, per_class, predictions
from harness.results.run import RunResults

SENSORS = [f"sensor_{s}" for s in (1, 2, 3, 4)]
STUDY = """\
study: work
datasets: [fantasy-device]
methods: [single-modal, deepsense, attnsense, cmc, cosmo]
seeds: 1
label_rate: 0.3
split: {test: [5, 6], validation: [4]}
stage1: {epochs: 1}
stage2: {epochs: 3, evaluate_every: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
  cosmo: {quality: {restarts: 1, subsets: 2}}
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, run_study) -> Ledger:
    return run_study(STUDY, tmp_path_factory.mktemp("work"))


def train(ledger: Ledger, method: str) -> Record:
    (record,) = (r for r in ledger.records() if r["kind"] == "train" and r["about"]["method"] == method)
    return record


def test_curves_and_costs(ledger: Ledger):
    for record in (r for r in ledger.records() if r["kind"] == "train"):
        result = record["result"]
        assert result["epochs_evaluated"] == [1, 2, 3]
        for part in ("validation", "test"):
            assert len(result["curves"][part]["accuracy"]) == len(result["curves"][part]["macro_f1"]) == 3
        assert result["n_parameters"] > 10_000
        assert result["flops"] > 1_000_000
    one, four = (train(ledger, name)["result"]["flops"] for name in ("single-modal:sensor_1", "deepsense"))
    assert 2 * one < four < 4 * one + 1  # four encoders, one head


@pytest.mark.parametrize("method", ["attnsense", "cmc", "cosmo"])
def test_attention_is_the_mean_over_the_test_samples(ledger: Ledger, method: str):
    record = train(ledger, method)
    attention = record["result"]["attention"]
    assert list(attention) == SENSORS
    assert sum(attention.values()) == pytest.approx(1, abs=1e-5)
    kept = explained(RunResults(ledger.root), record["key"])["attention"]
    assert kept.shape == (len(predictions(RunResults(ledger.root), record["key"])[0]), 4)
    np.testing.assert_allclose(kept.mean(0), list(attention.values()), rtol=1e-5)
    assert "attention" not in record["result"]["absent"]


def test_what_a_method_does_not_have_is_absent_with_its_reason(ledger: Ledger):
    deepsense, single = train(ledger, "deepsense")["result"], train(ledger, "single-modal:sensor_4")["result"]
    assert deepsense["attention"] is None
    assert deepsense["absent"] == {"attention": "the method has no attention over modalities"}
    assert single["modal_distance"] is None
    assert single["absent"]["modal_distance"] == "there is only one modality"


def test_the_distance_between_modalities(ledger: Ledger):
    for method in ("deepsense", "attnsense", "cmc", "cosmo"):
        record = train(ledger, method)
        kept = explained(RunResults(ledger.root), record["key"])["modal_distance"]
        assert 0 < record["result"]["modal_distance"] < 1  # features of a ReLU have no angle above 90°
        assert record["result"]["modal_distance"] == pytest.approx(kept.mean(), rel=1e-5)


def test_the_features_are_kept_as_points_of_a_plane(ledger: Ledger):
    record = train(ledger, "cosmo")
    kept = explained(RunResults(ledger.root), record["key"])
    assert kept["modal_plane"].shape == (len(kept["attention"]), 4, 2)
    assert "features" not in kept
    assert 0 < record["result"]["modal_plane_variance"] <= 1
    assert train(ledger, "single-modal:sensor_4")["result"]["modal_plane_variance"] is None


def test_so_are_the_projections_of_stage_1(ledger: Ledger):
    for record in (r for r in ledger.records() if r["kind"] == "pretrain"):
        with np.load(io.BytesIO(ledger.artefacts(record["key"])["plane.npz"])) as file:
            plane = file["modal_plane"]
        assert plane.shape[1:] == (4, 2)
        assert 2 <= len(plane) <= 200
        assert 0 < record["result"]["modal_plane_variance"] <= 1


def test_stage_1_has_its_distance_and_the_quality_of_each_modality(ledger: Ledger):
    found = {r["about"]["method"]: r["result"] for r in ledger.records() if r["kind"] == "pretrain"}
    assert set(found) == {"cmc", "cosmo"}
    for result in found.values():
        assert 0 < result["modal_distance"] < 2
        assert result["absent"] == {}
    quality = found["cosmo"]["findings"]["quality"]
    assert list(quality) == SENSORS
    for one in quality.values():
        assert {"hopkins", "k_opt", "score", "weight"} <= set(one)
        assert one["score"] == pytest.approx(one["hopkins"] / max(abs(one["k_opt"] - 4), 1))
    assert sum(one["weight"] for one in quality.values()) == pytest.approx(1)


@pytest.mark.parametrize("part", ["test", "validation"])
def test_confusion_and_accuracy_by_class_agree_with_the_curves(ledger: Ledger, part):
    record = train(ledger, "cosmo")
    key, curve = record["key"], record["result"]["curves"][part]
    evaluations = {"last": 2, "validation": int(np.argmax(record["result"]["curves"]["validation"]["accuracy"]))}
    for select, index in evaluations.items():
        counts = confusion(RunResults(ledger.root), key, select, part)
        assert counts.shape == (4, 4)
        assert np.trace(counts) / counts.sum() == pytest.approx(curve["accuracy"][index])
        assert evaluated(RunResults(ledger.root), key, select, part).macro_f1 == pytest.approx(curve["macro_f1"][index])
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(
                per_class(RunResults(ledger.root), key, select, part), counts.diagonal() / counts.sum(1)
            )
    last = np.array(record["result"]["per_class"][part], dtype=float)
    np.testing.assert_array_equal(last, per_class(RunResults(ledger.root), key, part=part))


def test_only_finished_trials_have_predictions(ledger: Ledger):
    (stage1, *_) = (r["key"] for r in ledger.records() if r["kind"] == "pretrain")
    for key in (stage1, "feed" * 5):
        with pytest.raises(InputError, match="is no finished train job"):
            predictions(RunResults(ledger.root), key)
