"""What `harness list` shows, as data: plug-ins with their options, settings and bundled studies."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from harness import registry
from harness.errors import InputError, did_you_mean
from harness.memo import Memo
from harness.study import bundled_studies
from harness.study.model import General
from harness.yaml.text import load

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """An option: its dotted name, the values that it accepts in words, its default (None for none) and its meaning."""

    name: str
    values: str
    default: Any
    meaning: str


def listing(kind: str, name: str | None = None) -> Any:
    """All of a kind, or one of them, as JSON apart from each `Option`. Raises `InputError` for an unknown name."""
    if kind == "settings":
        return settings(name)
    if kind == "studies":
        return load(study_text(name), name).value if name else studies()
    return plugin(kind, name) if name else plugins(kind)


def described() -> dict[str, list[str]]:
    """Each name that can be described → the kinds of what has that name."""
    found: dict[str, list[str]] = {}
    names: dict[str, Iterable[str]] = {kind: registry.paths(kind) for kind in registry.BUILT_IN}
    names["settings"] = dict.fromkeys(option.name.partition(".")[0] for option in options_of(General))
    names["studies"] = [path.stem for path in bundled_studies()]
    for kind, of_kind in names.items():
        for name in of_kind:
            found.setdefault(name, []).append(kind)
    return found


def kinds_of(name: str) -> list[str]:
    """The kinds of what has this name, such as ["methods"]. Raises `InputError` with the nearest name."""
    found = described()
    if name in found:
        return found[name]
    if any(option.name == name for option in options_of(General)):  # such as stage1.epochs
        return ["settings"]
    raise InputError(
        f"there is no method, data set, meter, tracker, study or setting {name!r}: {did_you_mean(name, found)}"
    )


def plugins(kind: str) -> list[dict[str, Any]]:
    """The plug-ins of a kind: name, description, module, whether built in, and why one can't be loaded or read."""
    memo = Memo("listings", [kind, dict(registry.paths(kind))])
    if (found := memo.read()) is None:
        found = _plugins(kind)
        if kind != "meters" and not any(one["error"] for one in found):  # errors can end without a change of the code
            memo.write(found)
    return list(found)


def _plugins(kind: str) -> list[dict[str, Any]]:
    found = []
    for name, target in registry.paths(kind).items():
        about: dict[str, Any] = {
            "name": name,
            "module": target.partition(":")[0],
            "built_in": name in registry.BUILT_IN[kind],
        }
        try:
            one = registry.get(kind, name)
        except InputError as error:
            found.append({**about, "description": "", "error": str(error)})
            continue
        first_line = (_docstring(one) or one.title).splitlines()[0]
        about["description"] = first_line if kind == "methods" else one.title
        found.append({**about, "error": _unreadable(name) if kind == "meters" else None})
    return found


def plugin(kind: str, name: str) -> dict[str, Any]:
    """A plug-in: name, title, docstring, options and presets, and for a meter why it can't be read.

    Raises `registry.UnknownName` with the nearest name.
    """
    one = registry.get(kind, name)
    about: dict[str, Any] = {"name": name, "title": one.title, "description": _docstring(one)}
    if kind == "meters":
        return {**about, "error": _unreadable(name)}
    if kind == "trackers":
        return about
    if kind == "datasets":
        return {**about, "options": list(options_of(one.Options))}
    stage1 = list(options_of(one.Stage1)) if one.Stage1 else []
    return {**about, "stage1": stage1, "stage2": list(options_of(one.Stage2)), "presets": one.presets()}


def _docstring(plugin: type) -> str:
    """The docstring of a plug-in's class, or else of its module, but not that of the class it is derived from."""
    return inspect.cleandoc(plugin.__doc__ or sys.modules[plugin.__module__].__doc__ or "")


def _unreadable(meter: str) -> str | None:
    """Why a meter can't be read on this machine; None if it can."""
    from harness.edge.power.recorder import probe

    return probe(meter)


def settings(name: str | None = None) -> list[Option]:
    """The settings of every trial, or of one group such as stage1. Raises `InputError` for an unknown name."""
    options = list(options_of(General))
    found = [option for option in options if name in (None, option.name, option.name.partition(".")[0])]
    if not found:
        known = {option.name.partition(".")[0] for option in options}
        raise InputError(f"there is no setting {name!r}: {did_you_mean(str(name), known)}")
    return found


def studies() -> list[dict[str, str]]:
    """The bundled studies: name and question."""
    found = []
    for path in bundled_studies():
        content = load(path.read_text(encoding="utf-8"), str(path)).value
        found.append({"name": path.stem, "question": str(content.get("question") or content.get("title", ""))})
    return found


def study_text(name: str) -> str:
    """The text of a bundled study. Raises `InputError` with the nearest name if there is no such study."""
    paths = {path.stem: path for path in bundled_studies()}
    if name not in paths:
        raise InputError(f"there is no study {name!r}: {did_you_mean(name, paths)}")
    return paths[name].read_text(encoding="utf-8")


def import_keys() -> dict[str, list[Option]]:
    """The keys of the configuration of an import: a title → the keys below it."""
    from harness.data.importing.config import ImportConfig, ModalityFiles, TextFormat, ValueSource

    keys = [option for option in options_of(ImportConfig) if not option.name.startswith(("subject.", "label."))]
    form = set(TextFormat.model_fields)
    return {
        "Recordings and windows": [option for option in keys if option.name not in form],
        "Each of modalities": [option for option in options_of(ModalityFiles) if "format." not in option.name],
        "subject and label": [option for option in options_of(ValueSource) if "format." not in option.name],
        "Text files, for all of them or inside format": [option for option in keys if option.name in form],
    }


def options_of(model: type[BaseModel]) -> Iterator[Option]:
    """The options of a model; those inside a group follow it."""
    schema = model.model_json_schema(by_alias=True)
    yield from _options(schema, schema.get("$defs", {}), "")


def _options(schema: Schema, groups: Mapping[str, Schema], prefix: str) -> Iterator[Option]:
    for name, option in schema.get("properties", {}).items():
        items = option.get("items", {})  # of a list, whose items may be groups
        held = [one["$ref"] for one in (items, *items.get("anyOf", ())) if "$ref" in one]
        inner = [one["$ref"] for one in (option, *option.get("anyOf", ())) if "$ref" in one] + held
        if not inner or "anyOf" in option or held:
            yield Option(prefix + name, _values(option), option.get("default"), option.get("description", ""))
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
