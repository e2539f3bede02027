"""From a folder of files to windows on disk, one recording at a time, so that they need not fit into memory."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from harness.data.codes import check_spellings, natural
from harness.data.delimited import ColumnType
from harness.data.importing.config import ImportConfig, ModalityFiles, ValueSource
from harness.data.importing.labels import Track, ValueTable, constant, from_samples, texts_of
from harness.data.importing.signals import Regular, Signal, check_time, regular, seconds_of
from harness.data.importing.tables import TEXT, find_files, read_table
from harness.errors import DataError


@dataclass
class Imported:
    """What an import found and made: counts for the user, which the data set's description keeps."""

    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Recording:
    """One recording: what identifies it, its signals by modality, and the label over time."""

    of: Mapping[str, str]
    signals: Mapping[str, Signal]
    subject: str
    track: Track

    @property
    def name(self) -> str:
        return "_".join(self.of.values()) or "all"


def import_folder(folder: Path, config: ImportConfig, out: Path) -> Imported:
    """Import the files below ``folder`` as the new folder ``out``, which ``arrays:NAME`` reads.

    It holds MODALITY.npy (n, time, channels) float32, label.npy, subject.npy, sample.npy, recording.npy and start.npy
    (seconds), and index.json. Raises `DataError`, which names the file and, where there is one, the line.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    if out.exists():
        raise DataError(f"{out}: it exists already; remove it or give another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        new = temporary / out.name
        new.mkdir()
        imported = _write(folder, config, new)
        new.rename(out)
        return imported
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(folder: Path, config: ImportConfig, new: Path) -> Imported:
    imported, rows = Imported(), _Rows()
    files = {name: GrowingArray(new / f"{name}.npy", _shape(one, config)) for name, one in config.modalities.items()}
    try:
        for recording in recordings(folder, config):
            imported.counts["recordings"] += 1
            series = {name: _regular(recording, name, config, imported) for name in config.modalities}
            _cut(recording, series, config, files, rows, imported)
    finally:
        for file in files.values():
            file.close()
    if not rows.label:
        raise DataError(f"{folder}: no window is left; {_told(imported.counts)}")
    check_spellings(imported.labels, f"{folder}: label", "write one class in one way")
    check_spellings(imported.subjects, f"{folder}: subject", "write one subject in one way")
    for name in ("label", "subject", "sample", "recording", "start"):
        np.save(new / f"{name}.npy", _stored(getattr(rows, name)), allow_pickle=False)
    about = {
        "modalities": {name: _about(one, config) for name, one in config.modalities.items()},
        "activities": sorted(imported.labels, key=natural),
        "import": {"counts": dict(imported.counts), "config": config.to_json()},
    }
    (new / "index.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return imported


def _stored(values: list[Any]) -> np.ndarray:
    """The values as an array; of integers if all are the text of one."""
    if all(isinstance(one, str) and re.fullmatch("0|[1-9][0-9]{0,17}", one) for one in values):
        return np.array([int(one) for one in values], dtype=np.int64)
    return np.array(values)


@dataclass
class _Rows:
    """What is stored of each window beside its values."""

    label: list[str] = field(default_factory=list)
    subject: list[str] = field(default_factory=list)
    sample: list[str] = field(default_factory=list)
    recording: list[str] = field(default_factory=list)
    start: list[float] = field(default_factory=list)


class GrowingArray:
    """A .npy file of shape (n, *shape), float32, that is written window by window."""

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self.shape, self.n = shape, 0
        self.file: BinaryIO = path.open("wb")
        self._header()
        self.begin = self.file.tell()

    def _header(self) -> None:
        about: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (self.n, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, about)

    def append(self, window: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(window, dtype="<f4").tobytes())
        self.n += 1

    def close(self) -> None:
        """Write the final number of windows into the header, for which NumPy leaves room."""
        self.file.seek(0)
        self._header()
        if self.file.tell() != self.begin:
            raise RuntimeError("the header of a .npy file has changed its length")
        self.file.close()


def _shape(modality: ModalityFiles, config: ImportConfig) -> tuple[int, int]:
    return round(config.windows.seconds * modality.rate_after), len(modality.columns)


def _about(modality: ModalityFiles, config: ImportConfig) -> dict[str, Any]:
    channels = [str(column) for column in modality.columns]
    return {"kind": "series", "unit": modality.unit, "rate_hz": modality.rate_after, "channels": channels}


# -- reading -----------------------------------------------------------------------------------------------------------


def recordings(folder: Path, config: ImportConfig) -> Iterator[_Recording]:
    """The recordings of a folder, in natural order of their names."""
    found = {name: find_files(folder, one.files or config.files) for name, one in config.modalities.items()}
    keys = sorted(set().union(*found.values()), key=lambda key: [natural(value) for _, value in key])
    tables = {
        what: ValueTable(folder, source, config)
        for what, source in (("subject", config.subject), ("label", config.label))
        if source and source.table
    }
    for key in keys:
        for name, files in found.items():
            if key not in files:
                other = next(one[key] for one in found.values() if key in one)
                raise DataError(f"{other}: there is no file of {name} for this recording ({_of(dict(key))})")
        frames = _frames({name: files[key] for name, files in found.items()}, config)
        for of, parts in _parts(frames, config):
            yield _recording({**dict(key), **of}, parts, {n: f[key] for n, f in found.items()}, config, tables)


def _of(of: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in of.items()) or "the only one"


def _column(source: ValueSource | None, name: str, config: ImportConfig) -> tuple[str | int, ...]:
    """The column of a label or subject, if it is in the files of this modality."""
    if source is None or source.column is None or name != (source.of or next(iter(config.modalities))):
        return ()
    return (source.column,)


def _frames(paths: Mapping[str, Path], config: ImportConfig) -> dict[str, pd.DataFrame]:
    """The table of each modality; a file that several modalities share is read once."""
    wanted: dict[Path, dict[str, ColumnType]] = {}
    for name, path in paths.items():
        modality, types = config.modalities[name], wanted.setdefault(path, {})
        codes = (config.split_by, _column(config.subject, name, config), _column(config.label, name, config))
        types |= {str(column): "text" for column in chain(*codes)}
        types |= {str(column): "float32" for column in modality.columns}
        if modality.time is not None:
            types[str(modality.time)] = "text" if modality.time_unit == "date" else "float64"
    read = {path: read_table(path, types, config) for path, types in wanted.items()}
    for path, frame in read.items():
        if not len(frame):
            raise DataError(f"{path}: it has no rows")
    return {name: read[path] for name, path in paths.items()}


Part = tuple[pd.DataFrame, np.ndarray]
"""The rows of a table that belong to one recording, and their numbers."""


def _parts(
    frames: Mapping[str, pd.DataFrame], config: ImportConfig
) -> Iterator[tuple[dict[str, str], dict[str, Part]]]:
    """The recordings inside one group of files: one, or those that the columns of ``split_by`` separate."""
    if not config.split_by:
        yield {}, {name: (frame, np.arange(len(frame))) for name, frame in frames.items()}
        return
    groups: dict[str, dict[tuple[str, ...], np.ndarray]] = {}
    for name, frame in frames.items():
        texts = pd.DataFrame({column: texts_of(frame[column]) for column in config.split_by})
        groups[name] = dict(texts.groupby(list(config.split_by), sort=False).indices)
    for key in sorted(set().union(*groups.values()), key=lambda one: [natural(text) for text in _tuple(one)]):
        of = dict(zip(config.split_by, _tuple(key), strict=True))
        if lacking := [name for name, some in groups.items() if key not in some]:
            raise DataError(f"there are no rows of {lacking[0]} for the recording {_of(of)}")
        rows = {name: np.sort(some[key]) for name, some in groups.items()}
        yield of, {name: (frames[name].iloc[rows[name]], rows[name]) for name in frames}


def _tuple(key: Any) -> tuple[str, ...]:
    return key if isinstance(key, tuple) else (key,)


def _recording(
    of: dict[str, str], parts: Mapping[str, Part], paths: Mapping[str, Path], config: ImportConfig,
    tables: Mapping[str, ValueTable],
) -> _Recording:  # fmt: skip
    signals, subject = {}, _subject(of, parts, paths, config, tables)
    for name, (frame, rows) in parts.items():
        modality, path = config.modalities[name], paths[name]
        values = frame[[str(column) for column in modality.columns]].to_numpy()
        lines_before = int(config.header) if path.suffix.lower() in TEXT else None
        signals[name] = Signal(path, seconds_of(frame, modality, str(path)), values, rows, lines_before)
        check_time(signals[name], modality)
    return _Recording(of, signals, subject, _track(of, parts, signals, config, tables))


def _subject(
    of: Mapping[str, str], parts: Mapping[str, Part], paths: Mapping[str, Path], config: ImportConfig,
    tables: Mapping[str, ValueTable],
) -> str:  # fmt: skip
    source, first = config.subject, config.subject.of or next(iter(config.modalities))
    if source.name:
        return of[source.name]
    if "subject" in tables:
        found = tables["subject"].value(of)
    else:
        values = sorted(set(texts_of(parts[first][0][str(source.column)])))
        if len(values) > 1:
            raise DataError(
                f"{paths[first]}: column {source.column} has several subjects ({', '.join(values[:5])}) in one "
                f"recording; separate them with split_by: [{source.column}]"
            )
        found = values[0]
    if not found:
        raise DataError(f"{paths[first]}: the subject of this recording is missing ({_of(of)})")
    return found


def _track(
    of: Mapping[str, str], parts: Mapping[str, Part], signals: Mapping[str, Signal], config: ImportConfig,
    tables: Mapping[str, ValueTable],
) -> Track:  # fmt: skip
    source = config.label
    if source is None:
        return constant("")
    if source.name:
        return constant(of[source.name])
    if "label" in tables:
        return tables["label"].track(of)
    name = source.of or next(iter(config.modalities))
    return from_samples(signals[name].time, texts_of(parts[name][0][str(source.column)]), config.modalities[name].rate)


# -- windows -----------------------------------------------------------------------------------------------------------


def _regular(recording: _Recording, name: str, config: ImportConfig, imported: Imported) -> Regular:
    signals, rates = recording.signals, {n: one.rate for n, one in config.modalities.items()}
    start = max(float(signal.time[0]) for signal in signals.values())
    end = min(float(signal.time[-1]) + 1 / rates[n] for n, signal in signals.items())
    made = regular(signals[name], config.modalities[name], config.missing, start, end)
    imported.counts += made.counts
    return made


def _cut(
    recording: _Recording, series: Mapping[str, Regular], config: ImportConfig, files: Mapping[str, GrowingArray],
    rows: _Rows, imported: Imported,
) -> None:  # fmt: skip
    """Write the windows of one recording, and count those that are dropped."""
    windows, counts = config.windows, imported.counts
    begin = next(iter(series.values())).start
    lengths = {name: files[name].shape[0] for name in series}
    step = windows.seconds * (1 - windows.overlap)
    number = -1
    while True:
        number += 1
        first = {name: round(number * step * one.rate) for name, one in series.items()}
        if any(first[name] + lengths[name] > len(one.values) for name, one in series.items()):
            break
        counts["windows"] += 1
        start = begin + number * step
        if any(one.is_missing(start, windows.seconds) for one in series.values()):
            counts["dropped_missing"] += 1
            continue
        label = _label(recording.track.most_common(start, start + windows.seconds), config, counts)
        if label is None:
            continue
        for name, one in series.items():
            files[name].append(one.values[first[name] : first[name] + lengths[name]])
        rows.label.append(label)
        rows.subject.append(recording.subject)
        rows.sample.append(f"{recording.name}_w{number:05d}")
        rows.recording.append(recording.name)
        rows.start.append(start)
        imported.subjects[recording.subject] += 1
        if label:
            imported.labels[label] += 1
        counts["labelled" if label else "unlabelled"] += 1
    if number == 0:
        counts["recordings_shorter_than_a_window"] += 1


def _label(found: tuple[str, float], config: ImportConfig, counts: Counter[str]) -> str | None:
    """The label of a window, "" for none, or None if the window is dropped."""
    text, share = found
    if text and share < config.windows.purity - 1e-9:
        counts["impure"] += 1
        return "" if config.windows.impure == "unlabelled" else None
    if text in config.null_labels and config.null_class != "keep":
        counts["null_class"] += 1
        return "" if config.null_class == "unlabelled" else None
    return text


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items()) or "nothing was found"
