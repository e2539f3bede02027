"""The part of a study whose structure is valid, so that its other faults are found in spite of the invalid part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from harness.study.model import DatasetEntry, StudyFile, as_entry
from harness.yaml.text import KeyPath, Located

NEEDS = {"methods": ("reference", "edge"), "seeds": ("edge",)}  # key → keys whose checks depend on its value


class PartOfStudy(StudyFile):
    """A study in which any key may be missing."""

    study: str = Field(default="study")
    datasets: list[Annotated[DatasetEntry, BeforeValidator(as_entry)]] = Field(default=[])
    methods: list[str] = Field(default=[])


def valid_part(located: Located, error: ValidationError) -> tuple[PartOfStudy, Located]:
    """The study without the values that ``error`` refuses, and without those that can't be checked without them."""
    part = Located(_copy(located.value), located.locations)
    refused = [path for item in error.errors() for path in _refused(item["loc"], item["type"])]
    while True:
        for path in refused:
            _drop(part.value, path)
        try:
            return PartOfStudy.from_plain(part.value), part
        except ValidationError as error:  # what is left of a mapping may be invalid too: then it is removed whole
            refused = [item["loc"][:1] for item in error.errors()]


def _refused(path: KeyPath, kind: str) -> Iterator[KeyPath]:
    yield path[:-1] if kind == "missing" else path
    yield from ((key,) for key in NEEDS.get(str(path[0]), ()))


def _drop(value: dict[str, Any], path: KeyPath) -> None:
    """Remove the value at a path. A list with a refused item is removed whole, so that no other item is renumbered."""
    node: Any = value
    found: tuple[dict[str, Any], str] | None = None
    for name in path:
        if isinstance(node, dict):
            if name not in node:  # removed already
                return
            found = node, str(name)
        elif not isinstance(node, list) or not isinstance(name, int) or name >= len(node):
            break
        node = node[name]
    if found:
        del found[0][found[1]]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value
