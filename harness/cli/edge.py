"""`harness edge …`: attaching a device to a run."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

from harness.cli.console import DataRoot, RunFolder

edge_app = typer.Typer(
    name="edge", help="Measure on an edge device: a node of a Ray cluster, over SSH, by a bundle.", no_args_is_help=True
)
out = Console(highlight=False, soft_wrap=True)


@edge_app.command(epilog="Example: harness edge export runs/edge_cost orin.zip")
def export(
    run_folder: RunFolder,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle to write.")],
    data: DataRoot = None,
    device: Annotated[Optional[str], typer.Option(help="Of this device; else of all offline ones.")] = None,
) -> None:
    """Write a bundle of the measurements that a run still needs, to be carried to the device."""
    from harness.ledger import Ledger
    from harness.offline import export as write

    jobs = write(Ledger.open(run_folder), bundle, data, device)
    size = bundle.stat().st_size / 2**20
    out.print(f"{bundle}: {len(jobs)} measurements, {size:.1f} MiB. On the device: harness edge measure {bundle.name}")


@edge_app.command(epilog="Example: harness edge measure orin.zip --out orin-result.zip")
def measure(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle that `harness edge export` has written.")],
    result: Annotated[
        Optional[Path], typer.Option("--out", metavar="RESULT", help="[default: BUNDLE's name with -result.zip]")
    ] = None,
    tell: Annotated[
        bool, typer.Option("--tell", hidden=True, help="Say on standard output, in JSON, what happens.")
    ] = False,
) -> None:
    """Measure on this device what a bundle asks for. Needs no Ray and no network."""
    from harness.edge.attach.measure import measure as measure_all

    result = result or bundle.with_name(f"{bundle.stem}-result.zip")

    def told(said: dict[str, Any]) -> None:
        if tell:
            print(json.dumps(said), flush=True)
        elif "waiting" in said:
            out.print(f"waiting: {said['waiting']}")
        elif "title" in said:
            out.print(f"measuring {said['title']}")
        elif "epoch" in said and said["loss"] is not None and not math.fmod(said["epoch"], 10):
            out.print(f"  epoch {said['epoch']} of {said['epochs']}")

    failed = measure_all(bundle, result, told)
    if not tell:
        out.print(f"{result} is written" + (f"; {failed} measurements failed" if failed else ""))
    raise typer.Exit(1 if failed and not tell else 0)


@edge_app.command(name="import", epilog="Example: harness edge import runs/edge_cost orin-result.zip")
def import_(
    run_folder: RunFolder,
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="What `harness edge measure` has written.")],
) -> None:
    """Take what was measured into the run; refuse what is not the run's."""
    from harness.ledger import Ledger
    from harness.offline import import_ as take
    from harness.results.run import RunResults
    from harness.show.tables import show_edge

    ledger = Ledger.open(run_folder)
    done, failed = take(ledger, result)
    out.print(f"{len(done)} measurements taken, {len(failed)} failed ones")
    show_edge(RunResults.open(run_folder), out)
    raise typer.Exit(1 if failed else 0)


@edge_app.command(epilog="Example: harness edge serve")
def serve(
    as_json: Annotated[bool, typer.Option("--json", hidden=True, help="What was found, as JSON.")] = False,
) -> None:
    """Look whether this device can be measured on over SSH, and say what to write in the study."""
    from harness.edge.attach.probe import probe_device
    from harness.edge.attach.ssh import serve_lines

    if as_json:
        print(json.dumps({check.what: check.found for check in probe_device()}))
    else:
        for line in serve_lines():
            out.print(line, markup=False)


@edge_app.command(epilog="Example: harness edge join --address 192.168.1.10:6379 --name orin")
def join(
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The head of the Ray cluster, as `ray start --head` prints it.")
    ],
    name: Annotated[str, typer.Option(help="What studies call this device.")],
) -> None:
    """Make this device a node of a Ray cluster, until Ctrl-C."""
    from harness.edge.attach.join import join as stay
    from harness.errors import InputError
    from harness.study.edge import HERE, NAME

    if name in HERE or not re.fullmatch(NAME, name):
        raise InputError(
            f"{name!r} can't be a device's name: letters, digits, dots and dashes, and neither cpu nor cuda"
        )
    stay(address, name, lambda text: out.print(text, markup=False))
