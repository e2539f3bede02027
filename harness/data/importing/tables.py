"""Reading one table (CSV, TSV, Parquet, npy, mat), with bad rows named by file and line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.delimited import ColumnType, DelimitedText
from harness.data.importing.config import PLACEHOLDER, ImportConfig
from harness.errors import DataError, did_you_mean

TEXT = (".csv", ".tsv", ".txt")
FORMATS = (*TEXT, ".parquet", ".npy", ".mat")


def find_files(folder: Path, pattern: str) -> dict[tuple[tuple[str, str], ...], Path]:
    """The files below a folder whose relative path matches: placeholders with their values → path, sorted.

    ``*`` stands for any text without ``/``. Raises `DataError` if no file or two with the same values match.
    """
    parts = re.split(r"(\{[A-Za-z_][A-Za-z0-9_]*\}|\*)", pattern)
    expression, seen = "", set()
    for part in parts:
        match = PLACEHOLDER.fullmatch(part)
        if match and match[1] in seen:
            expression += f"(?P={match[1]})"
        elif match:
            seen.add(match[1])
            expression += f"(?P<{match[1]}>[^/]+?)"
        else:
            expression += "[^/]*" if part == "*" else re.escape(part)
    found: dict[tuple[tuple[str, str], ...], Path] = {}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        match = re.fullmatch(expression, name)
        if match is None or name.split("/")[-1].startswith("."):
            continue
        key = tuple(sorted(match.groupdict().items())) or (("file", name),) * ("*" in pattern)
        if key in found:
            raise DataError(
                f"{folder}: {found[key].relative_to(folder)} and {name} have the same placeholders in {pattern!r}; "
                "give what distinguishes them a placeholder"
            )
        found[key] = folder / name
    if not found:
        some = f"it has {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "it has no files"
        raise DataError(f"{folder}: no file matches {pattern!r}; {some}")
    return found


def read_table(path: Path, columns: Mapping[str, ColumnType], config: ImportConfig) -> pd.DataFrame:
    """The columns of a file, each as numbers or as text.

    Raises `DataError`, which names the file, and the line of a value that is no number.
    """
    if path.suffix.lower() in TEXT:
        return _read_text(path, columns, config)
    frame = _read_binary(path, config)
    _check_columns(path, list(frame.columns), columns)
    frame = frame[list(columns)]
    for name, kind in columns.items():
        if kind != "text":
            try:
                frame = frame.assign(**{name: pd.to_numeric(frame[name]).astype(kind)})
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}: column {name} should hold numbers ({error})") from error
    return frame


def _read_binary(path: Path, config: ImportConfig) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path).rename(columns=str)
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        elif path.suffix.lower() == ".mat":
            array = _read_mat(path, config.variable)
        else:
            raise DataError(f"{path}: files of this kind can't be imported; known: {', '.join(FORMATS)}")
    except DataError:
        raise
    except Exception as error:  # the readers raise almost any exception for a damaged file
        raise DataError(f"{path}: can't be read ({type(error).__name__}: {error})") from error
    if array.dtype.names:
        return pd.DataFrame({name: array[name] for name in array.dtype.names})
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{path}: the array has shape {array.shape}; it should be (samples, columns)")
    return pd.DataFrame(np.asarray(array), columns=[str(number) for number in range(array.shape[1])])


def _read_mat(path: Path, variable: str | None) -> np.ndarray:
    from scipy.io import loadmat

    content: dict[str, Any] = {name: one for name, one in loadmat(str(path)).items() if not name.startswith("__")}
    if variable is None and len(content) > 1:
        raise DataError(f"{path}: it holds {', '.join(content)}; name one of them with variable: NAME")
    name = variable or next(iter(content), "")
    if name not in content:
        raise DataError(f"{path}: there is no array {name!r}: {did_you_mean(name, content)}")
    return np.asarray(content[name])


def _read_text(path: Path, columns: Mapping[str, ColumnType], config: ImportConfig) -> pd.DataFrame:
    names = columns_of(path, config)
    _check_columns(path, names, columns)
    return DelimitedText(lambda: path.open("rb"), str(path), _delimiter(path, config), config.header).read(
        names, columns
    )


def _delimiter(path: Path, config: ImportConfig) -> str:
    return config.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")


def columns_of(path: Path, config: ImportConfig) -> list[str]:
    """The names of the columns of a file."""
    if path.suffix.lower() not in TEXT:
        return [str(name) for name in _read_binary(path, config).columns]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((row for row in csv.reader(file, delimiter=_delimiter(path, config)) if row), None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: can't be read ({error})") from error
    if first is None:
        raise DataError(f"{path}: it is empty")
    return [name.strip() for name in first] if config.header else [str(number) for number in range(len(first))]


def _check_columns(path: Path, there: list[str], wanted: Iterable[str]) -> None:
    for name in wanted:
        if name not in there:
            raise DataError(f"{path}: there is no column {name!r}: {did_you_mean(name, there)}")
        if there.count(name) > 1:
            raise DataError(f"{path}: two columns are called {name!r}")
