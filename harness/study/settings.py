"""The options of one trial, merged from several layers, each value with its source.

From the lowest layer to the highest: defaults of the models, defaults of the method, presets, the study, the entry of
the data set, the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from harness import registry
from harness.errors import Problem, did_you_mean
from harness.options import Options, Stage2
from harness.study.labels import overridden
from harness.study.model import GENERAL_KEYS, DatasetEntry, General
from harness.yaml.problems import option_names, problems_of
from harness.yaml.text import Located

OptionPath = tuple[str, ...]
Source = Callable[[OptionPath], str]


@dataclass(frozen=True)
class Value:
    """A value in force, and where it came from: "study.yaml:7", "--set …", "cosmo.reading: authors-code"."""

    value: Any
    source: str


Layer = dict[OptionPath, Value]
"""Leaf values by path: ("stage1", "epochs"), ("label_rate",), ("method", "lambda"), ("data", "stride")."""


@dataclass(frozen=True)
class Settings:
    """The checked options of one trial. ``layer`` keeps the source of each one that isn't a default."""

    general: General
    stage1_options: Options | None
    stage2_options: Options
    data_options: Options
    layer: Layer


def flatten(value: Any, path: OptionPath, source: Source) -> Layer:
    """The leaves of nested mappings; lists and empty mappings are leaves."""
    if not isinstance(value, Mapping) or (path and not value):
        return {path: Value(value, source(path))}
    leaves: Layer = {}
    for key, child in value.items():
        leaves |= flatten(child, (*path, str(key)), source)
    return leaves


def overlay(lower: Layer, higher: Layer) -> Layer:
    """Both layers, in which the higher one wins.

    A group of options may be null in one layer and have values in another: then the higher one counts alone. An empty
    group adds nothing to a group with values.
    """
    result = dict(lower)
    for path, leaf in higher.items():
        below = [known for known in result if known[: len(path)] == path and known != path]
        if below and leaf.value == {}:
            continue
        for known in [*below, *(path[:length] for length in range(len(path)))]:
            result.pop(known, None)
        result[path] = leaf
    return result


def nest(layer: Layer) -> dict[str, Any]:
    """The nested mapping of some leaves."""
    tree: dict[str, Any] = {}
    for path, leaf in layer.items():
        node = tree
        for name in path[:-1]:
            if not isinstance(node.get(name), dict):
                node[name] = {}
            node = node[name]
        node[path[-1]] = leaf.value
    return tree


class TrialOptions:
    """The layers of one data set and method; `settings` merges them at a point of the sweep.

    If the study names a data set or a method that doesn't exist, the options of the other one can still be checked.
    """

    def __init__(self, located: Located, index: int, entry: DatasetEntry, method: str):
        self.located, self.index, self.entry = located, index, entry
        known = entry.plugin in registry.paths("datasets")
        self.method_name, self.dataset_name = method, entry.plugin if known else ""
        self.method = registry.get("methods", method) if method in registry.paths("methods") else _no_method()
        self.data_options: type[Options] = registry.get("datasets", entry.plugin).Options if known else Options

    def settings(self, point: Mapping[str, Any], source: str = "sweep") -> tuple[Settings | None, list[Problem]]:
        """The checked options at a point (dotted option → value), or None and all their problems."""
        explicit = self._explicit()
        for dotted, value in point.items():
            explicit = overlay(explicit, self._named(tuple(dotted.split(".")), value, lambda path: source))
        layer = self._of_method(self.method.SETTINGS, lambda path: f"{self.method_name}'s default")
        for group, presets in self.method.presets().items():
            name, problems = self._preset(group, presets, explicit)
            if problems:
                return None, problems
            text = f"{self.method_name}.{group}: {name}"
            layer = overlay(layer, self._of_method(presets[name], lambda path, text=text: text))  # type: ignore[misc]
        return self._validated(self._of_this_method(overlay(layer, explicit)))

    def applies(self, path: OptionPath) -> bool:
        """Whether a setting of a stage applies to this method: it may have no stage 1, or be fitted in stage 2."""
        if path[0] == "stage1":
            return self.method.Stage1 is not None
        return path[0] != "stage2" or not self.method.fitted or path[1] in Stage2.OF_FITTED

    def _of_this_method(self, layer: Layer) -> Layer:
        """The layer, in which a classifier that is fitted has one epoch, and no settings of gradient descent."""
        if not self.method.fitted:
            return layer
        once = {("stage2", "epochs"): Value(1, f"{self.method_name} is fitted once")}
        return {path: leaf for path, leaf in layer.items() if path[0] != "stage2" or self.applies(path)} | once

    def applicable(self, options: Iterable[str]) -> dict[OptionPath, str]:
        """Those of these options (dotted names) that this trial has, by path.

        If two have the same path, the one that names the method wins over the general one.
        """
        found: dict[OptionPath, str] = {}
        for dotted in sorted(options, key=lambda dotted: dotted.partition(".")[0] not in GENERAL_KEYS):
            found |= dict.fromkeys(self._named(tuple(dotted.split(".")), None, lambda path: ""), dotted)
        return {path: dotted for path, dotted in found.items() if self.applies(path)}

    # -- layers -----------------------------------------------------------------------------------------------------

    def _explicit(self) -> Layer:
        """The values in the study and on the command line; the entry of the data set takes precedence."""
        raw = self.located.value
        layer = self._of_text(raw, ())
        entry = raw["datasets"][self.index] if raw.get("datasets") else self.entry.name
        if isinstance(entry, dict):
            null = {key for key in GENERAL_KEYS if key in entry and entry[key] is None}
            left_out = {*overridden(entry), *null}
            layer = {path: leaf for path, leaf in layer.items() if path[0] not in left_out}
            layer = overlay(layer, self._of_text(entry, ("datasets", self.index)))
        return layer

    def _of_text(self, raw: Mapping[str, Any], base: tuple[str | int, ...]) -> Layer:
        layer: Layer = {}
        for key in GENERAL_KEYS:
            if raw.get(key) is not None:
                layer = overlay(layer, flatten(raw[key], (key,), lambda path: self.located.location((*base, *path))))
        for plugin, options in (raw.get("options") or {}).items():
            prefix = (*base, "options", plugin)

            def source(path: OptionPath, prefix: tuple[str | int, ...] = prefix) -> str:
                return self.located.location((*prefix, *(path if path[0] in ("stage1", "stage2") else path[1:])))

            layer = overlay(layer, self._named((plugin,), options, source))
        return layer

    def _named(self, path: OptionPath, value: Any, source: Source) -> Layer:
        """An option by its full path (``cosmo.lambda``, ``stage1.epochs``); {} if this trial doesn't have it."""
        if path[0] == self.method_name:
            for name in reversed(path[1:]):
                value = {name: value}
            return self._of_method(value, source)
        if path[0] == self.dataset_name:
            return flatten(value, ("data", *path[1:]), source)
        return flatten(value, path, source) if path[0] in GENERAL_KEYS else {}

    def _of_method(self, options: Mapping[str, Any] | None, source: Source) -> Layer:
        """The options of a method; those below ``stage1`` and ``stage2`` are settings of that stage.

        A setting of a stage that can't apply to the method is kept as an unknown option of it.
        """
        layer: Layer = {}
        for key, value in (options or {}).items():
            found = flatten(value, (key,) if key in ("stage1", "stage2") else ("method", key), source)
            known = {path: leaf for path, leaf in found.items() if len(path) < 2 or self.applies(path)}
            layer |= known | {("method", ".".join(path)): leaf for path, leaf in found.items() if path not in known}
        return layer

    def _preset(self, group: str, presets: Mapping[str, Any], explicit: Layer) -> tuple[str, list[Problem]]:
        """The name of the preset chosen for a group, removed from ``explicit``; by default the first."""
        found = explicit.pop(("method", group), None)
        if found is None:
            return next(iter(presets)), []
        if not isinstance(found.value, str) or found.value not in presets:
            hint = did_you_mean(str(found.value), presets)
            return "", [
                Problem(found.source, f"{self.method_name}.{group}", f"there is no {group} {found.value!r}", hint)
            ]
        return found.value, []

    # -- checking ---------------------------------------------------------------------------------------------------

    def _validated(self, layer: Layer) -> tuple[Settings | None, list[Problem]]:
        problems: list[Problem] = []

        def check(model: type[Options], values: dict[str, Any], prefix: OptionPath, shown: OptionPath) -> Any:
            try:
                return model.from_plain(values)
            except ValidationError as error:
                problems.extend(
                    problems_of(error, model, lambda path: _source(layer, (*prefix, *map(str, path))), shown)
                )

        tree = nest(layer)
        own, data = tree.pop("method", {}), tree.pop("data", {})
        names1, names2 = option_names(self.method.Stage1), option_names(self.method.Stage2)
        for name in sorted(own.keys() - names1 - names2):
            wrong = "there is no such option"
            hint = did_you_mean(name, names1 | names2 | {*self.method.presets(), "stage1", "stage2"})
            if name.startswith(("stage1.", "stage2.")):
                why = "the classifier is fitted once" if name.startswith("stage2.") else "the method has no stage 1"
                wrong, hint = f"does not apply, because {why}", "leave it out"
            problems.append(Problem(_source(layer, ("method", name)), f"{self.method_name}.{name}", wrong, hint))
        general = check(General, tree, (), ())
        stages: list[Any] = []
        for model, names in ((self.method.Stage1, names1), (self.method.Stage2, names2)):
            values = {name: value for name, value in own.items() if name in names}
            stages.append(check(model, values, ("method",), (self.method_name,)) if model else None)
        data_options = check(self.data_options, data, ("data",), (self.dataset_name,))
        if problems:
            return None, list(dict.fromkeys(problems))
        return Settings(general, stages[0], stages[1], data_options, layer), []


def _no_method() -> Any:
    """A method without options, for the checks of a study that names none that exists."""
    from harness.method import Method

    return Method


def _source(layer: Layer, path: OptionPath) -> str:
    """The source of the value at a path: its own, or that of the leaf that contains it, or of a leaf below it."""
    for length in range(len(path), 0, -1):
        if path[:length] in layer:
            return layer[path[:length]].source
    below = [leaf.source for known, leaf in layer.items() if known[: len(path)] == path]
    return below[0] if below else "default"


def fields_in_force(settings: Settings, model_values: Mapping[str, BaseModel | None]) -> dict[str, dict[str, Any]]:
    """All values in force with their sources, for the ledger: dotted path → {"value", "source"}."""
    found: dict[str, dict[str, Any]] = {}
    for root, model in model_values.items():
        values = model.model_dump(mode="json", by_alias=True) if model else {}
        for path, leaf in flatten(values, (root,) if root else (), lambda path: "default").items():
            known = settings.layer.get(path)
            found[".".join(path)] = {"value": leaf.value, "source": known.source if known else "default"}
    return found
