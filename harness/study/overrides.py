"""Values that replace a study's: ``--set KEY=VALUE``, and the same from Python."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from harness import registry
from harness.errors import InputError, Problem, StudyError
from harness.yaml.limits import MAX_DEPTH
from harness.yaml.text import Located, load


def override_text(name: str, value: Any) -> str:
    """An override as ``--set`` takes it, with its value as JSON, which is YAML.

    Raises `InputError` if no study can have the value.

    >>> override_text("sweep", {"label_rate": (0.1, 0.3)})
    'sweep={"label_rate": [0.1, 0.3]}'
    """
    try:
        return f"{name}={json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)}"
    except (TypeError, ValueError) as error:
        raise InputError(f"overrides[{name!r}]: {value!r} cannot be a value of a study: {error}") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Iterable) and not isinstance(value, set | bytes):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not a number, text, list or mapping")


def apply_override(located: Located, text: str) -> list[Problem]:
    """Set one ``key=value`` in the study. Messages give the command-line option as its location."""
    where = f"--set {text}"
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        return [
            Problem(
                where,
                "",
                "this is not of the form key=value",
                "for example --set stage1.epochs=3 or --set cosmo.lambda=0.5",
            )
        ]
    path = tuple(key.strip().split("."))
    if len(path) > MAX_DEPTH:
        return [Problem(where[:100], "", f"the key has more than {MAX_DEPTH} parts")]
    if path[0] in registry.paths("methods") or path[0] in registry.paths("datasets"):
        path = ("options", *path)
    elif path[0] == "sweep" and len(path) > 1:
        path = ("sweep", ".".join(path[1:]))  # a swept option's dotted name is one key
    elif path[:2] == ("search", "space") and len(path) > 2:
        path = ("search", "space", ".".join(path[2:]))
    try:
        parsed = load(value, where).value
    except StudyError as error:
        return [Problem(where, key, error.problems[0].message)]
    node = located.value
    for depth, name in enumerate(path[:-1]):
        if node.get(name) is None:
            node[name] = {}
            located.locations[path[: depth + 1]] = where
        node = node[name]
        if not isinstance(node, dict):
            return [Problem(where, key, f"{name!r} is not a mapping, so it has no {path[-1]!r}")]
    node[path[-1]] = parsed
    for known in [known for known in located.locations if known[: len(path)] == path]:
        del located.locations[known]
    located.locations[path] = where
    return []
