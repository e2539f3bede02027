"""From a folder of files to windows on disk, one recording at a time, so that they need not fit into memory."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from harness.data.arrays import NAME
from harness.data.codes import check_spellings, natural
from harness.data.importing.config import ImportConfig, ModalityFiles
from harness.data.importing.labels import text_of
from harness.data.importing.recordings import FileRecording, Folder, recordings
from harness.data.importing.signals import Regular, regular
from harness.errors import DataError


@dataclass
class Imported:
    """What an import found and made: counts for the user, which the data set's description keeps."""

    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def import_folder(folder: Path, config: ImportConfig, out: Path) -> Imported:
    """Import the files below ``folder`` as the new folder ``out``, which ``arrays:NAME`` reads.

    It holds MODALITY.npy (n, time, channels) float32, label.npy, subject.npy, sample.npy, recording.npy and start.npy
    (seconds), and index.json. Raises `DataError`, which names the file and, where there is one, the line.
    """
    check_folder(folder)
    if not NAME.fullmatch(out.name):
        raise DataError(f"{out}: a data set can't be called {out.name!r}; use letters, digits, '.', '_' and '-'")
    if out.exists():
        raise DataError(f"{out}: it exists already; remove it or give another folder with --out")
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        new = temporary / out.name
        new.mkdir()
        imported = _write(folder, config, new)
        new.rename(out)
        return imported
    except OSError as error:
        raise DataError(f"{error.filename or out}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def check_folder(folder: Path) -> None:
    """Raise `DataError` unless this is a folder."""
    if folder.is_file():
        raise DataError(f"{folder}: it is a file; give the folder that it is in, and name it in the configuration")
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")


def _write(folder: Path, config: ImportConfig, new: Path) -> Imported:
    imported, rows = Imported(), _Rows()
    files = {name: GrowingArray(new / f"{name}.npy", _shape(one, config)) for name, one in config.modalities.items()}
    try:
        found = Folder(folder, config)
        for recording in recordings(found):
            imported.counts["recordings"] += 1
            imported.counts["rows_left_out"] += recording.left_out
            series = {name: _regular(recording, name, config, imported) for name in config.modalities}
            _cut(recording, series, config, files, rows, imported)
    finally:
        for file in files.values():
            file.close()
    if not rows.label:
        raise DataError(f"{folder}: no window is left; {_told(imported.counts)}")
    check_spellings(imported.labels, f"{folder}: label", "rename: {OLD: NEW} of label gives both one spelling")
    check_spellings(imported.subjects, f"{folder}: subject", "rename: {OLD: NEW} of subject gives both one spelling")
    if config.null_labels and imported.labels and not imported.counts["null_class"] and config.null_class != "keep":
        imported.notes.append(f"no window has a label of null_labels: {', '.join(map(str, config.null_labels))}")
    imported.notes += [note for table in found.tables.values() for note in table.unused()]
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


# -- windows -----------------------------------------------------------------------------------------------------------


def _regular(recording: FileRecording, name: str, config: ImportConfig, imported: Imported) -> Regular:
    signals, rates = recording.signals, {n: one.rate for n, one in config.modalities.items()}
    start = max(float(signal.time[0]) for signal in signals.values())
    end = min(float(signal.time[-1]) + 1 / rates[n] for n, signal in signals.items())
    if end <= start:
        spans = ", ".join(f"{n} {s.time[0]:.10g} to {s.time[-1]:.10g} s" for n, s in signals.items())
        raise DataError(
            f"{signals[name].where}: the modalities of this recording have no time in common: {spans}; see time_unit, "
            "offset, and from_start for clocks that have nothing in common"
        )
    made = regular(signals[name], config.modalities[name], config.missing, start, end)
    imported.counts += made.counts
    return made


def _cut(
    recording: FileRecording, series: Mapping[str, Regular], config: ImportConfig, files: Mapping[str, GrowingArray],
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
    if text in map(text_of, config.null_labels) and config.null_class != "keep":
        counts["null_class"] += 1
        return "" if config.null_class == "unlabelled" else None
    return text


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items()) or "nothing was found"
