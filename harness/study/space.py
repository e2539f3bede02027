"""The space of a search: options and the distributions that Ray Tune draws their values from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import InputError, did_you_mean
from harness.jobs import value_text

RANGES = {
    "uniform": ("lower", "upper"),
    "quniform": ("lower", "upper", "q"),
    "loguniform": ("lower", "upper"),
    "qloguniform": ("lower", "upper", "q"),
    "randint": ("lower", "upper"),
    "lograndint": ("lower", "upper"),
    "qrandint": ("lower", "upper", "q"),
    "qlograndint": ("lower", "upper", "q"),
    "randn": ("mean", "sd"),
    "qrandn": ("mean", "sd", "q"),
}
"""Distribution of Tune → its parameters. As in Tune, the upper bound of randint and lograndint is never drawn."""


@dataclass(frozen=True)
class Dimension:
    """The distribution of one option: its name in Tune, and its parameters or the values to choose from."""

    name: str
    arguments: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """One value, as Tune draws it. Raises `InputError` where Ray is not installed."""
        if self.name != "choice":
            return self._domain().sample(random_state=rng)
        # an index, since NumPy would turn both 0 and 0.1 into floats
        index = _tune().choice(range(len(self.arguments))).sample(random_state=rng)
        return self.arguments[index]

    def _domain(self) -> Any:
        return getattr(_tune(), self.name)(*self.arguments)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that the option must accept: all those of a choice, the bounds of a range, or a mean."""
        if self.name == "choice":
            return self.arguments
        if "randint" in self.name:
            lower, upper, *q = self.arguments
            return lower, upper if q and q[0] != 1 else upper - 1
        return (
            (float(self.arguments[0]),)
            if "randn" in self.name
            else (float(self.arguments[0]), float(self.arguments[1]))
        )

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(value_text, self.arguments))})"


def dimension(value: Any) -> Dimension:
    """Parse a distribution as written in a study, ``{loguniform: [0.0001, 0.1]}``. Raises `InvalidDistribution`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        shown = value if isinstance(value, list) else [0.1, 0.2]
        raise InvalidDistribution(
            f"{value!r} is not a distribution", f"for example {{choice: {shown}}} or {{loguniform: [0.0001, 0.1]}}"
        )
    ((name, arguments),) = value.items()
    if name != "choice" and name not in RANGES:
        raise InvalidDistribution(f"there is no distribution {name!r}", did_you_mean(name, ["choice", *RANGES]))
    if name == "choice":
        if not isinstance(arguments, list) or not arguments:
            raise InvalidDistribution("choice takes a list of values", "for example {choice: [true, false]}")
        if has_repeated(arguments):
            raise InvalidDistribution("a value is listed twice", "list each value once")
        return Dimension(name, tuple(arguments))
    return _range(name, arguments)


def has_repeated(values: Sequence[Any]) -> bool:
    """Whether two of some plain values are equal."""
    return len(set(map(_hashable, values))) < len(values)


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return "mapping", frozenset((key, _hashable(child)) for key, child in value.items())
    return ("list", *map(_hashable, value)) if isinstance(value, list) else value


class InvalidDistribution(ValueError):
    """An invalid distribution: what is wrong with it, and what would be right."""

    def __init__(self, message: str, hint: str):
        super().__init__(message)
        self.message, self.hint = message, hint


def _range(name: str, arguments: Any) -> Dimension:
    names = RANGES[name]
    whole = "randint" in name
    if (
        not isinstance(arguments, list)
        or len(arguments) != len(names)
        or not all(_is_number(number, whole) for number in arguments)
    ):
        kind = "whole numbers" if whole else "numbers"
        raise InvalidDistribution(
            f"{name} takes the {kind} {', '.join(names)}, not {arguments!r}", f"write {{{name}: [{', '.join(names)}]}}"
        )
    numbers = dict(zip(names, arguments, strict=True))
    if "lower" in numbers and not numbers["lower"] < numbers["upper"]:
        raise InvalidDistribution(
            f"the range is reversed: {numbers['lower']} is not less than {numbers['upper']}",
            "write the smaller number first",
        )
    if "log" in name and numbers["lower"] <= 0:
        raise InvalidDistribution(
            f"{name} can't start at {numbers['lower']}", "the bounds of a logarithmic range must be greater than 0"
        )
    for positive in ("q", "sd"):
        if numbers.get(positive, 1) <= 0:
            raise InvalidDistribution(f"{positive} is {numbers[positive]}", f"{positive} must be greater than 0")
    made = Dimension(name, tuple(arguments))
    try:
        made.draw(np.random.default_rng(0))
    except ValueError as error:
        raise InvalidDistribution(str(error), "make both bounds multiples of q") from None
    return made


def _is_number(value: Any, whole: bool) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _tune() -> Any:
    try:
        from ray import tune
    except ImportError as error:
        raise InputError(
            f"search: draws with Ray Tune, which can't be imported ({error}): pip install 'cosmo-harness[ray]'"
        ) from error
    return tune
