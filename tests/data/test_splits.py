"""Splits and draws: no row in two parts, every class labelled, the same draw for everyone, larger draws hold smaller ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.data.base import DefaultSplit, Recordings
from harness.data.splits import (
    Split,
    allot,
    draw_labelled,
    draw_unlabelled,
    draw_validation,
    labelled_from_list,
    resolve_split,
    split_indices,
)
from harness.errors import InputError

quick = settings(max_examples=60, deadline=None)
counts_of_classes = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def of_subjects(subjects: list[int]) -> Recordings:
    n = len(subjects)
    sample = np.array([f"r{i}" for i in range(n)])
    return Recordings((), {}, np.zeros(n, dtype=np.int64), np.array(subjects, dtype=np.int64), sample, ("only",))


SIX = of_subjects([1, 2, 3, 4, 5, 6, 1, 2, 3])
EVERY = np.arange(9)
PLAIN = DefaultSplit(test=(5, 6))
FULL = DefaultSplit(test=(6,), validation=(5,), train=(1, 2))


@pytest.mark.parametrize(
    ("split", "default", "train", "validation", "test"),
    [
        (Split(), PLAIN, [1, 2, 3, 4], [], [5, 6]),
        (Split(), FULL, [1, 2], [5], [6]),
        (Split(validation=()), FULL, [1, 2, 3, 4, 5], [], [6]),
        (Split(test=(1,)), FULL, [2, 3, 4, 5, 6], [], [1]),
        (Split(test=(1,), validation=(2,)), PLAIN, [3, 4, 5, 6], [2], [1]),
        (Split(train=(3,)), FULL, [3], [5], [6]),
        (Split(train=(5, 3)), FULL, [3, 5], [], [6]),
    ],
)
def test_what_is_left_out_is_the_default(split, default, train, validation, test):
    assert resolve_split(SIX, split, default) == {"train": train, "validation": validation, "test": test}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(test=(2, 1, 2)), "split.test: subject 2 is listed twice"),
        (Split(test=(9, 10)), "split.test: there is no subject 9, 10; available: 1, 2, 3, 4, 5, 6"),
        (Split(train=(5,)), "subject 5 is in both train and test"),
        (Split(validation=(6,)), "subject 6 is in both validation and test"),
        (Split(test=()), "split.test: no subject is left"),
        (Split(test=(1, 2, 3, 4, 5, 6)), r"split.train \(the data set's default\): no subject is left"),
    ],
)
def test_bad_splits_are_named(split, message):
    with pytest.raises(InputError, match=message):
        split_indices(SIX, split, PLAIN)
    with pytest.raises(InputError, match=r"split.test \(the data set's default\): there is no subject 77"):
        split_indices(SIX, Split(), DefaultSplit(test=(77,)))


def test_a_split_takes_no_unknown_part():
    with pytest.raises(ValidationError):
        Split.model_validate({"tset": [1]})


@quick
@given(st.lists(st.integers(-3, 9), min_size=2, max_size=60), st.data())
def test_parts_share_no_subject_and_lose_no_row(subjects, data):
    known = sorted(set(subjects))
    assume(len(known) > 1)
    test = data.draw(st.sets(st.sampled_from(known), min_size=1, max_size=len(known) - 1))
    rest = [s for s in known if s not in test]
    validation = data.draw(st.sets(st.sampled_from(rest), max_size=len(rest) - 1))
    recordings = of_subjects(subjects)
    parts = split_indices(recordings, Split(test=tuple(test), validation=tuple(validation)), PLAIN)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(subjects)))
    for part, wanted in (("test", test), ("validation", validation)):
        assert set(recordings.subject[parts[part]]) == wanted
        assert (np.diff(parts[part]) > 0).all()
        assert parts[part].dtype == np.int64


@quick
@given(counts_of_classes)
def test_allotments_are_fair_and_only_grow(counts):
    before = [1] * len(counts)
    for n in range(len(counts), sum(counts) + 1):
        now = allot(counts, n)
        assert sum(now) == n
        assert all(1 <= k <= count for k, count in zip(now, counts, strict=True))
        assert all(b <= k for b, k in zip(before, now, strict=True))
        before = now
    assert before == list(counts)


@quick
@given(
    counts_of_classes, st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 5), st.randoms(use_true_random=False)
)
def test_labelled_draws(counts, rate, other, seed, random):
    label = [c for c, count in enumerate(counts) for _ in range(count)]
    random.shuffle(label)
    label = np.array(label)
    pool = np.arange(len(label))
    small, large = (draw_labelled(label, pool, len(counts), r, None, "d", seed) for r in sorted((rate, other)))
    assert set(small) <= set(large)
    for rows, r in ((small, min(rate, other)), (large, max(rate, other))):
        assert len(rows) == len(set(rows)) == max(len(counts), round(r * len(pool)))
        assert set(label[rows]) == set(range(len(counts)))
    shuffled = np.array(random.sample(list(pool), len(pool)))
    np.testing.assert_array_equal(draw_labelled(label, shuffled, len(counts), rate, None, "d", seed),
                                  draw_labelled(label, pool, len(counts), rate, None, "d", seed))  # fmt: skip


@quick
@given(counts_of_classes, st.data())
def test_validation_draws_are_balanced_and_nested(counts, data):
    label = np.array(data.draw(st.permutations(np.repeat(np.arange(len(counts)), counts))))
    validation = np.arange(len(label))
    n, other = sorted(data.draw(st.tuples(*[st.integers(1, len(label))] * 2)))
    small, large = (draw_validation(label, validation, k, "d", 0) for k in (n, other))
    assert len(set(small)) == len(small) == n
    assert set(small) <= set(large)
    drawn = np.bincount(label[small], minlength=len(counts))
    assert all(k in (drawn.max(), drawn.max() - 1) or k == count for k, count in zip(drawn, counts, strict=True))
    with pytest.raises(InputError, match="samples can't be drawn"):
        draw_validation(label, validation, len(label) + 1, "d", 0)


@quick
@given(counts_of_classes, st.data())
def test_draws_of_a_number_of_labels(counts, data):
    label = np.repeat(np.arange(len(counts)), counts)
    pool, n = np.arange(len(label)), len(counts)
    few, many = sorted(data.draw(st.tuples(*[st.integers(n, len(label))] * 2)))
    small, large = (draw_labelled(label, pool, n, 0.05, 7, "d", 0, labels=number) for number in (few, many))
    assert (len(small), len(large)) == (few, many)
    assert set(small) <= set(large)
    assert set(label[small]) == set(range(n))
    each = data.draw(st.integers(1, min(counts)))
    assert Counter(label[draw_labelled(label, pool, n, 0.05, 7, "d", 0, labels_per_class=each)]) == dict.fromkeys(
        range(n), each
    )


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ({"labels": 2}, "labels: 2 is below the 3 classes, each of which needs a labelled sample"),
        ({"labels": 10}, "labels: 10 samples can't be labelled, but the training part has 9"),
        (
            {"labels_per_class": 3},
            "labels_per_class: 3 is more than the training samples of a class: 'run' has 1, 'sit' has 2",
        ),
    ],
)
def test_numbers_of_labels_that_cannot_be_drawn(amount, message):
    label = np.repeat([0, 1, 2], [1, 6, 2])
    with pytest.raises(InputError, match=message):
        draw_labelled(label, np.arange(9), 3, 0.05, None, classes=("run", "walk", "sit"), **amount)


def test_five_per_cent_is_one_a_class_and_ten_is_two():
    label = np.repeat(np.arange(27), [24] * 25 + [23] * 2)
    pool = np.arange(len(label))
    for rate, per_class in ((0.05, 1), (0.1, 2), (0.15, 3), (0.2, 4), (0.3, 6), (0.4, 8)):
        rows = draw_labelled(label, pool, 27, rate, 540, "utd-mhad", 0)
        assert Counter(label[rows].tolist()) == dict.fromkeys(range(27), per_class)


def test_seeds_draw_evenly():
    label, pool = np.zeros(10, dtype=np.int64), np.arange(10)
    drawn = Counter(int(draw_labelled(label, pool, 1, 0.1, None, "d", seed)[0]) for seed in range(500))
    assert set(drawn) == set(range(10))
    assert max(drawn.values()) < 90


def test_labels_come_from_the_pool_only():
    label = np.arange(100) % 4
    pool = np.arange(40, 80)
    assert set(draw_labelled(label, pool, 4, 0.5, None, "d", 1)) <= set(pool)


def test_labelled_errors():
    label = np.array([0, 0, 1, 2])
    with pytest.raises(InputError, match="no sample of 'sit'"):
        draw_labelled(label, np.array([0, 2]), 3, 0.5, None, classes=("run", "walk", "sit"))
    with pytest.raises(InputError, match=r"0.5 of a label pool of 100 is 50 samples, but the training part has 4"):
        draw_labelled(label, np.arange(4), 3, 0.5, 100)
    for rate in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(InputError, match="label_rate"):
            draw_labelled(label, np.arange(4), 3, rate, None)


@quick
@given(st.integers(1, 80), st.data())
def test_unlabelled_draws_nest(n, data):
    train = np.arange(100, 100 + n)
    few, many = sorted((data.draw(st.integers(1, n)), data.draw(st.integers(1, n))))
    small, large = (draw_unlabelled(train, train[:1], count, "d", 3) for count in (few, many))
    assert len(small) == few
    assert set(small) <= set(large) <= set(train)
    np.testing.assert_array_equal(draw_unlabelled(train, train[:1], 1.0, "d", 3), train)
    share = draw_unlabelled(train, train[:1], many / n, "d", 3)
    np.testing.assert_array_equal(share, large)


def test_all_and_rest():
    train, labelled = np.arange(10), np.array([2, 5])
    np.testing.assert_array_equal(draw_unlabelled(train, labelled, "all"), train)
    np.testing.assert_array_equal(draw_unlabelled(train, labelled, "rest"), [0, 1, 3, 4, 6, 7, 8, 9])


@pytest.mark.parametrize("wrong", [0, 11, -1, 0.0, 1.5, float("nan"), True, "most"])
def test_unlabelled_out_of_range(wrong):
    with pytest.raises(InputError, match="unlabeled: "):
        draw_unlabelled(np.arange(10), np.array([0]), wrong)
    with pytest.raises(InputError, match="1 to 10 are available"):
        draw_unlabelled(np.arange(10), np.array([0]), 11)
    with pytest.raises(InputError, match="all 3 training samples are labelled"):
        draw_unlabelled(np.arange(3), np.arange(3), "rest")


def test_published_lists():
    np.testing.assert_array_equal(labelled_from_list(SIX, ["r4", "r0"], EVERY), [0, 4])
    with pytest.raises(InputError, match=r"^label_list: 1 unknown samples: r99"):
        labelled_from_list(SIX, ["r99", "r0"], EVERY)
    with pytest.raises(InputError, match=r"^label_list: r1 is listed twice"):
        labelled_from_list(SIX, ["r1", "r1"], EVERY)
    with pytest.raises(InputError, match=r"^label_list: not in the training part: r4"):
        labelled_from_list(SIX, ["r0", "r4"], np.arange(4))
    with pytest.raises(InputError, match=r"^label_list: .* is empty"):
        labelled_from_list(SIX, [], EVERY)
