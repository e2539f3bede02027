"""Shared by all drawings: the theme, the canvas, short names, the legend and saving."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from reports.style import colour, marker

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INK = "#010203"  # a placeholder for the text colour of the page
DOTTED: dict[str, Any] = {"color": INK, "linestyle": ":", "linewidth": 1.2}
LONGEST_NAME = 40  # characters
LETTERS_PER_INCH = 13  # at the size of a legend
OF_TEXT = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


@dataclass
class Drawing:
    """A drawn chart. tips: id of a set of points or cells → the text to show at each of them, in order."""

    canvas: Canvas
    tips: dict[str, list[str]] = field(default_factory=dict)


@contextmanager
def theme() -> Iterator[None]:
    """Seaborn's theme with our fonts and colours, only within the context. A user's matplotlibrc has no effect."""
    import matplotlib.style
    import seaborn

    parameters: dict[str, Any] = {
        **seaborn.axes_style("ticks"),
        **dict.fromkeys((*OF_TEXT, "xtick.labelcolor", "ytick.labelcolor"), INK),
        "axes.titlesize": 10,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so text has the same width on every machine
        "font.size": 10,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "svg.fonttype": "none",  # text can be searched, read aloud and shown in the font of the page
        "svg.hashsalt": "reports",
        "pdf.fonttype": 42,
        "text.parse_math": False,  # a dollar sign in a name does not start a formula
    }
    with matplotlib.style.context(["default", parameters]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the font does not cover every script
        yield


def new_canvas(width: float, height: float) -> Canvas:
    """An empty canvas; width and height in inches."""
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height), layout="constrained")


def marks(style: int, size: float) -> dict[str, Any]:
    """The arguments of ``Axes.plot`` for the markers of a method, without a line between them."""
    return {
        "color": colour(style),
        "marker": marker(style),
        "markersize": size,
        "markeredgewidth": 0,
        "linestyle": "",
    }


def short(name: str) -> str:
    """A name shortened to leave room for the drawing. Tables and tips have the full names."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def legend_columns(width: float, names: Sequence[str]) -> int:
    """The number of columns of a legend with some names on a canvas of a width in inches."""
    longest = max((len(short(name)) for name in names), default=0)
    return max(1, int(width * LETTERS_PER_INCH / (longest + 7)))


def legend_height(width: float, names: Sequence[str]) -> float:
    """The height in inches of a legend with some names on a canvas of a width in inches."""
    return 0.1 + 0.2 * math.ceil(len(names) / legend_columns(width, names))


def add_legend(
    canvas: Canvas,
    entries: Sequence[tuple[str, Any]],
    place: Literal["outside lower left", "outside lower center", "center"],
) -> None:
    """Add one legend below all panels, or in the middle of an empty canvas. entries: (name, artist)."""
    names = [short(name) for name, _ in entries]
    legend = canvas.legend(
        [artist for _, artist in entries],
        ["x"] * len(names),  # names are set afterwards, because matplotlib leaves out those with a leading underscore
        loc=place,
        ncols=legend_columns(canvas.get_figwidth(), names),
        frameon=False,
        fontsize=9,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def save(drawing: Drawing, form: Literal["svg", "pdf"]) -> bytes:
    """The drawing as a file, without dates and program names in its metadata."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    absent = ("Date", "Creator", "Format", "Type") if form == "svg" else ("CreationDate", "Creator", "Producer")
    metadata = dict.fromkeys(absent)
    backend: Any = (FigureCanvasSVG if form == "svg" else FigureCanvasPdf)(drawing.canvas)
    write = backend.print_svg if form == "svg" else backend.print_pdf  # `savefig` would draw twice
    write(buffer, metadata=metadata)
    return buffer.getvalue()
