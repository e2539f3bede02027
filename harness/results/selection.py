"""Which evaluation of a trial counts: the one rule for tables, reports and searches."""

from __future__ import annotations

from harness.errors import InputError
from harness.results.records import Part, StoppedResult, TrainResult

CURVE: dict[str, Part] = {"validation": "validation", "oracle": "test"}  # whose accuracy chooses


def selected_index(result: TrainResult | StoppedResult, select: str) -> int:
    """The index of the evaluation that counts: a pure function of a train job's result.

    last: the last evaluation. validation: the best accuracy on the validation subjects, the first of equals. oracle:
    the best accuracy on the test samples themselves, which is leakage and labelled so wherever it is used.

    >>> from harness.results.records import Scores
    >>> curves = {"validation": Scores(accuracy=[0.2, 0.5, 0.5])}
    >>> result = StoppedResult(epochs_evaluated=[5, 10, 15], curves=curves)
    >>> selected_index(result, "last"), selected_index(result, "validation")
    (2, 1)
    """
    if select == "last":
        return len(result.epochs_evaluated) - 1
    if (part := CURVE[select]) not in result.curves:
        raise InputError(f"select: {select} needs the scores on the {part} samples, and a record of the run has none")
    accuracy = result.curves[part].accuracy
    return accuracy.index(max(accuracy))
