"""Labels and subjects in every form that they may be stored in: the class of each sample, the names, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.arrays import Arrays, ArraysOptions
from harness.data.cache import load
from harness.data.codes import natural, read_labels, read_subjects
from harness.data.describe import describe
from harness.data.splits import Split, resolve_split
from harness.errors import DataError, InputError
from harness.plan import make_plan
from harness.study import read_study

NAN = float("nan")


def labels(stored, activities=None, masked=None):
    stored = np.asarray(stored)
    return read_labels(stored, activities, np.array([f"r{row}" for row in range(len(stored))]), "own.npz", masked)


@pytest.mark.parametrize(
    ("stored", "activities", "label", "classes", "mapping"),
    [
        ([0, 1, 0], ["rest", "walk"], [0, 1, 0], ("rest", "walk"), {}),
        ([0, 1, 2, 1], None, [0, 1, 2, 1], ("class 0", "class 1", "class 2"), {}),
        ([1, 2, 1], ["rest", "walk"], [0, 1, 0], ("rest", "walk"), {"1": "rest", "2": "walk"}),
        ([1, 2, 1], ["none", "rest", "walk"], [1, 2, 1], ("none", "rest", "walk"), {"1": "rest", "2": "walk"}),
        ([5, 40, 5], None, [0, 1, 0], ("class 5", "class 40"), {"5": "class 5", "40": "class 40"}),
        ([-3, 7, -1], None, [0, 1, -1], ("class -3", "class 7"), {"-3": "class -3", "7": "class 7"}),
        ([0.0, NAN, 1.0], None, [0, -1, 1], ("class 0", "class 1"), {}),
        ([-1, 1, 1], {"-1": "off", "1": "on"}, [0, 1, 1], ("off", "on"), {"-1": "off", "1": "on"}),
        ([2, 9, -1], {"9": "walk", "2": "rest"}, [1, 0, -1], ("walk", "rest"), {"2": "rest", "9": "walk"}),
        ([True, False], None, [1, 0], ("class 0", "class 1"), {}),
        (["walk", "", "rest", "nan", " "], None, [1, -1, 0, -1, -1], ("rest", "walk"), {}),
        (["walk", "rest"], ["walk", "rest"], [0, 1], ("walk", "rest"), {}),
        (["w", "r"], {"r": "rest", "w": "walk"}, [1, 0], ("rest", "walk"), {"r": "rest", "w": "walk"}),
        (["a10", "a2"], None, [1, 0], ("a2", "a10"), {}),
        ([b"walk", b"rest"], None, [1, 0], ("rest", "walk"), {}),
        ([[1], [0]], None, [1, 0], ("class 0", "class 1"), {}),
        ([[0, 1], [1, 0], [0, 0]], ["a", "b"], [1, 0, -1], ("a", "b"), {}),
        ([[0.0, 1.0], [NAN, NAN], [1.0, 0.0]], None, [1, -1, 0], ("class 0", "class 1"), {}),
    ],
)
def test_every_form_becomes_classes(stored, activities, label, classes, mapping):
    found = labels(stored, activities)
    assert (found.label.tolist(), found.classes, dict(found.mapping)) == (label, classes, mapping)
    assert found.label.dtype == np.int64


def test_a_mask_hides_labels():
    assert labels([0, 1, 1], masked=np.array([False, False, True])).label.tolist() == [0, 1, -1]
    assert labels(["a", "b", "A"], masked=np.array([False, False, True])).classes == ("a", "b")


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-1, 60), min_size=1, max_size=40))
def test_without_names_the_classes_are_the_sorted_values(values):
    doubled = values * 2  # so that no sample has a label of its own
    if set(values) <= {1, -1}:
        return
    found = labels(doubled)
    present = sorted(set(values) - {-1})
    assert found.classes == tuple(f"class {value}" for value in present)
    assert [found.classes[c] if c >= 0 else None for c in found.label] == [
        None if value == -1 else f"class {value}" for value in doubled
    ]


@pytest.mark.parametrize(
    ("stored", "activities", "message"),
    [
        ([0.5, 1.0], None, "label 0.5 of sample r0 is not a whole number"),
        ([1.0, np.inf], None, "label inf of sample r1 is not a whole number"),
        ([0, 1, 2], ["a", "b"], "label 2 of sample r2 is not among the activities: activities has names for 0, 1, and"),
        (
            ["walk", "wlak"],
            ["walk", "rest"],
            "label 'wlak' of sample r1 is not among the activities: did you mean 'walk'",
        ),
        (["Walk", "walk"], None, "label: 'Walk' and 'walk' differ only in case or spaces; name both in activities"),
        (["stand up", "stand  up "], None, "differ only in case or spaces"),
        ([7, 8, 9, 10], None, "each of the 4 labelled samples has a label of its own"),
        ([-1, 1, 1, -1], None, "the labels are -1 and 1, and -1 stands for no label; if it is a class, name both"),
        ([[1, 1], [0, 1]], None, "its row of sample r0 is not one-hot"),
        ([[0.2, 0.8], [0, 1]], None, "its row of sample r0 is not one-hot"),
        ([0, 1], ["a", "a"], "two classes are called 'a'"),
        ([0, 1], {"0": "a", "1": "a"}, "two classes are called 'a'"),
        ([b"\xff", b"a"], None, "holds bytes that are not UTF-8"),
        ([0j, 1j], None, "label must hold one number or text per sample"),
    ],
)
def test_what_has_no_clear_class_is_refused(stored, activities, message):
    with pytest.raises(DataError, match=message):
        labels(stored, activities)


def test_spellings_can_be_kept_apart_by_naming_both():
    assert labels(["Walk", "walk"], ["Walk", "walk"]).label.tolist() == [0, 1]


def test_subjects_are_numbers_or_text():
    names = np.array(["r0", "r1", "r2"])
    assert read_subjects(np.array([3.0, 1.0, 3.0]), names, "subject")[0].tolist() == [3, 1, 3]
    number, who = read_subjects(np.array(["s10", "s2", "s10"]), names, "subject")
    assert (number.tolist(), who) == ([2, 1, 2], ("s2", "s10"))
    with pytest.raises(
        DataError, match="'Anna' and 'anna' differ only in case or spaces; write one subject in one way"
    ):
        read_subjects(np.array(["anna", "Anna", "bob"]), names, "subject")
    with pytest.raises(DataError, match="subject of sample r1 is empty"):
        read_subjects(np.array(["anna", " ", "bob"]), names, "subject")
    with pytest.raises(DataError, match=r"subject 1.5 of sample r0 is not a whole number"):
        read_subjects(np.array([1.5, 1, 1]), names, "subject")


def test_natural_order():
    assert sorted(["b", "a10", "a9", "-2", "10", "9"], key=natural) == ["-2", "9", "10", "a9", "a10", "b"]


@pytest.fixture
def text(tmp_path):
    """Samples of three people known by name, with text labels."""
    who = np.repeat(["anna", "bob", "cem"], 6)
    np.savez(tmp_path / "own.npz", x=np.ones((18, 5)), label=np.tile(["walk", "rest", ""], 6), subject=who)
    (tmp_path / "own.json").write_text(json.dumps({"modalities": ["x"], "official_split": {"test_subjects": ["bob"]}}))
    return tmp_path


def test_people_are_named_in_splits_and_descriptions(text):
    dataset = Arrays(ArraysOptions(), "own")
    recordings = load(dataset, text)
    for found in (recordings, load(dataset, text)):  # parsed, and from the cache
        assert found.subject_names == ("anna", "bob", "cem")
        assert found.fingerprint == recordings.fingerprint
    shown = describe(dataset, recordings)
    assert shown["default_split"]["test"] == ["bob"]
    assert [one["subject"] for one in shown["subjects"]] == ["anna", "bob", "cem"]
    default = dataset.default_split(recordings)
    given = Split.from_plain({"test": ["cem"], "validation": ["bob"]})
    assert resolve_split(recordings, given, default) == {"train": [1], "validation": [2], "test": [3]}
    for wrong in ("ann", 1):
        with pytest.raises(InputError, match=f"split.test: there is no subject {wrong}; available: anna, bob, cem"):
            resolve_split(recordings, Split(test=(wrong,)), default)


def test_numbered_people_have_no_names(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.ones((6, 5)), label=np.arange(6) % 2, subject=np.arange(6) // 2)
    (tmp_path / "own.json").write_text('{"modalities": ["x"]}')
    dataset = Arrays(ArraysOptions(), "own")
    recordings = load(dataset, tmp_path)
    with pytest.raises(InputError, match=r"split.test: there is no subject anna; available: 0, 1, 2"):
        resolve_split(recordings, Split(test=("anna",)), dataset.default_split(recordings))


def test_folds_of_people_with_names(text):
    study = text / "few.yaml"
    study.write_text(
        "study: few\ndatasets: [arrays:own]\nmethods: [single-modal]\nfolds: {subjects_per_fold: 1}\nlabels_per_class: 1\n"
    )
    plan = make_plan(read_study(study), text)
    assert [fold["test"] for fold in plan.about_data["arrays:own"]["folds"]] == [["anna"], ["bob"], ["cem"]]
    assert plan.about_data["arrays:own"]["folds"][0]["train"] == ["bob", "cem"]
