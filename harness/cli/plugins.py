"""`harness list`, `harness describe` and `harness study`: plug-ins, their options, and studies."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from harness.cli.completion import described_names
from harness.cli.console import out

study_app = typer.Typer(name="study", help="The structure of study files.", no_args_is_help=True)


class Listed(str, Enum):
    methods = "methods"
    datasets = "datasets"
    meters = "meters"
    trackers = "trackers"
    studies = "studies"
    settings = "settings"


class ListFormat(str, Enum):
    text = "text"
    json = "json"


OutputFormat = Annotated[ListFormat, typer.Option("--format", help="The format of the output.")]


def list_plugins(
    kind: Annotated[
        Listed,
        typer.Argument(
            metavar="KIND", help="methods, datasets, meters, trackers, studies, or settings: what every method has."
        ),
    ],
    format_: OutputFormat = ListFormat.text,
) -> None:
    """List methods, data sets, meters, trackers, studies or settings."""
    from harness.show.listing import listing
    from harness.show.options import show_all

    if format_ is ListFormat.json:
        print(json.dumps(listing(kind.value), indent=2, ensure_ascii=False, default=asdict))
    else:
        show_all(kind.value, out)


def describe(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A method, a data set, a meter, a tracker, a study, or a setting such as stage1.",
            autocompletion=described_names,
        ),
    ],
    format_: OutputFormat = ListFormat.text,
) -> None:
    """Explain a method, a data set or a setting: what it is, its sources, each option. Print a study or a meter."""
    from harness.show.listing import kinds_of, listing
    from harness.show.options import show_one

    kinds = kinds_of(name)
    if format_ is ListFormat.json:
        found = {kind: listing(kind, name) for kind in kinds}
        print(json.dumps(found, indent=2, ensure_ascii=False, default=asdict))
        return
    for kind in kinds:
        show_one(kind, name, out)


@study_app.command(epilog="Example: harness study schema > study.schema.json")
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check YAML.

    Name it in the first line of a study: # yaml-language-server: $schema=study.schema.json
    """
    from harness.study.schema import study_schema

    print(json.dumps(study_schema(), indent=2, ensure_ascii=False))
