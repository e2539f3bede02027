"""Plug-ins, their options and bundled studies shown to a person, and the values in force in a study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import registry
from harness.show.listing import Option, plugin, plugins, settings, studies, study_text
from harness.study.settings import flatten

if TYPE_CHECKING:  # only what shows a plan needs plans
    from harness.plan import Plan

MOST_ITEMS = 12  # of a list that is shown whole
COLUMNS = ("option", "value", "default", "meaning")


def _yaml(value: Any) -> str:
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        return f"[{', '.join(map(_yaml, value[:3]))}, …, {_yaml(value[-1])}]"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False).replace('"', "")


def show_all(kind: str, console: Console) -> None:
    """All plug-ins of a kind, all bundled studies, or all settings."""
    if kind == "settings":
        show_settings(None, console)
    elif kind == "studies":
        show_studies(console)
    elif kind == "meters":
        show_meters(console)
    else:
        show_plugins(kind, console)


def show_one(kind: str, name: str, console: Console) -> None:
    """A plug-in, a bundled study, or a group of settings."""
    if kind == "settings":
        show_settings(name, console)
    elif kind == "studies":
        show_study(name, console)
    else:
        show_plugin(kind, name, console)


def show_plugins(kind: str, console: Console) -> None:
    """The plug-ins of a kind: name, what it is, whether built in or from which package."""
    table = Table("name", "what it is", "from", box=None, pad_edge=False, header_style="bold")
    for one in plugins(kind):
        table.add_row(
            one["name"], Text(one["error"] or one["description"]), "built in" if one["built_in"] else one["module"]
        )
    console.print(table if table.row_count else f"no {kind} yet")


def show_meters(console: Console) -> None:
    """The energy meters, and for each whether it can be read on this machine, or why not."""
    table = Table("name", "what it reads", "on this machine", box=None, pad_edge=False, header_style="bold")
    for one in plugins("meters"):
        table.add_row(one["name"], Text(one["description"]), Text(one["error"] or "can be read"))
    console.print(table)


def show_studies(console: Console) -> None:
    """The bundled studies; each can be run by its name."""
    table = Table("name", "what it asks", box=None, pad_edge=False, header_style="bold")
    for one in studies():
        table.add_row(one["name"], one["question"])
    console.print(table)


def show_study(name: str, console: Console) -> None:
    """The text of a bundled study. Raises `InputError` with the nearest name if there is no such study."""
    console.print(study_text(name), end="", markup=False, highlight=False, soft_wrap=True)


def show_plugin(kind: str, name: str, console: Console) -> None:
    """A plug-in: what it is, its options, and a method's presets. Raises `UnknownName` with the nearest name."""
    about = plugin(kind, name)
    console.print(f"{name}: {about['title']}", style="bold", markup=False, highlight=False)
    for paragraph in about["description"].split("\n\n"):
        console.print(" ".join(paragraph.split()), markup=False, highlight=False)
    for key, title in (("stage1", "Options of stage 1"), ("stage2", "Options of stage 2"), ("options", "Options")):
        if about.get(key):
            show_options(title, about[key], console)
    for option, presets in about.get("presets", {}).items():
        _show_presets(option, presets, console)
    if kind == "methods":
        console.print("\nThe settings of both stages can be given for this method alone, below stage1 and stage2.")
        console.print("They are shown by: harness describe stage1, harness describe stage2", highlight=False)
    elif kind == "meters":
        reason = about["error"]
        text = "It can be read on this machine." if reason is None else f"It can't be read on this machine: {reason}"
        console.print(text, markup=False, highlight=False)


def show_settings(name: str | None, console: Console) -> None:
    """The settings of every trial, or of one group such as stage1. Raises `InputError` for an unknown name."""
    show_options("Settings of every trial", settings(name), console)


def show_options(title: str, options: Iterable[Option], console: Console) -> None:
    """A table of options that fits 80 columns."""
    table = Table(
        *COLUMNS, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold"
    )
    for column, width in zip(table.columns, (24 if console.width < 100 else None, 16, 10, None), strict=True):
        column.max_width, column.overflow = width, "fold"
    for option in options:
        default = "–" if option.default is None else _yaml(option.default)
        table.add_row(*map(Text, (option.name, option.values, default, option.meaning)))
    console.print()
    console.print(table)


def _show_presets(option: str, presets: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """The presets that an option chooses among, and the values that each sets; the first is the default."""
    table = Table(
        option,
        "sets",
        title=f"Presets, chosen by {option}",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for index, (name, preset) in enumerate(presets.items()):
        leaves = flatten(preset, (), lambda path: "")
        changes = ", ".join(f"{'.'.join(path)}: {_yaml(leaf.value)}" for path, leaf in leaves.items())
        table.add_row(Text(name if index else f"{name} (default)"), Text(changes or "nothing"))
    console.print()
    console.print(table)


def show_values(plan: Plan, console: Console) -> None:
    """Every value in force and its source: a model's default, a preset, a line of the study, or --set."""
    from harness.results.gather import options_in_force

    study = plan.study
    table = Table("option", "value", "source", "for", box=None, pad_edge=False, header_style="bold")

    def add(name: str, value: Any, source: str, holds_for: str = "") -> None:
        source = source.replace(f"{study.path}:", f"{study.path.name}:")
        table.add_row(*map(Text, (name, _yaml(value), source, holds_for)))

    for name, leaf in study.values().items():
        add(name, leaf.value, leaf.source)
    for dataset, option, leaf in study.swept():
        add(option, f"swept: {_yaml(leaf.value)}", leaf.source, dataset if len(study.file.datasets) > 1 else "")
    found = [option for option in options_in_force(plan.in_force, str(study.path)) if option["source"] != "sweep"]
    several = Counter(option["path"] for option in found)
    of_methods = tuple(f"{name}." for name in registry.paths("methods"))
    for one in sorted(found, key=lambda option: option["path"].startswith(of_methods)):
        holds_for = _holds_for(one["holds_for"], plan) if several[one["path"]] > 1 else ""
        add(one["path"], one["value"], one["source"], holds_for)
    console.print(table)
    presets = {f"{name}.{option}" for name in study.file.methods for option in registry.get("methods", name).presets()}
    if presets & {option for _, option, _ in study.swept()}:
        console.print("Values that depend on a swept preset are those of its first value.")


def _holds_for(pairs: Sequence[str], plan: Plan) -> str:
    """The methods and data sets for which a value holds, as briefly as they can be named."""
    by_dataset: dict[str, list[str]] = {}
    for pair in pairs:
        method, _, dataset = pair.partition(" on ")
        by_dataset.setdefault(dataset, []).append(method)
    if all(len(methods) == len(plan.in_force[dataset]) for dataset, methods in by_dataset.items()):
        return ", ".join(by_dataset)
    methods = next(iter(by_dataset.values()))
    if len(by_dataset) == len(plan.in_force) and all(some == methods for some in by_dataset.values()):
        return ", ".join(methods)
    return ", ".join(pairs)
