"""The recordings of a folder, one at a time: their signals, subject and labels as the configuration describes them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.codes import natural
from harness.data.delimited import ColumnType, DelimitedText
from harness.data.importing.config import ImportConfig, TextFormat, ValueSource
from harness.data.importing.containers import CONTAINERS
from harness.data.importing.labels import (
    Track,
    ValueTable,
    constant,
    from_one_hot,
    from_samples,
    names_of,
    rows_where,
    texts_of,
    told,
)
from harness.data.importing.signals import Signal, check_time, in_order, place, times_of
from harness.data.importing.tables import Key, check_columns, columns_of, find_files, read_table
from harness.data.importing.text_files import delimited, is_text
from harness.data.importing.times import is_absolute, type_of
from harness.errors import DataError

SHOWN = 10  # faults that a message lists


@dataclass(frozen=True)
class FileRecording:
    """One recording: its signals by modality, and the label over time.

    name: unique in the folder. left_out: the number of rows whose time is missing or repeats, if rows are sorted.
    """

    name: str
    signals: Mapping[str, Signal]
    subject: str
    track: Track
    left_out: int = 0


@dataclass
class Folder:
    """The files of a folder by recording and modality, and the separate tables.

    Raises `DataError` that lists all files that lack columns, rows or the other modalities of their recording.
    """

    path: Path
    config: ImportConfig
    files: dict[Key, dict[str, Path]] = field(init=False)
    tables: dict[str, ValueTable] = field(init=False)
    clocks: dict[bool, str] = field(init=False, default_factory=dict)  # whether dates have a time zone → the first such

    def __post_init__(self) -> None:
        config = self.config
        found = {
            name: find_files(self.path, one.files or config.files, config.exclude)
            for name, one in config.modalities.items()
        }
        keys = sorted(set().union(*found.values()), key=lambda key: [natural(value) for _, value in key])
        self.files = {key: {name: files[key] for name, files in found.items() if key in files} for key in keys}
        self._check()
        sources = (("subject", config.subject), ("label", config.label))
        self.tables = {
            what: ValueTable(self.path, source, config, self.check_clock)
            for what, source in sources
            if source and source.table
        }

    def check_clock(self, is_absolute: bool | None, where: str) -> None:
        """Raise `DataError` if some dates have a time zone and others have none, so that they can't be compared.

        is_absolute: as of `harness.data.importing.times.is_absolute`, for the times of ``where``.
        """
        if is_absolute is not None:
            self.clocks.setdefault(is_absolute, where)
        if len(self.clocks) > 1:
            raise DataError(
                f"{self.clocks[False]}: the dates have no time zone, but those of {self.clocks[True]} have one; "
                "time_zone names it, such as Europe/Berlin"
            )

    def _check(self) -> None:
        """Read the first lines of all text files, so that all faults are found before anything is read."""
        faults, config = [], self.config
        for key, files in self.files.items():
            if lacking := [name for name in config.modalities if name not in files]:
                some = next(iter(files.values()))
                faults.append(f"{some}: there is no file of {lacking[0]} for this recording ({told(dict(key))})")
                continue
            for table in _tables_of(files, config):
                if is_text(table.path):
                    try:
                        check_columns(table.path, columns_of(table.path, table.form), table.types)
                    except DataError as error:
                        faults.append(str(error))
        if len(faults) > 1:
            more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
            hint = "(exclude: [NAME, …] leaves out files)"
            raise DataError("\n".join([*faults[:SHOWN], *more, hint]))
        if faults:
            raise DataError(f"{faults[0]} (exclude: [NAME, …] leaves out files)")


@dataclass(frozen=True)
class _Table:
    """What is read of one file: the types of its columns, and the modalities that they are for."""

    path: Path
    form: TextFormat
    variable: str | None
    types: dict[str, ColumnType]
    modalities: list[str]


def _tables_of(files: Mapping[str, Path], config: ImportConfig) -> list[_Table]:
    """The tables of one group of files. A file that several modalities share is one, unless it contains arrays."""
    tables: dict[tuple[Path, str], _Table] = {}
    for name, path in files.items():
        modality, form = config.modalities[name], config.format_of(name)
        key = (path, name if path.suffix.lower() in CONTAINERS else "")
        table = tables.setdefault(key, _Table(path, form, config.variable_of(name), {}, []))
        sources = (config.subject, config.label)
        codes = (config.split_by, modality.where, *(_columns(source, name, config) for source in sources))
        types = table.types
        types |= {str(column): "text" for column in chain(*codes)}
        types |= {str(column): "float32" for column in modality.columns}
        types |= dict.fromkeys(modality.time_columns, type_of(modality) if len(modality.time_columns) == 1 else "text")
        table.modalities.append(name)
    return list(tables.values())


def _columns(source: ValueSource | None, name: str, config: ImportConfig) -> tuple[str | int, ...]:
    """The columns of a label or subject, if they are in the files of this modality."""
    if source is None or name != (source.of or next(iter(config.modalities))):
        return ()
    return source.columns or (() if source.column is None else (source.column,))


def recordings(folder: Folder) -> Iterator[FileRecording]:
    """The recordings of a folder, in natural order of their names."""
    names = set[str]()
    for key, files in folder.files.items():
        frames: dict[str, pd.DataFrame] = {}
        for table in _tables_of(files, folder.config):
            try:
                frame = read_table(table.path, table.types, table.form, table.variable)
            except MemoryError:
                raise DataError(
                    f"{table.path}: it does not fit into memory, since files are read one at a time; divide it into "
                    "files of one recording each"
                ) from None
            if not len(frame):
                raise DataError(f"{table.path}: it has no rows")
            frames |= dict.fromkeys(table.modalities, frame)
        for of, parts in _parts(frames, files, folder.config):
            whole = {**dict(key), **of}
            name = _unused("_".join(whole.values()) or "all", names)
            names.add(name)
            yield _recording(name, whole, parts, folder)


def _unused(name: str, used: Container[str]) -> str:
    """The name, with a number if it is used already, since a_b and c give the same as a and b_c."""
    return next(one for number in count(1) if (one := name if number == 1 else f"{name}_{number}") not in used)


@dataclass(frozen=True)
class _Part:
    """The rows of a file that belong to one recording, and their numbers, (n,)."""

    path: Path
    frame: pd.DataFrame
    rows: np.ndarray
    text: DelimitedText | None

    def at(self, row: int) -> str:
        """The place of a row of the frame, for messages."""
        return place(self.path, int(self.rows[row]), self.text)


def _parts(
    frames: Mapping[str, pd.DataFrame], files: Mapping[str, Path], config: ImportConfig
) -> Iterator[tuple[dict[str, str], dict[str, _Part]]]:
    """The recordings inside one group of files: one, or those that the columns of ``split_by`` separate."""

    def part(name: str, rows: np.ndarray | None = None) -> _Part:
        path, frame = files[name], frames[name]
        text = delimited(path, config.format_of(name)) if is_text(path) else None
        rows = np.arange(len(frame)) if rows is None else rows
        if where := config.modalities[name].where:
            rows = rows[rows_where(frame.iloc[rows], where)]
            if not len(rows):
                raise DataError(f"{path}: there are no rows of {name} ({told(where)})")
        return _Part(path, frame.iloc[rows] if len(rows) < len(frame) else frame, rows, text)

    if not config.split_by:
        yield {}, {name: part(name) for name in config.modalities}
        return
    groups: dict[str, dict[tuple[str, ...], np.ndarray]] = {}
    for name, frame in frames.items():
        texts = pd.DataFrame({column: texts_of(frame[column]) for column in config.split_columns})
        groups[name] = dict(texts.groupby(config.split_columns, sort=False).indices)
    for key in sorted(set().union(*groups.values()), key=lambda one: [natural(text) for text in _tuple(one)]):
        of = dict(zip(config.split_columns, _tuple(key), strict=True))
        if lacking := [name for name, some in groups.items() if key not in some]:
            raise DataError(f"{files[lacking[0]]}: there are no rows of {lacking[0]} for the recording {told(of)}")
        yield of, {name: part(name, np.sort(groups[name][key])) for name in config.modalities}


def _tuple(key: Any) -> tuple[str, ...]:
    return key if isinstance(key, tuple) else (key,)


def _recording(name: str, of: dict[str, str], parts: Mapping[str, _Part], folder: Folder) -> FileRecording:
    config, signals, kept, left_out = folder.config, {}, {}, 0
    subject = _subject(of, parts, folder)
    for sensor, whole in parts.items():
        modality, part = config.modalities[sensor], whole
        time = times_of(part.frame, modality, part.path, config.format_of(sensor), part.at)
        if modality.time_columns:
            folder.check_clock(is_absolute(part.frame[modality.time_columns[-1]], modality), str(part.path))
        if config.unordered == "sort" and modality.time_columns:
            order = in_order(time)
            if len(order) < 2:
                raise DataError(f"{part.path}: the time of {told(of)} has no two different values")
            left_out += len(time) - len(order)
            part, time = replace(part, frame=part.frame.iloc[order], rows=part.rows[order]), time[order]
        time = time + modality.offset - (time[0] if modality.from_start else 0)
        values = part.frame[[str(column) for column in modality.columns]].to_numpy()
        signals[sensor] = Signal(part.path, time, values, part.rows, part.text)
        check_time(signals[sensor], modality)
        kept[sensor] = part
    return FileRecording(name, signals, subject, _track(of, kept, signals, folder), left_out)


def _subject(of: Mapping[str, str], parts: Mapping[str, _Part], folder: Folder) -> str:
    source = folder.config.subject
    part = parts[source.of or next(iter(folder.config.modalities))]
    if source.name:
        found = source.rename.get(of[source.name], of[source.name])
    elif "subject" in folder.tables:
        found = folder.tables["subject"].value(of, [one.path for one in parts.values()])
    else:
        values = sorted(set(_texts(part, source)))
        if len(values) > 1:
            raise DataError(
                f"{part.path}: column {source.column} has several subjects ({', '.join(values[:5])}) in one "
                f"recording; separate them with split_by: [{source.column}]"
            )
        found = values[0]
    if not found:
        raise DataError(f"{part.path}: the subject of this recording is missing ({told(of)})")
    return found


def _texts(part: _Part, source: ValueSource) -> np.ndarray:
    """The value in each row, (n,)."""
    if source.columns:
        return from_one_hot(part.frame, source, part.at)
    return texts_of(part.frame[str(source.column)], names_of(source))


def _track(of: Mapping[str, str], parts: Mapping[str, _Part], signals: Mapping[str, Signal], folder: Folder) -> Track:
    source, config = folder.config.label, folder.config
    if source is None:
        return constant("")
    if source.name:
        return constant(names_of(source).get(of[source.name], of[source.name]))
    name = source.of or next(iter(config.modalities))
    time = signals[name].time
    rate = config.modalities[name].rate
    if "label" in folder.tables:
        paths = [one.path for one in parts.values()]
        return folder.tables["label"].track(of, paths, float(time[0]), float(time[-1]) + 1 / rate, rate)
    return from_samples(time, _texts(parts[name], source), rate)
