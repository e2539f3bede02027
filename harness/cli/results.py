"""The commands that read a run: `status`, `records`, `logs`, `send`, `report` and `compare`."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.console import RunFolder, err, out
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.results.integrity import Fault


class RecordFormat(str, Enum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def status(
    run_folder: RunFolder,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until the run ends.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also read every record and artefact, and list the damaged ones.")
    ] = False,
) -> None:
    """Show the progress of a run: jobs by state, nodes, rate, time left, and failed jobs."""
    if watch and verify:
        raise InputError("--watch reads the run again and again, --verify once: give one of them")
    from harness.results.run import RunResults
    from harness.show.heartbeat import WRITE_SECONDS
    from harness.show.status import show_status, watch_status

    if watch:
        watch_status(run_folder, out, WRITE_SECONDS)
    else:
        show_status(RunResults.open(run_folder), out)
    if verify:
        from harness.results.integrity import verify as find_faults

        faults = list(find_faults(run_folder))
        them = "it" if len(faults) == 1 else "them"
        _show_faults(faults, f"`harness doctor {run_folder}` sets {them} aside")


def doctor(
    run_folder: RunFolder,
    check: Annotated[bool, typer.Option("--check", help="List the damaged files and change nothing.")] = False,
) -> None:
    """Check every file of a run, and set damaged ones aside, so that the next run makes them anew."""
    from harness.results.integrity import check_folder, repair, verify

    check_folder(run_folder)
    faults = list(verify(run_folder)) if check else repair(run_folder)
    they, them = ("it is", "it") if len(faults) == 1 else ("they are", "them")
    _show_faults(
        faults, "" if check else f"{they} in {run_folder / 'damaged'}; run the study again to make {them} anew"
    )


def _show_faults(faults: Sequence[Fault], then: str) -> None:
    """A line for each damaged file. Raises `typer.Exit` with status 1 if there are any."""
    for fault in faults:
        out.print(f"damaged: {fault.what}", style="red", soft_wrap=True)
    if not faults:
        out.print("no file is damaged")
        return
    text = f"{len(faults)} {'file is' if len(faults) == 1 else 'files are'} damaged"
    out.print(f"{text}; {then}" if then else text, soft_wrap=True)
    raise typer.Exit(1)


def records(
    run_folder: RunFolder,
    format_: Annotated[RecordFormat, typer.Option("--format", help="The format of the table.")] = RecordFormat.csv,
) -> None:
    """Print the table of trials, one row each: status, data set, method, seed, swept options, scores, times, errors."""
    from harness.results.run import RunResults
    from harness.results.table import trial_table, write_csv

    results = RunResults.open(run_folder)
    if format_ is RecordFormat.csv:
        write_csv(results, sys.stdout)
    elif format_ is RecordFormat.jsonl:
        trial_table(results).to_json(sys.stdout, orient="records", lines=True)
    elif sys.stdout.isatty():
        raise InputError(
            "Parquet is binary: redirect it to a file, as in `harness records RUN --format parquet > trials.parquet`"
        )
    else:
        from reports.formats.csv import parquet

        sys.stdout.buffer.write(parquet(trial_table(results)))


def logs(
    run_folder: RunFolder,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key of a job, or a unique beginning of it.")],
) -> None:
    """Print what a job wrote to standard output and standard error, and the traceback if it failed.

    Colours and other control characters are left out; logs/KEY.txt in the folder of the run has them.
    """
    from harness.results.run import RunResults
    from reports.cleaning import clean

    results = RunResults.open(run_folder)
    key = results.find_key(key)
    if text := results.log(key):
        text = clean(text)
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    else:
        state = "printed nothing" if results.status(key) == "done" else "has not left a log"
        err.print(f"{results.plan.jobs[key].title} ({key}) {state}", soft_wrap=True)


def send(
    run_folder: RunFolder,
    to: Annotated[
        list[str], typer.Option(metavar="TRACKER", help="Where to: tensorboard:DIR, mlflow:URI or wandb:PROJECT.")
    ],
) -> None:
    """Log the finished jobs of a run to experiment trackers. Jobs that a tracker has already are left out."""
    from harness.results.run import RunResults
    from harness.trackers.tracking import send as send_to
    from reports.text import count

    sent = send_to(RunResults.open(run_folder), to, lambda text: err.print(text, soft_wrap=True))
    for tracker, new, before in sent:
        jobs, were = count(new, "job"), "was" if before == 1 else "were"
        out.print(f"{tracker}: {jobs} logged, {before} {were} there already")
    if len(sent) < len(set(to)):
        raise typer.Exit(1)


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs. Several runs make one report.")
    ],
    format_: Annotated[
        Optional[list[str]],
        typer.Option("--format", metavar="LIST", help="html (the default), pdf, latex or csv, or several with commas."),
    ] = None,
    out_folder: Annotated[
        Optional[Path],
        typer.Option("--out", metavar="DIR", help="The folder to write to; by default the folder of the run."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the first report in the browser.")] = False,
) -> None:
    """Write the report of a run, finished or not. Several runs make one report, in the folder that holds them."""
    from harness.results.gather import formats_of, write_reports
    from harness.results.run import RunResults

    _show_paths(
        write_reports([RunResults.open(folder) for folder in run_folders], formats_of(format_ or ["html"]), out_folder),
        open_,
    )


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN")],
    second: Annotated[Path, typer.Argument(metavar="RUN")],
    format_: Annotated[
        Optional[list[str]],
        typer.Option("--format", metavar="LIST", help="Also write a report: html, pdf, latex or csv."),
    ] = None,
    out_folder: Annotated[
        Optional[Path],
        typer.Option("--out", metavar="DIR", help="The folder to write to; by default the one that holds both runs."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the first report in the browser.")] = False,
) -> None:
    """Show how two runs differ in options, data, code and results."""
    from harness.results.gather import comparison, formats_of, write_comparison
    from harness.results.run import RunResults
    from reports.formats.terminal import show_document

    formats = formats_of(format_) if format_ else []
    runs = RunResults.open(first), RunResults.open(second)
    made = comparison(*runs)
    show_document(made, out)
    _show_paths(write_comparison(made, runs, formats, out_folder), open_)


def _show_paths(paths: list[Path], open_: bool) -> None:
    for path in paths:
        out.print(f"report: {path}", soft_wrap=True)
    if open_ and paths:
        webbrowser.open(paths[0].resolve().as_uri())
