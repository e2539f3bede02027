"""A document as LaTeX for pdfLaTeX, XeLaTeX or LuaLaTeX: one file, and each table and figure as a file for a paper.

The template's environment escapes everything that the template prints. pdfLaTeX lacks the characters of most scripts
and shows their code points instead; XeLaTeX and LuaLaTeX typeset all characters that the font has.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.document import Cell, Column, Document, Figure, MetricCell, Row, Section, Table
from reports.formats.drawing import paper_pdf
from reports.formats.names import free_name, slug
from reports.text import metric_text

FOLDER = "report-latex"
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "^": r"\textasciicircum{}",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "≈": r"\ensuremath{\approx}", "×": r"\ensuremath{\times}",
    "–": r"\textendash{}", "…": r"\dots{}", "·": r"\textperiodcentered{}", "’": r"\textquoteright{}",
    "²": r"\ensuremath{^2}", "ⁿ": r"\ensuremath{^n}", "√": r"\ensuremath{\surd}",
    "\u202f": r"\,", "\u00a0": "~", "\n": " ", "\t": " ", "\u2028": " ", "\u2029": " ",
}  # fmt: skip
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "θ": "theta", "λ": "lambda", "μ": "mu",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "varphi", "χ": "chi", "ω": "omega",
    "Σ": "Sigma", "Δ": "Delta", "Ω": "Omega",
}  # fmt: skip
SPECIAL |= {letter: rf"\ensuremath{{\{name}}}" for letter, name in GREEK.items()}
# Font sizes from the largest, and the number of characters that fit on a line.
SIZES = {r"\small": 88, r"\footnotesize": 100, r"\scriptsize": 118}
LONGEST_LINE = 92  # characters of verbatim text
LONGEST_SHORT = 24  # characters; a column with longer texts is taken to hold sentences


class Raw(str):
    """LaTeX made by our own code, printed without escaping."""


def files(document: Document) -> dict[str, bytes]:
    """``report-latex/report.tex`` with ``paper.sty``, the figures as PDF, and all tables and figures one by one.

    A table or a figure is a file for one column of a paper, and one for the whole page, which ends in ``-wide``.
    """
    found: dict[str, bytes] = {}
    names: dict[int, str] = {}
    for block in document.blocks:
        if isinstance(block, Figure) or (isinstance(block, Table) and not block.listing):
            name = names[id(block)] = free_name(f"{block.kind}-{slug(block.title)}", found)
            found |= _floats(block, name)
            if isinstance(block, Figure):
                found[f"{FOLDER}/{name}.pdf"] = paper_pdf(block)
    macros = (resources("reports.formats") / "templates" / "paper.sty").read_bytes()
    return {f"{FOLDER}/report.tex": _render(document, names).encode(), f"{FOLDER}/paper.sty": macros} | found


def _floats(block: Table | Figure, name: str) -> dict[str, bytes]:
    """A table or a figure as a float for one column of a paper, and for the whole page."""
    template, label = _environment().get_template("float.tex.j2"), f"{block.kind[:3]}:{name.partition('-')[2]}"
    return {
        f"{FOLDER}/{name}{end}.tex": template.render(
            block=block, kind=block.kind, star=star, width=width, name=name, label=label
        ).encode()
        for end, star, width in (("", "", r"\columnwidth"), ("-wide", "*", r"\textwidth"))
    }


def escape(text: Any) -> str:
    """A text as LaTeX source that typesets exactly this text.

    >>> print(escape("50 % of $x_1 & D̄"))
    50 \\% of \\$x\\_1 \\& \\={D}
    """
    if isinstance(text, Raw):
        return text
    found: list[str] = []
    for letter in unicodedata.normalize("NFC", str(text)):
        if letter == "\u0304" and found:
            found[-1] = rf"\={{{found[-1]}}}"  # a macron over the letter before
        elif letter in "-," and found and found[-1].endswith(letter):
            found.append(f"{{}}{letter}")  # prevents a ligature of two of them
        else:
            found.append(_escaped(letter))
    return "".join(found)


def _escaped(letter: str) -> str:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter.isascii() and letter.isprintable():
        return letter
    return "" if unicodedata.category(letter)[0] == "C" else rf"\letter{{{ord(letter):04X}}}{{{letter}}}"


def verbatim(text: str) -> Raw:
    """Lines in a monospaced font, wrapped to the width of the page."""
    lines = [line[i : i + LONGEST_LINE] for line in text.split("\n") for i in range(0, max(len(line), 1), LONGEST_LINE)]
    return Raw("\\\\\n".join(r"\mbox{}" + escape(line).replace(" ", r"\ ") for line in lines))


def _render(document: Document, names: dict[int, str]) -> str:
    sections = [
        s for s in document.sections if not all(isinstance(block, Table) and block.listing for block in s.blocks)
    ]
    return (
        _environment()
        .get_template("report.tex.j2")
        .render(document=document, sections=sections, blocks=_blocks, name=lambda figure: Raw(names[id(figure)]))
    )


def _blocks(section: Section) -> list[Any]:
    flat = [block for some in section.blocks for block in (some.figures if isinstance(some, Row) else (some,))]
    return [block for block in flat if not (isinstance(block, Table) and block.listing)]


def _widths(table: Table) -> list[int]:
    """The width of each column in characters. The title of a column of numbers may be broken at its spaces."""
    widths = []
    for i, column in enumerate(table.columns):
        title = max(map(len, column.title.split()), default=0) if column.number else len(column.title)
        widths.append(max([title, *(_length(row[i]) for row in table.rows)]))
    return widths


def _columns(table: Table) -> Raw:
    """The alignment of each column. Columns of sentences share the width that the others leave."""
    widths, line = _widths(table), SIZES[_size(table)]
    of_sentences = [
        not column.number and width > LONGEST_SHORT for column, width in zip(table.columns, widths, strict=True)
    ]
    left = line - sum(width + 3 for width, wide in zip(widths, of_sentences, strict=True) if not wide)
    total = sum(width for width, wide in zip(widths, of_sentences, strict=True) if wide)
    alignments = []
    for i, (column, width, wide) in enumerate(zip(table.columns, widths, of_sentences, strict=True)):
        if wide:
            share = min(width + 2, max(left * width / total, _longest_word(table, i) + 2, 12)) / line
            alignments.append(rf"P{{{share:.2f}\linewidth}}")
        else:
            alignments.append("r" if column.number else "l")
    return Raw("@{}" + "".join(alignments) + "@{}")


def _longest_word(table: Table, i: int) -> int:
    """The length of the longest word in column ``i``."""
    texts = [cell.text for row in table.rows if not isinstance(cell := row[i], MetricCell)]
    return max((len(word) for text in texts for word in text.split()), default=0)


def _column_title(column: Column, table: Table) -> Raw:
    """The title of a column. Above numbers, it is broken at its spaces if it is much wider than they are."""
    i = table.columns.index(column)
    if not column.number or len(column.title) <= _widths(table)[i] + 2:
        return Raw(escape(column.title))
    lines = r"\\".join(escape(word) for word in column.title.split())
    return Raw(rf"\shortstack[r]{{{lines}}}")


def _length(cell: Cell) -> int:
    return 15 if isinstance(cell, MetricCell) else len(cell.text)


def _size(table: Table) -> Raw:
    """The largest font size at which the table fits on the page."""
    needed = sum(min(width, LONGEST_SHORT) + 3 for width in _widths(table))
    return Raw(next((size for size, line in SIZES.items() if needed <= line), r"\scriptsize"))


def _cell(cell: Cell) -> Raw:
    if not isinstance(cell, MetricCell):
        return Raw(rf"\reportcode{{{escape(cell.text)}}}" if cell.code else escape(cell.text))
    figure, interval, remark = map(escape, metric_text(cell))
    parts = [rf"\textbf{{{figure}}}" if cell.best else figure, interval, rf"{{\scriptsize {remark}}}" if remark else ""]
    return Raw("~".join(part for part in parts if part))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports.formats"),
        undefined=StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    environment.filters |= {
        "verbatim": verbatim,
        "columns": _columns,
        "cell": _cell,
        "size": _size,
        "column_title": _column_title,
        "raw": Raw,
    }
    return environment
