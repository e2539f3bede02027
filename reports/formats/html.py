"""A document as one self-contained HTML file.

Everything is escaped except for our own drawings and our own script, the only script that the page allows to run.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from reports.charts import LineChart, Panel, Series
from reports.document import Column, Document, Figure, Table, Text
from reports.formats.drawing import page_svg
from reports.style import PATHS, colour, marker
from reports.text import metric_text, number, value_text

MOST_VALUES = 25  # per line in the table below its figure; the CSV files have all values


def files(document: Document) -> dict[str, bytes]:
    """``report.html``."""
    return {"report.html": render(document).encode()}


def render(document: Document) -> str:
    """The page as text, to be encoded as UTF-8. The same document always gives the same page."""
    script = (resources("reports.formats") / "templates" / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(document=document, script=Markup(script), digest=digest)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reports.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"metric": metric_text, "svg": _svg, "lines": _lines, "values": _values}
    return environment.get_template("page.html.j2")


def _svg(figure: Figure) -> Markup:
    return Markup(page_svg(figure))


def _lines(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The legend of line charts: each line once, even if it is in several panels or charts. Empty for other charts."""
    charts = [figure.chart for figure in figures if isinstance(figure.chart, LineChart)]
    shown = {series.style: series.name for chart in charts for panel in chart.panels for series in panel.series}
    return [
        {"style": style, "name": name, "colour": colour(style), "path": PATHS[marker(style)]}
        for style, name in shown.items()
    ]


def _values(figure: Figure) -> list[Table]:
    """The values of a line chart, as a table for each panel, for readers without sight or a pointer."""
    if not isinstance(figure.chart, LineChart):
        return []
    return [_panel_table(panel, figure.title, figure.chart.y_title) for panel in figure.chart.panels]


def _panel_table(panel: Panel, title: str, caption: str) -> Table:
    """A row for each x, a column for each line. At most about `MOST_VALUES` evenly spaced rows, including the last."""
    positions = sorted({x for series in panel.series for x in series.x})
    step = max(1, math.ceil(len(positions) / MOST_VALUES))
    labels = dict(panel.ticks)
    values = [_value_texts(series) for series in panel.series]
    rows = tuple(
        (Text(labels.get(x) or value_text(x)), *(Text(texts.get(x, "–")) for texts in values))
        for x in reversed(positions[::-1][::step])
    )
    columns = (Column(panel.x_title), *(Column(series.name, number=True) for series in panel.series))
    return Table(panel.title or title, caption, columns, rows)


def _value_texts(series: Series) -> dict[float, str]:
    """x → text of the mean and the half-width of its interval."""
    texts = {}
    for x, y, high in zip(series.x, series.y, series.high, strict=True):
        digits = 1 if abs(y) >= 10 else 2
        texts[x] = number(y, digits) + ("" if math.isnan(high - y) else f" ± {number(high - y, digits)}")
    return texts
