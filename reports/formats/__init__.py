"""The formats of a report: name → module with the function ``files``, which turns a document into files."""

from __future__ import annotations

from importlib import import_module

from reports.document import Document

FORMATS = {
    "html": "reports.formats.html",
    "pdf": "reports.formats.pdf",
    "latex": "reports.formats.latex",
    "csv": "reports.formats.csv",
}


def files(document: Document, form: str) -> dict[str, bytes]:
    """The files of a document in one format: path (with ``/`` after a folder) → content. The first is the main file.

    The same document always gives the same bytes. Raises KeyError for an unknown format.
    """
    return import_module(FORMATS[form]).files(document)
