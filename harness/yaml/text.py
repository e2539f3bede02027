"""YAML with locations: a safe load that keeps the line of every key, so that errors can name it."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from harness.errors import Problem, StudyError
from harness.reading import MAX_INTEGER
from harness.yaml.limits import check_limits

KeyPath = tuple[str | int, ...]
_SURROGATE = re.compile("[\ud800-\udfff]")


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
        check_limits(text, name)
        with warnings.catch_warnings():  # of an anchor that is given twice, which YAML allows
            warnings.simplefilter("ignore")
            root = YAML(typ="rt", pure=True).load(text)  # only round-trip keeps lines; it builds no Python objects
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise StudyError([Problem(where, "", f"invalid YAML: {error.problem or error}", _yaml_hint(error))]) from None
    except YAMLError as error:
        raise StudyError([Problem(name, "", f"invalid YAML: {error}")]) from None
    except StudyError:
        raise
    except Exception as error:  # ruamel.yaml raises almost any exception for a text that is no YAML
        raise StudyError([Problem(name, "", f"invalid YAML: {type(error).__name__}: {error}")]) from None
    located = Located(None, {(): f"{name}:1"})
    located.value = _plain(root, (), name, located.locations)
    return located


def _yaml_hint(error: MarkedYAMLError) -> str:
    if "duplicate key" in str(error.problem):
        return "each key may appear only once in a mapping"
    return "check the indentation, the colons and the closing brackets on this line"


def _plain(node: Any, path: KeyPath, name: str, locations: dict[KeyPath, str]) -> Any:
    below: KeyPath
    if isinstance(node, CommentedMap):
        found: dict[str, Any] = {}
        for key, value in node.items():
            merged = key not in (node.lc.data or {})  # by <<; it has no line of its own
            where = locations[path] if merged else f"{name}:{node.lc.key(key)[0] + 1}"
            text = _key(key, where)
            if text in found:
                raise StudyError([Problem(where, text, "the key is given twice", "each key may appear only once")])
            below = (*path, text)
            locations[below] = where
            found[text] = _plain(value, below, name, locations)
        return found
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            below = (*path, index)
            locations[below] = f"{name}:{node.lc.item(index)[0] + 1}"
        return [_plain(value, (*path, index), name, locations) for index, value in enumerate(node)]
    return _scalar(node, locations[path])


def _key(key: Any, where: str) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise StudyError([Problem(where, "", f"{_short(key)} can't be a key: it is not text", "put it in quotes")])
    return str(_scalar(key, where))


def _scalar(node: Any, where: str) -> Any:
    """A value without parts. Raises `StudyError` for one that a study can't hold."""
    if node is None or isinstance(node, (bool, ScalarBoolean)):
        return None if node is None else bool(node)
    if isinstance(node, int):
        if abs(node) > MAX_INTEGER:
            message = f"the number {_short(int(node))} is too large"
            raise StudyError([Problem(where, "", message, f"whole numbers go up to {MAX_INTEGER}")])
        return int(node)
    if isinstance(node, float):
        return float(node)
    if not isinstance(node, str):
        what = "a date" if isinstance(node, date) else "a sign of YAML"
        raise StudyError([Problem(where, "", f"{_short(node)} is {what}, not text", "put it in quotes")])
    if _SURROGATE.search(node):
        raise StudyError([Problem(where, "", "the text holds half of a surrogate pair, which is not a character")])
    return str(node)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
