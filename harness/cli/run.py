"""`harness run`: run a study, or resume one."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.console import DataRoot, Pdb, debugger, out
from harness.errors import InputError


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join(["harness", *sys.argv[1:]])


def run(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.yaml", help="The study, or the name of one that comes with the package.")
    ],
    out_folder: Annotated[
        Optional[Path], typer.Option("--out", metavar="RUN", help="The run's folder [default: runs/STUDY].")
    ] = None,
    data: DataRoot = None,
    address: Annotated[
        Optional[str], typer.Option(metavar="RAY", help="A Ray cluster, such as HOST:6379 or auto.")
    ] = None,
    wait: Annotated[
        Optional[float],
        typer.Option(
            "--wait-for-nodes",
            metavar="SECONDS",
            min=0,
            help="Wait so long for nodes to join, while none has what a job needs.",
        ),
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="Run all jobs in this process, without Ray.")] = False,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the study.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
    options: Annotated[
        bool, typer.Option("--options", help="With --dry-run: print every option's value, and where it comes from.")
    ] = False,
    pdb: Pdb = False,
) -> None:
    """Run a study, or go on with one: jobs that are done are not run again."""
    from harness.driver import Driver, Execution

    if options and not dry_run:
        raise InputError("--options prints the values of a plan: give --dry-run with it")
    execution = Execution(inline, address, wait, stop_at_failure=debugger.wanted)
    driver = Driver.from_file(study, out_folder, data, set_ or [], command_line(), out)
    if dry_run:
        driver.show_plan(options)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as schedulers send it: ends the run as Ctrl-C does
    raise typer.Exit(driver.run(execution))
