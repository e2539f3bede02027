"""A study's search: what is drawn for each method, how accurate each draw is on the validation subjects, which is
chosen.

Pure functions of the study and of the search's records. No test sample takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from harness.keys import rng_of
from harness.results.records import Record, StoppedRecord, TrainRecord
from harness.results.selection import selected_index
from harness.study.space import Dimension

Status = Literal["pending", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Candidate:
    """One drawn configuration of a method, trained once.

    number: of the draw, from 1. values: option → value. key: of its train job; equal draws share one. accuracy: share
    of validation samples predicted correctly at ``epoch``; None without a record.
    """

    number: int
    values: Mapping[str, Any]
    key: str
    status: Status = "pending"
    accuracy: float | None = None
    epoch: int | None = None

    def judged(self, record: Record | None, select: str) -> Candidate:
        """The candidate with what its record says: the accuracy at the last evaluation, or the best by validation."""
        if not isinstance(record, TrainRecord | StoppedRecord):
            return replace(self, status="failed" if record else "pending")
        result = record.result
        index = selected_index(result, "validation" if select == "validation" else "last")  # never by the test samples
        accuracy = result.curves["validation"].accuracy[index]
        return replace(self, status=record.status, accuracy=accuracy, epoch=result.epochs_evaluated[index])


@dataclass(frozen=True)
class Tuning:
    """The search for one (data set, variant of a method, point of the sweep)."""

    dataset: str
    method: str
    point: Mapping[str, Any]
    candidates: tuple[Candidate, ...]

    @property
    def settled(self) -> bool:
        """Whether every candidate has left a record."""
        return all(candidate.status != "pending" for candidate in self.candidates)

    @property
    def chosen(self) -> Candidate | None:
        """The most accurate candidate trained to its end, the first of equals; None until all are settled."""
        done = [candidate for candidate in self.candidates if candidate.status == "done"] if self.settled else []
        return max(done, key=lambda candidate: (candidate.accuracy or 0.0, -candidate.number), default=None)

    @property
    def error(self) -> str | None:
        """Why nothing can be chosen; None if something is, or may still be."""
        if not self.settled or self.chosen:
            return None
        return (
            f"the search has nothing to choose from: none of its {len(self.candidates)} trials was trained to its end"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "chosen": self.chosen.number if self.chosen else None}


def draw(space: Mapping[str, Dimension], seed: int, number: int) -> dict[str, Any]:
    """Draw ``number`` of a search: option → value.

    Each option is drawn on its own, so all methods, data sets and points get the same values, and a longer search or a
    larger space contains the draws of a smaller one.
    """
    return {option: dimension.draw(rng_of("search", seed, option, number)) for option, dimension in space.items()}
