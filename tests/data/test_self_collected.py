"""Three modalities, IMU, depth and radar, from files through splits and a study; and UTD-MHAD with its depth video."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from self_collected import CLASSES, SAMPLES, SMALL, SUBJECTS, write

from harness.data.arrays import Arrays, ArraysOptions
from harness.data.cache import load
from harness.data.splits import Split, split_indices
from harness.ledger import Ledger

METHODS = "single-modal, deepsense, attnsense, cmc, cpc, cosmo"
STUDY = f"""\
study: three
datasets: [{{data}}]
methods: [{METHODS}]
seeds: 1
label_rate: 0.02
unlabeled: 64
split: {{split}}
stage1: {{{{epochs: 1, batch_size: 32}}}}
stage2: {{{{epochs: 1}}}}
"""


def arrays() -> Arrays:
    return Arrays(ArraysOptions.from_plain({}), "self_collected")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made"))


def test_it_loads_with_its_counts_and_splits_by_subject(made: Path):
    recordings = load(arrays(), made)
    assert [(m.name, m.kind, m.shape) for m in recordings.modalities] == [
        ("imu", "series", SMALL["imu"]),
        ("depth", "frames", SMALL["depth"]),
        ("radar", "volume", SMALL["radar"]),
    ]
    assert (recordings.n_samples, recordings.n_classes) == (SAMPLES, CLASSES) == (3434, 14)
    counts = np.zeros((SUBJECTS, CLASSES), dtype=int)
    np.add.at(counts, (recordings.subject - 1, recordings.label), 1)
    assert set(counts.sum(1)) == {114, 115}
    assert counts.min() >= 8  # everyone does everything
    parts = split_indices(recordings, Split(), arrays().default_split(recordings))
    train, test = (set(recordings.subject[parts[part]]) for part in ("train", "test"))
    assert test == {23, 24, 25, 26, 27, 28, 29, 30}
    assert train == set(range(1, 23))


def test_a_folder_of_it_and_other_shapes(tmp_path: Path):
    shapes = {"imu": (120, 6), "depth": (16, 28, 28), "radar": (20, 16, 8, 8)}
    recordings = load(arrays(), write(tmp_path, shapes=shapes, samples=60, folder=True))
    assert {m.name: m.shape for m in recordings.modalities} == shapes


def results(ledger: Ledger, kind: str) -> dict[str, dict]:
    return {r["about"]["method"]: r["result"] for r in ledger.records() if r["kind"] == kind}


@pytest.fixture(scope="module")
def ran(made: Path, run_study: Callable[..., Ledger], tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    weights = "options:\n  cosmo: {weights: dirichlet, fusion: concat, quality: {restarts: 1, subsets: 0}}\n"
    text = STUDY.format(data="arrays:self_collected", split="{test: [29, 30]}") + weights
    return run_study(text, tmp_path_factory.mktemp("three"), made)


def test_every_method_runs_on_three_modalities(ran: Ledger):
    trained = results(ran, "train")
    alone = {f"single-modal:{name}" for name in SMALL}
    assert set(trained) == {*alone, "deepsense", "attnsense", "cmc", "cpc", "cosmo"}
    for result in trained.values():
        assert 0 <= result["curves"]["test"]["accuracy"][-1] <= 1
        assert len(result["per_class"]["test"]) == CLASSES
        assert 50 <= result["n_labelled"] <= 66  # nominal: 56, 2 % of 2800
    for method in ("attnsense", "cmc", "cosmo"):
        assert list(trained[method]["attention"]) == list(SMALL)


def test_cosmo_with_three_modalities(ran: Ledger):
    (record,) = (r for r in ran.records() if r["kind"] == "pretrain" and r["about"]["method"] == "cosmo")
    assert record["content"]["options"]["weights"] == "dirichlet"
    result = record["result"]
    assert result["loss"][-1] > result["loss_floor"]
    assert list(result["findings"]["quality"]) == list(SMALL)
    assert 0 < result["modal_distance"] < 2  # of projections, which are equally wide


def test_the_distance_between_features_of_unequal_width_is_absent_with_its_reason(ran: Ledger):
    for name in ("deepsense", "attnsense", "cmc", "cosmo"):
        result = results(ran, "train")[name]
        assert result["modal_distance"] is None
        assert result["absent"]["modal_distance"].startswith("features of unequal width: imu ")


def test_mixtures_on_a_grid_of_three_weights(made: Path, run_study: Callable[..., Ledger], tmp_path: Path):
    text = STUDY.replace(METHODS, "cosmo").format(data="arrays:self_collected", split="{test: [30]}")
    ledger = run_study(
        text + "options: {cosmo: {weights: grid, positives: 6, quality: {restarts: 1, subsets: 0}}}\n", tmp_path, made
    )
    assert results(ledger, "pretrain")["cosmo"]["loss_floor"] == pytest.approx(np.log(5))


def test_utd_depth_in_its_layout_runs(unpack, utd_files, run_study: Callable[..., Ledger], tmp_path: Path):
    text = STUDY.replace(METHODS, "deepsense, cosmo").format(data="utd-mhad", split="{test: [7, 8]}")
    text += "options: {utd-mhad: {depth: true}, cosmo: {quality: {restarts: 1, subsets: 0}}}\n"
    text = text.replace("label_rate: 0.02", "label_rate: 0.2").replace("unlabeled: 64", "unlabeled: all")
    ledger = run_study(text, tmp_path, unpack(utd_files(depth=True)))
    assert set(results(ledger, "train")["cosmo"]["attention"]) == {"inertial", "skeleton", "depth"}


@pytest.mark.data
def test_the_real_depth_files_run_through_a_study(raw_data: Path, run_study: Callable[..., Ledger], tmp_path: Path):
    text = STUDY.replace(METHODS, "deepsense, cosmo").format(data="utd-mhad", split="{test: [7, 8]}")
    text = text.replace("label_rate: 0.02", "label_rate: 0.1").replace("unlabeled: 64", "unlabeled: all")
    ledger = run_study(text + "options: {utd-mhad: {depth: true}}\n", tmp_path, raw_data)
    about = json.loads((tmp_path / "run" / "plan.json").read_text())["data"]["utd-mhad"]
    assert (about["n_samples"], about["n_classes"]) == (64, 4)
    assert [m["shape"] for m in about["modalities"]] == [[120, 6], [40, 20, 3], [20, 30, 40]]
    for result in results(ledger, "train").values():
        assert len(result["per_class"]["test"]) == 4
    assert set(results(ledger, "train")["cosmo"]["attention"]) == {"inertial", "skeleton", "depth"}
