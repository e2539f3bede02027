"""Finding the files of recordings, and reading one table (CSV, TSV, Parquet, npy, npz, mat)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.delimited import ColumnType
from harness.data.importing.config import PLACEHOLDER, TextFormat
from harness.data.importing.containers import CONTAINERS, columns_in
from harness.data.importing.text_files import TEXT, columns_of_text, delimited, is_text
from harness.errors import DataError, did_you_mean

FORMATS = (*TEXT, ".parquet", ".npy", *CONTAINERS)
Key = tuple[tuple[str, str], ...]


def find_files(folder: Path, pattern: str, exclude: Sequence[str] = ()) -> dict[Key, Path]:
    """The files below a folder whose relative path matches: placeholders with their values → path, sorted.

    ``*`` stands for any text without ``/``. exclude: patterns of paths or names of files that don't count. Raises
    `DataError` if no file or two with the same values match.
    """
    expression, out = _expression(pattern), [re.compile(_expression(one)) for one in exclude]
    found: dict[Key, Path] = {}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        composed = unicodedata.normalize("NFC", name)  # some file systems decompose accents
        match, last = re.fullmatch(expression, composed), composed.split("/")[-1]
        excluded = any(one.fullmatch(composed) or one.fullmatch(last) for one in out)
        if match is None or last.startswith(".") or excluded:
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


def _expression(pattern: str) -> str:
    """The regular expression of a pattern with placeholders and ``*``."""
    expression, seen = "", set()
    for part in re.split(r"(\{[A-Za-z_][A-Za-z0-9_]*\}|\*)", unicodedata.normalize("NFC", pattern)):
        match = PLACEHOLDER.fullmatch(part)
        if match and match[1] in seen:
            expression += f"(?P={match[1]})"
        elif match:
            seen.add(match[1])
            expression += f"(?P<{match[1]}>[^/]+?)"
        else:
            expression += "[^/]*" if part == "*" else re.escape(part)
    return expression


def read_table(
    path: Path, columns: Mapping[str, ColumnType], form: TextFormat, variable: str | None = None
) -> pd.DataFrame:
    """The columns of a file, each as numbers or as text.

    variable: the array or struct in a .mat or .npz file. Raises `DataError`, which names the file, and the line of a
    value that is no number.
    """
    if is_text(path):
        names, delimiter = columns_of_text(path, form)
        check_columns(path, names, columns)
        return delimited(path, form, delimiter).read(names, columns)
    there = read_columns(path, variable)
    hint = "; variable names one array" if path.suffix.lower() in CONTAINERS and variable is None else ""
    check_columns(path, list(there), columns, hint)
    lengths = {name: len(there[name]) for name in columns}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{path}: its columns have different lengths: {told}")
    return pd.DataFrame({name: _of_type(there[name], kind, f"{path}: column {name}") for name, kind in columns.items()})


def _of_type(column: pd.Series | np.ndarray, kind: ColumnType, what: str) -> pd.Series:
    series = pd.Series(column).reset_index(drop=True)
    if kind == "text":
        return series
    try:
        return pd.Series(pd.to_numeric(series).to_numpy(dtype=kind, na_value=np.nan))
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} should hold numbers ({error})") from error


def read_columns(path: Path, variable: str | None) -> dict[str, pd.Series | np.ndarray]:
    """The columns of a file that is no text, by name or number."""
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
            named = [name for name in frame.index.names if name is not None]
            frame = (frame.reset_index() if named else frame).rename(columns=str)
            return {name: frame[name] for name in frame.columns}
        if path.suffix.lower() in CONTAINERS:
            return dict(columns_in(path, variable))
        if path.suffix.lower() != ".npy":
            raise DataError(f"{path}: files of this kind can't be imported; known: {', '.join(FORMATS)}")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # the readers raise almost any exception for a damaged file
        raise DataError(f"{path}: can't be read ({type(error).__name__}: {error})") from error
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{path}: the array has shape {array.shape}; it should be (samples, columns)")
    return {str(number): np.asarray(array[:, number]) for number in range(array.shape[1])}


def columns_of(path: Path, form: TextFormat, variable: str | None = None) -> list[str]:
    """The names of the columns of a file."""
    return columns_of_text(path, form)[0] if is_text(path) else list(read_columns(path, variable))


def check_columns(path: Path, there: list[str], wanted: Iterable[str], hint: str = "") -> None:
    """Raise `DataError` if a column that is wanted is missing or there twice."""
    for name in wanted:
        if name not in there:
            raise DataError(f"{path}: there is no column {name!r}: {did_you_mean(name, there)}{hint}")
        if there.count(name) > 1:
            raise DataError(f"{path}: two columns are called {name!r}")
