"""What the commands share: the consoles, the debugger, and the arguments that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.show.console import make_console

out, err = make_console(), make_console(stderr=True)


@dataclass
class Debugger:
    """Python's debugger. It opens only if ``--pdb`` was given."""

    wanted: bool = False

    def enable(self, asked: bool) -> bool:
        """The callback of the option ``--pdb``, which may stand before or after the name of the command."""
        self.wanted = self.wanted or asked
        return asked

    def open(self, error: BaseException) -> None:
        """Open the debugger where the exception was raised, if it is wanted."""
        if self.wanted:
            import pdb

            pdb.post_mortem(error.__traceback__)


debugger = Debugger()

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, such as runs/label_rate.")]
DataRoot = Annotated[
    Optional[Path],
    typer.Option(
        "--data", metavar="DIR", envvar="HARNESS_DATA", help="The folder with the data sets, zipped or unpacked."
    ),
]
MaxTrials = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="The most trials, with those of a search, that a study may have."),
]
Pdb = Annotated[
    bool,
    typer.Option(
        "--pdb",
        callback=debugger.enable,
        help="Open the Python debugger at an unexpected error and, with --inline, at the first job that fails.",
    ),
]
