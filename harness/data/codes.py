"""Labels and subjects in the forms that they are stored in (numbers, text, one-hot rows), as numbers with names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.data.base import UNLABELLED
from harness.errors import DataError, did_you_mean
from reports.cleaning import clean

NO_TEXT = ("", "nan")  # labels that stand for no label, without spaces and case; NumPy writes NaN among text as "nan"
SHOWN = 8  # values that a message lists


@dataclass(frozen=True)
class Labels:
    """label: (n_samples,), int64, by class or `UNLABELLED`. mapping: stored value → class, unless it is plain.

    The mapping is plain if the stored values are the names of the classes, or their numbers from 0 without a gap.
    """

    label: np.ndarray
    classes: tuple[str, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)


Activities = Sequence[str] | Mapping[str, str] | None
"""The names of the classes: in the order of their numbers, by the stored value, or none."""


def read_labels(
    stored: np.ndarray, activities: Activities, sample: np.ndarray, where: str, masked: np.ndarray | None = None
) -> Labels:
    """Labels from integers, whole floats, text, or one-hot rows (n_samples, n_classes).

    A sample has no label if its label is −1, NaN, empty, "nan" or a row of zeros, or if it is masked. Integers are the
    positions of the classes in a list of names if all are below its length; otherwise the sorted values are the
    classes, as many as there are names. With a mapping of names, −1 can be a class.

    Args:
        stored: The labels as stored.
        activities: The names of the classes; without them they are the sorted values.
        sample: (n_samples,), names of the samples, for messages.
        where: What the messages begin with.
        masked: (n_samples,), bool: samples whose label is to be ignored.

    Raises:
        DataError: A value has no class, is no whole number, or a row is not one-hot; two names are the same, or two
            spellings differ only in case or spaces.
    """
    values, missing = _values(stored, sample, where)
    if isinstance(activities, Mapping):
        missing &= ~np.array([text == "-1" for text in values] if "-1" in activities else np.zeros(len(values), bool))
    if masked is not None:
        missing = missing | masked
    present = sorted(set(values[~missing].tolist()), key=natural)
    _check_names(activities, where)
    is_number = stored.dtype.kind in "iufb"
    classes, class_of = _named(present, activities, is_number, where, values, missing, sample)
    if not activities and not is_number:
        check_spellings(present, f"{where}: label", "name both in activities if they are two classes")
    label = np.full(len(values), UNLABELLED, dtype=np.int64)
    for text, number in class_of.items():
        label[(values == text) & ~missing] = number
    plain = [classes[class_of[text]] == text for text in present]
    counted = is_number and present == [str(number) for number in range(len(classes))]
    mapping = {} if all(plain) or counted else {text: classes[class_of[text]] for text in present}
    return Labels(label, tuple(classes), mapping)


def _named(
    present: list[str], activities: Activities, is_number: bool, where: str,
    values: np.ndarray, missing: np.ndarray, sample: np.ndarray,
) -> tuple[list[str], dict[str, int]]:  # fmt: skip
    """The classes, and the class of each stored value."""
    if isinstance(activities, Mapping):
        names, by_value = list(activities.values()), {value: c for c, value in enumerate(activities)}
    elif activities and is_number:
        names, by_value = list(activities), {str(number): number for number in range(len(activities))}
        if not set(present) <= set(by_value) and len(present) == len(names):
            by_value = {value: c for c, value in enumerate(present)}
    elif activities:
        names, by_value = list(activities), {name: c for c, name in enumerate(activities)}
    elif is_number:
        by_value = _by_number(present, where, values, missing)
        names = [f"class {value}" for value in by_value]
    else:
        names, by_value = present, {value: c for c, value in enumerate(present)}
    for value in present:
        if value not in by_value:
            name = sample[np.argmax((values == value) & ~missing)]
            right = (
                f"activities has names for {_some(by_value)}, and the labels are {_some(present)}"
                if is_number
                else did_you_mean(value, by_value)
            )
            shown = value if is_number else repr(value)
            raise DataError(f"{where}: label {shown} of sample {name} is not among the activities: {right}")
    return names, by_value


def _by_number(present: list[str], where: str, values: np.ndarray, missing: np.ndarray) -> dict[str, int]:
    if len(present) > 2 and len(present) == np.count_nonzero(~missing):
        raise DataError(
            f"{where}: each of the {len(present)} labelled samples has a label of its own ({_some(present)}); labels "
            "should be the numbers of classes"
        )
    if present == ["1"] and (values[missing] == "-1").any():
        raise DataError(
            f"{where}: the labels are -1 and 1, and -1 stands for no label; if it is a class, name both: "
            '"activities": {"-1": "NAME", "1": "NAME"}'
        )
    return {value: number for number, value in enumerate(present)}


def _values(stored: np.ndarray, sample: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The labels as text, and which of them stand for no label."""
    if stored.ndim == 2 and stored.shape[1] == 1:
        stored = stored[:, 0]
    if stored.ndim == 2 and stored.dtype.kind in "iufb":
        stored = _from_one_hot(stored, sample, where)
    if stored.ndim != 1 or stored.dtype.kind not in "iufbUS":
        raise DataError(
            f"{where}: label must hold one number or text per sample, or one-hot rows, not {stored.dtype} of shape "
            f"{stored.shape}"
        )
    if stored.dtype.kind in "US":
        values = as_text(stored, f"{where}: label")
        return values, np.array([text.strip().casefold() in NO_TEXT for text in values])
    missing = np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(len(stored), dtype=bool)
    whole = _whole(np.where(missing, UNLABELLED, stored), sample, f"{where}: label")
    return whole.astype(str).astype(object), missing | (whole == UNLABELLED)


def _whole(numbers: np.ndarray, sample: np.ndarray, what: str) -> np.ndarray:
    """The numbers as int64. Raises `DataError` for one with a fraction."""
    if numbers.dtype.kind == "f":
        wrong = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{what} {numbers[row]} of sample {_name(sample, row)} is not a whole number")
    return numbers.astype(np.int64)


def _from_one_hot(rows: np.ndarray, sample: np.ndarray, where: str) -> np.ndarray:
    """(n_samples,): the class of each row; −1 for a row of zeros or NaN."""
    rows = np.nan_to_num(rows.astype(np.float64), nan=0.0)
    wrong = ~(np.isin(rows, (0, 1)).all(axis=1) & (rows.sum(axis=1) <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: label has shape {rows.shape}, but its row of sample {_name(sample, row)} is not one-hot: one 1 "
            "and otherwise 0, or only 0 for no label"
        )
    return np.where(rows.any(axis=1), rows.argmax(axis=1), UNLABELLED)


def read_subjects(stored: np.ndarray, sample: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Subjects (n_samples,) as int64, and their names if they are stored as text: subject 1 has the first name.

    Raises `DataError`, which begins with ``what``, for a subject that is missing or no whole number, and for two
    spellings that differ only in case or spaces.
    """
    if stored.ndim == 2 and stored.shape[1] == 1:
        stored = stored[:, 0]
    if stored.ndim != 1 or stored.dtype.kind not in "iufUS":
        raise DataError(f"{what} must hold one number or text per sample, not {stored.dtype} of shape {stored.shape}")
    if stored.dtype.kind not in "US":
        return _whole(stored, sample, what), ()
    values = as_text(stored, what)
    empty = np.array([not text.strip() for text in values])
    if empty.any():
        raise DataError(f"{what} of sample {_name(sample, int(np.argmax(empty)))} is empty; every sample needs one")
    names = sorted(set(values.tolist()), key=natural)
    check_spellings(names, what, "write one subject in one way")
    number_of = {name: number for number, name in enumerate(names, 1)}
    return np.array([number_of[text] for text in values], dtype=np.int64), tuple(names)


def as_text(stored: np.ndarray, what: str) -> np.ndarray:
    """Text (n_samples,), as Python strings. Raises `DataError` for bytes that are not UTF-8."""
    try:
        return np.array([one.decode() if isinstance(one, bytes) else str(one) for one in stored], dtype=object)
    except UnicodeDecodeError as error:
        raise DataError(f"{what} holds bytes that are not UTF-8 ({error})") from error


def natural(text: str) -> list[tuple[int, Any]]:
    """The key that sorts "s2" before "s10", and "-2" before "1"."""
    if re.fullmatch("-?[0-9]{1,18}", text):
        return [(0, int(text))]
    return [(1, int(part)) if re.fullmatch("[0-9]{1,18}", part) else (2, part) for part in re.split("([0-9]+)", text)]


def check_spellings(names: Iterable[str], what: str, right: str) -> None:
    """Raise `DataError` if two names differ only in case, spaces, leading zeros or the form of their characters."""
    same: dict[str, tuple[str, str]] = {}
    for name in names:
        spaced = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        plain = re.sub(r"(?<![0-9.])0+(?=[0-9])", "", spaced)
        if plain in same:
            other, other_spaced = same[plain]
            how = "case or spaces" if spaced == other_spaced else "case, spaces or leading zeros"
            raise DataError(f"{what}: {other!r} and {name!r} differ only in {how}; {right}")
        same[plain] = name, spaced


def _check_names(activities: Activities, where: str) -> None:
    shown = set[str]()
    for name in activities.values() if isinstance(activities, Mapping) else activities or ():
        text = " ".join(clean(unicodedata.normalize("NFC", name)).split())
        if not text:
            raise DataError(f"{where}: activities: the name of a class is empty")
        if text in shown:
            raise DataError(f"{where}: activities: two classes are called {text!r}")
        shown.add(text)


def _name(sample: np.ndarray, row: int) -> str:
    return str(sample[row]) if row < len(sample) else str(row)


def _some(values: Iterable[str]) -> str:
    values = list(values)
    return ", ".join(values[:SHOWN]) + (f" … ({len(values)} in all)" if len(values) > SHOWN else "")
