"""The document model: what a report says, without its appearance. Each format has its own renderer.

Blocks and cells have a ``kind``, by which the templates choose how to show them. All text is plain and free of control
characters (see `reports.cleaning`); each renderer escapes it for its own format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from reports.charts import Chart
from reports.cleaning import Cleaned

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Text(Cleaned):
    """A cell with text.

    code: whether it is a name or a value in a monospaced font. rank: the number to sort by, if any.
    """

    text: str
    code: bool = False
    rank: float | None = None
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class MetricCell(Cleaned):
    """A cell with a mean over seeds, or over folds.

    mean: a fraction from 0 to 1; None if no trial has a score. half_width: that of the interval; None below three.
    done, planned: numbers of seeds or folds; done counts those that have a score. failed: number of trials. best: the
    highest mean among those compared; close: not significantly different from the best (see
    `reports.method_comparison.best_and_close`).
    """

    mean: float | None
    half_width: float | None
    done: int
    planned: int
    failed: int
    best: bool = False
    close: bool = False
    unit: str = "seed"
    kind: ClassVar[str] = "metric"


Cell = Text | MetricCell


@dataclass(frozen=True)
class Column(Cleaned):
    """A column of a table. number: whether it holds numbers, which are aligned right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Prose(Cleaned):
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Note(Cleaned):
    """A remark or a warning, set apart from the text."""

    text: str
    level: Level = "info"
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Code(Cleaned):
    """Text in a monospaced font: a command, an error."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table(Cleaned):
    """A table; its first column labels the rows. notes: warnings that are shown wherever the table is shown.

    listing: whether it is a long list for reference, which the formats for paper leave out.
    folded: whether an HTML page shows only its title until a reader opens it.
    """

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()
    listing: bool = False
    folded: bool = False
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        super().__post_init__()
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, a row has {len(row)} cells")

    def without_empty_columns(self) -> Table:
        """The table without the columns that have a dash in every row."""
        dash = Text("–")
        kept = [i for i, cells in enumerate(zip(*self.rows, strict=True)) if any(cell != dash for cell in cells)]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows) if kept else self


@dataclass(frozen=True)
class Figure(Cleaned):
    """A chart. alt: the same in words, for readers who cannot see it."""

    title: str
    chart: Chart
    alt: str
    caption: str
    notes: tuple[Note, ...] = ()
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Row:
    """Figures that are placed side by side if there is room."""

    figures: tuple[Figure, ...]
    kind: ClassVar[str] = "row"


Block = Prose | Note | Code | Table | Figure | Row


@dataclass(frozen=True)
class Section(Cleaned):
    """A part of a document under a heading. anchor: its address within the document (a-z, 0-9 and hyphens)."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document(Cleaned):
    """A whole report. generated: the date to print, if any. trials: study → its tidy table, with one row per trial."""

    title: str
    subtitle: str
    notes: tuple[Note, ...]
    sections: tuple[Section, ...]
    generated: str | None = None
    trials: Mapping[str, pd.DataFrame] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        anchors = [section.anchor for section in self.sections]
        if len(set(anchors)) < len(anchors):
            raise ValueError(f"sections share an anchor: {anchors}")

    @property
    def blocks(self) -> list[Block]:
        """All blocks in order; the figures of a row are listed one by one."""
        found: list[Block] = []
        for section in self.sections:
            for block in section.blocks:
                found += block.figures if isinstance(block, Row) else (block,)
        return found
