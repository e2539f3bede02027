"""Checks of a whole study: names against the registry, sweeps and options against the models they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pydantic import BaseModel

from harness import registry
from harness.errors import Problem, did_you_mean
from harness.study.labels import check_label_keys, label_keys_of
from harness.study.model import GENERAL_KEYS, DatasetEntry, General, StudyFile
from harness.study.settings import TrialOptions
from harness.study.space import Dimension, InvalidDistribution, dimension, has_repeated
from harness.yaml.problems import inner_model, may_be_null, option_names
from harness.yaml.text import KeyPath, Located


def check(file: StudyFile, located: Located) -> list[Problem]:
    """All problems of a study whose structure is valid."""
    space, problems = _check_space(file.search.space if file.search else {}, located)
    problems += _check_names(file, located) + check_label_keys(located)
    problems += _check_search_keys(file, located) + _check_folds(file, located)
    for index, entry in enumerate(file.datasets or [DatasetEntry(name="")]):
        base: KeyPath = () if entry.sweep is None else ("datasets", index)
        sweep = file.sweep_of(entry)
        problems += _check_sweep(sweep, located, (*base, "sweep"))
        sweep = {
            dotted: values for dotted, values in sweep.items() if isinstance(values, list) and not _unknown(dotted)
        }
        for method in _methods(file, entry):
            trial = TrialOptions(located, index, entry, method)
            problems += _check_values(trial, sweep, located, (*base, "sweep"))
            problems += _check_swept_twice(trial, sweep, located, (*base, "sweep"))
            problems += _check_search(trial, space, sweep, located)
    return problems


def by_line(problem: Problem) -> int:
    """The line of a problem, for sorting; 0 for an option of the command line."""
    digits = problem.where.removesuffix(")").split(" (")[0].rpartition(":")[2]
    return int(digits) if digits.isdigit() else 0


def _methods(file: StudyFile, entry: DatasetEntry) -> list[str]:
    """The study's methods, and those that it only sets options for: these are checked as well.

    If none of them exists, "" stands for a method without options, so that the settings of the stages are checked.
    """
    named = dict.fromkeys([*file.methods, *file.options, *entry.options])
    return [name for name in named if name in registry.paths("methods")] or [""]


def _check_values(
    trial: TrialOptions, sweep: Mapping[str, list[Any]], located: Located, base: KeyPath
) -> list[Problem]:
    """Check every value that an option can take in the trials of a data set and method, one at a time."""
    problems = trial.settings({})[1]
    for dotted, values in sweep.items():
        for number, value in enumerate(values):
            location = f"{located.location((*base, dotted, number))} (value {number + 1})"
            problems += [
                problem for problem in trial.settings({dotted: value}, location)[1] if problem.where == location
            ]
    return problems


# -- names ------------------------------------------------------------------------------------------------------


def _check_names(file: StudyFile, located: Located) -> list[Problem]:
    problems: list[Problem] = []
    for index, method in enumerate(file.methods):
        problems += _check_name(("methods",), method, ("methods", index), located)
    problems += _check_duplicates(file.methods, ("methods",), located)
    problems += _check_duplicates([entry.name for entry in file.datasets], ("datasets",), located)
    for index, entry in enumerate(file.datasets):
        unknown = _check_name(("datasets",), entry.plugin, ("datasets", index), located)
        problems += unknown or _check_argument(entry, located.location(("datasets", index)), index)
        for plugin in entry.options:
            problems += _check_name(("methods", "datasets"), plugin, ("datasets", index, "options", plugin), located)
    for plugin in file.options:
        problems += _check_name(("methods", "datasets"), plugin, ("options", plugin), located)
    if file.reference and file.reference.partition(":")[0] not in file.methods:
        known = [name for name in file.methods if name in registry.paths("methods")]
        hint = did_you_mean(file.reference, known or file.methods)
        message = f"{file.reference!r} is not one of the study's methods"
        problems.append(Problem(located.location(("reference",)), "reference", message, hint))
    return problems + _check_edge(file, located)


def _check_edge(file: StudyFile, located: Located) -> list[Problem]:
    """The names in the section ``edge`` that don't exist."""
    if (edge := file.edge) is None:
        return []
    problems = _check_duplicates([device.name for device in edge.devices], ("edge", "devices"), located)
    of_study: dict[str, Sequence[Any]] = {"methods": file.methods, "seeds": file.seeds}
    if edge.label_rates:
        problems += _check_edge_label_keys(file, located)
        of_study["label_rates"] = [rate for entry in file.datasets for rate in file.label_rates_of(entry)]
    for what, known in of_study.items():
        there = set(known)
        for index, one in enumerate(getattr(edge, what) or ()):
            if one not in there:
                hint = did_you_mean(str(one), map(str, known))
                path, name = ("edge", what, index), what[:-1].replace("_", " ")
                problems.append(
                    Problem(located.location(path), _dotted(path), f"the study has no {name} {one!r}", hint)
                )
    name = edge.meter.partition(":")[0]
    if name not in {"auto", "none", *registry.paths("meters")}:
        hint = did_you_mean(name, {"auto", "none", *registry.paths("meters")})
        problems.append(Problem(located.location(("edge", "meter")), "edge.meter", f"there is no meter {name!r}", hint))
    return problems


def _check_edge_label_keys(file: StudyFile, located: Located) -> list[Problem]:
    path: KeyPath = ("edge", "label_rates")
    problems = []
    for index, entry in enumerate(file.datasets):
        for key in {"labels", "labels_per_class"} & label_keys_of(located.value, index).keys():
            text = f"selects trials by label_rate, but those of {entry.name} have {key}"
            problems.append(Problem(located.location(path), _dotted(path), text, "leave it out"))
    return problems


def _check_name(kinds: tuple[str, ...], name: str, path: KeyPath, located: Located) -> list[Problem]:
    names = {known for kind in kinds for known in registry.paths(kind)}
    if name in names:
        return []
    what = " or ".join(kind[:-1].replace("dataset", "data set") for kind in kinds)
    return [Problem(located.location(path), _dotted(path), f"there is no {what} {name!r}", did_you_mean(name, names))]


def _check_duplicates(names: list[str], path: KeyPath, located: Located) -> list[Problem]:
    first = {name: index for index, name in reversed(list(enumerate(names)))}
    again = [((*path, index), name) for index, name in enumerate(names) if index > first[name]]
    return [
        Problem(located.location(where), _dotted(where), f"{name!r} is listed twice", "list each name once")
        for where, name in again
    ]


def _check_argument(entry: DatasetEntry, location: str, index: int) -> list[Problem]:
    takes = registry.get("datasets", entry.plugin).takes_argument
    if takes and not entry.argument:
        return [
            Problem(
                location,
                f"datasets.{index}",
                f"{entry.plugin!r} needs a name",
                f"for example {entry.plugin}:my_recordings",
            )
        ]
    if entry.argument and not takes:
        return [
            Problem(
                location, f"datasets.{index}", f"{entry.plugin!r} takes no name after a colon", f"write {entry.plugin}"
            )
        ]
    return []


def _check_folds(file: StudyFile, located: Located) -> list[Problem]:
    """Folds beside a split of the same study or data set, or beside a sweep over splits."""
    problems = []
    places: list[tuple[KeyPath, StudyFile | DatasetEntry]] = [((), file)]
    places += [(("datasets", index), entry) for index, entry in enumerate(file.datasets)]
    message, hint = "folds and split both say which subjects are tested", "keep one of them"
    for base, keys in places:
        if keys.folds and keys.split:
            problems.append(Problem(located.location((*base, "folds")), _dotted((*base, "folds")), message, hint))
    for index, entry in enumerate(file.datasets):
        sweep: KeyPath = ("sweep",) if entry.sweep is None else ("datasets", index, "sweep")
        if file.folds_of(entry):
            swept = [(*sweep, option) for option in file.sweep_of(entry) if option.partition(".")[0] == "split"]
            problems += [Problem(located.location(path), _dotted(path), message, hint) for path in swept]
    return problems


# -- sweeps -----------------------------------------------------------------------------------------------------


def _check_sweep(sweep: Mapping[str, Any], located: Located, base: KeyPath) -> list[Problem]:
    problems = []
    for dotted, values in sweep.items():
        what: tuple[str, str] | None = None
        if not isinstance(values, list):
            what = "a sweep must be a list of values", f"for example {dotted}: [{values}]"
        elif not values:
            what = "the sweep is empty", "give at least one value, or leave the option out"
        elif has_repeated(values):
            what = "a value is listed twice", "list each value once"
        for message, hint in filter(None, (what, _unknown(dotted))):
            path = (*base, dotted)
            problems.append(Problem(located.location(path), _dotted(path), message, hint))
    return problems


def _check_swept_twice(trial: TrialOptions, sweep: Mapping[str, Any], located: Located, base: KeyPath) -> list[Problem]:
    """A problem for each swept option that another one sets as well for this method: only one of them could count."""
    problems = []
    paths = {dotted: path for dotted in sweep for path in trial.applicable([dotted])}
    for group, inner in combinations(sorted(paths, key=lambda dotted: len(paths[dotted])), 2):
        if paths[inner][: len(paths[group])] == paths[group]:
            path = (*base, inner)
            text = f"this option is also swept, as {group}"
            problems.append(Problem(located.location(path), _dotted(path), text, "sweep one of them"))
    return problems


# -- searches ---------------------------------------------------------------------------------------------------

SPACE: KeyPath = ("search", "space")


def _check_space(space: Mapping[str, Any], located: Located) -> tuple[dict[str, Dimension], list[Problem]]:
    """The valid distributions, and the problems of the others."""
    valid: dict[str, Dimension] = {}
    problems = []
    for dotted, value in space.items():
        try:
            if (wrong := _unsearchable(dotted)) is not None:
                raise InvalidDistribution(*wrong)
            valid[dotted] = dimension(value)
        except InvalidDistribution as invalid:
            path = (*SPACE, dotted)
            problems.append(Problem(located.location(path), _dotted(path), invalid.message, invalid.hint))
    return valid, problems


def _check_search_keys(file: StudyFile, located: Located) -> list[Problem]:
    """The keys of a search that exclude each other, or another key of the study."""
    problems = []
    if file.search and file.search.scheduler == "asha" and len(file.search_seeds) > 1:
        text = "asha compares trials of one seed, so it would stop a configuration with some seeds and not with others"
        hint = "train every configuration to its end with scheduler: none, or with a single seed"
        problems.append(Problem(located.location(("search", "seeds")), "search.seeds", text, hint))
    if file.search and file.search.refit and file.select == "validation":
        text = "the trials also train on the validation samples, so these can't select an epoch"
        hint = "set select: last, and search stage2.epochs instead"
        problems.append(Problem(located.location(("search", "refit")), "search.refit", text, hint))
    return problems


def _unsearchable(dotted: str) -> tuple[str, str] | None:
    root = dotted.partition(".")[0]
    sweep_only = (root in GENERAL_KEYS and root not in ("stage1", "stage2")) or root in registry.paths("datasets")
    return _unknown(dotted) or (
        (f"{dotted} is part of the study's question, not a hyper-parameter", "sweep it instead") if sweep_only else None
    )


def _check_search(
    trial: TrialOptions, space: Mapping[str, Dimension], sweep: Mapping[str, Any], located: Located
) -> list[Problem]:
    """Check that each distribution fits its option, and that no option is both swept and searched."""
    problems = []
    swept, searched = trial.applicable(sweep), trial.applicable(space)
    for path, dotted in searched.items():
        location = located.location((*SPACE, dotted))
        wrong = [
            problem
            for end in space[dotted].ends
            for problem in trial.settings({dotted: end}, location)[1]
            if problem.where == location
        ]
        problems += wrong[:1]
        groups = [path[:length] for length in range(1, len(path) + 1)]
        inner = [known for known in swept if known[: len(path)] == path]
        if found := [known for known in groups if known in swept] or inner:
            text = f"for {trial.method_name} this option is also swept, as {swept[found[0]]}"
            problems.append(Problem(location, f"search.space.{dotted}", text, "sweep it or search it, not both"))
        if found := [known for known in groups[:-1] if known in searched]:
            text = f"for {trial.method_name} this option is also searched, as part of {searched[found[0]]}"
            problems.append(Problem(location, f"search.space.{dotted}", text, "search one of them"))
    return problems


def _unknown(dotted: str) -> tuple[str, str] | None:
    """The problem with the name of an option and a hint; None if the option exists."""
    root, *rest = dotted.split(".")
    methods, datasets = registry.paths("methods"), registry.paths("datasets")
    if root in GENERAL_KEYS:
        return _unknown_below(General, [root, *rest], "")
    if root in StudyFile.model_fields:
        return f"{root} belongs to the study as a whole and can't be swept or searched", "give it one value"
    if root not in methods and root not in datasets:
        return f"there is no option {root!r}", did_you_mean(root, {*GENERAL_KEYS, *methods, *datasets})
    if not rest:
        return f"{root!r} is a plug-in, not an option", f"name one of its options: {root}.OPTION"
    if root in datasets:
        return _unknown_below(registry.get("datasets", root).Options, rest, f"{root}.")
    if rest[0] in ("stage1", "stage2"):
        return _unknown_below(General, rest, f"{root}.")
    method = registry.get("methods", root)
    names = option_names(method.Stage1) | option_names(method.Stage2) | set(method.presets())
    return None if rest[0] in names else (f"{root} has no option {rest[0]!r}", did_you_mean(rest[0], names))


def _unknown_below(model: type[BaseModel], path: list[str], prefix: str) -> tuple[str, str] | None:
    for depth, name in enumerate(path):
        names, here = option_names(model), prefix + ".".join(path[:depth])
        if name not in names:
            return f"there is no option {name!r}" + (f" in {here}" if here else ""), did_you_mean(name, names)
        inner, full = inner_model(model, name), prefix + ".".join(path[: depth + 1])
        last = depth + 1 == len(path)
        if inner is None:
            return None if last else (f"{full!r} has no options of its own", f"use {full} itself")
        if last:
            if may_be_null(model, name):  # so the group can be left out or given as a whole
                return None
            return f"{full!r} is a group of options", f"name one of them, such as {full}.{min(option_names(inner))}"
        model = inner
    return None


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
