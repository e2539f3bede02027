"""YAML with locations: a safe load that keeps the line of every key, so that errors can name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.tokens import TagToken

from harness.errors import Problem, StudyError

KeyPath = tuple[str | int, ...]


@dataclass
class Located:
    """Plain values (dict, list, str, int, float, bool, None) and the location of each, by its path."""

    value: Any
    locations: dict[KeyPath, str] = field(default_factory=dict)

    def location(self, path: KeyPath) -> str:
        """The location of a value, or of its nearest parent if the path isn't in the text."""
        while path not in self.locations and path:
            path = path[:-1]
        return self.locations.get(path, "")


def load(text: str, name: str) -> Located:
    """Parse YAML text, which messages call ``name``. Raises `StudyError` with the line that can't be parsed."""
    try:
        _refuse_tags(text, name)
        root = YAML(typ="rt", pure=True).load(text)  # only round-trip keeps line numbers; it builds no Python objects
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise StudyError([Problem(where, "", f"invalid YAML: {error.problem or error}", _yaml_hint(error))]) from None
    except YAMLError as error:
        raise StudyError([Problem(name, "", f"invalid YAML: {error}")]) from None
    located = Located(None, {(): f"{name}:1"})
    located.value = _plain(root, (), name, located.locations)
    return located


def _refuse_tags(text: str, name: str) -> None:
    for token in YAML(typ="rt", pure=True).scan(text):
        if isinstance(token, TagToken):
            where = f"{name}:{token.start_mark.line + 1}"
            raise StudyError([Problem(where, "", "YAML tags (!…) are not allowed", "write plain values")])


def _yaml_hint(error: MarkedYAMLError) -> str:
    if "duplicate key" in str(error.problem):
        return "each key may appear only once in a mapping"
    return "check the indentation, the colons and the closing brackets on this line"


def _plain(node: Any, path: KeyPath, name: str, locations: dict[KeyPath, str]) -> Any:
    here: KeyPath
    if isinstance(node, CommentedMap):
        for key in node:
            here = (*path, str(key))  # a merged key (<<) has no line of its own
            locations[here] = f"{name}:{node.lc.key(key)[0] + 1}" if key in (node.lc.data or {}) else locations[path]
        return {str(key): _plain(value, (*path, str(key)), name, locations) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            here = (*path, index)
            locations[here] = f"{name}:{node.lc.item(index)[0] + 1}"
        return [_plain(value, (*path, index), name, locations) for index, value in enumerate(node)]
    if isinstance(node, ScalarBoolean):
        return bool(node)
    if isinstance(node, ScalarInt):
        return int(node)
    if isinstance(node, ScalarFloat):
        return float(node)
    return str(node) if isinstance(node, str) else node
