"""Splits by subject, and the drawing of labelled and unlabelled samples, which is the same for every method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from harness.data.base import DefaultSplit, Recordings
from harness.errors import InputError, did_you_mean
from harness.keys import rng_of
from harness.options import Options
from harness.reading import parse_json, read_regular

PARTS = ("train", "validation", "test")


class Split(Options):
    """The subjects for training, validation and testing.

    A part that is left out has a default: ``test`` is that of the data set's default split; so is ``validation`` if
    ``test`` is left out too, otherwise it is empty; ``train`` is all other subjects, unless all three parts are left
    out and the default split names them.
    """

    train: tuple[int | str, ...] | None = Field(default=None, description="subjects to train on; by default all others")
    validation: tuple[int | str, ...] | None = Field(
        default=None, description="subjects to validate on; by default those of the data set, or none if test is given"
    )
    test: tuple[int | str, ...] | None = Field(
        default=None, description="subjects to test on; by default those of the data set"
    )


def resolve_split(recordings: Recordings, split: Split, default: DefaultSplit) -> dict[str, list[int]]:
    """The subjects of each part, sorted.

    Raises `InputError` for a subject that does not exist or is in two parts, for an empty ``train`` or ``test``, and
    for a validation or test subject without any label.
    """
    known = sorted(int(subject) for subject in np.unique(recordings.subject))
    given = _Given(*(_numbers(recordings, part, getattr(split, part)) for part in PARTS))
    test = default.test if given.test is None else given.test
    validation = given.validation
    if validation is None:
        validation = default.validation if given.test is None else ()
        if given.train is not None:  # an explicit train may claim the default's validation subjects
            validation = tuple(subject for subject in validation if subject not in given.train)
    train = given.train
    if train is None:
        whole_default = given.test is None and given.validation is None and default.train
        train = default.train if whole_default else tuple(s for s in known if s not in {*test, *validation})
    parts = {"train": sorted(set(train)), "validation": sorted(set(validation)), "test": sorted(set(test))}
    _check_parts(parts, recordings, split)
    _check_labels(parts, recordings, split)
    return parts


class _Given(NamedTuple):
    """The parts of a split, as numbers of subjects."""

    train: tuple[int, ...] | None
    validation: tuple[int, ...] | None
    test: tuple[int, ...] | None


def _numbers(recordings: Recordings, part: str, subjects: Sequence[int | str] | None) -> tuple[int, ...] | None:
    """The numbers of subjects that a study gives by name or by number."""
    if repeated := [one for one, times in Counter(subjects or ()).items() if times > 1]:
        raise InputError(f"split.{part}: subject {repeated[0]} is listed twice")
    if subjects is None or not (recordings.subject_names or any(isinstance(one, str) for one in subjects)):
        return None if subjects is None else tuple(int(one) for one in subjects)
    number_of: dict[int | str, int] = {recordings.subject_text(int(s)): int(s) for s in np.unique(recordings.subject)}
    if unknown := [str(one) for one in subjects if one not in number_of]:
        raise InputError(
            f"split.{part}: there is no subject {', '.join(unknown)}; available: {', '.join(map(str, number_of))}"
        )
    return tuple(number_of[one] for one in subjects)


def _listed(subjects: Iterable[int], recordings: Recordings) -> str:
    return ", ".join(str(recordings.subject_text(subject)) for subject in subjects)


def labelled_subjects(recordings: Recordings) -> list[int]:
    """The subjects with at least one labelled sample, sorted. Only they can be tested."""
    return [int(subject) for subject in np.unique(recordings.subject[recordings.has_label])]


def last_fifth(recordings: Recordings) -> DefaultSplit:
    """The default split of a data set for which the literature has none: the last fifth of the subjects is tested."""
    subjects = labelled_subjects(recordings)
    return DefaultSplit(test=tuple(subjects[-max(1, round(len(subjects) / 5)) :]))


def _check_labels(parts: dict[str, list[int]], recordings: Recordings, split: Split) -> None:
    labelled = labelled_subjects(recordings)
    for part in ("validation", "test"):
        if without := [subject for subject in parts[part] if subject not in labelled]:
            raise InputError(
                f"split.{part}{_origin(part, split)}: subject {_listed(without, recordings)} has no labelled "
                f"sample, so it can only be trained on; with labels: {_listed(labelled, recordings)}"
            )


def _origin(part: str, split: Split) -> str:
    return "" if getattr(split, part) is not None else " (the data set's default)"


def _check_parts(parts: dict[str, list[int]], recordings: Recordings, split: Split) -> None:
    known = np.unique(recordings.subject).tolist()
    available = _listed(known, recordings)
    for part, subjects in parts.items():
        origin = _origin(part, split)
        unknown = [subject for subject in subjects if subject not in known]
        if unknown:
            raise InputError(
                f"split.{part}{origin}: there is no subject {', '.join(map(str, unknown))}; available: {available}"
            )
        if not subjects and part != "validation":
            raise InputError(f"split.{part}{origin}: no subject is left for it; the subjects are {available}")
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = sorted(set(parts[first]) & set(parts[second]))
        if both:
            raise InputError(f"split: subject {_listed(both, recordings)} is in both {first} and {second}")


def split_indices(recordings: Recordings, split: Split, default: DefaultSplit) -> dict[str, np.ndarray]:
    """The rows of each part: "train", "validation" and "test" → sorted int64 array. The parts do not overlap.

    Samples without a label are in the training part or in none.
    """
    parts = resolve_split(recordings, split, default)
    rows = {part: np.flatnonzero(np.isin(recordings.subject, parts[part])).astype(np.int64) for part in PARTS}
    has_label = recordings.has_label
    return {part: some if part == "train" else some[has_label[some]] for part, some in rows.items()}


def allot(counts: Sequence[int], n: int) -> list[int]:
    """Divide ``n`` among the classes: one for each, the others in proportion to ``counts``, at most ``counts`` each.

    This is the Sainte-Laguë method. Unlike the method of largest remainders, a larger ``n`` never gives a class fewer,
    so a larger draw contains the smaller ones.

    >>> allot([24, 23, 24], 6), allot([100, 1, 10], 12)
    ([2, 2, 2], [10, 1, 1])
    """
    result = [1] * len(counts)
    for c in _seats(tuple(counts))[: max(0, n - len(counts))]:
        result[c] += 1
    return result


@lru_cache(maxsize=64)
def _seats(counts: tuple[int, ...]) -> list[int]:
    """The classes in the order in which they get their samples, after the first of each."""
    return [c for _, c in sorted((-count / (2 * k + 1), c) for c, count in enumerate(counts) for k in range(1, count))]


def draw_labelled(
    label: np.ndarray,
    pool: np.ndarray,
    n_classes: int,
    rate: float,
    label_pool: int | None,
    *names: Any,
    labels: int | None = None,
    labels_per_class: int | None = None,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Draw the rows whose labels may be used, sorted int64.

    Their number is ``labels``, else ``labels_per_class`` · n_classes, else rate · (label_pool or the number of samples
    of the pool that have a label) but at least n_classes. There is at least one row per class; unless their number per
    class is given, the rest are in proportion to the sizes of the classes. A larger draw is a superset of a smaller
    one.

    Args:
        label: (n_samples,), of all samples.
        pool: The rows of the training part. Those without a label are never drawn.
        n_classes: The number of classes.
        rate: The fraction of labelled samples, above 0 and at most 1.
        label_pool: The number of samples that ``rate`` is a fraction of; None stands for those of the pool.
        names: What the draw is for (data set, split, seed). The same names give the same draw.
        labels: The number of labelled samples, instead of ``rate``.
        labels_per_class: The number of labelled samples of each class, instead of ``rate``.
        classes: The names of the classes, for the error message.

    Raises:
        InputError: The training part or one of its classes is too small, or ``labels`` is below the number of classes.
    """
    if not 0 < rate <= 1:
        raise InputError(f"label_rate: {rate} is out of range; it should be above 0 and at most 1")
    rows = [pool[label[pool] == c] for c in range(n_classes)]
    counts = [len(of_class) for of_class in rows]
    titles = [repr(classes[c] if classes else f"class {c}") for c in range(n_classes)]
    if empty := [title for title, count in zip(titles, counts, strict=True) if not count]:
        raise InputError(f"the training part has no sample of {', '.join(empty)} with a label, so none can be drawn")
    if labels_per_class is None:
        shares = allot(counts, _number_of_labels(rate, labels, label_pool, sum(counts), n_classes))
    elif small := [f"{a} has {count}" for a, count in zip(titles, counts, strict=True) if count < labels_per_class]:
        text = f"{labels_per_class} is more than the training samples of a class: {', '.join(small)}"
        raise InputError(f"labels_per_class: {text}")
    else:
        shares = [labels_per_class] * n_classes
    drawn = [
        rng_of("labels", *names, c).permutation(np.sort(of_class))[:k]
        for c, (of_class, k) in enumerate(zip(rows, shares, strict=True))
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _number_of_labels(rate: float, labels: int | None, label_pool: int | None, available: int, n_classes: int) -> int:
    """The number of samples to label, out of those in the training part that have a label."""
    if labels is None:
        n = max(n_classes, round(rate * (label_pool or available)))
        what = f"label_rate: {rate} of a label pool of {label_pool} is {n} samples"
    else:
        n, what = labels, f"labels: {labels} samples can't be labelled"
    if n < n_classes:
        raise InputError(f"labels: {n} is below the {n_classes} classes, each of which needs a labelled sample")
    if n > available:
        raise InputError(f"{what}, but the training part has {available} samples with a label")
    return n


def draw_validation(label: np.ndarray, validation: np.ndarray, n: int, *names: Any) -> np.ndarray:
    """Draw the ``n`` validation rows whose labels may be used, sorted int64.

    All classes get the same number as far as they have enough rows. A larger draw contains the smaller ones.
    label: (n_samples,), of all samples. validation: the rows of the validation part. names: what the draw is for; the
    same names give the same draw. Raises `InputError` if there are fewer rows than ``n``.
    """
    if n > len(validation):
        raise InputError(
            f"validation_labels: {n} samples can't be drawn; the validation subjects have {len(validation)}"
        )
    rows = rng_of("validation labels", *names).permutation(np.sort(validation))
    turn = np.zeros(len(rows), dtype=np.int64)  # how many rows of the same class come before
    for c in np.unique(label[rows]):
        of_class = label[rows] == c
        turn[of_class] = np.arange(of_class.sum())
    return np.sort(rows[np.argsort(turn, kind="stable")[:n]]).astype(np.int64)


def draw_unlabelled(train: np.ndarray, labelled: np.ndarray, unlabeled: str | int | float, *names: Any) -> np.ndarray:
    """Draw the rows for stage 1, sorted int64. Their labels are never read.

    ``unlabeled`` is "all" for all training rows, "rest" for those without a label, an int for a number of training
    rows, or a float in (0, 1] for a fraction of them. With the same names a larger draw is a superset of a smaller one.
    Raises `InputError`, which gives the number of available samples.
    """
    if isinstance(unlabeled, str):
        if unlabeled not in ("all", "rest"):
            raise InputError(f"unlabeled: {unlabeled!r} should be 'all', 'rest', a number of samples or a fraction")
        rows = np.sort(train) if unlabeled == "all" else np.setdiff1d(train, labelled)
        if not len(rows):
            raise InputError(
                f"unlabeled: '{unlabeled}' leaves no sample, because all {len(train)} training samples are labelled"
            )
        return rows.astype(np.int64)
    if isinstance(unlabeled, bool):
        raise InputError("unlabeled: must be 'all', 'rest', a number of samples or a fraction, not true or false")
    if isinstance(unlabeled, float):
        if not 0 < unlabeled <= 1:
            raise InputError(
                f"unlabeled: the fraction {unlabeled} is out of range; it should be above 0 and at most 1 "
                f"(of {len(train)} samples)"
            )
        unlabeled = max(1, round(unlabeled * len(train)))
    if not 1 <= unlabeled <= len(train):
        raise InputError(f"unlabeled: {unlabeled} samples can't be drawn; 1 to {len(train)} are available")
    return np.sort(rng_of("unlabelled", *names).permutation(np.sort(train))[:unlabeled]).astype(np.int64)


def read_label_list(path: Path, rate: float) -> list[str]:
    """The sample names of a label list: a JSON list, or a JSON mapping of label rates in per cent to lists.

    Raises `InputError` that names the file.
    """
    try:
        content = parse_json(read_regular(path))
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"label_list: {path} can't be read: {error}") from None
    if isinstance(content, dict):
        per_cent = f"{round(rate * 100, 6):g}"
        if per_cent not in content:
            raise InputError(f"label_list: {path} has no list for {per_cent} %; it has {', '.join(content)}")
        content = content[per_cent]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise InputError(
            f"label_list: {path} is not a list of sample names, nor a mapping of label rates to such lists"
        )
    return content


def labelled_from_list(recordings: Recordings, samples: Iterable[str], pool: np.ndarray) -> np.ndarray:
    """The rows of a published list of labelled samples, sorted int64.

    ``pool`` holds the rows of the training part. Raises `InputError`, which names the samples, for samples that do not
    exist, are listed twice, have no label or are outside the pool.
    """
    wanted = list(samples)
    row_of = {str(name): row for row, name in enumerate(recordings.sample)}
    unknown = [name for name in wanted if name not in row_of]
    if unknown:
        raise InputError(
            f"label_list: {len(unknown)} unknown samples: {', '.join(unknown[:5])}; {did_you_mean(unknown[0], row_of)}"[
                :500
            ]
        )
    if len(set(wanted)) < len(wanted):
        raise InputError(f"label_list: {Counter(wanted).most_common(1)[0][0]} is listed twice")
    rows = np.sort(np.array([row_of[name] for name in wanted], dtype=np.int64))
    if not len(rows):
        raise InputError("label_list: the list of samples is empty")
    without, outside = rows[~recordings.has_label[rows]], np.setdiff1d(rows, pool)
    for wrong, what in ((without, "without a label in the data"), (outside, "not in the training part")):
        if len(wrong):
            raise InputError(f"label_list: {what}: {', '.join(map(str, recordings.sample[wrong[:5]]))}")
    return rows
