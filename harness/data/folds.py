"""Folds: several splits by subject of one data set, each of which is run like a split of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import comb
from typing import NamedTuple

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import Self

from harness.data.splits import Split
from harness.errors import InputError
from harness.keys import rng_of
from harness.options import Options


class Folds(Options):
    """How the subjects of a data set take turns in being tested.

    Either every subject is tested in exactly one fold (``subjects_per_fold``), or each fold tests subjects drawn at
    random (``test_subjects`` and ``repeats``). All other subjects of a fold are trained on, except ``validation``.
    """

    subjects_per_fold: int | None = Field(
        default=None,
        ge=1,
        description="test subjects of each fold, in the order of their numbers, so that every subject is tested once; "
        "if they can't be divided evenly, some folds have fewer",
    )
    test_subjects: int | None = Field(
        default=None, ge=1, description="test subjects of each fold, drawn at random for every fold"
    )
    repeats: int | None = Field(default=None, ge=2, description="number of folds with test_subjects")
    validation: int = Field(
        default=0, ge=0, description="validation subjects of each fold, taken from its training subjects"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        rotating, drawn = self.subjects_per_fold is not None, (self.test_subjects, self.repeats)
        if rotating == any(drawn) or (not rotating and not all(drawn)):
            raise ValueError(
                "should have either subjects_per_fold, with which every subject is tested once, "
                "or test_subjects and repeats, with which test subjects are drawn"
            )
        return self


class SubjectOrder(NamedTuple):
    """The test subjects of a fold, and the others in the order in which validation subjects are taken from them."""

    test: list[int]
    others: list[int]


def fold_splits(folds: Folds, subjects: Sequence[int], labelled: Sequence[int] | None = None) -> list[Split]:
    """The split of each fold.

    Validation subjects are those that follow the test subjects, in the order of their numbers and from the last to the
    first again, or in the order of the draw. More ``repeats`` extend the folds of fewer.

    subjects: those of the data set. labelled: those with labels; the others are trained on in every fold; None stands
    for all. Raises `InputError` if there are too few for the folds.
    """
    known = sorted(set(subjects if labelled is None else labelled))
    unlabelled = set(subjects) - set(known)
    size = folds.subjects_per_fold or folds.test_subjects or 0
    if size + folds.validation >= len(known):
        validation = f" and {folds.validation} for validation" if folds.validation else ""
        raise InputError(f"folds: {size} test subjects{validation} leave none of the {len(known)} subjects to train on")
    orders = _rotating(known, size) if folds.subjects_per_fold else _drawn(known, size, folds.repeats or 0)
    return [
        Split(
            train=tuple(sorted({*others[folds.validation :], *unlabelled})),
            validation=tuple(sorted(others[: folds.validation])),
            test=tuple(sorted(test)),
        )
        for test, others in orders
    ]


def _rotating(known: list[int], size: int) -> list[SubjectOrder]:
    """Folds of consecutive subjects, as equal in size as possible; every subject is in one of them."""
    parts = [part.tolist() for part in np.array_split(known, -(-len(known) // size))]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    return [
        SubjectOrder(part, [*known[end:], *known[: end - len(part)]]) for part, end in zip(parts, ends, strict=True)
    ]


def _drawn(known: list[int], size: int, repeats: int) -> list[SubjectOrder]:
    """Folds with different test subjects, drawn at random."""
    if repeats > (most := comb(len(known), size)):
        raise InputError(
            f"folds.repeats: {repeats} is more than the {most} ways to draw {size} of {len(known)} subjects"
        )
    found: dict[tuple[int, ...], SubjectOrder] = {}
    for number in count():
        if len(found) == repeats:
            break
        order = rng_of("folds", known, size, number).permutation(known).tolist()
        found.setdefault(tuple(sorted(order[:size])), SubjectOrder(order[:size], order[size:]))
    return list(found.values())
