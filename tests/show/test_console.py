"""The console: what it prints from files is neither acted on by a terminal nor taken for markup."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.show.console import CleanConsole

HOSTILE = "[red]\x1b[31m\x1b]0;owned\x07\x9b2J\u202ename[/red][/]:smile:"


def table() -> Table:
    made = Table("name", HOSTILE, title=HOSTILE)
    made.add_row("class", HOSTILE)
    return made


@pytest.mark.parametrize("shown", [HOSTILE, Text(HOSTILE), table(), Group(table(), HOSTILE)])
@pytest.mark.parametrize("terminal", [True, False])
def test_names_do_not_control_a_terminal_and_are_no_markup(shown: RenderableType, terminal: bool) -> None:
    file = io.StringIO()
    console = CleanConsole(file=file, width=200, force_terminal=terminal, color_system=None)
    console.print(shown)
    console.out(HOSTILE)
    with console.status(Text(HOSTILE)):
        pass
    printed = file.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\x1b[2K", "")  # of the status
    assert not set("\x07\x9b\u202e") & set(printed)
    assert not re.search(r"\x1b(\[31m|\])", printed)
    assert "name[/red][/]:smile:" in printed
