"""What the commands share: the consoles, and the arguments that several of them take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.show.console import make_console

out, err = make_console(), make_console(stderr=True)


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
