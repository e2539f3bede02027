"""The consoles that commands and Python sessions print on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from reports.cleaning import clean

PIPE_COLUMNS = 160  # output to a file or a pipe is not wrapped at 80 columns


class CleanConsole(Console):
    """A console that prints no character that a terminal acts on, and takes no part of a text for markup or an emoji.

    What it prints may come from files and devices: names of classes, errors, logs. Styles are given by ``style=``.
    """

    def __init__(self, **options: Any):
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))


def make_console(stderr: bool = False, quiet: bool = False) -> CleanConsole:
    """A console for standard output or standard error: a terminal, a notebook's cell, a file or a pipe.

    In a notebook without ipywidgets, which rich needs for output that changes in place, it prints plain lines.
    """
    console = CleanConsole(stderr=stderr, quiet=quiet)
    if console.is_jupyter and find_spec("ipywidgets") is None:
        console = CleanConsole(stderr=stderr, quiet=quiet, force_jupyter=False, force_terminal=False)
    if not (console.is_jupyter or (sys.stderr if stderr else sys.stdout).isatty()):
        console.width = PIPE_COLUMNS
    return console
