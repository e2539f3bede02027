"""`harness edge …`: measure the trials of a run on an edge device."""

from __future__ import annotations

import json
import math
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from harness.cli.console import DataRoot, MaxTrials, RunFolder
from harness.show.console import make_console

edge_app = typer.Typer(
    name="edge",
    help="Measure on an edge device, attached as a node of a Ray cluster, over SSH or by a bundle.",
    no_args_is_help=True,
)
out = make_console()
out.soft_wrap = True


@edge_app.command(epilog="Example: harness edge export runs/edge_cost orin.zip")
def export(
    run_folder: RunFolder,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle to write.")],
    data: DataRoot = None,
    device: Annotated[
        Optional[str],
        typer.Option(help="Export the measurements of this device alone; by default those of all offline devices."),
    ] = None,
    max_trials: MaxTrials = 100_000,
) -> None:
    """Write the measurements that a run still needs into a bundle, to be carried to the device."""
    from harness.ledger import Ledger
    from harness.offline import export as write

    jobs = write(Ledger.open(run_folder), bundle, data, device, max_trials)
    size = bundle.stat().st_size / 2**20
    out.print(f"{bundle}: {len(jobs)} measurements, {size:.1f} MiB. On the device: harness edge measure {bundle.name}")


@edge_app.command(epilog="Example: harness edge measure orin.zip --out orin-result.zip")
def measure(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle written by `harness edge export`.")],
    result: Annotated[
        Optional[Path],
        typer.Option("--out", metavar="RESULT", help="The result to write; by default BUNDLE's name with -result.zip."),
    ] = None,
    progress: Annotated[
        bool,
        typer.Option("--progress", hidden=True, help="Report progress on standard output, one JSON object a line."),
    ] = False,
) -> None:
    """Do the measurements of a bundle on this device. Needs neither Ray nor a network."""
    from harness.edge.attach.measure import measure as measure_all

    result = result or bundle.with_name(f"{bundle.stem}-result.zip")

    def on_message(message: dict[str, Any]) -> None:
        if progress:
            print(json.dumps(message), flush=True)
        elif "waiting" in message:
            out.print(f"waiting: {message['waiting']}")
        elif "title" in message:
            out.print(f"measuring {message['title']}")
        elif "epoch" in message and message["loss"] is not None and not math.fmod(message["epoch"], 10):
            out.print(f"  epoch {message['epoch']} of {message['epochs']}")

    failed = measure_all(bundle, result, on_message)
    if not progress:
        out.print(f"wrote {result}" + (f"; {failed} measurements failed" if failed else ""))
    raise typer.Exit(1 if failed and not progress else 0)


@edge_app.command(name="import", epilog="Example: harness edge import runs/edge_cost orin-result.zip")
def import_(
    run_folder: RunFolder,
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result written by `harness edge measure`.")],
) -> None:
    """Add the measurements of a result to the run. A result that does not belong to the run is refused."""
    from harness.ledger import Ledger
    from harness.offline import import_ as take
    from harness.results.run import RunResults
    from harness.show.tables import show_edge

    ledger = Ledger.open(run_folder)
    done, failed = take(ledger, result)
    out.print(f"imported {len(done)} measurements and {len(failed)} failed ones")
    show_edge(RunResults.open(run_folder), out)
    raise typer.Exit(1 if failed else 0)


@edge_app.command(epilog="Example: harness edge serve")
def serve(
    as_json: Annotated[
        bool, typer.Option("--json", hidden=True, help="Print the properties of this device as JSON.")
    ] = False,
) -> None:
    """Check whether this device is ready to be measured over SSH, and print its entry for a study.

    The exit status is 1 if something that is needed is missing.
    """
    from harness.edge.attach.probe import probe_device
    from harness.edge.attach.ssh import serve_lines

    if as_json:
        print(json.dumps({check.what: check.found for check in probe_device()}))
    else:
        lines, ready = serve_lines()
        for line in lines:
            out.print(line, markup=False)
        raise typer.Exit(0 if ready else 1)


@edge_app.command(
    epilog="Example: harness edge meter --ssh user@tx2.local --idle 30 -- python3 infer.py",
    context_settings={"ignore_unknown_options": True},
)
def meter(
    command: Annotated[
        Optional[list[str]], typer.Argument(metavar="[-- COMMAND…]", help="The command to run on the device.")
    ] = None,
    ssh: Annotated[
        Optional[str], typer.Option(metavar="USER@HOST", help="The device; by default this machine.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Without a command: the time to measure, in seconds.")] = 0.0,
    idle: Annotated[float, typer.Option(min=0, help="Seconds of rest that are measured before the command.")] = 0.0,
    hertz: Annotated[float, typer.Option(min=0.1, max=1000, help="Readings per second.")] = 20.0,
    python: Annotated[str, typer.Option(help="The command of Python 3.6 or later on the device.")] = "python3",
    trace: Annotated[
        Optional[Path],
        typer.Option("--out", metavar="FILE.csv", help="Also write all readings, for the meter replay."),
    ] = None,
    root: Annotated[str, typer.Option(hidden=True, help="A path to use instead of /sys.")] = "/sys",
) -> None:
    """Read the power rails of a Jetson while a command runs on it. Nothing is installed on the device.

    This is for boards that cannot run the harness, such as those with a Python older than 3.10.
    """
    from harness.edge.attach.disk_space import space_for
    from harness.edge.attach.meter_only import lines, meter_command
    from harness.edge.power.meter import MeterError
    from harness.errors import InputError
    from harness.study.edge import SSH_ADDRESS

    if bool(command) == bool(seconds):
        raise InputError("give either a command after -- or --seconds")
    if ssh and not re.fullmatch(SSH_ADDRESS, ssh):
        raise InputError(f"{ssh!r} is not an address of the form USER@HOST")
    try:
        with space_for(trace) if trace else nullcontext():
            metered = meter_command(command or [], seconds, ssh, python, hertz, idle, root)
    except MeterError as error:
        raise InputError(str(error)) from error
    for line in lines(metered):
        out.print(line, markup=False)
    if trace:
        try:
            trace.write_bytes(metered.trace.to_csv())
        except OSError as error:
            raise InputError(f"{trace} cannot be written: {error}") from error
    if metered.status:
        out.print(f"the command failed with status {metered.status}")
        raise typer.Exit(1)


@edge_app.command(epilog="Example: harness edge join --address 192.168.1.10:6379 --name orin")
def join(
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The head of the Ray cluster, as printed by `ray start --head`.")
    ],
    name: Annotated[str, typer.Option(help="The name of this device in studies.")],
) -> None:
    """Make this device a node of a Ray cluster, until Ctrl-C."""
    from harness.edge.attach.join import join as stay
    from harness.errors import InputError
    from harness.study.edge import LOCAL, NAME

    if name in LOCAL or not re.fullmatch(NAME, name):
        raise InputError(
            f"{name!r} is not a valid name for a device: use letters, digits, dots and dashes, but neither cpu nor cuda"
        )
    stay(address, name, lambda text: out.print(text, markup=False))
