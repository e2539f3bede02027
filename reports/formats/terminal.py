"""The main tables of a run for a terminal: rich tables, or plain text if the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from reports.cleaning import clean
from reports.document import Cell, Document, Figure, MetricCell, Note, Row, Table
from reports.parts.answer import answer
from reports.parts.tables import main_table
from reports.run import METRICS, RunData
from reports.text import metric_text, missing_notes

if TYPE_CHECKING:
    import rich.table
    from rich.console import Console
    from rich.text import Text

PLAIN_WIDTH = 160  # characters
LONGEST_CELL = 60  # characters
STYLES = {"info": "dim", "warning": "yellow", "error": "bold red"}


def tables(run: RunData) -> list[Table]:
    """The tables shown at the end of a run: every metric on every data set."""
    return [main_table(run, dataset, metric) for dataset in run.datasets for metric in METRICS]


def show(run: RunData, console: Console) -> None:
    """Print the tables and answers of a run, as plain text if the console is not a terminal."""
    if not console.is_terminal:
        console.out(plain(run), end="", highlight=False)
        return
    from rich.text import Text

    for note in missing_notes(run):
        console.print(_note(note))
    for table in tables(run):
        show_table(table, console)
    for text in _answers(run):
        console.print(Text(text))


def show_table(table: Table, console: Console) -> None:
    """Print one table, as plain text if the console is not a terminal."""
    from rich.text import Text

    if not console.is_terminal:
        console.out(plain_table(table), end="", highlight=False)
        return
    console.print(Text(table.title, style="bold"))
    console.print(rich_table(table))
    console.print(Text("\n").join([*(_note(note) for note in table.notes), Text(table.caption, style="dim")]))


def show_document(document: Document, console: Console) -> None:
    """Print the texts and tables of a document, without its figures."""
    from rich.text import Text

    for note in document.notes:
        console.print(_note(note))
    for section in document.sections:
        console.print(Text(section.title, style="bold underline"))
        for block in section.blocks:
            if isinstance(block, Table):
                show_table(block, console)
            elif not isinstance(block, (Figure, Row)):
                console.print(_note(block) if isinstance(block, Note) else Text(block.text))
        console.print()


def plain(run: RunData) -> str:
    """The tables and answers of a run as plain text: no colours, no borders, columns two spaces apart."""
    notes = ["\n".join([*_plain_note(note), ""]) for note in missing_notes(run)]
    return "\n".join([*notes, *(plain_table(table) for table in tables(run)), *(f"{text}\n" for text in _answers(run))])


def _plain_note(note: Note) -> list[str]:
    return wrap(f"! {note.text}", PLAIN_WIDTH, subsequent_indent="  ")


def _answers(run: RunData) -> list[str]:
    """The answers of a run, one per data set; cleaned here, because they are not part of a document."""
    return [clean(" ".join(answer(run, dataset))) for dataset in run.datasets]


def rich_table(table: Table) -> rich.table.Table:
    """The columns and rows of a table for rich, without its title and caption. Names are not interpreted as markup."""
    import rich.box
    import rich.table
    from rich.text import Text

    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in table.columns:
        shown.add_column(Text(column.title), justify="right" if column.number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(_rich(cell) for cell in row))
    return shown


def plain_table(table: Table) -> str:
    """A table as plain text. ``*`` marks the highest mean; ``(2/3)`` means that 2 of 3 seeds are done.

    Notes, captions and long cells are broken at their spaces; a cell then takes several lines.
    """
    titles = [f"{column.title}  " if column.number else column.title for column in table.columns]  # room for the *
    rows = [titles, *([_plain(cell) for cell in row] for row in table.rows)]
    lines = [line for row in rows for line in zip_longest(*map(_broken, row), fillvalue="")]
    aligned = [
        _aligned(texts, column.number) for texts, column in zip(zip(*lines, strict=True), table.columns, strict=True)
    ]
    printed = ["  ".join(texts).rstrip() for texts in zip(*aligned, strict=True)]
    notes = [line for note in table.notes for line in _plain_note(note)]
    caption = ["", *wrap(table.caption.replace("in bold", "marked *"), PLAIN_WIDTH)] if table.caption else []
    return "\n".join([table.title, *notes, "", *printed, *caption, ""])


def _broken(text: str) -> list[str]:
    """The lines of a cell. Cells of numbers are never long enough to be broken."""
    return [text] if len(text) <= LONGEST_CELL else wrap(text, LONGEST_CELL)


def _aligned(texts: Sequence[str], right: bool) -> list[str]:
    """The texts of one column, padded to the same width."""
    width = max(map(len, texts))
    return [text.rjust(width) if right else text.ljust(width) for text in texts]


def _plain(cell: Cell) -> str:
    if not isinstance(cell, MetricCell):
        return " ".join(cell.text.split())
    figure, interval, _ = metric_text(cell)
    missing = [f"{cell.done}/{cell.planned}"] if cell.done < cell.planned else []
    missing += [f"{cell.failed} failed"] if cell.failed else []
    parts = (figure, interval, f"({', '.join(missing)})" if missing else "", "*" if cell.best else " ")
    return " ".join(part for part in parts if part)


def _rich(cell: Cell) -> Text:
    from rich.text import Text

    if not isinstance(cell, MetricCell):
        return Text(cell.text)
    figure, interval, remark = metric_text(cell)
    text = Text(f"{figure} {interval}".strip(), style="bold" if cell.best else "")
    if remark:
        text.append(f"\n{remark}", style="not bold red" if cell.failed else "not bold yellow")
    return text


def _note(note: Note) -> Text:
    from rich.text import Text

    return Text(note.text, style=STYLES[note.level])
