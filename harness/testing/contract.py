"""What the checks of all kinds of plug-ins share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from pydantic import ValidationError

from harness.options import Options

UNKNOWN = "no_such_option"


def fail(wrong: str, right: str) -> NoReturn:
    raise AssertionError(f"{wrong}; {right}")


@contextmanager
def stating(wrong: str, right: str, *allowed: type[Exception]) -> Iterator[None]:
    """Turn any exception inside the block into an AssertionError, except those of the types ``allowed``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (AssertionError, *allowed)):
            raise
        raise AssertionError(f"{wrong} ({type(error).__name__}: {error}); {right}") from error


def check_identity(cls: Any, base: type) -> None:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        fail(f"{cls!r} is not a plug-in of this kind", f"it should be a subclass of {base.__name__}")
    for attribute in ("name", "title", "version"):
        value = getattr(cls, attribute, None)
        if not isinstance(value, str) or not value:
            fail(f"{cls.__name__}.{attribute} is {value!r}", "it should be a non-empty string")


def check_options(name: str, options: type[Options]) -> None:
    if not (isinstance(options, type) and issubclass(options, Options)):
        fail(f"{name}: Options is {options!r}", "it should be a subclass of harness.options.Options")
    try:
        options.from_plain({UNKNOWN: 1})
    except ValidationError:
        return
    fail(f"{name}: {options.__name__} accepts an unknown name", 'its model_config should keep extra="forbid"')


def check_round_trip(name: str, options: Options) -> None:
    with stating(f"{name}: {type(options).__name__} can't be read back from JSON", "from_plain(to_json()) should work"):
        back = type(options).from_plain(json.loads(json.dumps(options.to_json())))
    if back != options:
        fail(f"{name}: {type(options).__name__} is not equal after a round trip through JSON", "it should be")
