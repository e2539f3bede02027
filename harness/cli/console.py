"""What the commands share: the consoles, and the arguments that several of them take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

PIPE_COLUMNS = 160  # output to a file or a pipe is not wrapped at 80 columns
out, err = (
    Console(stderr=stderr, width=None if stream.isatty() else PIPE_COLUMNS)
    for stderr, stream in ((False, sys.stdout), (True, sys.stderr))
)


@dataclass
class Debugger:
    """The debugger that ``--pdb`` asks for."""

    wanted: bool = False

    def enable(self, asked: bool) -> bool:
        self.wanted = self.wanted or asked
        return asked

    def open(self, error: BaseException) -> None:
        """If it is wanted, open it where the exception was raised."""
        if self.wanted:
            import pdb

            pdb.post_mortem(error.__traceback__)


debugger = Debugger()

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/label_rate.")]
DataRoot = Annotated[
    Optional[Path],
    typer.Option("--data", metavar="DIR", envvar="HARNESS_DATA", help="Folder with the data sets, zipped or unpacked."),
]
Pdb = Annotated[
    bool,
    typer.Option(
        "--pdb",
        callback=debugger.enable,
        help="Open the Python debugger at an unexpected error and, with --inline, at the first job that fails.",
    ),
]
