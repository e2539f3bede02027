"""Commands that read a run: `status`, `records`, `logs`, `report`, `compare`."""

from __future__ import annotations

import sys
import webbrowser
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.console import RunFolder, err, out
from harness.errors import InputError


class RecordFormat(str, Enum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def status(
    run_folder: RunFolder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every two seconds, until the run is over.")
    ] = False,
) -> None:
    """Tell how far a run is, while it runs or after: jobs by state, nodes, rate, time left, and what failed."""
    from harness.results.run import RunResults
    from harness.show.heartbeat import WRITE_SECONDS
    from harness.show.status import show_status, watch_status

    if watch:
        watch_status(run_folder, out, WRITE_SECONDS)
    else:
        show_status(RunResults.open(run_folder), out)


def records(
    run_folder: RunFolder,
    format_: Annotated[RecordFormat, typer.Option("--format", help="The form of the table.")] = RecordFormat.csv,
) -> None:
    """Print one row a trial: status, data set, method, seed, every swept option, accuracy, macro F1, seconds, error."""
    from harness.results.run import RunResults
    from harness.results.table import trial_table

    table = trial_table(RunResults.open(run_folder))
    if format_ is RecordFormat.csv:
        table.to_csv(sys.stdout, index=False)
    elif format_ is RecordFormat.jsonl:
        table.to_json(sys.stdout, orient="records", lines=True)
    elif sys.stdout.isatty():
        raise InputError(
            "parquet is binary: send it to a file, as in `harness records RUN --format parquet > trials.parquet`"
        )
    else:
        from reports.formats.csv import parquet

        sys.stdout.buffer.write(parquet(table))


def logs(
    run_folder: RunFolder,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key of a job, or the beginning of one.")],
) -> None:
    """Print what a job wrote to standard output and standard error, and the traceback if it failed."""
    from harness.results.run import RunResults

    results = RunResults.open(run_folder)
    key = results.find_key(key)
    if text := results.log(key):
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    else:
        state = "printed nothing" if results.status(key) == "done" else "has not left a log"
        err.print(f"{results.plan.jobs[key].title} ({key}) {state}", markup=False, highlight=False, soft_wrap=True)


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders; of several one report is made.")
    ],
    format_: Annotated[
        str, typer.Option("--format", metavar="LIST", help="html, pdf, latex, csv; several with commas.")
    ] = "html",
    out_folder: Annotated[
        Optional[Path], typer.Option("--out", metavar="DIR", help="Where to [default: the run's folder].")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the first.")] = False,
) -> None:
    """Write the report of a run, finished or not, into its folder; of several runs, into the folder that holds them."""
    from harness.results.gather import formats_of, write_reports
    from harness.results.run import RunResults

    _tell(write_reports([RunResults.open(folder) for folder in run_folders], formats_of(format_), out_folder), open_)


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN")],
    second: Annotated[Path, typer.Argument(metavar="RUN")],
    format_: Annotated[
        Optional[str], typer.Option("--format", metavar="LIST", help="Write it as a report too: html, pdf, latex, csv.")
    ] = None,
    out_folder: Annotated[
        Optional[Path], typer.Option("--out", metavar="DIR", help="Where to [default: the folder of both].")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the first.")] = False,
) -> None:
    """Tell what differs between two runs: options, data, code and results."""
    from harness.results.gather import formats_of, gather, write_comparison
    from harness.results.run import RunResults
    from reports.formats.terminal import show_document
    from reports.run_comparison import compare_runs

    ledgers, formats = [RunResults.open(folder) for folder in (first, second)], formats_of(format_) if format_ else []
    show_document(compare_runs(*(gather(ledger, arrays=False) for ledger in ledgers)), out)
    _tell(write_comparison(ledgers[0], ledgers[1], formats, out_folder), open_)


def _tell(paths: list[Path], open_: bool) -> None:
    for path in paths:
        out.print(f"report: {path}", highlight=False, soft_wrap=True)
    if open_ and paths:
        webbrowser.open(paths[0].resolve().as_uri())
