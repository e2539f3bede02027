"""`harness list` and `harness study`: plug-ins, their options, and studies."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Annotated, Optional

import typer

from harness.cli.console import out

study_app = typer.Typer(name="study", help="The form of study files.", no_args_is_help=True)


class Listed(str, Enum):
    methods = "methods"
    datasets = "datasets"
    meters = "meters"
    studies = "studies"
    settings = "settings"


class ListFormat(str, Enum):
    text = "text"
    json = "json"


def list_plugins(
    kind: Annotated[Listed, typer.Argument(help="What to list; settings are the options that every method has.")],
    name: Annotated[Optional[str], typer.Argument(help="Show this one: what it is, and each of its options.")] = None,
    format_: Annotated[ListFormat, typer.Option("--format", help="The format of the output.")] = ListFormat.text,
) -> None:
    """List methods, data sets, meters and studies, or show one of them with its options."""
    from harness.show.listing import listing
    from harness.show.options import show_meters, show_plugin, show_plugins, show_settings, show_studies, show_study

    if format_ is ListFormat.json:
        print(json.dumps(listing(kind.value, name), indent=2, ensure_ascii=False, default=asdict))
    elif kind is Listed.settings:
        show_settings(name, out)
    elif kind is Listed.studies:
        show_study(name, out) if name else show_studies(out)
    elif name:
        show_plugin(kind.value, name, out)
    elif kind is Listed.meters:
        show_meters(out)
    else:
        show_plugins(kind.value, out)


@study_app.command(epilog="Example: harness study schema > study.schema.json")
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check YAML.

    Name it in the first line of a study: # yaml-language-server: $schema=study.schema.json
    """
    from harness.study.schema import study_schema

    print(json.dumps(study_schema(), indent=2, ensure_ascii=False))
