"""The command line. It knows every other room and is known by none."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
import traceback
import webbrowser
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

from harness import __version__, registry
from harness.cli.edge import edge_app
from harness.errors import InputError, StudyError

app = typer.Typer(
    name="harness",
    help="Benchmarks and ablations for multimodal sensing with few labels.",
    epilog="Begin with: harness run studies/quickstart.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(name="data", help="Check, describe and prepare data sets.", no_args_is_help=True)
app.add_typer(data_app)
app.add_typer(edge_app)
PIPE_COLUMNS = 160  # what goes into a file or a pipe isn't wrapped at 80
out, err = (
    Console(stderr=stderr, width=None if stream.isatty() else PIPE_COLUMNS) for stderr, stream in ((False, sys.stdout), (True, sys.stderr))
)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/label_rate.")]
DataRoot = Annotated[
    Optional[Path], typer.Option("--data", metavar="DIR", envvar="HARNESS_DATA", help="Where the data sets lie, zipped or unpacked.")
]


class RecordFormat(str, Enum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


class Plugins(str, Enum):
    methods = "methods"
    datasets = "datasets"
    meters = "meters"
    studies = "studies"


@app.command(epilog="Example: harness run studies/label_rate.yaml --data ~/data --set seeds=3 --set stage1.epochs=60")
def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study, or the name of one that comes with the package.")],
    out_folder: Annotated[Optional[Path], typer.Option("--out", metavar="RUN", help="The run's folder [default: runs/STUDY].")] = None,
    data: DataRoot = None,
    address: Annotated[Optional[str], typer.Option(metavar="RAY", help="A Ray cluster, such as HOST:6379 or auto.")] = None,
    wait: Annotated[
        Optional[float],
        typer.Option("--wait-for-nodes", metavar="SECONDS", min=0, help="Wait so long for nodes to join, while none has what a job needs."),
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="Run all jobs in this process, without Ray.")] = False,
    set_: Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the study.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
) -> None:
    """Run a study, or go on with one: jobs that are done are not run again."""
    from harness.driver import Driver

    if inline and address:
        raise InputError("--inline runs in this process, --address on a cluster: give one of them")
    if inline and wait is not None:
        raise InputError("--inline runs in this process: there are no nodes for --wait-for-nodes to wait for")
    driver = Driver.plan(study, out_folder, data, set_ or [], command_line(), out)
    if dry_run:
        driver.show_plan()
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as schedulers send it: ends the run as Ctrl-C does
    raise typer.Exit(driver.run(inline, address, wait or 0.0))


@app.command(epilog="Example: harness status runs/label_rate --watch")
def status(
    run_folder: RunFolder,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every two seconds, until the run is over.")] = False,
) -> None:
    """Tell how far a run is, while it runs or after: jobs by state, nodes, rate, time left, and what failed."""
    from harness.ledger import Ledger
    from harness.show.heartbeat import WRITE_SECONDS
    from harness.show.status import show_status, watch_status

    if watch:
        watch_status(Ledger.open(run_folder), out, WRITE_SECONDS)
    else:
        show_status(Ledger.open(run_folder), out)


@app.command(epilog="Example: harness records runs/label_rate --format csv > trials.csv")
def records(
    run_folder: RunFolder,
    format_: Annotated[RecordFormat, typer.Option("--format", help="The form of the table.")] = RecordFormat.csv,
) -> None:
    """Print one row a trial: status, data set, method, seed, every swept option, accuracy, macro F1, seconds, error."""
    from harness.ledger import Ledger
    from harness.results.table import trial_table

    table = trial_table(Ledger.open(run_folder))
    if format_ is RecordFormat.csv:
        table.to_csv(sys.stdout, index=False)
    elif format_ is RecordFormat.jsonl:
        table.to_json(sys.stdout, orient="records", lines=True)
    elif sys.stdout.isatty():
        raise InputError("parquet is binary: send it to a file, as in `harness records RUN --format parquet > trials.parquet`")
    else:
        from reports.formats.csv import parquet

        sys.stdout.buffer.write(parquet(table))


@app.command(epilog="Example: harness report runs/label_rate --format html,pdf --open")
def report(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders; of several one report is made.")],
    format_: Annotated[str, typer.Option("--format", metavar="LIST", help="html, pdf, latex, csv; several with commas.")] = "html",
    out_folder: Annotated[Optional[Path], typer.Option("--out", metavar="DIR", help="Where to [default: the run's folder].")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the first.")] = False,
) -> None:
    """Write the report of a run, finished or not, into its folder; of several runs, into the folder that holds them."""
    from harness.ledger import Ledger
    from harness.results.gather import formats_of, write_reports

    _tell(write_reports([Ledger.open(folder) for folder in run_folders], formats_of(format_), out_folder), open_)


@app.command(epilog="Example: harness compare runs/monday runs/tuesday --format html")
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN")],
    second: Annotated[Path, typer.Argument(metavar="RUN")],
    format_: Annotated[
        Optional[str], typer.Option("--format", metavar="LIST", help="Write it as a report too: html, pdf, latex, csv.")
    ] = None,
    out_folder: Annotated[Optional[Path], typer.Option("--out", metavar="DIR", help="Where to [default: the folder of both].")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the first.")] = False,
) -> None:
    """Tell what differs between two runs: options, data, code and results."""
    from harness.ledger import Ledger
    from harness.results.gather import formats_of, gather, write_comparison
    from reports.compare import comparison
    from reports.formats.terminal import show_document

    ledgers, formats = [Ledger.open(folder) for folder in (first, second)], formats_of(format_) if format_ else []
    show_document(comparison(*(gather(ledger, arrays=False) for ledger in ledgers)), out)
    _tell(write_comparison(ledgers[0], ledgers[1], formats, out_folder), open_)


def _tell(paths: list[Path], open_: bool) -> None:
    for path in paths:
        out.print(f"report: {path}", highlight=False, soft_wrap=True)
    if open_ and paths:
        webbrowser.open(paths[0].resolve().as_uri())


@app.command(name="list", epilog="Example: harness list methods")
def list_(kind: Annotated[Plugins, typer.Argument(help="What to list.")]) -> None:
    """List what there is: built in, and added by other packages."""
    from harness.show.tables import show_meters, show_plugins, show_studies

    if kind is Plugins.studies:
        show_studies(out)
    elif kind is Plugins.meters:
        show_meters(out)
    else:
        show_plugins(kind.value, out)


@data_app.command(epilog="Example: harness data check usc-had --data ~/data")
def check(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Read every file of a data set and say whether it is fit for use."""
    recordings = _load(name, data)[1]
    out.print(f"{name}: {recordings.n_samples} samples, {recordings.n_classes} classes, nothing wrong", highlight=False)


@data_app.command(epilog="Example: harness data info utd-mhad --data ~/data")
def info(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Describe a data set: modalities, classes, subjects, default split, fingerprint."""
    from harness.show.tables import show_data

    show_data(*_load(name, data), out)


@data_app.command(epilog="Example: harness data prepare usc-had --data ~/data")
def prepare(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Parse a data set into the cache, so that the next start takes a second."""
    from harness.data.cache import cache_folder

    _load(name, data)
    out.print(f"{name} is in {cache_folder()}", highlight=False, soft_wrap=True)


def _load(name: str, root: Path | None) -> tuple[Any, Any]:
    from harness.data.cache import load

    plugin, _, argument = name.partition(":")
    kind = registry.get("datasets", plugin)
    if kind.takes_argument and not argument:
        raise InputError(f"{plugin} needs a name: for example {plugin}:my_recordings")
    dataset = kind(kind.Options(), argument)
    return dataset, load(dataset, root)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"cosmo-harness {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Benchmarks and ablations for multimodal sensing with few labels."""


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join(["harness", *sys.argv[1:]])


def entry() -> None:
    """The `harness` command: bad input is one message and status 2, an interruption 130, a bug a traceback and status 70."""
    try:
        app()
    except InputError as error:
        several = isinstance(error, StudyError) and len(error.problems) > 1
        err.print("[bold red]error:[/bold red]", end="\n" if several else " ")
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `harness records RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception:
        traceback.print_exc()
        where = f"cosmo-harness {__version__}, Python {platform.python_version()}, {platform.platform()}"
        err.print("\nThis is a bug of the harness, not of your study. What is finished is kept.", highlight=False)
        err.print(f"Please report it with the text above and: {where}", highlight=False, soft_wrap=True)
        sys.exit(70)


if __name__ == "__main__":
    entry()
