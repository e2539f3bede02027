"""The forms that a report can have: a name, and the module whose ``files`` makes them of a document."""

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
    """A document in one form: file name (with / for a folder) → content, the first being the one to open.

    The same document gives the same bytes. Raises KeyError for an unknown form.
    """
    return import_module(FORMATS[form]).files(document)
