"""Finding the separate table of labels for a draft: its columns, and how its rows belong to recordings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.data.importing.column_roles import DURATION, END, FILE, LABEL, START, TIME, first_match, plain
from harness.data.importing.config import SECONDS
from harness.data.importing.draft_yaml import form_keys, quoted
from harness.data.importing.names import Pattern
from harness.data.importing.sniffing import CLOCK_TIME, Head, guessed_clock, head_of
from harness.errors import DataError

MOST_TEXTS = 100  # ways to put placeholders into the name of a file


@dataclass(frozen=True)
class TableOfValues:
    """file: its name or pattern. text: the keys and values in YAML. renamed: placeholder → column of the table."""

    file: str
    text: str
    renamed: dict[str, str]


def table_of_values(folder: Path, pattern: Pattern, names: list[str], from_start: bool) -> TableOfValues | None:
    """The first of the files that has labels of recordings. from_start: whether the clocks of the sensors are."""
    for name in names:
        try:
            head = head_of(folder / name)
        except DataError:
            continue
        found = _of_recordings(name, head, pattern, from_start) or _of_one_recording(
            name, head, pattern, from_start, names
        )
        if found:
            return found
    return None


def _of_recordings(name: str, head: Head, pattern: Pattern, from_start: bool) -> TableOfValues | None:
    """A table with rows of several recordings."""
    columns = list(map(str, head.frame.columns))
    label = first_match(columns, LABEL)
    if label is None:
        return None
    parts = [f"table: {quoted(name)}"]
    renamed = {}
    for column in columns:
        values = set(head.frame[column].dropna().astype(str))
        stems = {re.split(r"[/\\]", value)[-1].rsplit(".", 1)[0] for value in values}
        place = next((one for one, known in pattern.values.items() if _numbers(set(known)) & _numbers(values)), None)
        if place and re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII) and column not in (label, *pattern.values):
            renamed[place] = column
            break
        if FILE.match(column) and any(pattern.matches(stem + Path(pattern.files).suffix) for stem in stems):
            parts.append(f"file: {quoted(column)}")
            break
        if column in pattern.values and place == column:
            break
    else:
        return None
    return TableOfValues(
        name, ", ".join([*parts, f"value: {quoted(label)}", *_times(head, columns, from_start)]), renamed
    )


def _of_one_recording(
    name: str, head: Head, pattern: Pattern, from_start: bool, names: list[str]
) -> TableOfValues | None:
    """A table for each recording, whose name has the same values of the placeholders."""
    columns = list(map(str, head.frame.columns))
    label, start = first_match(columns, LABEL), first_match(columns, START)
    if not head.form.header:
        clocks = _clock_times(head)
        texts = [one for one in columns if head.frame[one].dtype.kind not in "iuf" and one not in clocks]
        label, start = (texts[-1] if texts else None), (clocks or columns)[0]
    if label is None or start is None or label == start:
        return None
    text = _with_placeholders(name, pattern, names)
    if text is None:
        return None
    parts = [f"table: {quoted(text)}", f"value: {quoted(label)}", *_times(head, columns, from_start)]
    return TableOfValues(text, ", ".join(parts), {})


def _with_placeholders(name: str, pattern: Pattern, names: list[str]) -> str | None:
    """The name of a file with the placeholders of a recording whose values are all in it; None if there is none.

    names: of other files; the pattern that most of them match is taken.
    """
    found: list[str] = []
    for key in zip(*pattern.values.values(), strict=True):
        texts = [name]
        for place, value in zip(pattern.values, key, strict=True):
            before = r"(?<![0-9])" if value[0].isdigit() else r"(?<![A-Za-z])"
            after = r"(?![0-9])" if value[-1].isdigit() else r"(?![A-Za-z])"
            word = re.compile(f"{before}{re.escape(value)}{after}(?![^{{]*}})")  # but not inside a placeholder
            texts = [
                f"{text[: match.start()]}{{{place}}}{text[match.end() :]}"
                for text in texts[:MOST_TEXTS]
                for match in word.finditer(text)
            ]
        found += texts if pattern.values else []
    return max(found[:MOST_TEXTS], key=lambda text: sum(map(Pattern(text).matches, names)), default=None)


def _times(head: Head, columns: list[str], from_start: bool) -> list[str]:
    """The keys of the start and the end of each value, and of the table's form."""
    start, end, duration = (first_match(columns, pattern) for pattern in (START, END, DURATION))
    if not head.form.header:
        clocks = _clock_times(head)
        start, end = [*clocks, None, None][:2]
    if from_start and not end:  # of several clocks the one with the smallest times
        numeric = [one for one in columns if TIME.match(plain(one)) and head.frame[one].dtype.kind in "iuf"]
        start = min(numeric, key=lambda one: float(head.frame[one].max()), default=start)
    found = []
    if start:
        found = [f"start: {quoted(start)}"]
        found += [f"end: {quoted(end)}"] if end else [f"duration: {quoted(duration)}"] if duration else []
        found += _clock(head.frame[start], start)
    form = form_keys(head.form)
    return [*found, *([f"format: {{{', '.join(form)}}}"] if form else [])]


def _clock_times(head: Head) -> list[str]:
    """The columns that hold times such as 00:01:02.5."""
    texts = {str(name): column.dropna().astype(str) for name, column in head.frame.items()}
    return [name for name, text in texts.items() if len(text) and text.str.fullmatch(CLOCK_TIME.pattern).all()]


def _clock(column: pd.Series, name: str) -> list[str]:
    if not pd.api.types.is_numeric_dtype(column):
        clock = guessed_clock(column, name).clock
        form = [f"date_format: {quoted(clock.date_format)}"] if clock.date_format else []
        return [f"time_unit: {clock.time_unit}", *form]
    largest = float(column.max())
    unit = next((one for one, seconds in SECONDS.items() if 3e8 < largest * seconds < 4e9), "s")
    return [f"time_unit: {unit}"] if unit != "s" else ["from_start: true"] if largest < 1e6 else []


def _numbers(values: set[str]) -> set[str]:
    return {value.lstrip("0") or "0" if value.isdigit() else value for value in values}
