"""Text that attacks a terminal, a browser, a spreadsheet or a typesetter is harmless in every format."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pypdfium2
import pytest
from made_up import make
from rich.console import Console
from test_formats import compiles
from test_html import Reader

from reports import charts, formats
from reports import document as parts
from reports.cleaning import Cleaned, clean, spreadsheet_safe
from reports.document import Column, Document, Figure, Table
from reports.formats.drawing import page_svg, paper_svg
from reports.formats.terminal import plain, plain_table, show_document
from reports.run import RunData
from reports.sections import document

INVISIBLE = (
    *"\x00\x07\x08\x0b\x0c\r\x1b\x7f\x85\x9b",
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *"\u00ad\u180e\u200b\u2060\ufeff\uffff\U000e0041",
)
SEQUENCES = "\x1b[31m\x1b[2J\x1b[?25l\x1b[38:5:1m\x1b]0;owned\x07\x1b]8;;file:///etc\x1b\\"
MARKUP = r"""<img src=x onerror=alert(1)>$x_1$\input{/etc/passwd}#panic("typst")[bold]&%~"""


def hostile(name: str) -> str:
    """A name surrounded by every kind of attack."""
    return f"=1+{SEQUENCES}{name}{''.join(INVISIBLE)}{MARKUP}"


@pytest.fixture(scope="module")
def run() -> RunData:
    """A run whose title, question, data set, methods, option, classes, modalities, errors and versions are hostile."""
    dataset, option, methods = hostile("data"), hostile("option"), [hostile("method"), "cosmo"]
    made = make(
        {dataset: {option: [1, 2]}, hostile("matrix"): {option: [1, 2], "cosmo.positives": [hostile("value"), "b"]}},
        methods=methods,
        spoil=lambda t: {"status": "failed", "error": hostile("error")} if t["seed"] == 2 else {},
        titles={"cosmo": hostile("Cosmo")},
        **{name: hostile(name) for name in ("study", "title", "question", "command", "text")},
        versions={hostile("package"): hostile("version")},
        options=[{"path": hostile("path"), "value": hostile("value"), "source": hostile("file"), "holds_for": []}],
        data={dataset: {"classes": [hostile("walk"), hostile("run")], "fingerprint": hostile("print"), "n_samples": 1}},
        hosts=[{"host": hostile("host"), "jobs": 1}],
    )
    details: dict[str, Any] = {
        "confusion": np.array([[3, 1], [2, 4]]),
        "epochs": [1, 2],
        "accuracy": [0.1, 0.2],
        "macro_f1": [0.1, 0.2],
        "attention": {hostile("acc"): 0.4, hostile("gyro"): 0.6},
        "absent": {"modal_distance": hostile("why")},
    }
    return replace(made, details=dict.fromkeys(made.trials["key"], details))


@pytest.fixture(scope="module")
def report(run: RunData) -> Document:
    return document(run)


def invisible_in(text: str) -> set[str]:
    return {character for character in INVISIBLE if character in text} | set(re.findall(r"owned|\[31m|\[\?25l", text))


def texts_in(part: Any) -> Iterator[str]:
    """All texts in a part of a document."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from texts_in(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from texts_in(getattr(part, field.name))


def test_every_part_of_a_document_cleans_its_texts() -> None:
    classes = [
        value for value in (vars(parts) | vars(charts)).values() if isinstance(value, type) and is_dataclass(value)
    ]
    with_text = [kind for kind in classes if any(re.search(r"\bstr\b", str(field.type)) for field in fields(kind))]
    assert len(with_text) > 12
    assert [kind.__name__ for kind in with_text if not issubclass(kind, Cleaned)] == []
    assert Column(hostile("x")).title == clean(hostile("x"))


def test_a_document_holds_no_invisible_character(report: Document) -> None:
    texts = list(texts_in(report))
    assert not invisible_in("".join(texts))
    words = (
        "title",
        "question",
        "data",
        "method",
        "Cosmo",
        "option",
        "value",
        "walk",
        "error",
        "version",
        "path",
        "print",
    )
    assert [word for word in words if not any(f"=1+{word}<img" in text for text in texts)] == []


@pytest.mark.parametrize(
    "kept", ["हिन्दी क्\u200dष", "می\u200cخواهم", "👩\u200d🔬", "a\tb\nc", "D̄ ≈ −1 ± 2", "naïve 中文 עברית"]
)
def test_letters_of_any_script_are_kept(kept: str) -> None:
    assert clean(kept) == kept


def test_names_add_no_element_or_attribute_to_html(report: Document) -> None:
    text = formats.files(report, "html")["report.html"].decode()
    page = Reader(text)
    assert not invisible_in(text)
    assert (page.tags["img"], page.tags["script"]) == (0, 1)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert MARKUP in page.text


def test_markup_is_text_in_a_pdf(report: Document) -> None:
    file = pypdfium2.PdfDocument(formats.files(report, "pdf")["report.pdf"])
    text = "".join(page.get_textpage().get_text_range() for page in file)
    assert invisible_in(text) <= {"\r", "\ufffe"}  # line ends of the PDF reader
    assert '#panic("typst")' in text.replace("\r\n", "")
    assert "<img" in text


def test_latex_compiles_and_reads_no_file(report: Document, tmp_path: Path) -> None:
    made = formats.files(report, "latex")
    source = made["report-latex/report.tex"].decode()
    assert not invisible_in(source)
    assert "\\input" not in source
    assert "root:" not in compiles(made, tmp_path)


def test_csv_and_parquet_hold_no_formula_and_no_invisible_character(report: Document) -> None:
    for path, content in formats.files(report, "csv").items():
        if path.endswith(".parquet"):
            table = pd.read_parquet(io.BytesIO(content))
            text = "".join(map(str, [*table.columns, *table.to_numpy().ravel()]))
        else:
            text = content.decode()
            table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
            cells = [*table.columns, *table.to_numpy().ravel()]
            assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
        assert not invisible_in(text), path


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-x", "@x", "\t=1", "\r=1", "\n=1", " =1", "-1+cmd", "\x1b[0m=1", "＝1", "-\n1"]
)
def test_a_text_that_a_spreadsheet_would_evaluate_follows_an_apostrophe(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{clean(text)}"


@pytest.mark.parametrize("value", [-0.5, "-0.5", "+1e-5", "-", "a=b", "", None, True, ["=1"], "−1 ± 2"])
def test_numbers_and_harmless_texts_stay_as_they_are(value: object) -> None:
    assert spreadsheet_safe(value) == value


def test_every_module_that_writes_csv_makes_its_cells_safe() -> None:
    root = Path(formats.__file__).parents[2]
    files = [file for package in ("harness", "reports", "baselines") for file in (root / package).rglob("*.py")]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    writers = {file for file, text in texts.items() if re.search(r"csv\.(Dict)?[wW]riter|\.to_csv\((?!\))", text)}
    assert len(writers) >= 3
    assert {file for file in writers if "spreadsheet_safe" not in texts[file]} == set()


def test_names_do_not_control_a_terminal(run: RunData, report: Document) -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    show_document(report, console)
    tables = [plain_table(block) for block in report.blocks if isinstance(block, Table)]
    for text in (console.file.getvalue(), plain(run), *tables):  # type: ignore[attr-defined]
        assert not invisible_in(text)
        assert "[bold]" in text or "=1+" not in text


def test_drawings_hold_no_invisible_character(report: Document) -> None:
    figures = [block for block in report.blocks if isinstance(block, Figure)]
    assert {type(figure.chart) for figure in figures} >= {charts.LineChart, charts.HeatMap, charts.ForestPlot}
    for figure in figures:
        for svg in (page_svg(figure), paper_svg(figure).decode()):
            assert not invisible_in(svg)
            assert not list(ElementTree.fromstring(svg).iter("{*}img"))
