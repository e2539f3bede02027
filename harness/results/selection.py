"""Which evaluation of a trial counts: the one rule for tables, reports and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CURVE = {"validation": "validation", "oracle": "test"}  # the part of the data whose accuracy chooses


def selected_index(result: Mapping[str, Any], select: str) -> int:
    """The index of the evaluation that counts: a pure function of a train job's result.

    last: the last evaluation. validation: the best accuracy on the validation subjects, the first of equals. oracle: the best
    accuracy on the test samples themselves, which is leakage and labelled so wherever it is used.

    >>> curves = {"validation": {"accuracy": [0.2, 0.5, 0.5]}}
    >>> result = {"epochs_evaluated": [5, 10, 15], "curves": curves}
    >>> selected_index(result, "last"), selected_index(result, "validation")
    (2, 1)
    """
    if select == "last":
        return len(result["epochs_evaluated"]) - 1
    accuracy = list(result["curves"][CURVE[select]]["accuracy"])
    return accuracy.index(max(accuracy))
