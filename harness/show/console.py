"""The consoles that commands and Python sessions print on."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from rich.console import Console

PIPE_COLUMNS = 160  # output to a file or a pipe is not wrapped at 80 columns


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console for standard output or standard error: a terminal, a notebook's cell, a file or a pipe.

    In a notebook without ipywidgets, which rich needs for output that changes in place, it prints plain lines.
    """
    console = Console(stderr=stderr, quiet=quiet)
    if console.is_jupyter and find_spec("ipywidgets") is None:
        console = Console(stderr=stderr, quiet=quiet, force_jupyter=False, force_terminal=False)
    if not (console.is_jupyter or (sys.stderr if stderr else sys.stdout).isatty()):
        console.width = PIPE_COLUMNS
    return console
