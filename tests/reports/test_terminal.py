from __future__ import annotations

import io

import pytest
from made_up import make
from rich.console import Console

from reports.document import Column, Note, Table, Text
from reports.formats.terminal import PLAIN_WIDTH, plain, plain_table, show
from reports.parts.tables import main_table
from reports.run import RunData


def shown(run: RunData, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    show(run, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_table_as_plain_text() -> None:
    run = make(
        {"utd-mhad": {"label_rate": [0.05, 0.1]}},
        methods=["cmc", "cosmo"],
        spoil=lambda t: (
            {"accuracy": 0.4 + 0.1 * (t["method"] == "cosmo") + t["label_rate"] + t["seed"] / 100}
            | ({"status": "failed"} if t["method"] == "cmc" and t["label_rate"] == 0.05 and t["seed"] else {})
        ),
    )
    assert plain_table(main_table(run, "utd-mhad")) == (
        "Accuracy (%) on utd-mhad, by label rate\n"
        "\n"
        "Method                     5 %          10 %\n"
        "Cosmo               56.0 ± 2.5 *  61.0 ± 2.5 *\n"
        "CMC     ≈ 45.0 (1/3, 2 failed)    51.0 ± 2.5\n"
        "\n"
        "Mean ± half-width of the 95 % t-interval over 3 seeds (fewer where a cell says so), that is over "
        "draws of labelled samples and initialisation, not over\n"
        "subjects. Highest mean at each point marked *. ≈: not significantly different from the best (the 95 "
        "% interval of the paired difference, simultaneous for all\n"
        "pairs of methods at one point but not over the points, is not entirely above 0, or there is none "
        "because fewer than three seeds are shared). Labelled samples:\n"
        "27. Chance: 3.7 %.\n"
    )


def test_long_cells_and_notes_of_a_plain_table_are_wrapped() -> None:
    words = " ".join(f"word{i}" for i in range(40))
    lines = plain_table(Table("t", words, (Column("a"), Column("b")), ((Text("x"), Text(words)),), (Note(words),)))
    assert max(map(len, lines.splitlines())) <= PLAIN_WIDTH
    assert lines.split().count("word39") == 3


def test_a_pipe_gets_plain_text(run: RunData) -> None:
    console = Console(file=io.StringIO(), width=20)
    show(run, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text == plain(run)
    assert "\x1b" not in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert "Cosmo is best" in text


@pytest.mark.parametrize("width", [50, 80, 160])
def test_no_digit_is_lost_in_a_narrow_terminal(run: RunData, width: int) -> None:
    text = shown(run, width)
    assert "…" not in text
    cells = [
        f"{100 * value:.1f}"
        for value in run.trials.dropna(subset="accuracy")
        .groupby(["dataset", "method", "label_rate"])["accuracy"]
        .mean()
    ]
    assert all(cell in text for cell in cells)


def test_names_are_not_markup() -> None:
    run = make({"[red]data[/]": {}}, methods=["[bold]x[/bold]", "y\x1b[31m"], titles={})
    text = shown(run, 100)
    assert "[red]data[/]" in text
    assert "[bold]x[/bold]" in text
    assert "\x1b[31m" not in text


def test_warnings_are_shown_with_the_table(run: RunData) -> None:
    text = shown(run, 120)
    assert "2 of 3 seeds, 1 failed" in text
    assert text.count("Failed: 1 trial of ") == 1
