"""Charts drawn by matplotlib: as SVG to stand in a page, as SVG or PDF for paper.

The same chart gives the same bytes. In a page lines of text and axes take the colour around them (``currentColor``), so that
one picture suits light and dark; what belongs to a method has the class ``look-N``, and what can be pointed at a ``data-tip``.
matplotlib is imported when the first chart is drawn.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from reports.charts import ForestPlot, HeatMap, LineChart, Panel, RankDiagram, ScatterPlot, Series
from reports.document import Figure
from reports.style import colour, marker
from reports.text import number, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
INK = "#010203"  # stands for the colour of the page's text until the SVG is done
MOST_MARKERS = 12  # on one line; a line of more points is marked now and then
LONGEST_LABEL = 40  # letters of a name in a drawing
ROOM_FOR_NUMBERS = 80  # cells of a matrix
CLOUDS_IN_A_ROW = 3
Tips = dict[str, list[str]]  # an artist's gid → what its points say, in order


def page_svg(figure: Figure) -> str:
    """A figure as one <svg> element that can stand beside others in a page; without legend, for the page has its own."""
    with _style():
        drawing, tips = _draw(figure, legend=False)
        return inline(_saved(drawing, "svg").decode(), figure.alt, tips)


def paper_svg(figure: Figure) -> bytes:
    """A figure as an SVG file in black on nothing, with its legend."""
    with _style():
        return _saved(_draw(figure, legend=True)[0], "svg").replace(INK.encode(), b"#000000")


def paper_pdf(figure: Figure) -> bytes:
    """A figure as a PDF file, with its legend."""
    with _style():
        return _saved(_draw(figure, legend=True)[0], "pdf")


@contextmanager
def _style() -> Iterator[None]:
    """Fonts and colours for our drawings only, from matplotlib's own defaults: a user's matplotlibrc changes no report."""
    import matplotlib.style

    ink = (
        "text.color",
        "axes.labelcolor",
        "axes.edgecolor",
        "xtick.color",
        "ytick.color",
        "xtick.labelcolor",
        "ytick.labelcolor",
    )
    parameters: dict[str, Any] = {
        **dict.fromkeys(ink, INK),
        "axes.titlesize": 10,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same widths on every machine
        "font.size": 10,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "svg.fonttype": "none",  # words stay words: to be found, read aloud and set in the page's own type
        "svg.hashsalt": "reports",
        "pdf.fonttype": 42,
        "text.parse_math": False,  # a name with a $ is a name
    }
    with matplotlib.style.context(["default", parameters]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that this font doesn't have
        yield


def _draw(figure: Figure, legend: bool) -> tuple[Drawing, Tips]:
    chart, tips = figure.chart, Tips()
    if isinstance(chart, LineChart):
        return _lines(chart, legend, tips), tips
    if isinstance(chart, HeatMap):
        return _heat(chart, tips), tips
    if isinstance(chart, ScatterPlot):
        return _clouds(chart), tips
    return (_dots(chart, tips) if isinstance(chart, ForestPlot) else _ranks(chart)), tips


def _new(width: float, height: float) -> Drawing:
    from matplotlib.figure import Figure as Drawing

    return Drawing(figsize=(width, height), layout="constrained")


# -- lines -----------------------------------------------------------------------------------------------------------------


def _lines(chart: LineChart, legend: bool, tips: Tips) -> Drawing:
    drawing = _new(4.6 * len(chart.panels) + 0.4, 3.9 if legend else 3.4)
    axes = drawing.subplots(1, len(chart.panels), sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for index, (panel, place) in enumerate(zip(chart.panels, axes, strict=True)):
        for series in panel.series:
            handles.setdefault(series.name, _series(place, panel, series, index, tips))
        if panel.level is not None:
            handles[f"\0{chart.level_title}"] = place.axhline(panel.level, color=INK, linestyle=":", linewidth=1.2)
        if panel.steps:
            x, y = zip(*panel.steps, strict=True)
            place.step(x, y, where="post", color=INK, linestyle=":", linewidth=1.2, zorder=1)
        _axis(place, panel)
    axes[0].set_ylim(chart.bottom, chart.top)
    axes[0].set_ylabel(chart.y_title)
    if legend:
        _legend(drawing, handles)
    return drawing


def _series(place: Axes, panel: Panel, series: Series, index: int, tips: Tips) -> Any:
    """One line, its band and its markers. Returns the handle for the legend."""
    style: dict[str, Any] = {"color": colour(series.style)}
    place.plot(series.x, series.y, linewidth=1.6, gid=f"look-{series.style}-line-{index}", **style)
    if any(low == low and low < high for low, high in zip(series.low, series.high, strict=True)):
        name = f"look-{series.style}-band-{index}"
        if series.labels:  # single points: nothing is known between them
            place.vlines(series.x, series.low, series.high, alpha=0.4, linewidth=1.6, gid=name, **style)
        else:
            place.fill_between(series.x, series.low, series.high, alpha=0.12, linewidth=0, gid=name, **style)
    shown = _marked([i for i, y in enumerate(series.y) if y == y])
    gid = f"look-{series.style}-mark-{index}"
    x, y = [series.x[i] for i in shown], [series.y[i] for i in shown]
    place.plot(x, y, linestyle="", marker=marker(series.style), markersize=6.5, markeredgewidth=0, gid=gid, **style)
    tips[gid] = [point_tip(panel, series, i) for i in shown]
    for i, label in enumerate(series.labels):
        place.annotate(label, (series.x[i], series.y[i]), (5, 5), textcoords="offset points", fontsize=8)
    return place.plot([], [], marker=marker(series.style), markeredgewidth=0, **style)[0]


def _marked(points: list[int]) -> list[int]:
    """Which points get a marker: all, or at most `MOST_MARKERS`, evenly, with the last."""
    if len(points) <= MOST_MARKERS:
        return points
    step = math.ceil(len(points) / MOST_MARKERS)
    return points[::-1][::step][::-1]


def point_tip(panel: Panel, series: Series, i: int) -> str:
    """What a point says: ``Cosmo at 5 %: 49.3 ± 3.8 (n = 3)``."""
    where = dict(panel.ticks).get(series.x[i]) or value_text(float(f"{series.x[i]:.4g}"))
    where += f" ({series.labels[i]})" if series.labels else ""
    half = (series.high[i] - series.low[i]) / 2
    interval = f" ± {number(half)}" if half == half else ""
    digits = 1 if abs(series.y[i]) >= 10 else 2
    return f"{series.name} at {where}: {number(series.y[i], digits)}{interval} (n = {series.counts[i]})"


def _axis(place: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    if panel.title:
        place.set_title(_short(panel.title))
    if panel.logarithmic:
        place.set_xscale("log")
        place.minorticks_off()
    if panel.ticks:
        place.set_xticks([x for x, _ in panel.ticks], [label for _, label in panel.ticks])
    elif all(x == int(x) for series in panel.series for x in series.x):
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
    place.set_xlabel(_short(panel.x_title))


def _legend(drawing: Drawing, handles: Mapping[str, Any], side: Literal["left", "center"] = "center") -> None:
    """One legend below all panels. Texts are set afterwards: as labels, names with a leading _ would be left out."""
    names = sorted(handles, key=lambda name: name.startswith("\0"))  # a level such as chance comes last
    labels = [_short(name.removeprefix("\0")) for name in names]
    columns = max(
        1, int(drawing.get_figwidth() * 13 / (max(map(len, labels), default=0) + 7))
    )  # about 13 letters an inch
    legend = drawing.legend(
        [handles[name] for name in names],
        ["x"] * len(names),
        loc="outside lower left" if side == "left" else "outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)


# -- matrices, dots, ranks -------------------------------------------------------------------------------------------------


def _heat(chart: HeatMap, tips: Tips) -> Drawing:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.patches import Rectangle
    from numpy import linspace

    n_rows, n_columns = len(chart.row_names), len(chart.column_names)
    drawing = _new(
        min(9.0, 2.8 + 0.26 * n_columns + (0.5 * n_columns if n_columns < 10 else 0)), min(9.0, 1.6 + 0.24 * n_rows)
    )
    place = drawing.subplots()
    known = [value for row in chart.values for value in row if value == value]
    low, high = min(known, default=0.0), max(known, default=1.0)
    colours = ListedColormap(colormaps["cividis"](linspace(0.15, 1, 16)))  # its darkest can't be seen on black
    numbers = n_rows * n_columns <= ROOM_FOR_NUMBERS
    for i, row in enumerate(chart.values):
        for j, value in enumerate(row):
            if value != value or (value == 0 and not numbers):
                continue
            share, gid = (value - low) / ((high - low) or 1), f"cell-{i}-{j}"
            place.add_patch(Rectangle((j, i), 1, 1, facecolor=colours(share), linewidth=0, gid=gid))
            tips[gid] = [f"{chart.row_names[i]} / {chart.column_names[j]}: {value_text(round(value, 2))}"]
            if numbers:
                ink = "#ffffff" if share < 0.5 else "#000000"
                place.text(j + 0.5, i + 0.5, number(value), ha="center", va="center", color=ink, fontsize=9)
    scale = drawing.colorbar(
        ScalarMappable(Normalize(low, high), colours), ax=place, shrink=0.7, label=chart.value_title
    )
    scale.outline.set_visible(False)
    place.set(xlim=(0, n_columns), ylim=(n_rows, 0), xlabel=_short(chart.x_title), ylabel=_short(chart.y_title))
    size = 10 if max(n_rows, n_columns) <= 15 else 8
    place.set_xticks(
        [j + 0.5 for j in range(n_columns)],
        [_short(name) for name in chart.column_names],
        rotation=0 if n_columns < 6 else 90,
        fontsize=size,
    )
    place.set_yticks([i + 0.5 for i in range(n_rows)], [_short(name) for name in chart.row_names], fontsize=size)
    place.tick_params(length=0)
    place.spines[:].set_visible(False)
    return drawing


def _short(name: str) -> str:
    """A name that leaves room for the picture; whole names stand in tables, tips and legends."""
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def _dots(chart: ForestPlot, tips: Tips) -> Drawing:
    drawing = _new(5.6, 1.0 + 0.36 * len(chart.estimates))
    place = drawing.subplots()
    place.axvline(0, color=INK, linestyle=":", linewidth=1.2)
    for i, dot in enumerate(chart.estimates):
        style: dict[str, Any] = {"color": colour(dot.style)}
        if dot.low == dot.low:
            place.plot(
                [dot.low, dot.high],
                [i, i],
                linewidth=2,
                solid_capstyle="butt",
                gid=f"look-{dot.style}-bar-{i}",
                **style,
            )
        gid = f"look-{dot.style}-dot-{i}"
        place.plot(
            [dot.mean], [i], marker=marker(dot.style), markersize=7, markeredgewidth=0, linestyle="", gid=gid, **style
        )
        inside = f" ({number(dot.low)} to {number(dot.high)})" if dot.low == dot.low else ""
        tips[gid] = [f"{dot.name}: {number(dot.mean)}{inside} (n = {dot.count})"]
    place.set_ylim(len(chart.estimates) - 0.5, -0.5)
    place.set_yticks(range(len(chart.estimates)), [_short(dot.name) for dot in chart.estimates])
    place.set_xlabel(chart.x_title)
    place.spines["left"].set_visible(False)
    place.tick_params(axis="y", length=0)
    return drawing


def _clouds(chart: ScatterPlot) -> Drawing:
    rows = math.ceil(len(chart.panels) / CLOUDS_IN_A_ROW)
    drawing = _new(8.2, 2.5 * rows + 0.5)
    places = drawing.subplots(rows, CLOUDS_IN_A_ROW, squeeze=False).flat
    handles: dict[str, Any] = {}
    for panel, place in zip(chart.panels, places, strict=False):
        for index, (name, points) in enumerate(zip(chart.names, panel.points, strict=True)):
            style: dict[str, Any] = {
                "marker": marker(index),
                "color": colour(index),
                "linestyle": "",
                "markeredgewidth": 0,
            }
            place.plot([x for x, _ in points], [y for _, y in points], markersize=4, alpha=0.7, **style)
            handles[name] = place.plot([], [], markersize=6.5, **style)[0]
        place.set_title(_short(panel.title), fontsize=9)
        place.set(xticks=[], yticks=[])
        place.set_aspect("equal", adjustable="datalim")
        place.spines[:].set_visible(True)
    for place in places:
        place.set_axis_off()  # the last row may not be full
    _legend(drawing, handles, "left")
    return drawing


def _ranks(chart: RankDiagram) -> Drawing:
    """Methods in the order of their ranks, each a marker on its own line; below them the bars of those that can't be told apart."""
    order = sorted(range(len(chart.names)), key=lambda i: chart.ranks[i])
    bars = cliques([chart.ranks[i] for i in order], chart.critical)
    drawing = _new(5.6, 1.1 + 0.3 * len(order) + 0.18 * len(bars))
    place = drawing.subplots()
    for line, i in enumerate(order):
        place.plot([1, chart.ranks[i]], [line, line], color=INK, linewidth=0.4, alpha=0.5)
        style = chart.styles[i]
        place.plot([chart.ranks[i]], [line], marker=marker(style), color=colour(style), markersize=8, markeredgewidth=0)
    for line, (first, last) in enumerate(bars):
        low, high = chart.ranks[order[first]], chart.ranks[order[last]]
        place.plot(
            [low - 0.04, high + 0.04],
            [len(order) - 0.3 + 0.6 * line] * 2,
            color=INK,
            linewidth=3,
            solid_capstyle="butt",
        )
    place.set_ylim(len(order) - 0.2 + 0.6 * len(bars), -0.6)
    place.set_yticks(range(len(order)), [f"{_short(chart.names[i])} ({number(chart.ranks[i], 2)})" for i in order])
    place.set_xlabel(f"mean rank (1 is best); critical difference {number(chart.critical, 2)}")
    place.tick_params(axis="y", length=0)
    return drawing


def cliques(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """The longest stretches (first, last) of rising ranks that lie within the critical difference; single ones are left out.

    >>> cliques([1.0, 1.5, 3.0, 3.2], 1.6)
    [(0, 1), (1, 2), (2, 3)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(i for i in range(first, len(ranks)) if ranks[i] - ranks[first] < critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


# -- files -----------------------------------------------------------------------------------------------------------------


def _saved(drawing: Drawing, form: str) -> bytes:
    buffer = io.BytesIO()
    no_date = ("Date", "Creator", "Format", "Type") if form == "svg" else ("CreationDate", "Creator", "Producer")
    drawing.savefig(buffer, format=form, metadata=dict.fromkeys(no_date))
    return buffer.getvalue()


def inline(svg: str, alt: str, tips: Tips | None = None) -> str:
    """matplotlib's SVG file as an element: ids made its own, no metadata, no rule that reaches the page, the page's text colour."""
    root = ElementTree.fromstring(svg)
    unique = "f" + hashlib.sha256((alt + svg).encode()).hexdigest()[:8]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _mark(element, tips or {})
        for name, value in element.attrib.items():
            element.set(name, _own(name, value, unique))
    root.attrib.pop("width")  # the view box stays: the page sets the size
    root.attrib.pop("height")
    attributes: Mapping[str, str] = {
        "role": "img",
        "aria-label": alt,
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    root.attrib.update(attributes)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _mark(element: ElementTree.Element, tips: Tips) -> None:
    """Give a method's parts its class, and their points what they say."""
    name = element.get("id", "")
    if found := re.match(r"look-\d+", name):
        element.set("class", found[0])
    if name in tips:
        points = element.findall(f".//{{{SVG}}}g/{{{SVG}}}use") or [element]
        for point, tip in zip(points, tips[name], strict=len(points) > 1):
            point.set("data-tip", tip)


def _own(name: str, value: str, unique: str) -> str:
    """An attribute's value, with ids made unique to the picture and its ink the page's."""
    if name == "id":
        return f"{unique}-{value}"
    if name == f"{{{XLINK}}}href" and value.startswith("#"):
        return f"#{unique}-{value[1:]}"
    if name == "data-tip":
        return value
    value = re.sub(r"url\(#", f"url(#{unique}-", value)
    return re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", value).replace(INK, "currentColor")
