"""Samples without a label: stage 1 uses them, and they are never drawn as labelled, validated or tested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import harness
from harness.data.arrays import Arrays, ArraysOptions
from harness.data.base import UNLABELLED, DefaultSplit, Modality, Recordings
from harness.data.cache import fingerprint, load
from harness.data.describe import describe
from harness.data.splits import (
    Split,
    draw_labelled,
    draw_unlabelled,
    labelled_from_list,
    labelled_subjects,
    resolve_split,
    split_indices,
)
from harness.errors import DataError, InputError
from harness.results.run import RunResults

STUDY = """\
study: few
datasets: [arrays:own]
methods: [cosmo, single-modal]
seeds: 1
label_rate: 0.25
stage1: {epochs: 1}
stage2: {epochs: 1}
options: {cosmo: {quality: {restarts: 1, subsets: 0}}}
"""


def recordings(label: list[int], subject: list[int]) -> Recordings:
    sample = np.array([f"r{row}" for row in range(len(label))])
    classes = tuple(f"class {c}" for c in range(max(max(label), 0) + 1))
    return Recordings((), {}, np.array(label, dtype=np.int64), np.array(subject, dtype=np.int64), sample, classes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 5)), min_size=6, max_size=60), st.floats(0.05, 1))
def test_they_are_in_the_training_part_or_in_none(rows, rate):
    made = recordings([label for label, _ in rows], [subject for _, subject in rows])
    assume(len(labelled_subjects(made)) > 1)
    default = DefaultSplit(test=(labelled_subjects(made)[-1],))
    parts = split_indices(made, Split(), default)
    assert (made.label[parts["test"]] >= 0).all()
    assert set(parts["train"]) == set(np.flatnonzero(made.subject != default.test[0]))
    assume(set(made.label[parts["train"]]) >= set(range(made.n_classes)))
    drawn = draw_labelled(made.label, parts["train"], made.n_classes, rate, None, "own", 0)
    assert (made.label[drawn] >= 0).all()
    n_with_label = int((made.label[parts["train"]] >= 0).sum())
    assert len(drawn) == max(made.n_classes, round(rate * n_with_label))
    assert draw_unlabelled(parts["train"], drawn, "all").tolist() == parts["train"].tolist()
    assert set(np.flatnonzero(made.label < 0)) & set(parts["train"]) <= set(
        [] if len(drawn) == len(parts["train"]) else draw_unlabelled(parts["train"], drawn, "rest")
    )


def test_a_subject_without_labels_can_only_be_trained_on():
    made = recordings([0, 1, -1, -1, 0, 1], [1, 1, 2, 2, 3, 3])
    assert resolve_split(made, Split(test=(3,)), DefaultSplit(test=(3,)))["train"] == [1, 2]
    with pytest.raises(InputError, match=r"split.test: subject 2 has no labelled sample.*with labels: 1, 3"):
        resolve_split(made, Split(test=(2,)), DefaultSplit(test=(3,)))
    with pytest.raises(InputError, match=r"split.validation: subject 2 has no labelled sample"):
        resolve_split(made, Split(validation=(2,)), DefaultSplit(test=(3,)))
    with pytest.raises(InputError, match="label_list: without a label in the data: r3"):
        labelled_from_list(made, ["r0", "r3"], np.arange(6))


def test_the_fingerprint_of_labelled_data_is_as_before():
    made = Recordings(
        (Modality("x", "series", (4, 1)),),
        {"x": np.arange(12, dtype=np.float32).reshape(3, 4, 1)},
        np.array([0, 1, 0]),
        np.array([1, 2, 3]),
        np.array(["a", "b", "c"]),
        ("rest", "walk"),
    )
    assert fingerprint(made) == "bda2dd49119c70cf7f46"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Six subjects with two modalities: 1 to 4 have labels for half of their samples, 5 and 6 have none."""
    rng = np.random.default_rng(0)
    label, subject = np.tile([0, 1, 2, UNLABELLED, UNLABELLED, UNLABELLED], 12), np.repeat(np.arange(6) + 1, 12)
    label[subject > 4] = UNLABELLED
    arrays = {name: rng.normal(size=(72, 40, 3)) + label.reshape(-1, 1, 1) for name in ("acc", "gyro")}
    np.savez(tmp_path / "own.npz", label=label, subject=subject, **arrays)
    (tmp_path / "own.json").write_text(json.dumps({"modalities": ["acc", "gyro"], "activities": ["a", "b", "c"]}))
    return tmp_path


def test_a_description_counts_them(own):
    dataset = Arrays(ArraysOptions(), "own")
    shown = describe(dataset, load(dataset, own))
    assert (shown["samples"], shown["unlabelled"]) == (72, 48)
    assert [one["samples"] for one in shown["classes"]] == [8, 8, 8]
    assert [one["labelled"] for one in shown["subjects"]] == [6, 6, 6, 6, 0, 0]
    assert shown["default_split"]["test"] == [4]


def test_one_labelled_subject_is_not_enough(own):
    with np.load(own / "own.npz") as file:
        arrays = dict(file)
    arrays["label"][arrays["subject"] > 1] = UNLABELLED
    np.savez(own / "own.npz", **arrays)
    dataset = Arrays(ArraysOptions(), "own")
    with pytest.raises(DataError, match="only subject 1 has labelled samples"):
        dataset.default_split(load(dataset, own))


def test_a_study_trains_stage_1_on_them_and_its_report_counts_them(own):
    (own / "few.yaml").write_text(STUDY)
    run = harness.run(own / "few.yaml", data=own, out=own / "run", inline=True, quiet=True)
    assert (run.trials["status"] == "done").all()
    counts = [trial.counts for trial in RunResults.open(own / "run").plan.trials]
    assert {(c["train"], c["test"], c["labelled"]) for c in counts} == {(60, 6, 4)}
    assert {c["unlabelled"] for c in counts} == {0, 60}
    (page,) = run.report("html")
    assert ">Without a label<" in page.read_text(encoding="utf-8")
