"""All formats of a report: reproducible bytes, no text interpreted as markup, and any text can be typeset."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import make
from pylatexenc.latexwalker import LatexWalker

from reports import formats
from reports.cleaning import clean
from reports.document import Code, Column, Document, Figure, MetricCell, Note, Prose, Section, Table, Text
from reports.formats import latex, pdf
from reports.formats.csv import table_csv
from reports.parts.figures import curves
from reports.run import RunData
from reports.sections import document

NASTY = (
    r"<script>alert(1)</script> #set page(width: 1pt) #{1/0} $x_1^2$ \input{/etc/passwd} \end{document} "
    r"""%~&{}[]*_-- ,, `a` "b" 'c' @d <e> 中文 हिन्दी עברית λ̄ 🙂 ≈±−"""
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def small() -> RunData:
    return make({"utd-mhad": {"label_rate": [0.05, 0.1]}}, methods=["cmc", "cosmo"])


def one_of_each(word: str) -> Document:
    """A document with every kind of block, and the same text in every place."""
    word = clean(word)
    table = Table(
        word,
        word,
        (Column(word), Column(word, True)),
        ((Text(word), Text(word, code=True)), (Text(word), MetricCell(0.5, 0.1, 2, 3, 1, True))),
        (Note(word),),
    )
    blocks = (Prose(word), Note(word, "error"), Code(word), table)
    return Document(word, word, (Note(word),), (Section(word, "a", blocks),), word or None, {})


def words_of(content: bytes) -> str:
    file = pypdfium2.PdfDocument(content)
    return " ".join(page.get_textpage().get_text_range() for page in file)


@pytest.mark.parametrize("form", list(formats.FORMATS))
def test_the_same_run_gives_the_same_bytes(form: str) -> None:
    once, again = (formats.files(document(small()), form) for _ in range(2))
    assert once == again
    assert list(once) == list(again)


@pytest.mark.parametrize("form", list(formats.FORMATS))
def test_file_names_are_safe_for_any_study_name(form: str) -> None:
    run = make(
        {"../../etc": {NASTY: [1, 2]}},
        methods=["cosmo", NASTY],
        seeds=2,
        study="../x/" + NASTY,
        title=NASTY,
        titles={NASTY: NASTY},
    )
    for path in formats.files(document(run), form):
        assert re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)?\.[a-z]+", path)


def test_a_pdf_has_a_title_contents_page_numbers_and_searchable_text() -> None:
    content = formats.files(document(small()), "pdf")["report.pdf"]
    file, words = pypdfium2.PdfDocument(content), words_of(content)
    for word in (
        "Accuracy against the share of labelled data",
        "Contents",
        "Provenance",
        "CMC",
        f"1 / {len(file)}",
        "label rate",
    ):
        assert word in words
    assert b"/CreationDate" not in content
    assert not any(
        obj.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE for page in file for obj in page.get_objects()
    )  # all figures are vectors


def test_tables_over_several_pages_repeat_their_header() -> None:
    rows = tuple((Text(f"row {i}"), Text(str(i))) for i in range(150))
    made = Document(
        "t",
        "s",
        (),
        (Section("a", "a", (Table("Long", "", (Column("Name"), Column("Column of numbers", True)), rows),)),),
    )
    file = pypdfium2.PdfDocument(pdf.render(made))
    pages = [page.get_textpage().get_text_range() for page in file]
    assert sum("row" in page for page in pages) >= 3
    assert all("Column of numbers" in page for page in pages if "row" in page)


def test_typst_does_not_run_text() -> None:
    words = words_of(pdf.render(one_of_each(NASTY)))
    assert "#set page(width: 1pt)" in words
    assert "<script>" in words


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text)
def test_any_text_makes_a_pdf(word: str) -> None:
    assert pdf.render(one_of_each(word)).startswith(b"%PDF")


@settings(max_examples=50, deadline=None)
@given(text)
def test_escaped_text_is_valid_latex(word: str) -> None:
    """Groups are balanced, and there are only our own commands."""
    written = latex.escape(word)
    nodes, _, _ = LatexWalker(written, tolerant_parsing=False).get_latex_nodes()
    assert nodes is not None
    ours = {
        "letter",
        "ensuremath",
        "dots",
        "pm",
        "approx",
        "times",
        "surd",
        "=",
        ",",
        "#",
        "$",
        "%",
        "&",
        "_",
        "{",
        "}",
        *latex.GREEK.values(),
    }
    commands = set(re.findall(r"\\([a-zA-Z]+|.)", written))
    assert all(name in ours or name.startswith("text") for name in commands)


def compiles(tex: dict[str, bytes], folder: Path, main: str = f"{latex.FOLDER}/report.tex") -> str:
    """Compile with pdfLaTeX and return the text of the PDF. Skips the test without TeX, except in CI."""
    if not shutil.which("pdflatex"):
        assert not os.environ.get("CI"), "CI must have pdflatex: see .ci/run"
        pytest.skip("no pdflatex")
    for path, content in tex.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    place = folder / main
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", place.name]
    done = subprocess.run(
        command, cwd=place.parent, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return words_of(place.with_suffix(".pdf").read_bytes())


def test_latex_compiles_with_its_figures(tmp_path: Path) -> None:
    made = formats.files(document(small()), "latex")
    assert (
        sum(path.endswith(".pdf") for path in made)
        == sum(isinstance(block, Figure) for block in document(small()).blocks)
        > 0
    )
    words = compiles(made, tmp_path)
    assert "Methods compared" in words
    assert r"\toprule" in made["report-latex/report.tex"].decode()


def paper(made: dict[str, bytes], preamble: str = "") -> dict[str, bytes]:
    """A paper with two columns beside the folder of a report, and with all of its tables and figures."""
    floats = [path.removesuffix(".tex") for path in made if re.search(r"/(table|figure)-.*\.tex$", path)]
    inputs = "\n".join(rf"\input{{{name}}}\clearpage" for name in floats)
    text = (
        rf"\documentclass[twocolumn]{{article}}\usepackage{{{latex.FOLDER}/paper}}"
        rf"\newcommand\reportpath{{{latex.FOLDER}/}}{preamble}\begin{{document}}{inputs}\end{{document}}"
    )
    return made | {"paper.tex": text.encode()}


def test_every_table_and_figure_can_be_input_in_a_paper(tmp_path: Path) -> None:
    made = formats.files(document(small()), "latex")
    figures = [block for block in document(small()).blocks if isinstance(block, Figure)]
    for end in (".tex", "-wide.tex", ".pdf"):
        assert f"report-latex/figure-accuracy-against-label-rate-on-utd-mhad{end}" in made
    assert b"\\begin{table*}" in made["report-latex/table-accuracy-on-utd-mhad-by-label-rate-wide.tex"]
    words = compiles(paper(made), tmp_path, "paper.tex")
    assert words.count("Figure ") >= 2 * len(figures)
    assert words.count("Labelled samples: 27") == 4


def test_latex_compiles_with_any_names(tmp_path: Path) -> None:
    """All printable ASCII, Latin and Greek characters and samples of other scripts, in every kind of block."""
    letters = "".join(
        map(
            chr,
            (*range(32, 127), *range(0xA0, 0x250), *range(0x370, 0x400), *range(0x300, 0x310), *range(0x2000, 0x2070)),
        )
    )
    words = [NASTY, letters, "[x]", "*", "\\\\", "a\nb\n\nc", "\u202e\u200b", "$$", "%", "^^M", "a" * 300]
    sections = tuple(replace(one_of_each(word).sections[0], anchor=f"a{i}") for i, word in enumerate(words))
    made = formats.files(replace(one_of_each(NASTY), sections=sections), "latex")
    long_captions = r"\usepackage[singlelinecheck=false]{caption}"  # article cannot measure one of thousands of letters
    compiles(paper(made, long_captions), tmp_path, "paper.tex")
    read = compiles(made, tmp_path)
    assert "alert(1)" in read
    assert r"\input" in read
    assert "U+4E2D" in read


def test_csv_has_the_tidy_table_and_a_file_for_each_table_and_figure() -> None:
    run = small()
    made = formats.files(document(run), "csv")
    assert next(iter(made)) == "report-csv/trials.csv"
    table = pd.read_csv(io.BytesIO(made["report-csv/trials.csv"]))
    assert len(table) == len(run.trials)
    same = pd.read_parquet(io.BytesIO(made["report-csv/trials.parquet"]))
    assert list(same.columns) == list(table.columns)
    main = pd.read_csv(io.BytesIO(made["report-csv/accuracy-on-utd-mhad-by-label-rate.csv"]))
    mean = run.trials.query("method == 'cosmo' and label_rate == 0.1")["accuracy"].mean()
    assert main.set_index("Method").loc["Cosmo", "10 % mean"] == pytest.approx(mean)
    assert main.set_index("Method").loc["Cosmo", "10 % mark"] == "best"
    curve = pd.read_csv(io.BytesIO(made["report-csv/figure-accuracy-against-label-rate-on-utd-mhad.csv"]))
    assert set(curve["line"]) == {"CMC", "Cosmo"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(start: str) -> None:
    table = Table("t", "", (Column("a"),), ((Text(f"{start}cmd|'/c calc'!A1"),),))
    assert table_csv(table).decode().splitlines()[1].strip('"').startswith("'")


def test_figures_with_any_names_are_drawn_for_paper(tmp_path: Path) -> None:
    run = make({"utd-mhad": {NASTY: [1, 2]}}, methods=["cosmo", "cmc"], seeds=2, titles={"cosmo": NASTY, "cmc": "_$"})
    figure = curves(run, ["utd-mhad"])
    assert figure is not None
    made = Document("t", "s", (), (Section("a", "a", (figure,)),))
    assert pdf.render(made).startswith(b"%PDF")
    assert "Figure" in compiles(formats.files(made, "latex"), tmp_path)
