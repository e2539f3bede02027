"""Every option explains itself."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from harness import registry
from harness.study.model import General, StudyFile


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
            for extra in field.metadata:
                yield from models_in(extra)
    for part in get_args(annotation):
        yield from models_in(part)


def roots() -> dict[str, Any]:
    found: dict[str, Any] = {"study": StudyFile, "general": General}
    for name in registry.BUILT_IN["methods"]:
        method = registry.get("methods", name)
        found |= {f"{name} stage 1": method.Stage1, f"{name} stage 2": method.Stage2}
    return found | {name: registry.get("datasets", name).Options for name in registry.BUILT_IN["datasets"]}


@pytest.mark.parametrize("root", roots().items(), ids=lambda root: root[0])
def test_every_option_has_a_description(root: tuple[str, Any]) -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in models_in(root[1])
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert not silent


def test_descriptions_are_phrases() -> None:
    """They stand beside a name: no capital, no full stop, and no more than fits two lines or three of a terminal."""
    for root in roots().values():
        for model in models_in(root):
            for name, field in model.model_fields.items():
                text = field.description or ""
                assert not text.endswith("."), f"{model.__name__}.{name}"
                assert len(text) <= 180, f"{model.__name__}.{name}"
