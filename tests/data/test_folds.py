"""Folds: every subject is tested once, or test subjects are drawn; no subject has two parts of a fold."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.data.folds import Folds, fold_splits
from harness.errors import InputError

quick = settings(max_examples=80, deadline=None)
subjects_of = st.sets(st.integers(-3, 40), min_size=3, max_size=16).map(sorted)


def check_parts(splits, subjects, validation):
    for split in splits:
        assert sorted([*split.train, *split.validation, *split.test]) == subjects
        assert len(split.validation) == validation
        assert split.train


@quick
@given(subjects_of, st.data())
def test_every_subject_is_tested_once(subjects, data):
    size = data.draw(st.integers(1, len(subjects) - 1))
    validation = data.draw(st.integers(0, len(subjects) - size - 1))
    splits = fold_splits(Folds(subjects_per_fold=size, validation=validation), subjects)
    check_parts(splits, subjects, validation)
    assert Counter(subject for split in splits for subject in split.test) == dict.fromkeys(subjects, 1)
    sizes = {len(split.test) for split in splits}
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(splits) >= 2


@quick
@given(subjects_of, st.data())
def test_drawn_folds_differ_and_more_extend_fewer(subjects, data):
    size = data.draw(st.integers(1, len(subjects) - 2))
    validation = data.draw(st.integers(0, len(subjects) - size - 1))
    splits = fold_splits(Folds(test_subjects=size, repeats=3, validation=validation), subjects)
    check_parts(splits, subjects, validation)
    assert len({split.test for split in splits}) == 3
    assert all(len(split.test) == size for split in splits)
    assert splits[:2] == fold_splits(Folds(test_subjects=size, repeats=2, validation=validation), subjects)


def test_the_subjects_are_taken_in_order_and_validation_follows_the_test_subjects():
    splits = fold_splits(Folds(subjects_per_fold=2, validation=1), [8, 3, 1, 1, 2, 4, 5, 6, 7])
    assert [(split.test, split.validation) for split in splits] == [
        ((1, 2), (3,)),
        ((3, 4), (5,)),
        ((5, 6), (7,)),
        ((7, 8), (1,)),
    ]


def test_subjects_without_labels_are_always_trained_on():
    for folds in (Folds(subjects_per_fold=1), Folds(test_subjects=1, repeats=3)):
        splits = fold_splits(folds, [1, 2, 3, 8, 9], labelled=[1, 2, 3])
        assert sorted(split.test for split in splits) == [(1,), (2,), (3,)]
        assert all({8, 9} < set(split.train) for split in splits)


def test_all_ways_to_draw_are_found_and_no_more():
    assert len(fold_splits(Folds(test_subjects=2, repeats=6), [1, 2, 3, 4])) == 6
    with pytest.raises(InputError, match="7 is more than the 6 ways to draw 2 of 4 subjects"):
        fold_splits(Folds(test_subjects=2, repeats=7), [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (Folds(subjects_per_fold=4), "folds: 4 test subjects leave none of the 4 subjects to train on"),
        (Folds(subjects_per_fold=2, validation=2), "2 test subjects and 2 for validation leave none of the 4 subjects"),
        (Folds(test_subjects=5, repeats=2), "5 test subjects leave none"),
    ],
)
def test_too_few_subjects(folds, message):
    with pytest.raises(InputError, match=message):
        fold_splits(folds, [1, 2, 3, 4])


@pytest.mark.parametrize(
    "options",
    [{}, {"validation": 1}, {"test_subjects": 2}, {"repeats": 3}, {"subjects_per_fold": 2, "repeats": 3}],
)
def test_folds_are_of_one_kind(options):
    with pytest.raises(ValidationError, match="either subjects_per_fold"):
        Folds(**options)
