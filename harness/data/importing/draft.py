"""A first draft of ``import.yaml``, from the names and the columns of the files in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.importing.config import SECONDS
from harness.data.importing.tables import FORMATS, TEXT
from harness.errors import DataError
from reports.cleaning import clean

TIME = re.compile(r"(?i)^(t|time|timestamp|time_?stamp.*|seconds|ms|date|datetime)$")
LABEL = re.compile(r"(?i)^(label|labels|activity|class|target|action|gesture)$")
SUBJECT = re.compile(r"(?i)^(subject|subject_?id|user|user_?id|person|participant|id)$")
SENSOR = re.compile(
    r"(?i)^(acc\w*|gyr\w*|mag\w*|imu\w*|ecg|eeg|emg|ppg|eda|gsr|temp\w*|baro\w*)$"
    r"|(?i:^(left|right|wrist|ankle|chest|head|hip|watch|phone)$)"
)
SEPARATORS = re.compile(r"([_\-/])")
ROWS = 2000  # that are read of one file


@dataclass(frozen=True)
class _Group:
    """Files with the same columns: they become one modality."""

    name: str
    files: str
    columns: list[str]
    time: str | None
    unit: str
    rate: float
    label: str | None
    subject: str | None


def draft(folder: Path) -> str:
    """The text of a first ``import.yaml``. Raises `DataError` if the folder has no table."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in FORMATS and path.is_file()]
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise DataError(f"{folder}: there is no file that can be imported; known: {', '.join(FORMATS)}")
    suffix = Counter(path.suffix for path in paths).most_common(1)[0][0]
    names = [path.relative_to(folder).as_posix() for path in paths if path.suffix == suffix]
    shapes = Counter(len(SEPARATORS.split(Path(name).with_suffix("").as_posix())) for name in names)
    length = shapes.most_common(1)[0][0]
    tokens = {name: SEPARATORS.split(name[: -len(suffix)]) for name in names}
    alike = {name: parts for name, parts in tokens.items() if len(parts) == length}
    groups = _groups(folder, suffix, alike)
    others = [path.relative_to(folder).as_posix() for path in paths]
    return _text(folder, groups, next(iter(alike)), [name for name in others if name not in alike])


def _groups(folder: Path, suffix: str, tokens: dict[str, list[str]]) -> list[_Group]:
    first = {name: _head(folder / name) for name in _samples(tokens)}
    position = _sensor(tokens, {name: tuple(frame.columns) for name, frame in first.items()})
    kinds: dict[str, str] = {}
    for name, parts in tokens.items():
        if name in first:
            kinds.setdefault(parts[position] if position is not None else "sensor", name)
    return [_group(kind, first[name], _pattern(tokens, position, kind, suffix)) for kind, name in kinds.items()]


def _samples(tokens: dict[str, list[str]]) -> list[str]:
    """A file for each value of each part of the names."""
    seen: dict[tuple[int, str], str] = {}
    for name, parts in tokens.items():
        for position, part in enumerate(parts):
            seen.setdefault((position, part), name)
    return list(dict.fromkeys(seen.values()))[:200]


def _sensor(tokens: dict[str, list[str]], columns: dict[str, tuple[str, ...]]) -> int | None:
    """The part of the names that separates sensors: each of its values has a file per recording, and columns or a
    name of its own."""
    length = len(next(iter(tokens.values())))
    for position in reversed(range(0, length, 2)):
        values = {parts[position] for parts in tokens.values()}
        others = Counter(tuple(parts[:position] + parts[position + 1 :]) for parts in tokens.values())
        complete = all(count == len(values) for count in others.values())
        of_value = [
            {columns[name] for name, parts in tokens.items() if name in columns and parts[position] == value}
            for value in values
        ]
        differ = len(set(map(frozenset, of_value))) == len(values) and all(len(one) == 1 for one in of_value)
        if 1 < len(values) <= 8 and complete and (differ or all(map(SENSOR.match, values))):
            return position
    return None


def _pattern(tokens: dict[str, list[str]], sensor: int | None, kind: str, suffix: str) -> str:
    every, found, number = list(tokens.values()), "", 0
    for position, parts in enumerate(zip(*every, strict=True)):
        if position == sensor:
            found += kind
        elif len(set(parts)) == 1:
            found += parts[0]
        else:
            is_person = all(re.fullmatch(r"(?i)(s|p|u|sub|subj|subject|user|person)[-]?\d+", part) for part in parts)
            number += 1
            found += "{subject}" if is_person and "{subject}" not in found else f"{{part{number}}}"
    return found + suffix


def _head(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() in TEXT:
            frame = pd.read_csv(path, nrows=ROWS, sep=_delimiter(path))
        elif path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path).head(ROWS)
        elif path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            frame = pd.DataFrame(np.asarray(array[:ROWS]).reshape(min(len(array), ROWS), -1))
        else:
            frame = pd.DataFrame()
    except Exception as error:  # the readers raise almost any exception for a damaged file
        raise DataError(f"{path}: can't be read ({type(error).__name__}: {error})") from error
    return frame.rename(columns=lambda name: str(name).strip())


def _delimiter(path: Path) -> str:
    """The delimiter that is most frequent in the first line."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    return max(",;\t|", key=first.count) if any(one in first for one in ",;\t|") else ","


def _group(kind: str, frame: pd.DataFrame, files: str) -> _Group:
    names = list(frame.columns)
    time, label, subject = (_first(names, pattern) for pattern in (TIME, LABEL, SUBJECT))
    special = {time, label, subject}
    columns = [name for name in names if name not in special and pd.api.types.is_numeric_dtype(frame[name])]
    unit, rate = _rate(frame[time]) if time else ("s", 0.0)
    name = re.sub(r"[^A-Za-z0-9._-]", "", kind) or "sensor"
    return _Group(name, files, columns, time, unit, rate, label, subject)


def _first(names: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    return next((name for name in names if pattern.match(name)), None)


def _rate(time: pd.Series) -> tuple[str, float]:
    """The unit of the time and the rate, guessed so that the rate is between 0.5 and 5000 per second."""
    if not pd.api.types.is_numeric_dtype(time):
        stamps = pd.to_datetime(time, errors="coerce", utc=True, format="ISO8601").dropna()
        step = float(stamps.diff().dt.total_seconds().median()) if len(stamps) > 1 else 0.0
        return "date", 1 / step if step > 0 else 0.0
    step = float(np.median(np.diff(time.dropna().to_numpy(np.float64)))) if len(time) > 1 else 0.0
    for unit, seconds in SECONDS.items():
        if step > 0 and 0.5 <= 1 / (step * seconds) <= 5000:
            return unit, 1 / (step * seconds)
    return "s", 0.0


def _text(folder: Path, groups: list[_Group], example: str, others: list[str]) -> str:
    first = groups[0]
    lines = [
        "# A first draft, from the names and columns of the files. Check every line, above all those marked CHECK.",
        f"# Then: harness data import {folder} --config import.yaml --out DATA/NAME, and use arrays:NAME in a study.",
        f"files: {_quoted(first.files)}  # the files of one recording have the same values of the {{placeholders}}",
        "modalities:",
    ]
    for group in groups:
        lines += [f"  {group.name}:", *([f"    files: {_quoted(group.files)}"] if len(groups) > 1 else [])]
        lines.append(f"    columns: [{', '.join(map(_quoted, group.columns))}]  # CHECK: only the sensor's channels")
        if group.time:
            lines.append(f"    time: {_quoted(group.time)}")
            lines.append(f"    time_unit: {group.unit}  # CHECK: s, ms, us, ns or date")
        rate = f"{_rounded(group.rate):g}  # CHECK: samples per second" if group.rate else "100  # CHECK: a guess"
        lines += [f"    rate: {rate}", "    # resample: 50  # samples per second after the import", "    unit: ''"]
    label = next((group for group in groups if group.label), None)
    subject = next((group for group in groups if group.subject), None)
    if label:
        lines.append(f"label: {{column: {_quoted(str(label.label))}, of: {label.name}}}  # empty: no label")
    else:
        lines.append("# label: {column: NAME}, {name: PLACEHOLDER} or {table: labels.csv, value: label}  # CHECK")
    if "{subject}" in first.files:
        lines.append("subject: {name: subject}")
    elif subject:
        lines.append(f"subject: {{column: {_quoted(str(subject.subject))}, of: {subject.name}}}")
    else:
        place = re.search(r"\{(\w+)\}", first.files)
        lines.append(f"subject: {{name: {place[1] if place else 'subject'}}}  # CHECK: who was recorded")
    delimiter = _delimiter(folder / example) if Path(example).suffix.lower() in TEXT else ","
    if delimiter != ("\t" if example.endswith(".tsv") else ","):
        lines.append(f"delimiter: {delimiter!r}")
    lines += [
        "windows: {seconds: 2, overlap: 0.5, purity: 0.5, impure: drop}",
        "missing: {policy: refuse}  # or drop the windows, or {policy: interpolate, up_to: 5}",
        "# null_labels: ['0']  # labels of the null class, which null_class drops, keeps or makes unlabelled",
        "# null_class: drop",
    ]
    lines += [f"# not used: {name}" for name in others[:10]]
    return "\n".join(clean(line).replace("\n", " ") for line in lines) + "\n"  # names of files and columns


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", text) and text.lower() not in WORDS else repr(text)


WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def _rounded(rate: float) -> float:
    """The nearest whole rate if it is within one per cent, since time stamps jitter."""
    return round(rate) if abs(round(rate) / rate - 1) < 0.01 else round(rate, 3)
