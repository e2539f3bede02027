"""A document as CSV: the trials as a tidy table (also as Parquet), every table, and the numbers of every figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reports.cleaning import clean, spreadsheet_safe
from reports.document import Cell, Document, Figure, MetricCell, Table
from reports.formats.names import free_name, slug

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "report-csv"
METRIC_COLUMNS = ("mean", "half_width", "done", "planned", "mark")


def files(document: Document) -> dict[str, bytes]:
    """``report-csv/trials.csv`` and ``.parquet``, then one file for each table and figure.

    If there are several studies, each has its own ``trials-STUDY.csv`` and ``.parquet``.
    """
    found: dict[str, bytes] = {}
    for study, trials in document.trials.items():
        name = "trials" if len(document.trials) == 1 else f"trials-{slug(study)}"
        name, cleaned = free_name(name, found), _each_text(_with_integers(trials), clean)
        found[f"{FOLDER}/{name}.csv"] = (
            _each_text(cleaned, spreadsheet_safe).to_csv(index=False, lineterminator="\n").encode()
        )
        found[f"{FOLDER}/{name}.parquet"] = parquet(cleaned)
    for block in document.blocks:
        if isinstance(block, Table) and not block.listing:
            found[f"{FOLDER}/{free_name(slug(block.title), found)}.csv"] = table_csv(block)
        elif isinstance(block, Figure):
            name = free_name(f"figure-{slug(block.title)}", found)
            found[f"{FOLDER}/{name}.csv"] = _csv([block.chart.columns, *block.chart.rows])
    return found


def _with_integers(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with integers in every column of counts, also where some are missing, which pandas reads as floats."""
    names = [name for name in trials.columns if name in ("seed", "fold", "epoch") or str(name).startswith("n_")]
    return trials.astype({name: "Int64" for name in names if trials[name].dtype.kind == "f"})


def _each_text(trials: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The trials with ``change`` applied to every text and to the names of the columns."""
    texts = trials.select_dtypes(["object", "string"])
    changed = texts.map(lambda value: change(value) if isinstance(value, str) else value)
    return trials.assign(**changed).rename(columns=change)


def parquet(trials: pd.DataFrame) -> bytes:
    """A tidy table as Parquet. Columns of mixed types become text."""
    buffer = io.BytesIO()
    mixed = [name for name, kind in trials.dtypes.items() if kind.kind == "O" and kind.name == "object"]
    trials.astype(dict.fromkeys(mixed, "string")).to_parquet(buffer, index=False)
    return buffer.getvalue()


def table_csv(table: Table) -> bytes:
    """A table as CSV. A column of metrics becomes five: mean, half_width, done, planned, mark (best, close or "")."""
    of_metrics = [any(isinstance(row[i], MetricCell) for row in table.rows) for i in range(len(table.columns))]
    titles = [
        title
        for column, is_metric in zip(table.columns, of_metrics, strict=True)
        for title in ([f"{column.title} {name}" for name in METRIC_COLUMNS] if is_metric else [column.title])
    ]
    return _csv([titles, *([value for cell in row for value in _values(cell)] for row in table.rows)])


def _values(cell: Cell) -> Sequence[Any]:
    if not isinstance(cell, MetricCell):
        return (cell.text,)
    mark = "best" if cell.best else "close" if cell.close else ""
    return (cell.mean, cell.half_width, cell.done, cell.planned, mark)


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV: numbers with all digits, NaN and None as empty fields, and no text that a spreadsheet evaluates."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(_plain, row) for row in rows)
    return buffer.getvalue().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return spreadsheet_safe(value)
