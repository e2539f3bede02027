"""Splits by subject, the draw of few labels and of unlabelled samples: pure functions, the same draw for every method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.data.base import DefaultSplit, Recordings
from harness.errors import InputError, did_you_mean
from harness.keys import rng_of
from harness.options import Options

PARTS = ("train", "validation", "test")


class Split(Options):
    """Which subjects train, validate and test.

    What is left out is taken from the data set's default split: ``test``; ``validation`` too, if ``test`` is left out
    (else it is empty); ``train`` means all other subjects, unless all three are left out and the default names them.
    """

    train: tuple[int, ...] | None = None
    validation: tuple[int, ...] | None = None
    test: tuple[int, ...] | None = None


def resolve_split(recordings: Recordings, split: Split, default: DefaultSplit) -> dict[str, list[int]]:
    """The subjects of each part, sorted.

    Raises `InputError` for a subject that does not exist or stands in two parts, and for an empty ``train`` or ``test``.
    """
    known = sorted(int(subject) for subject in np.unique(recordings.subject))
    test = default.test if split.test is None else split.test
    validation = split.validation
    if validation is None:
        validation = default.validation if split.test is None else ()
        if split.train is not None:  # an explicit train may claim the default's validation subjects
            validation = tuple(subject for subject in validation if subject not in split.train)
    train = split.train
    if train is None:
        whole_default = split.test is None and split.validation is None and default.train
        train = default.train if whole_default else tuple(s for s in known if s not in {*test, *validation})
    parts = {"train": sorted(set(train)), "validation": sorted(set(validation)), "test": sorted(set(test))}
    _check_parts(parts, known, split)
    return parts


def _check_parts(parts: dict[str, list[int]], known: list[int], split: Split) -> None:
    there = ", ".join(map(str, known))
    for part, subjects in parts.items():
        origin = "" if getattr(split, part) is not None else " (the data set's default)"
        unknown = [subject for subject in subjects if subject not in known]
        if unknown:
            raise InputError(
                f"split.{part}{origin}: there is no subject {', '.join(map(str, unknown))}; there are {there}"
            )
        if not subjects and part != "validation":
            raise InputError(f"split.{part}{origin}: no subject is left for it; there are {there}")
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = sorted(set(parts[first]) & set(parts[second]))
        if both:
            raise InputError(f"split: subject {', '.join(map(str, both))} stands in {first} and in {second}")


def split_indices(recordings: Recordings, split: Split, default: DefaultSplit) -> dict[str, np.ndarray]:
    """Rows of each part: "train", "validation", "test" → sorted int64 array; no row stands in two of them."""
    parts = resolve_split(recordings, split, default)
    return {part: np.flatnonzero(np.isin(recordings.subject, parts[part])).astype(np.int64) for part in PARTS}


def allot(counts: Sequence[int], n: int) -> list[int]:
    """How many of ``n`` each class gets: one each, the rest in proportion to ``counts``, never more than there are.

    By Sainte-Laguë's divisors, not by largest remainder: so a larger ``n`` takes nothing back from any class, and draws nest.

    >>> allot([24, 23, 24], 6), allot([100, 1, 10], 12)
    ([2, 2, 2], [10, 1, 1])
    """
    seats = sorted((-count / (2 * k + 1), c) for c, count in enumerate(counts) for k in range(1, count))
    result = [1] * len(counts)
    for _, c in seats[: max(0, n - len(counts))]:
        result[c] += 1
    return result


def draw_labelled(
    label: np.ndarray,
    pool: np.ndarray,
    n_classes: int,
    rate: float,
    label_pool: int | None,
    *names: Any,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Rows whose labels may be used: sorted int64, at least one a class, otherwise in proportion to the classes.

    label: (n_samples,) of all samples; pool: rows of the training part. n = rate · (label_pool or len(pool)), at least n_classes.
    names: what the draw is for (data set, split, seed): the same names, the same draw; a larger rate holds all of a smaller one's.
    Raises `InputError` for a class without a training sample, and when fewer than n samples are there.
    """
    if not 0 < rate <= 1:
        raise InputError(f"label_rate: {rate} is not above 0 and at most 1")
    rows = [pool[label[pool] == c] for c in range(n_classes)]
    counts = [len(of_class) for of_class in rows]
    empty = [classes[c] if classes else f"class {c}" for c, count in enumerate(counts) if not count]
    if empty:
        raise InputError(
            f"the training part has no sample of {', '.join(map(repr, empty))}: no label of it can be drawn"
        )
    n = max(n_classes, round(rate * (label_pool or len(pool))))
    if n > len(pool):
        raise InputError(
            f"label_rate: {rate} of a label pool of {label_pool} is {n} samples, the training part has {len(pool)}"
        )
    drawn = [
        rng_of("labels", *names, c).permutation(np.sort(of_class))[:k]
        for c, (of_class, k) in enumerate(zip(rows, allot(counts, n), strict=True))
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def draw_unlabelled(train: np.ndarray, labelled: np.ndarray, unlabeled: str | int | float, *names: Any) -> np.ndarray:
    """Rows for stage 1, whose labels are never read: sorted int64.

    unlabeled: "all" training rows; "rest": those without a label; an int: so many of all; a float in (0, 1]: that share of all.
    The same names give nested draws: a larger one holds a smaller one's. Raises `InputError` with the number available.
    """
    if isinstance(unlabeled, str):
        if unlabeled not in ("all", "rest"):
            raise InputError(f"unlabeled: {unlabeled!r} is neither 'all' nor 'rest' nor a count or a share")
        rows = np.sort(train) if unlabeled == "all" else np.setdiff1d(train, labelled)
        if not len(rows):
            raise InputError(
                f"unlabeled: '{unlabeled}' leaves no sample: all {len(train)} training samples carry a label"
            )
        return rows.astype(np.int64)
    if isinstance(unlabeled, bool):
        raise InputError("unlabeled: must be 'all', 'rest', a count or a share, not a truth value")
    if isinstance(unlabeled, float):
        if not 0 < unlabeled <= 1:
            raise InputError(
                f"unlabeled: the share {unlabeled} is not above 0 and at most 1; {len(train)} samples are available"
            )
        unlabeled = max(1, round(unlabeled * len(train)))
    if not 1 <= unlabeled <= len(train):
        raise InputError(f"unlabeled: {unlabeled} samples are not to be had; 1 to {len(train)} are available")
    return np.sort(rng_of("unlabelled", *names).permutation(np.sort(train))[:unlabeled]).astype(np.int64)


def labelled_from_list(recordings: Recordings, samples: Iterable[str], pool: np.ndarray | None = None) -> np.ndarray:
    """Rows of a published list of labelled samples, sorted int64.

    pool: rows of the training part; None: any. Raises `InputError` naming samples that do not exist, come twice or lie outside the pool.
    """
    wanted = list(samples)
    row_of = {str(name): row for row, name in enumerate(recordings.sample)}
    unknown = [name for name in wanted if name not in row_of]
    if unknown:
        raise InputError(
            f"labels: {len(unknown)} unknown samples: {', '.join(unknown[:5])}; {did_you_mean(unknown[0], row_of)}"[
                :500
            ]
        )
    if len(set(wanted)) < len(wanted):
        raise InputError(f"labels: {next(name for name in wanted if wanted.count(name) > 1)} is listed twice")
    rows = np.sort(np.array([row_of[name] for name in wanted], dtype=np.int64))
    if not len(rows):
        raise InputError("labels: the list of samples is empty")
    outside = rows if pool is None else np.setdiff1d(rows, pool)
    if pool is not None and len(outside):
        raise InputError(
            f"labels: not in the training part: {', '.join(str(recordings.sample[row]) for row in outside[:5])}"
        )
    return rows
