"""`harness run`: run or resume a study."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.console import DataRoot, MaxTrials, Pdb, debugger, out
from harness.errors import InputError

WaitForNodes = Annotated[
    Optional[float],
    typer.Option(
        "--wait-for-nodes",
        metavar="SECONDS",
        help="How long to wait for nodes to join, if no node has the resources that a job needs.",
    ),
]
StartTimeout = Annotated[
    Optional[float],
    typer.Option(
        metavar="SECONDS",
        help="How long Ray may take to start on this machine, or a node to answer; 300 by default.",
    ),
]
ShipCode = Annotated[
    bool,
    typer.Option(
        "--ship-code",
        help="Send this package and its plug-ins to the nodes of the cluster, where only their dependencies need to be "
        "installed.",
    ),
]


def command_line() -> str:
    """The command as it was typed, to be recorded with the plan."""
    return shlex.join(["harness", *sys.argv[1:]])


def run(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.yaml", help="The study, or the name of one that comes with the package.")
    ],
    out_folder: Annotated[
        Optional[Path], typer.Option("--out", metavar="RUN", help="The folder of the run; runs/STUDY by default.")
    ] = None,
    data: DataRoot = None,
    address: Annotated[
        Optional[str], typer.Option(metavar="RAY", help="Run on a Ray cluster, such as HOST:6379 or auto.")
    ] = None,
    wait: WaitForNodes = None,
    start_timeout: StartTimeout = None,
    ship_code: ShipCode = False,
    inline: Annotated[bool, typer.Option("--inline", help="Run all jobs in this process, without Ray.")] = False,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the study.")
    ] = None,
    log: Annotated[
        Optional[list[str]],
        typer.Option(metavar="TRACKER", help="Also log the run to tensorboard:DIR, mlflow:URI or wandb:PROJECT."),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
    options: Annotated[
        bool, typer.Option("--options", help="With --dry-run: print the value of every option and its source.")
    ] = False,
    max_trials: MaxTrials = 100_000,
    pdb: Pdb = False,
) -> None:
    """Run a study or resume it. Finished jobs are not run again."""
    from harness.driver import Driver, Execution, dry_run

    if options and not plan_only:
        raise InputError("--options prints the values of a plan: use it with --dry-run")
    execution = Execution(inline, address, wait, debugger.wanted, start_timeout, ship_code, log or [])
    if plan_only:
        dry_run(study, out_folder, data, set_ or [], out, options, max_trials, inline)
        return
    driver = Driver.from_file(study, out_folder, data, set_ or [], command_line(), out, max_trials)
    _end_in_order()
    raise typer.Exit(driver.run(execution))


def _end_in_order() -> None:
    """Let the signals of schedulers and of a closed terminal end the run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # below nohup it stays ignored
        signal.signal(signal.SIGHUP, signal.default_int_handler)
