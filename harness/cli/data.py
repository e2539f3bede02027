"""`harness data …`: check, describe and prepare data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness import registry
from harness.cli.console import DataRoot, out
from harness.errors import InputError

data_app = typer.Typer(name="data", help="Check, describe and prepare data sets.", no_args_is_help=True)


@data_app.command(epilog="Example: harness data check usc-had --data ~/data")
def check(name: Annotated[str, typer.Argument(metavar="NAME")], data: DataRoot = None) -> None:
    """Read every file of a data set, and report whether it can be used."""
    recordings = _load(name, data)[1]
    out.print(
        f"{name}: {recordings.n_samples} samples, {recordings.n_classes} classes, no problems found", highlight=False
    )


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
    out.print(f"{name} is cached in {cache_folder()}", highlight=False, soft_wrap=True)


def _load(name: str, root: Path | None) -> tuple[Any, Any]:
    from harness.data.cache import load

    plugin, _, argument = name.partition(":")
    kind = registry.get("datasets", plugin)
    if kind.takes_argument and not argument:
        raise InputError(f"{plugin} needs a name: for example {plugin}:my_recordings")
    dataset = kind(kind.Options(), argument)
    return dataset, load(dataset, root)
