"""The JSON Schema of study files for editors and other programs, generated from the models of the options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from harness import registry
from harness.study.model import GENERAL_KEYS, General, StudyFile
from harness.study.space import RANGES

Schema = dict[str, Any]
STAGES = ("stage1", "stage2")


def study_schema() -> Schema:
    """A schema (draft 2020-12) for studies of the installed methods and data sets.

    It covers the names of all options and the values that each accepts. Conditions on several values at once, such as
    an option that is both swept and searched, are checked by `read_study` only.
    """
    return _StudySchema().build()


class _StudySchema:
    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self.methods = {name: registry.get("methods", name) for name in registry.paths("methods")}
        self.datasets = {name: registry.get("datasets", name) for name in registry.paths("datasets")}

    def build(self) -> Schema:
        study = self._add("Study", StudyFile)
        self._add("General", General)
        self._add_options()
        self._add_dotted_options()
        for keys in (study, self.definitions["DatasetEntry"]):
            for key in GENERAL_KEYS:
                keys["properties"][key] = _reference("General", key)
            keys["properties"]["sweep"] |= {"anyOf": [_reference("Sweep"), {"type": "null"}]}
            keys["properties"]["options"] = _reference("Options")
        self.definitions["Search"]["properties"]["space"] = _reference("Space")
        self._name_plugins(study)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A study of the harness",
            **self.definitions.pop("Study"),
            "$defs": dict(sorted(self.definitions.items())),
        }

    def _add(self, name: str, model: type[BaseModel]) -> Schema:
        """Define a model, and the models in it."""
        schema: Schema = _without_titles(model.model_json_schema(by_alias=True))
        self.definitions |= schema.pop("$defs", {})
        self.definitions[name] = schema
        return schema

    def _add_options(self) -> None:
        """Define ``Options``: the options of each plug-in."""
        plugins: dict[str, Schema] = {}
        for name, method in self.methods.items():
            own = {key: _reference("General", key) for key in STAGES}
            own |= {option: {"enum": list(presets)} for option, presets in method.presets().items()}
            for stage in ("Stage2", "Stage1"):  # for an option of both stages, the description of stage 1 is used
                if model := getattr(method, stage):
                    own |= self._references(f"{name}.{stage}", model)
            plugins[name] = _mapping(own)
        for name, dataset in self.datasets.items():
            plugins[name] = _mapping(self._references(f"{name}.Options", dataset.Options))
        self.definitions["Options"] = _mapping(plugins)

    def _references(self, name: str, model: type[BaseModel]) -> dict[str, Schema]:
        return {option: _reference(name, option) for option in self._add(name, model).get("properties", {})}

    def _add_dotted_options(self) -> None:
        """Define ``Sweep`` and ``Space``: dotted options with lists of values or with distributions."""
        stages = {f"{key}.{option}": one for key in STAGES for option, one in self._leaves(key.capitalize())}
        stages |= {f"{name}.{inner}": one for name in stages for inner, one in self._inner(stages[name])}
        sweep_only = {f"split.{part}": one for part, one in self._leaves("Split")}
        sweep_only |= {key: _reference("General", key) for key in GENERAL_KEYS if key not in (*STAGES, "split")}
        own: dict[str, Schema] = {}
        for plugin, options in self.definitions["Options"]["properties"].items():
            found = {name: one for name, one in options["properties"].items() if name not in STAGES}
            found |= {f"{name}.{inner}": one for name in found for inner, one in self._inner(found[name])}
            dotted = {f"{plugin}.{name}": one for name, one in found.items()}
            own, sweep_only = (own | dotted, sweep_only) if plugin in self.methods else (own, sweep_only | dotted)
        methods = "|".join(self.methods)
        of_methods = {f"^({methods})\\.{option.replace('.', '[.]')}$": one for option, one in stages.items()}

        values = {option: _list_of(one) for option, one in {**sweep_only, **stages, **own}.items()}
        self.definitions["Sweep"] = _mapping(values) | {
            "patternProperties": {pattern: _list_of(one) for pattern, one in of_methods.items()}
        }
        drawn = _reference("Distribution")
        self.definitions["Space"] = _mapping(dict.fromkeys({**stages, **own}, drawn)) | {
            "patternProperties": dict.fromkeys(of_methods, drawn),
            "minProperties": 1,
        }
        self.definitions["Distribution"] = _distribution()

    def _inner(self, option: Schema) -> Iterator[tuple[str, Schema]]:
        """The options inside an option that is a group; nothing for any other option."""
        *_, definition, _, name = option.get("$ref", "//").split("/")
        found = self.definitions[definition]["properties"][name] if definition else {}
        for one in (found, *found.get("anyOf", ())):
            if "$ref" in one:
                yield from self._leaves(one["$ref"].rpartition("/")[2])

    def _leaves(self, name: str) -> Iterator[tuple[str, Schema]]:
        for option in self.definitions[name]["properties"]:
            yield option, _reference(name, option)

    def _name_plugins(self, study: Schema) -> None:
        """Restrict the names of methods and data sets to those that are installed."""
        plain = [name for name, dataset in self.datasets.items() if not dataset.takes_argument]
        others = [{"pattern": f"^{name}:."} for name, dataset in self.datasets.items() if dataset.takes_argument]
        self.definitions["DatasetName"] = {"type": "string", "anyOf": [{"enum": plain}, *others]}
        entry = self.definitions["DatasetEntry"]["properties"]
        entry["name"] = {**_reference("DatasetName"), "description": entry["name"]["description"]}
        properties = study["properties"]
        properties["datasets"]["items"] = {"anyOf": [_reference("DatasetName"), _reference("DatasetEntry")]}
        for one in (properties["datasets"], properties["methods"]):
            one["uniqueItems"] = True
        properties["methods"]["items"] = {"enum": list(self.methods)}


def _reference(definition: str, option: str | None = None) -> Schema:
    path = f"#/$defs/{definition}"
    return {"$ref": f"{path}/properties/{option}" if option else path}


def _mapping(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _list_of(values: Schema) -> Schema:
    return {"type": "array", "items": values, "minItems": 1, "uniqueItems": True}


def _distribution() -> Schema:
    """A mapping of one distribution to its parameters, as `harness.study.space.dimension` reads it."""
    kinds: dict[str, Schema] = {"choice": _list_of({})}
    for name, numbers in RANGES.items():
        kind = "integer" if "randint" in name else "number"
        kinds[name] = {
            "type": "array",
            "items": {"type": kind},
            "minItems": len(numbers),
            "maxItems": len(numbers),
            "description": ", ".join(numbers),
        }
    return _mapping(kinds) | {"minProperties": 1, "maxProperties": 1}


def _without_titles(node: Any) -> Any:
    """The schema without the titles that pydantic generates from the names of options."""
    if isinstance(node, list):
        return [_without_titles(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_titles(one) for key, one in node.items() if key != "title" or not isinstance(one, str)}
