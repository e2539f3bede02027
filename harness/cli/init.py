"""`harness init`: write a new study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.completion import dataset_names, method_names
from harness.cli.console import DataRoot, out
from harness.errors import InputError


def init(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The file to write. It must not exist yet.")],
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME", help="The data set, such as arrays:NAME.", autocompletion=dataset_names),
    ] = "fantasy-device",
    method: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="NAME",
            help="A method to compare; repeat the option for each. By default Cosmo and the baselines of its paper.",
            autocompletion=method_names,
        ),
    ] = None,
    data: DataRoot = None,
) -> None:
    """Write a study that compares methods on a data set, with comments that say what can be changed."""
    from harness.plan.new_study import new_study

    if study.suffix not in (".yaml", ".yml"):
        raise InputError(f"{study}: a study is a YAML file, so give it a name that ends in .yaml")
    text = new_study(study, dataset, method or [], data)
    try:
        with study.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{study} exists already: give another name, or delete it first") from None
    except OSError as error:
        raise InputError(f"{study} can't be written: {error.strerror}") from None
    folder = "" if data is None else f" --data {data}"
    out.print(f"{study} is written. See what it will do: harness run {study}{folder} --dry-run")
