"""Writes the reference pages from the code: options, methods, data sets, commands and the Python interface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from harness import registry
from harness.cli import app
from harness.show.listing import Option, import_keys, options_of, plugin, settings
from harness.study.model import GENERAL_KEYS, DatasetEntry, StudyFile

API = {
    "Running and reading studies": ("harness", ("run", "open_run", "Run", "RunComparison")),
    "Methods": (
        "harness.method",
        ("Method", "Task", "Pretrainer", "Pretrained", "Classifier", "Phase"),
    ),
    "Data sets": ("harness.data.base", ("Dataset", "Recordings", "Modality", "DataOptions", "DefaultSplit")),
    "Checks for authors of plug-ins": ("harness.testing", ("check_method", "check_dataset", "check_meter")),
    "Errors": ("harness.errors", ("InputError", "DataError", "StudyError", "Problem", "JobFailed")),
}


def write(folder: Path) -> None:
    """Write all pages into a folder. An unchanged page is not written, so that Sphinx does not build it again."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Name → Markdown of each page."""
    made = {
        "options": _options(),
        "methods": _methods(),
        "datasets": _datasets(),
        "imports": _imports(),
        "commands": _commands(),
        "api": _api(),
    }
    return {name: "\n\n".join(blocks) + "\n" for name, blocks in made.items()}


def _options() -> Iterator[str]:
    yield "# Keys and options of a study"
    yield "A study is a mapping with these keys. [Studies](../studies.md) explains how to use them."
    shared = {name for name in DatasetEntry.model_fields if name != "name"}
    top = [option for option in options_of(StudyFile) if "." not in option.name]
    top.sort(key=lambda option: option.name in shared)  # the sort is stable: the study's own keys come first
    yield _table(option for option in top if option.name not in GENERAL_KEYS)
    yield "## Settings of every trial"
    names = ", ".join(f"`{name}`" for name in StudyFile.model_fields if name in shared)
    yield f"An entry of `datasets` may have keys of its own, which take precedence over those of the study: {names}."
    yield _table(option for option in settings() if option.name.partition(".")[0] not in ("stage1", "stage2"))
    for stage, title in (("stage1", "Stage 1, pre-training"), ("stage2", "Stage 2, training with labels")):
        yield f"## {title}"
        yield _table(settings(stage))
    for name, title in (("search", "Tuning"), ("folds", "Folds"), ("edge", "Measurements on devices")):
        yield f"## {title}"
        found = [option for option in options_of(StudyFile) if option.name.startswith(f"{name}.")]
        yield _table(found)
    yield "The options of methods and data sets are on the pages of [methods](methods.md) and [data sets](datasets.md)."


def _methods() -> Iterator[str]:
    yield "# Reference of methods"
    yield "What each method is, its sources, where it departs from them, and its options."
    for name in registry.BUILT_IN["methods"]:
        about = plugin("methods", name)
        yield f"## {name}"
        yield _prose(about["description"])
        for key, title in (("stage1", "Options of stage 1"), ("stage2", "Options of stage 2")):
            if about[key]:
                yield f"**{title}**"
                yield _table(about[key])
        for option, presets in about["presets"].items():
            yield f"**Presets, chosen by `{option}`**"
            yield _presets(option, presets)


def _datasets() -> Iterator[str]:
    yield "# Reference of data sets"
    yield "What each data set contains, in which units and shapes, how it is split, and its options."
    for name in registry.BUILT_IN["datasets"]:
        about = plugin("datasets", name)
        yield f"## {name}"
        yield _prose(about["description"])
        if about["options"]:
            yield _table(about["options"])


def _imports() -> Iterator[str]:
    yield "# Keys of an import"
    yield "[Your own recordings](../own_data.md) explains their use; `harness data import --keys` prints the same."
    for title, options in import_keys().items():
        yield f"## {title}"
        yield _table(options)


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield "`harness COMMAND --help` prints the same in the terminal."
    for name, command in _leaves(get_command(app), "harness"):
        yield f"## {name}"
        yield _prose(command.help or "")
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            yield "\n".join(["| Argument or option | Meaning |", "| --- | --- |", *rows])
        yield f"```sh\n{command.epilog.removeprefix('Example: ')}\n```"


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for word, one in inner.items():
        yield from _leaves(one, f"{name} {word}")


def _parameter(parameter: Any) -> str:
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return ""
    metavar = parameter.metavar or parameter.name.upper()
    flag = getattr(parameter, "is_flag", False)
    shown = (
        metavar
        if parameter.param_type_name == "argument"
        else " ".join([*parameter.opts, *([] if flag else [metavar])])
    )
    return f"| `{_cell(shown)}` | {_cell(parameter.help or '')} |"


def _api() -> Iterator[str]:
    yield "# Python interface"
    yield "[The Python interface](../python.md) shows how to use it. All names here are public."
    for title, (module, names) in API.items():
        yield f"## {title}"
        for name in names:
            kind = (
                "autofunction" if name[0].islower() else "autoexception" if module == "harness.errors" else "autoclass"
            )
            kind = "autoclass" if name == "Problem" else kind
            members = "" if kind == "autofunction" else "\n   :members:\n   :show-inheritance:"
            yield f"```{{eval-rst}}\n.. {kind}:: {module}.{name}{members}\n```"


def _table(options: Iterable[Option]) -> str:
    rows = ["| Option | Values | Default | Meaning |", "| --- | --- | --- | --- |"]
    for option in options:
        default = "" if option.default in (None, "") else f"`{_plain(option.default)}`"
        rows.append(f"| `{option.name}` | {_cell(option.values)} | {default} | {_cell(option.meaning)} |")
    return "\n".join(rows)


def _presets(option: str, presets: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [f"| `{option}` | Sets |", "| --- | --- |"]
    for index, (name, values) in enumerate(presets.items()):
        changes = ", ".join(f"`{key}: {_plain(value)}`" for key, value in values.items()) or "nothing"
        rows.append(f"| `{name}`{'' if index else ' (default)'} | {changes} |")
    return "\n".join(rows)


def _plain(value: Any) -> str:
    """A value as in a study, in one line."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False).replace('"', "")
    return _cell(text if len(text) <= 120 else f"{text[:117]}…")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(docstring: str) -> str:
    """A docstring as Markdown: its double backticks are single ones there."""
    return re.sub(r"``(.+?)``", r"`\1`", docstring).replace("{", "\\{")
