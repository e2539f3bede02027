"""The document model: what a report says, without a word on how it looks. Each renderer walks it in its own way.

Blocks, cells and charts carry a ``kind`` that renderers choose by. All text is plain: escaping is the renderer's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Text:
    """A cell of words; ``code`` for names and values that are typed as they stand; ``rank``: the number to sort by, if any."""

    text: str
    code: bool = False
    rank: float | None = None
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Measure:
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
    kind: ClassVar[str] = "measure"


Cell = Text | Measure


@dataclass(frozen=True)
class Column:
    """A table's column; numbers are set flush right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Note:
    """Something that must not be overlooked."""

    text: str
    level: Level = "info"
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Code:
    """Text to be shown as it stands: a command, an error."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table:
    """A table; its first column heads the rows. ``notes`` are cautions that go wherever the table goes.

    listing: a long list to look things up in; paper leaves it out.
    """

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()
    listing: bool = False
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, a row has {len(row)} cells")


@dataclass(frozen=True)
class Series:
    """One line: means ``y`` at ``x`` with their intervals; NaN where there is none. All tuples of one length.

    look: which of the looks of `reports.style` it has, the same for a method in all figures. counts: figures behind each mean.
    labels: what stands beside each point, if anything does.
    """

    name: str
    look: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes. ticks: (place, label) where the places are few. level: a dotted line's height, such as chance.

    steps: corners (x, y) of a dotted line that rises in steps, such as a Pareto front.
    """

    title: str
    x_title: str
    series: tuple[Series, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    level: float | None = None
    logarithmic: bool = False
    steps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Lines:
    """Lines with bands, panels side by side with one y axis, from ``bottom`` (None: as the data have it) to ``top``."""

    panels: tuple[Panel, ...]
    y_title: str
    bottom: float | None = 0.0
    top: float | None = None
    level_title: str = "Chance"
    kind: ClassVar[str] = "lines"


@dataclass(frozen=True)
class Heat:
    """A matrix in colours: ``values`` is one tuple a row, NaN where there is nothing. Numbers are printed where there is room."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    x_title: str
    y_title: str
    value_title: str
    kind: ClassVar[str] = "heat"


@dataclass(frozen=True)
class Dot:
    """One row of `Dots`: a mean and its interval, NaN where there is none."""

    name: str
    look: int
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Dots:
    """Means with intervals, one below the other, beside a line at 0."""

    dots: tuple[Dot, ...]
    x_title: str
    kind: ClassVar[str] = "dots"


@dataclass(frozen=True)
class Ranks:
    """A critical-difference diagram: mean ranks (1 is best); a bar joins those that differ by less than ``critical``."""

    names: tuple[str, ...]
    looks: tuple[int, ...]
    ranks: tuple[float, ...]
    critical: float
    kind: ClassVar[str] = "ranks"


@dataclass(frozen=True)
class Cloud:
    """One pair of axes of `Clouds`: for each name of them its points (x, y)."""

    title: str
    points: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Clouds:
    """Points in planes of no unit, one panel beside the other; a colour and a marker for each name."""

    names: tuple[str, ...]
    panels: tuple[Cloud, ...]
    kind: ClassVar[str] = "clouds"


Chart = Lines | Heat | Dots | Ranks | Clouds


@dataclass(frozen=True)
class Figure:
    """A chart, and the same in words for those who can't see it."""

    title: str
    chart: Chart
    alt: str
    caption: str
    notes: tuple[Note, ...] = ()
    kind: ClassVar[str] = "figure"

    @property
    def panels(self) -> int:
        """How many pairs of axes stand side by side."""
        return len(self.chart.panels) if isinstance(self.chart, Lines) else 1

    @property
    def wide(self) -> bool:
        """Whether it needs the page's whole width."""
        return (
            self.panels > 1
            or isinstance(self.chart, Clouds)
            or (isinstance(self.chart, Heat) and len(self.chart.columns) > 15)
        )


@dataclass(frozen=True)
class Row:
    """Figures that belong next to each other where there is room."""

    figures: tuple[Figure, ...]
    kind: ClassVar[str] = "row"


Block = Prose | Note | Code | Table | Figure | Row


@dataclass(frozen=True)
class Section:
    """A headed part of a document; ``anchor`` is its address within it: a-z, 0-9 and hyphens."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report. ``generated``: the date to print, or None for none. ``trials``: study → its tidy table, one row a trial."""

    title: str
    subtitle: str
    notes: tuple[Note, ...]
    sections: tuple[Section, ...]
    generated: str | None = None
    trials: Mapping[str, pd.DataFrame] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
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
