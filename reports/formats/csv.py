"""A document as CSV: the tidy table of the trials (as Parquet too), every table and the numbers behind every figure."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reports.cleaning import clean
from reports.document import Cell, Document, Figure, MetricCell, Table

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "report-csv"


def files(document: Document) -> dict[str, bytes]:
    """``report-csv/trials.csv`` and ``.parquet`` (with the study's name where there are several), then a file each block."""
    found: dict[str, bytes] = {}
    for study, trials in document.trials.items():
        name = "trials" if len(document.trials) == 1 else f"trials-{_slug(study)}"
        name, cleaned = _free(name, found), _each_text(trials, clean)
        found[f"{FOLDER}/{name}.csv"] = _each_text(cleaned, _safe).to_csv(index=False, lineterminator="\n").encode()
        found[f"{FOLDER}/{name}.parquet"] = parquet(cleaned)
    for block in document.blocks:
        if isinstance(block, Table) and not block.listing:
            found[f"{FOLDER}/{_free(_slug(block.title), found)}.csv"] = table_csv(block)
        elif isinstance(block, Figure):
            found[f"{FOLDER}/{_free('figure-' + _slug(block.title), found)}.csv"] = _csv(
                [block.chart.heads, *block.chart.rows]
            )
    return found


def _each_text(trials: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The trials with ``change`` applied to each text in them and to the names of the columns."""
    texts = trials.select_dtypes(["object", "string"])
    changed = texts.map(lambda value: change(value) if isinstance(value, str) else value)
    return trials.assign(**changed).rename(columns=change)


def parquet(trials: pd.DataFrame) -> bytes:
    """A tidy table as Parquet; columns of mixed kinds become text."""
    buffer = io.BytesIO()
    mixed = [name for name, kind in trials.dtypes.items() if kind.kind == "O" and kind.name == "object"]
    trials.astype(dict.fromkeys(mixed, "string")).to_parquet(buffer, index=False)
    return buffer.getvalue()


def table_csv(table: Table) -> bytes:
    """A table; a column of measures becomes five: mean, half_width, done, planned, mark (best, close or nothing)."""
    measures = [any(isinstance(row[i], MetricCell) for row in table.rows) for i in range(len(table.columns))]
    heads: list[str] = []
    for column, several in zip(table.columns, measures, strict=True):
        heads += (
            [f"{column.title} {what}" for what in ("mean", "half_width", "done", "planned", "mark")]
            if several
            else [column.title]
        )
    return _csv([heads, *([value for cell in row for value in _cell(cell)] for row in table.rows)])


def _cell(cell: Cell) -> Sequence[Any]:
    if not isinstance(cell, MetricCell):
        return (cell.text,)
    mark = "best" if cell.best else "close" if cell.close else ""
    return (cell.mean, cell.half_width, cell.done, cell.planned, mark)


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV: numbers with all their digits, nothing where there is none, and no text that is a formula."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(_plain, row) for row in rows)
    return buffer.getvalue().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    """A text with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "@", "\t", "\r") or (text[:1] == "-" and len(text) > 1) else text


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "table"


def _free(name: str, taken: Iterable[str]) -> str:
    """A name that no file has yet."""
    stems, number, found = {path.rpartition("/")[2].rpartition(".")[0] for path in taken}, 1, name
    while found in stems:
        number += 1
        found = f"{name}-{number}"
    return found
