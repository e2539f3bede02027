"""A document as one HTML page: a single file that fetches nothing. Everything but our own SVG is escaped."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from reports.document import Document, Figure
from reports.wording import measure_text


def render(document: Document) -> str:
    """The page, as text to be written as UTF-8; the same document gives the same page."""
    return _template().render(document=document)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["measure"] = measure_text
    environment.filters["svg"] = _svg
    return environment.get_template("page.html.j2")


def _svg(figure: Figure) -> Markup:
    return Markup(figure.svg)
