"""`harness data …`: check, describe, prepare and import data sets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from harness.cli.console import DataRoot, err, out
from harness.errors import InputError

data_app = typer.Typer(name="data", help="Check, describe, prepare and import data sets.", no_args_is_help=True)


@data_app.command(epilog="Example: harness data check usc-had --data ~/data")
def check(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Read every file of a data set, and report whether it can be used and what is doubtful about it."""
    from harness.data.checks import warnings_about
    from harness.study.model import General

    dataset, recordings = _load(name, data)
    found = warnings_about(dataset, recordings, General.model_fields["label_rate"].default)
    for warning in found:
        out.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    problems = f"{len(found)} warning{'s' * (len(found) != 1)}" if found else "no problems found"
    out.print(f"{name}: {recordings.n_samples} samples, {recordings.n_classes} classes, {problems}")


@data_app.command(epilog="Example: harness data info utd-mhad --data ~/data")
def info(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Describe a data set: modalities, classes, subjects, default split, fingerprint."""
    from harness.show.tables import show_data

    show_data(*_load(name, data), out)


@data_app.command(epilog="Example: harness data prepare usc-had --data ~/data")
def prepare(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Read a data set into the cache, so that runs start faster."""
    from harness.memo import cache_folder

    _load(name, data)
    out.print(f"{name} is cached in {cache_folder()}", soft_wrap=True)


@data_app.command(
    name="import",
    epilog="Example: harness data import csv --init > import.yaml, then after checking it: "
    "harness data import csv --config import.yaml --out ~/data/my_recordings",
)
def import_(
    folder: Annotated[Optional[Path], typer.Argument(metavar="FOLDER", help="The folder with the files.")] = None,
    config: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="What the files hold and how they are cut; see --keys.")
    ] = None,
    out_folder: Annotated[
        Optional[Path], typer.Option("--out", metavar="DIR", help="The new folder, in the folder of the data sets.")
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Only print a first draft of the configuration.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Only print the keys of the configuration.")] = False,
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="Leave out the label, for recordings that have none yet.")
    ] = False,
) -> None:
    """Turn files (CSV, TSV, Parquet, npy, npz, mat) into windows for arrays:NAME."""
    if keys:
        from harness.show.listing import import_keys
        from harness.show.options import show_options

        for title, options in import_keys().items():
            show_options(title, options, out)
        return
    if folder is None:
        raise InputError("give the FOLDER with the files")
    if init:
        from harness.data.importing.draft import draft
        from harness.data.importing.importer import check_folder

        check_folder(folder)
        print(draft(folder), end="")
        return
    if config is None or out_folder is None:
        raise InputError("give --config FILE and --out DIR, or --init for a first draft of the configuration")
    from harness.data.importing.config import read_config
    from harness.data.importing.importer import import_folder

    content = read_config(config)
    if no_labels:
        content = content.model_copy(update={"label": None})
    with _interruptible(f"interrupted: {out_folder} was not made"):
        made = import_folder(folder, content, out_folder)
    for note in made.notes:
        out.print(f"warning: {note}", style="yellow", soft_wrap=True)
    for name, count in sorted(made.counts.items()):
        out.print(f"{name.replace('_', ' ')}: {count}")
    classes = ", ".join(f"{name} {count}" for name, count in sorted(made.labels.items())) or "none"
    out.print(f"classes: {classes}", soft_wrap=True)
    out.print(f"{len(made.subjects)} subjects; use arrays:{out_folder.name}")


@contextmanager
def _interruptible(message: str) -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, so that nothing unfinished is left behind, and print a message."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        err.print(message, soft_wrap=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load(name: str, root: Path | None) -> tuple[Any, Any]:
    from harness.data.cache import dataset_named, load

    dataset = dataset_named(name)
    return dataset, load(dataset, root)
