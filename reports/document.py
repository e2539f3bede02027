"""The document model: what a report says, and nothing about its appearance. Each renderer walks it in its own way.

Blocks, cells and charts carry a ``kind`` by which renderers choose how to show them. All text is plain and free of control
characters (see `reports.cleaning`); each renderer escapes it for its own format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from reports.charts import Chart
from reports.cleaning import Cleaned

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Text(Cleaned):
    """A cell of words; ``code`` for names and values that are typed as they stand; ``rank``: the number to sort by, if any."""

    text: str
    code: bool = False
    rank: float | None = None
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class MetricCell:
    """A cell with a mean over seeds.

    mean, half_width: shares from 0 to 1; None if there is no figure, or no interval (below two seeds).
    done, planned, failed: trials; done counts those that have the figure. best: the highest mean of its contest; close: not to
    be told apart from it.
    """

    mean: float | None
    half_width: float | None
    done: int
    planned: int
    failed: int
    best: bool = False
    close: bool = False
    kind: ClassVar[str] = "metric"


Cell = Text | MetricCell


@dataclass(frozen=True)
class Column(Cleaned):
    """A table's column; numbers are set flush right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Prose(Cleaned):
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Note(Cleaned):
    """Something that must not be overlooked."""

    text: str
    level: Level = "info"
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Code(Cleaned):
    """Text to be shown as it stands: a command, an error."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table(Cleaned):
    """A table; its first column heads the rows. ``notes`` are cautions that go wherever the table goes.

    listing: a long list for reference; paper formats leave it out.
    """

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()
    listing: bool = False
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        super().__post_init__()
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, a row has {len(row)} cells")


@dataclass(frozen=True)
class Figure(Cleaned):
    """A chart, and the same in words for those who can't see it."""

    title: str
    chart: Chart
    alt: str
    caption: str
    notes: tuple[Note, ...] = ()
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Row:
    """Figures that belong next to each other where there is room."""

    figures: tuple[Figure, ...]
    kind: ClassVar[str] = "row"


Block = Prose | Note | Code | Table | Figure | Row


@dataclass(frozen=True)
class Section(Cleaned):
    """A headed part of a document; ``anchor`` is its address within it: a-z, 0-9 and hyphens."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document(Cleaned):
    """A whole report. ``generated``: the date to print, or None for none. ``trials``: study → its tidy table, one row a trial."""

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
        """All blocks in order; a row's figures one by one."""
        found: list[Block] = []
        for section in self.sections:
            for block in section.blocks:
                found += block.figures if isinstance(block, Row) else (block,)
        return found
