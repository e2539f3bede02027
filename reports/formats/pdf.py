"""A document as PDF, typeset by typst, with a table of contents, page numbers, vector figures and tables over pages.

The template reads the document as data, so none of its text is interpreted as markup.
"""

from __future__ import annotations

import json
from importlib.resources import files as resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reports.document import Block, Cell, Document, Figure, MetricCell, Note, Row, Table
from reports.formats.drawing import paper_legend, paper_svg
from reports.text import metric_text


def files(document: Document) -> dict[str, bytes]:
    """``report.pdf``."""
    return {"report.pdf": render(document)}


def render(document: Document) -> bytes:
    """The PDF. Its fonts come with typst and matplotlib; system fonts are used only for characters that these lack."""
    import matplotlib
    import typst

    pictures: list[bytes] = []
    content = json.dumps(_document(document, pictures), ensure_ascii=False)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "report.typ").write_bytes((resources("reports.formats") / "templates" / "report.typ").read_bytes())
        (root / "report.json").write_text(content, encoding="utf-8")
        for number, picture in enumerate(pictures):
            (root / f"{number}.svg").write_bytes(picture)
        pdf = typst.compile(
            str(root / "report.typ"), root=folder, font_paths=[str(fonts)], ignore_system_fonts=_covered(content, fonts)
        )
    assert isinstance(pdf, bytes)
    return pdf


def _covered(text: str, fonts: Path) -> bool:
    """Whether the fonts that come with matplotlib have all characters of a text."""
    from matplotlib.ft2font import FT2Font

    return {ord(letter) for letter in text if letter.isprintable()} <= set(
        FT2Font(str(fonts / "DejaVuSans.ttf")).get_charmap()
    )


def _document(document: Document, pictures: list[bytes]) -> dict[str, Any]:
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "generated": document.generated,
        "notes": [_note(note) for note in document.notes],
        "sections": [
            {"title": section.title, "blocks": [found for block in section.blocks for found in _block(block, pictures)]}
            for section in document.sections
            if not all(isinstance(block, Table) and block.listing for block in section.blocks)
        ],
    }


def _block(block: Block, pictures: list[bytes]) -> list[dict[str, Any]]:
    if isinstance(block, Row):
        return _pairs(block, pictures)
    if isinstance(block, Figure):
        return [_figure(block, pictures)]
    if isinstance(block, Table):
        return [] if block.listing else [_table(block)]
    return [_note(block)] if isinstance(block, Note) else [{"kind": block.kind, "text": block.text}]


def _pairs(row: Row, pictures: list[bytes]) -> list[dict[str, Any]]:
    """The figures of a row in pairs, below one legend."""
    legend = paper_legend(row.figures) if len(row.figures) > 1 else None
    found = [_figure(figure, pictures, legend is None) for figure in row.figures]
    pairs: list[dict[str, Any]] = [{"kind": "pair", "figures": found[i : i + 2]} for i in range(0, len(found), 2)]
    if legend:
        pictures.append(legend)
        pairs[0]["legend"] = f"{len(pictures) - 1}.svg"
    return pairs


def _note(note: Note) -> dict[str, str]:
    return {"kind": "note", "text": note.text, "level": note.level}


def _figure(figure: Figure, pictures: list[bytes], legend: bool = True) -> dict[str, Any]:
    pictures.append(paper_svg(figure, legend))
    return {
        "kind": "figure",
        "file": f"{len(pictures) - 1}.svg",
        "alt": figure.alt,
        "caption": figure.caption,
        "wide": figure.chart.wide,
        "notes": [_note(note) for note in figure.notes],
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "kind": "table",
        "title": table.title,
        "caption": table.caption,
        "notes": [_note(note) for note in table.notes],
        "columns": [
            {"title": column.title, "number": column.number, "wide": _wide(table, i)}
            for i, column in enumerate(table.columns)
        ],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _wide(table: Table, i: int) -> bool:
    """Whether a column is taken to hold sentences. Such columns share the width that the others leave."""
    return max((len(cell.text) for row in table.rows if not isinstance(cell := row[i], MetricCell)), default=0) > 24


def _cell(cell: Cell) -> dict[str, Any]:
    if not isinstance(cell, MetricCell):
        return {"kind": "text", "text": cell.text, "code": cell.code}
    figure, interval, remark = metric_text(cell)
    return {"kind": "metric", "figure": figure, "interval": interval, "remark": remark, "best": cell.best}
