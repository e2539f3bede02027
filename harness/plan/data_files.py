"""Searches for the files of a study's data sets when the study itself has faults, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness import registry
from harness.errors import InputError, Problem, StudyError
from harness.study import Study


def check_data_of(root: Path | None, read: Callable[[], Study]) -> Study:
    """The study that ``read`` returns.

    Raises `InputError` if the data folder does not exist. If the study has faults, the `StudyError` also names the data
    sets whose files are not in the folder; those of a study without faults are found by planning.
    """
    missing = [] if root is None or root.is_dir() else [_no_folder(root)]
    try:
        study = read()
    except StudyError as error:
        files = [found for where, name in error.datasets for found in _no_files(name, where, root)]
        hints = {f"datasets.{index}": _as_argument(name, root) for index, (_, name) in enumerate(error.datasets)}
        named = [replace(one, hint=hints.get(one.path) or one.hint) for one in error.problems]
        raise StudyError([*missing, *named, *([] if missing else files)]) from None
    if missing:
        raise StudyError(missing)
    return study


def _no_folder(root: Path) -> Problem:
    return Problem("--data", "", f"the data folder {root} does not exist", "give another with --data or HARNESS_DATA")


def _no_files(name: str, where: str, root: Path | None) -> list[Problem]:
    """The problem with the files of a data set with its default options, if they can't be found."""
    plugin, _, argument = name.partition(":")
    if plugin not in registry.paths("datasets"):
        return []
    kind = registry.get("datasets", plugin)
    if kind.takes_argument != bool(argument):
        return []
    try:
        kind(kind.Options(), argument).sources(root)
    except InputError as error:
        return [Problem(where, "datasets", str(error))]
    return []


def _as_argument(name: str, root: Path | None) -> str:
    """A hint, if there is no data set of this name, but another one can read files of this name in the folder."""
    for plugin in registry.paths("datasets") if root and name not in registry.paths("datasets") else ():
        if registry.get("datasets", plugin).takes_argument and not _no_files(f"{plugin}:{name}", "", root):
            return f"{root} contains files of this name: write {plugin}:{name}"
    return ""
