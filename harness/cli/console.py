"""What the commands share: the consoles, and the arguments that several of them take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

PIPE_COLUMNS = 160  # output to a file or a pipe is not wrapped at 80 columns
out, err = (
    Console(stderr=stderr, width=None if stream.isatty() else PIPE_COLUMNS)
    for stderr, stream in ((False, sys.stdout), (True, sys.stderr))
)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/label_rate.")]
DataRoot = Annotated[
    Optional[Path],
    typer.Option("--data", metavar="DIR", envvar="HARNESS_DATA", help="Folder with the data sets, zipped or unpacked."),
]
