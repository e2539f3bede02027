"""A document as LaTeX: one file that compiles as it is with pdfLaTeX, XeLaTeX or LuaLaTeX, its figures as PDF beside it.

Every text passes `escape`, for the template's environment escapes whatever it prints. pdfLaTeX has no letters of most scripts:
where it knows a letter it sets it, else its code point stands in its place (XeLaTeX and LuaLaTeX set what their font has).
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from reports.document import Column, Document, Figure, MetricCell, Row, Section, Table
from reports.formats.drawing import paper_pdf
from reports.text import metric_text

FOLDER = "report-latex"
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "^": r"\textasciicircum{}", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "≈": r"\ensuremath{\approx}", "×": r"\ensuremath{\times}", "–": r"\textendash{}",
    "…": r"\dots{}", "·": r"\textperiodcentered{}", "’": r"\textquoteright{}", "²": r"\ensuremath{^2}",
    "ⁿ": r"\ensuremath{^n}", "√": r"\ensuremath{\surd}",
    "\u202f": r"\,", "\u00a0": "~", "\n": " ", "\t": " ", "\u2028": " ", "\u2029": " ",
}  # fmt: skip
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "θ": "theta", "λ": "lambda", "μ": "mu", "π": "pi", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "φ": "varphi", "χ": "chi", "ω": "omega", "Σ": "Sigma", "Δ": "Delta", "Ω": "Omega",
}  # fmt: skip
SPECIAL |= {letter: rf"\ensuremath{{\{name}}}" for letter, name in GREEK.items()}
ROOM = (88, 100, 118)  # letters on a line of \\small, \\footnotesize and \\scriptsize
LONGEST_LINE = 92  # of verbatim text; what is longer goes on in the next


class Raw(str):
    """LaTeX that our own code has made: printed as it is."""


def files(document: Document) -> dict[str, bytes]:
    """``report-latex/report.tex`` and ``report-latex/figure-N.pdf``."""
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    names = {id(figure): f"figure-{number}" for number, figure in enumerate(figures, 1)}
    found = {f"{FOLDER}/report.tex": _render(document, names).encode()}
    return found | {f"{FOLDER}/{names[id(figure)]}.pdf": paper_pdf(figure) for figure in figures}


def escape(text: Any) -> str:
    """Text for LaTeX to set as it stands.

    >>> print(escape("50 % of $x_1 & D̄"))
    50 \\% of \\$x\\_1 \\& \\={D}
    """
    if isinstance(text, Raw):
        return text
    found: list[str] = []
    for letter in unicodedata.normalize("NFC", str(text)):
        if letter == "\u0304" and found:
            found[-1] = rf"\={{{found[-1]}}}"
        elif letter in "-," and found and found[-1].endswith(letter):
            found.append(f"{{}}{letter}")  # two are a ligature
        elif letter in SPECIAL:
            found.append(SPECIAL[letter])
        elif letter.isascii() and letter.isprintable():
            found.append(letter)
        elif unicodedata.category(letter)[0] != "C":
            found.append(rf"\letter{{{ord(letter):04X}}}{{{letter}}}")
    return "".join(found)


def verbatim(text: str) -> Raw:
    """Lines of typewriter type; none longer than the page is wide."""
    lines = [line[i : i + LONGEST_LINE] for line in text.split("\n") for i in range(0, max(len(line), 1), LONGEST_LINE)]
    return Raw("\\\\\n".join(r"\mbox{}" + escape(line).replace(" ", r"\ ") for line in lines))


def _render(document: Document, names: dict[int, str]) -> str:
    sections = [
        s for s in document.sections if not all(isinstance(block, Table) and block.listing for block in s.blocks)
    ]
    return _template().render(
        document=document, sections=sections, blocks=_blocks, name=lambda figure: Raw(names[id(figure)])
    )


def _blocks(section: Section) -> list[Any]:
    flat = [block for some in section.blocks for block in (some.figures if isinstance(some, Row) else (some,))]
    return [block for block in flat if not (isinstance(block, Table) and block.listing)]


def _widths(table: Table) -> list[int]:
    """How many letters wide each column is; a head of numbers may break at its spaces."""
    found = []
    for i, column in enumerate(table.columns):
        head = max(map(len, column.title.split()), default=0) if column.number else len(column.title)
        found.append(max([head, *(_length(row[i]) for row in table.rows)]))
    return found


def _columns(table: Table) -> Raw:
    """The columns' alignments; those that hold sentences share what room the others leave."""
    widths, room = _widths(table), _room(table)
    wide = [not column.number and width > 24 for column, width in zip(table.columns, widths, strict=True)]
    left = room - sum(width + 3 for width, w in zip(widths, wide, strict=True) if not w)
    longest = sum(width for width, w in zip(widths, wide, strict=True) if w)
    kinds: list[str] = []
    for column, width, w in zip(table.columns, widths, wide, strict=True):
        word = max((len(word) for row in table.rows for word in _words(row[len(kinds)])), default=0) if w else 0
        share = min(width + 2, max(left * width / longest, word + 2, 12)) / room if w else 0
        kinds.append(rf"P{{{share:.2f}\linewidth}}" if w else "r" if column.number else "l")
    return Raw("@{}" + "".join(kinds) + "@{}")


def _head(column: Column, table: Table) -> Raw:
    """A column's head; over numbers it is broken where it is much wider than they are."""
    i = table.columns.index(column)
    if not column.number or len(column.title) <= _widths(table)[i] + 2:
        return Raw(escape(column.title))
    return Raw(rf"\shortstack[r]{{{Raw('').join(escape(word) + chr(92) * 2 for word in column.title.split())[:-2]}}}")


def _length(cell: Any) -> int:
    return 15 if isinstance(cell, MetricCell) else len(cell.text)


def _words(cell: Any) -> list[str]:
    return [] if isinstance(cell, MetricCell) else cell.text.split()


def _size(table: Table) -> Raw:
    """The type that the table fits the page in."""
    return Raw({ROOM[0]: r"\small", ROOM[1]: r"\footnotesize", ROOM[2]: r"\scriptsize"}[_room(table)])


def _room(table: Table) -> int:
    """How many letters a line of the table's type has."""
    needed = sum(min(width, 24) + 3 for width in _widths(table))
    return next((room for room in ROOM if needed <= room), ROOM[-1])


def _cell(cell: Any) -> Raw:
    if not isinstance(cell, MetricCell):
        return Raw(rf"\code{{{escape(cell.text)}}}" if cell.code else escape(cell.text))
    figure, interval, remark = map(escape, metric_text(cell))
    parts = [rf"\textbf{{{figure}}}" if cell.best else figure, interval, rf"{{\scriptsize {remark}}}" if remark else ""]
    return Raw("~".join(part for part in parts if part))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reports.formats"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=escape,
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    environment.filters |= {
        "verbatim": verbatim,
        "columns": _columns,
        "cell": _cell,
        "size": _size,
        "head": _head,
        "raw": Raw,
    }
    return environment.get_template("report.tex.j2")
