"""`harness list`: plug-ins and studies."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from harness.cli.console import out


class Listed(str, Enum):
    methods = "methods"
    datasets = "datasets"
    meters = "meters"
    studies = "studies"


def list_plugins(kind: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List what there is: built in, and added by other packages."""
    from harness.show.tables import show_meters, show_plugins, show_studies

    if kind is Listed.studies:
        show_studies(out)
    elif kind is Listed.meters:
        show_meters(out)
    else:
        show_plugins(kind.value, out)
