"""Validation errors of pydantic as problems of a file: where, what is wrong and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from harness.errors import Problem, did_you_mean

Location = Callable[[tuple[str | int, ...]], str]


def problems_of(
    error: ValidationError, model: type[BaseModel], location: Location, shown: Sequence[str] = ()
) -> list[Problem]:
    """The problems in a validation error.

    ``location`` returns the location of a path of the model; ``shown`` precedes the path in messages.
    """
    items = error.errors()
    lists = {item["loc"][:length] for item in items for length in range(len(item["loc"]))}  # that contain a wrong item
    found = [item for item in items if item["type"] != "too_short" or item["loc"] not in lists]
    return list(dict.fromkeys(_problem(item, model, location(item["loc"]), shown) for item in found))


def option_names(model: type[BaseModel] | None) -> set[str]:
    """The names that a model's options have in a study (``lambda``, not ``lambda_``)."""
    return {field.alias or name for name, field in model.model_fields.items()} if model else set()


def inner_model(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of an option that is a group, or of the items of a list; None for any other option."""
    for key, field in model.model_fields.items():
        if name == (field.alias or key):
            candidates = [field.annotation, *get_args(field.annotation)]
            candidates += [inner for candidate in candidates for inner in get_args(candidate)]
            return next(
                (inner for inner in candidates if isinstance(inner, type) and issubclass(inner, BaseModel)), None
            )
    return None


def may_be_null(model: type[BaseModel], name: str) -> bool:
    """Whether an option may be null."""
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    return type(None) in get_args(fields[name].annotation)


def _problem(item: Any, model: type[BaseModel], where: str, shown: Sequence[str]) -> Problem:
    path = ".".join(map(str, (*shown, *item["loc"])))
    last = str(item["loc"][-1]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        return Problem(where, path, "there is no such option", did_you_mean(last, _names_at(model, item["loc"][:-1])))
    if item["type"] == "missing":
        return Problem(where, path, "this is required", f"add `{last}: …`")
    if item["type"] in ("dict_type", "model_type"):
        return Problem(where, path, f"{_short(item['input'])} is not a mapping of keys to values")
    if item["type"] == "list_type":
        hint = f"write [{item['input']}]" if isinstance(item["input"], str | int | float) else ""
        return Problem(where, path, f"{_short(item['input'])} is not a list", hint)
    if item["type"] == "string_pattern_mismatch":
        pattern, nearest = item["ctx"]["pattern"], re.sub(r"[^A-Za-z0-9]+", "_", item["input"]).strip("_")
        hint = f"for example {nearest}" if re.search(pattern, nearest) else _description(model, item["loc"])
        return Problem(where, path, f"{_short(item['input'])} does not match {pattern}", hint)
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not path:  # the whole file
        return Problem(where, "", message)
    return Problem(where, path, f"{_short(item['input'])} {message[:1].lower()}{message[1:]}")


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    for part in path:
        if isinstance(part, str):
            model = inner_model(model, part) or model
    return model


def _names_at(model: type[BaseModel], path: Sequence[str | int]) -> set[str]:
    return option_names(_model_at(model, path))


def _description(model: type[BaseModel], path: Sequence[str | int]) -> str:
    """What an option is, as its field says; empty if there is no such field."""
    fields = _model_at(model, path[:-1]).model_fields.items()
    return next((field.description or "" for key, field in fields if (field.alias or key) == path[-1]), "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
