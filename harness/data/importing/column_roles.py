"""What the columns of a table are for: time, label, subject or the channels of a modality, by names and values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from harness.data.importing.names import SENSOR
from harness.data.importing.sniffing import GuessedClock, Head, guessed_clock

TIME = re.compile(
    r"(?i)^(t|ts|ms|date|day|epoch.*|datum|uhrzeit|zeit.*|t_(s|ms|us|ns)|time_?stamps?.*|date_?time.*|.*time(stamp)?"
    r"|time_.*|seconds?|seconds?_elapsed|elapsed.*)$"
)
LABEL = re.compile(
    r"(?i)^(labels?|activity|activities|class|target|action|gesture|annotation|event|text|behaviou?r|condition"
    r"|t(ä|ae)tigkeit|aktivit(ä|ae)t|klasse)_?(id|code|name|no|nr|num|number|label)?$"
)
SUBJECT = re.compile(
    r"(?i)^(subject|subject_?id|user|user_?id|person|participant|participant_?id|proband|teilnehmer|id|who)$"
)
START = re.compile(r"(?i)^(start|begin|onset|from|t0|start_?times?.*|begin_?times?.*|time|timestamp)$")
END = re.compile(r"(?i)^(end|stop|offset|to|t1|end_?times?.*|stop_?times?.*)$")
DURATION = re.compile(r"(?i)^(duration|length).*$")
FILE = re.compile(r"(?i)^(files?|file_?names?|paths?|recordings?|records?)$")
IN_BRACKETS = re.compile(r"[\[(]([^\])]*)[\])]")
AXIS = re.compile(r"(?i)(^|[\W_])_?([xyzw]|roll|pitch|yaw|\d{1,3})$|(?<=[a-z])([XYZ])$")
SENSOR_LETTER = {"a": "acc", "g": "gyro", "m": "mag"}
FEWEST_ROWS = 20  # of a table of samples


@dataclass(frozen=True)
class Timing:
    """The columns of the time, and what they show. unused: what seems to be the time, and why it is not used."""

    columns: list[str] = field(default_factory=list)
    guessed: GuessedClock = field(default_factory=GuessedClock)
    unused: tuple[str, str] | None = None


@dataclass(frozen=True)
class Channels:
    """Columns that become a modality, in the rows that ``where`` selects, and their time."""

    name: str
    columns: list[str]
    unit: str
    rate: float
    timing: Timing
    where: dict[str, str] = field(default_factory=dict)
    start_line: int | None = None


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are for."""

    channels: list[Channels]
    label: str | None
    one_hot: list[str]
    subject: str | None

    label_of: int = 0  # the number of the channels with as many samples as the label


def plain(name: str) -> str:
    """The name of a column without a unit in brackets, with _ for spaces."""
    return re.sub(r"\s+", "_", IN_BRACKETS.sub("", str(name)).strip())


def first_match(names: Iterable[str], pattern: re.Pattern[str]) -> str | None:
    return next((name for name in names if pattern.match(plain(name)) or pattern.match(leaf(name))), None)


def leaf(name: str) -> str:
    """The last part of the name of an array inside structs, such as t of data.acc.t."""
    return plain(name.rsplit(".", 1)[-1])


def roles_of(head: Head) -> Roles:
    """What the columns of a table are for. There are no channels if it is no table of samples."""
    frame, names = head.frame, list(map(str, head.frame.columns))
    label, subject = first_match(names, LABEL), first_match(names, SUBJECT)
    times = _times(frame, [name for name in names if name not in (label, subject)])
    rest = [name for name in names if name not in (*times, label, subject)]
    numbers = [name for name in rest if _is_channel(frame[name])]
    flags = [name for name in names if pd.api.types.is_bool_dtype(frame[name])]
    one_hot = [] if label else _one_hot(frame, [*numbers, *flags])
    groups = _modalities([name for name in numbers if name not in one_hot]) if len(frame) >= FEWEST_ROWS else {}
    if in_rows := _sensors_in_rows(frame, [name for name in rest if name not in numbers]):
        channels = _channels_in_rows(head, groups, times, in_rows)
    else:
        channels = _channels(head, groups, times)
    lengths = [head.lengths.get(one.columns[0]) for one in channels]
    of_label = head.lengths.get(str(label))
    return Roles(channels, label, one_hot, subject, lengths.index(of_label) if of_label in lengths else 0)


def _times(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """The columns that hold times by their names or, if there are none, by their values."""
    by_name = [name for name in names if TIME.match(leaf(name))]
    return by_name or [name for name in names if _is_time(frame[name])]


def _channels(head: Head, groups: dict[str, list[str]], times: list[str]) -> list[Channels]:
    """A modality for each group of columns."""
    channels = []
    for name, columns in groups.items():
        timing = _timing(head.frame, _near(times, columns[0], head))
        start_line = 1 if head.rate and not timing.columns else None
        rate = timing.guessed.rate or head.rate
        channels.append(Channels(name, columns, _unit(columns, head), rate, timing, start_line=start_line))
    return channels


def _channels_in_rows(
    head: Head, groups: dict[str, list[str]], times: list[str], in_rows: list[tuple[str, str]]
) -> list[Channels]:
    """A modality for each group of columns and each sensor that rows name, with the columns that it has values in."""
    channels = []
    for name, columns in groups.items():
        for column, value in in_rows:
            rows = head.frame[head.frame[column] == value]
            used = [one for one in columns if rows[one].notna().any()]
            timing = _timing(rows, _near(times, columns[0], head))
            sensor = re.sub(r"[^A-Za-z0-9_-]", "", value) + (f"_{name}" if len(groups) > 1 else "")
            where = {column: value}
            channels.append(Channels(sensor, used, _unit(columns, head), timing.guessed.rate, timing, where))
    return channels


def _unit(columns: list[str], head: Head) -> str:
    """The unit in the brackets of a column's name, or in the row of units."""
    in_brackets = next((found[1] for found in map(IN_BRACKETS.search, columns) if found), "")
    return in_brackets or head.units.get(columns[0], "")


def _near(times: list[str], column: str, head: Head) -> list[str]:
    """The columns of times that can belong to a column: as long, and if possible in the same struct."""
    as_long = [one for one in times if head.lengths.get(one) == head.lengths.get(column)]
    parent = column.rsplit(".", 2)[0] if "." in column else ""
    return [one for one in as_long if parent and one.startswith(f"{parent}.")] or as_long


def _is_time(column: pd.Series) -> bool:
    """Whether the values are dates, or numbers that increase in even steps, but don't count the rows."""
    if not pd.api.types.is_numeric_dtype(column):
        return guessed_clock(column, "").rate > 0
    steps = np.diff(column.to_numpy(np.float64, na_value=np.nan))
    even = len(steps) > FEWEST_ROWS and (steps > 0).all() and np.ptp(steps) < 0.5 * np.median(steps)
    return bool(even and not (steps == 1).all())


def _sensors_in_rows(frame: pd.DataFrame, names: list[str]) -> list[tuple[str, str]]:
    """The column that says which sensor a row is from, with each of its values; nothing if there is none."""
    for name in names:
        values = frame[name].dropna().unique().tolist()
        if 1 < len(values) <= 8 and all(isinstance(value, str) and SENSOR.match(value) for value in values):
            return [(name, value) for value in values]
    return []


def _is_channel(column: pd.Series) -> bool:
    """Whether a column can be a channel: numbers that don't count the rows."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if not is_number or column.count() < min(len(column), FEWEST_ROWS):
        return False
    numbers = column.to_numpy(np.float64, na_value=np.nan)
    return not (len(numbers) > 2 and bool((np.diff(numbers) == 1).all()))


def _one_hot(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """The columns that hold only 0 and 1, if there are several and no row has two of 1."""
    found = [name for name in names if set(frame[name].dropna().unique()) <= {0, 1}]
    return found if len(found) > 1 and frame[found].sum(axis=1).max() == 1 else []


def _modalities(names: list[str]) -> dict[str, list[str]]:
    """Columns by sensor, whose name is what stands before the axis; all in one if no sensor has several."""
    groups: dict[str, list[str]] = {}
    for name in names:
        text = plain(name)
        letter = re.fullmatch(r"(?i)([agm])_?[xyz]", text)
        found = SENSOR_LETTER[letter[1].lower()] if letter else AXIS.sub("", text)
        parts = [part for part in found.split(".") if part.lower() not in ("values", "data", "signal", "samples")]
        groups.setdefault(re.sub(r"[^A-Za-z0-9_-]", "", "_".join(parts)).strip("_-"), []).append(name)
    if len(groups) == 1 or (len(groups) <= 8 and all(groups) and max(map(len, groups.values()), default=0) > 1):
        return {name or "sensor": columns for name, columns in groups.items()}
    return {"sensor": names} if names else {}


def _timing(frame: pd.DataFrame, names: list[str]) -> Timing:
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    for one, two in pairwise(texts):
        guessed = guessed_clock(frame[one].astype(str) + " " + frame[two].astype(str), "")
        if guessed.rate:
            return Timing([one, two], guessed)
    found = [(name, guessed) for name in names if (guessed := guessed_clock(frame[name], name)).rate]
    fine = next(((name, guessed) for name, guessed in found if not guessed.repeats), None)
    if fine:
        return Timing([fine[0]], fine[1])
    if found:
        return Timing([], found[0][1], (found[0][0], "is the same in many rows, so that only rate counts"))
    return Timing(unused=(names[0], "was not understood as a time; see time_unit and date_format") if names else None)
