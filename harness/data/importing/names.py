"""What the names of files tell: which part is the sensor, the subject, the activity or a number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from os.path import commonprefix

SENSOR = re.compile(
    r"(?i)^(linear_?acc\w*|acc\w*|gyr\w*|mag\w*|imu\w*|ecg|eeg|emg|ppg|bvp|hr|ibi|eda|gsr|temp\w*|baro\w*)$"
    r"|(?i:^(left|right|wrist|ankle|chest|head|hip|watch|phone)$)"
)
PERSON = r"(s|p|u|vp|pb|id|sub|subj|subject|user|person|part|participant|proband|teilnehmer|patient)"
PERSON_WORD = re.compile(rf"(?i){PERSON}[-_ =]?")
PERSON_NAME = re.compile(rf"(?i){PERSON}[- ]?\d+")
NO_SENSOR = re.compile(rf"(?i){PERSON}[- ]?\d+|\d+")
ACTIVITY = re.compile(
    r"(?i)(walk|run(?!_?\d)|jog|sit|stand|lying|laying|lie|rest|stairs|cycl|bik|jump|sleep|eat|drink|fall|climb|idle|drive|wave)"
)
SEPARATORS = re.compile(r"([_\-/=])")


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names. sensor: the part that names the sensor. values: placeholder → its value in each file."""

    files: str
    sensor: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)

    def matches(self, name: str) -> bool:
        parts = re.split(r"\{\w+\}", self.files)
        return re.fullmatch("[^/]+?".join(map(re.escape, parts)), name) is not None


def sensor_position(tokens: dict[str, list[str]], columns: dict[str, tuple[str, ...]]) -> int | None:
    """The part of the names that separates sensors: each of its values has a file per recording, and most of them are
    names of sensors, or have columns of their own. columns: of the files that were read."""
    length = len(next(iter(tokens.values())))
    for position in reversed(range(0, length, 2)):
        values = {parts[position] for parts in tokens.values()}
        others = Counter(tuple(parts[:position] + parts[position + 1 :]) for parts in tokens.values())
        complete = all(count == len(values) for count in others.values())
        if not 1 < len(values) <= 12 or not complete or any(map(NO_SENSOR.fullmatch, values)):
            continue
        named = sum(bool(SENSOR.match(value)) for value in values) * 2 > len(values)
        if named or _columns_differ(tokens, columns, position):
            return position
    return None


def _columns_differ(tokens: dict[str, list[str]], columns: dict[str, tuple[str, ...]], position: int) -> bool:
    """Whether the files with different values of a part share less than half of their columns."""
    of_value: dict[str, set[str]] = {}
    for name, names in columns.items():
        if name in tokens:
            of_value.setdefault(tokens[name][position], set()).update(names)
    pairs = combinations(of_value.values(), 2)
    return all(2 * len(one & two) < max(len(one), len(two), 1) for one, two in pairs)


def pattern_of(tokens: dict[str, list[str]], sensor: int | None, kind: str, suffix: str) -> Pattern:
    """The pattern of the files of one sensor, with a placeholder for each part of the names that varies."""
    files, values, number = "", dict[str, list[str]](), 0
    for position, parts in enumerate(zip(*tokens.values(), strict=True)):
        if position == sensor:
            files += kind
        elif len(set(parts)) == 1:
            files += parts[0]
        else:
            number += 1
            prefix, suffix_of_all = ("", "") if all(map(PERSON_NAME.fullmatch, parts)) else _common_ends(parts)
            inner = [part[len(prefix) : len(part) - len(suffix_of_all)] for part in parts]
            before = re.split(r"[_\-/= ]", (files + prefix).rstrip("_-/= "))[-1]
            name = _placeholder(set(inner), before, values) or f"part{number}"
            files += f"{prefix}{{{name}}}{suffix_of_all}"
            values[name] = inner
    return Pattern(files + suffix, kind, values)


def _common_ends(parts: Sequence[str]) -> tuple[str, str]:
    """What all parts begin and end with, up to a character that is no letter or digit."""
    backwards = [part[::-1] for part in parts]
    start, end = commonprefix(parts), commonprefix(backwards)[::-1]  # noqa: RUF071 (of characters, as is wanted)
    words = all(re.match(r"\d", part[len(start) :]) for part in parts) and re.search(r"[A-Za-z]{2,}\d*$", start)
    start = start.rstrip("0123456789") if words else re.sub(r"[^\W_]+$", "", start)
    end = re.sub(r"^[^\W_]+", "", end)
    shortest = min(map(len, parts))
    return (start, end) if len(start) + len(end) < shortest else ("", "")


def _placeholder(parts: set[str], before: str, used: Collection[str]) -> str | None:
    """A name for a part that varies: the subject, the activity, or the word before a number."""
    numbers = all(re.fullmatch(r"\d+", part) for part in parts)
    if all(map(PERSON_NAME.fullmatch, parts)) or (numbers and PERSON_WORD.fullmatch(before)):
        name = "subject"
    elif sum(bool(ACTIVITY.search(part)) for part in parts) * 2 > len(parts):
        name = "activity"
    elif numbers and re.fullmatch(r"[A-Za-z]{2,}", before):
        name = before.lower()
    else:
        return None
    return None if name in used else name
