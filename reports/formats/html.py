"""A document as one HTML page: a single file that fetches nothing. Everything but our own drawings and script is escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from reports.charts import LineChart
from reports.document import Column, Document, Figure, Table, Text
from reports.formats.drawing import page_svg
from reports.style import PATHS, colour, marker
from reports.text import metric_text, number, value_text

MOST_POINTS = 25  # of a line, in the table below its figure; the CSV has all


def files(document: Document) -> dict[str, bytes]:
    """``report.html``."""
    return {"report.html": render(document).encode()}


def render(document: Document) -> str:
    """The page, as text to be written as UTF-8; the same document gives the same page."""
    script = (resources("reports.formats") / "templates" / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(
        hashlib.sha256(script.encode()).digest()
    ).decode()  # the only script that the page lets run
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
    environment.filters |= {"metric": metric_text, "svg": _svg, "methods": _methods, "values": _values}
    return environment.get_template("page.html.j2")


def _svg(figure: Figure) -> Markup:
    return Markup(page_svg(figure))


def _methods(figure: Figure) -> list[dict[str, Any]]:
    """What a figure of lines shows, for its legend: each line once, by name."""
    if not isinstance(figure.chart, LineChart):
        return []
    shown = {series.style: series.name for panel in figure.chart.panels for series in panel.series}
    return [
        {"style": style, "name": name, "colour": colour(style), "path": PATHS[marker(style)]}
        for style, name in shown.items()
    ]


def _values(figure: Figure) -> list[Table]:
    """A figure of lines as tables, a panel each, for those who can't see or point: x by line."""
    if not isinstance(figure.chart, LineChart):
        return []
    tables = []
    for panel in figure.chart.panels:
        places = sorted({x for series in panel.series for x in series.x})
        step = -(-len(places) // MOST_POINTS)
        shown = places[::-1][::step][::-1]
        labels = dict(panel.ticks)
        at = [{x: (y, high - y) for x, y, high in zip(s.x, s.y, s.high, strict=True)} for s in panel.series]
        rows = tuple(
            (Text(labels.get(x) or value_text(x)), *(Text(_value(points.get(x))) for points in at)) for x in shown
        )
        columns = (Column(panel.x_title), *(Column(series.name, number=True) for series in panel.series))
        tables.append(Table(panel.title or figure.title, figure.chart.y_title, columns, rows))
    return tables


def _value(found: tuple[float, float] | None) -> str:
    if not found:
        return "–"
    digits = 1 if abs(found[0]) >= 10 else 2
    return number(found[0], digits) + (f" ± {number(found[1], digits)}" if found[1] == found[1] else "")
