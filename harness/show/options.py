"""Options shown to a person: what each means and may be, and the values in force in a study."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import registry
from harness.errors import InputError, did_you_mean
from harness.plan import Plan
from harness.results.gather import options_in_force
from harness.study.model import General
from harness.study.settings import flatten

Schema = Mapping[str, Any]
MOST_ITEMS = 12  # of a list that is shown whole
COLUMNS = ("option", "value", "default", "meaning")


@dataclass(frozen=True)
class Option:
    """An option: its dotted name, the values that it may have, its default ("–" for none) and its meaning."""

    name: str
    values: str
    default: str
    meaning: str


def options_of(model: type[BaseModel]) -> Iterator[Option]:
    """The options of a model, those inside a group after it."""
    schema = model.model_json_schema(by_alias=True)
    yield from _options(schema, schema.get("$defs", {}), "")


def _options(schema: Schema, groups: Mapping[str, Schema], prefix: str) -> Iterator[Option]:
    for name, option in schema.get("properties", {}).items():
        inner = [one["$ref"] for one in (option, *option.get("anyOf", ())) if "$ref" in one]
        if not inner or "anyOf" in option:
            default = "–" if option.get("default") is None else _yaml(option["default"])
            yield Option(prefix + name, _values(option), default, option.get("description", ""))
        for reference in inner:
            yield from _options(groups[reference.rpartition("/")[2]], groups, f"{prefix}{name}.")


def _values(schema: Schema) -> str:
    """The values that a schema allows, in words: ``integer ≥ 1``, ``number in [0, 1]``, ``sgd | adam``."""
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        return "options below"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        fixed = schema.get("prefixItems", [])
        items = _values(fixed[0] if fixed else schema.get("items", {}))
        for one in ("integer", "number"):
            items = items.replace(one, f"{one}s")
        return f"{len(fixed)} {items}" if fixed else f"list of {items}"
    if kind in ("integer", "number"):
        return kind + _range(schema)
    return {"boolean": "true | false", "string": "text", "object": "mapping"}.get(kind, kind)


def _range(schema: Schema) -> str:
    low, high = (schema.get(name, schema.get(f"exclusive{name.capitalize()}")) for name in ("minimum", "maximum"))
    open_low, open_high = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    if low is not None and high is not None:
        return f" in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
    if low is not None:
        return f" {'>' if open_low else '≥'} {low:g}"
    return "" if high is None else f" {'<' if open_high else '≤'} {high:g}"


def _yaml(value: Any) -> str:
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        return f"[{', '.join(map(_yaml, value[:3]))}, …, {_yaml(value[-1])}]"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False).replace('"', "")


def show_plugin(kind: str, name: str, console: Console) -> None:
    """A plug-in: what it is, its options, and a method's presets. Raises `UnknownName` with the nearest name."""
    plugin = registry.get(kind, name)
    console.print(f"{name}: {plugin.title}", style="bold", markup=False, highlight=False)
    for paragraph in (inspect.getdoc(plugin) or "").split("\n\n"):
        console.print(" ".join(paragraph.split()), markup=False, highlight=False)
    if kind == "methods":
        for title, model in (("stage 1", plugin.Stage1), ("stage 2", plugin.Stage2)):
            if model and model.model_fields:
                show_options(f"Options of {title}", options_of(model), console)
        for option, presets in plugin.presets().items():
            _show_presets(option, presets, console)
        console.print("\nThe settings of both stages can be given for this method alone, below stage1 and stage2.")
        console.print("They are shown by: harness list settings", highlight=False)
    elif kind == "datasets" and plugin.Options.model_fields:
        show_options("Options", options_of(plugin.Options), console)
    elif kind == "meters":
        from harness.edge.power.recorder import probe

        reason = probe(name)
        text = "It can be read on this machine." if reason is None else f"It can't be read on this machine: {reason}"
        console.print(text, markup=False, highlight=False)


def show_settings(name: str | None, console: Console) -> None:
    """The settings of every trial, or of one group such as stage1. Raises `InputError` for an unknown name."""
    options = [option for option in options_of(General) if name in (None, option.name, option.name.partition(".")[0])]
    if not options:
        known = {option.name.partition(".")[0] for option in options_of(General)}
        raise InputError(f"there is no setting {name!r}: {did_you_mean(str(name), known)}")
    show_options("Settings of every trial", options, console)


def show_options(title: str, options: Iterable[Option], console: Console) -> None:
    """A table of options that fits 80 columns."""
    table = Table(
        *COLUMNS, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold"
    )
    for column, width in zip(table.columns, (24 if console.width < 100 else None, 16, 10, None), strict=True):
        column.max_width, column.overflow = width, "fold"
    for option in options:
        table.add_row(*map(Text, (option.name, option.values, option.default, option.meaning)))
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
