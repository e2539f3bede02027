"""A study's search: what is drawn for each method, how accurate each draw is on the validation samples, which is
chosen.

Pure functions of the study and of the search's records. No test sample takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, Literal, get_args

from harness.keys import rng_of
from harness.results.records import Record, StoppedRecord, TrainRecord
from harness.results.selection import selected_index
from harness.study.space import Dimension

Status = Literal["pending", "failed", "stopped", "done"]


@dataclass(frozen=True)
class SearchTrial:
    """One training of a candidate.

    key: of its train job; equal draws share one. accuracy: share of validation samples predicted correctly at
    ``epoch``; None without a record.
    """

    seed: int
    key: str
    status: Status = "pending"
    accuracy: float | None = None
    epoch: int | None = None

    def judged(self, record: Record | None, select: str) -> SearchTrial:
        """The trial with what its record says: the accuracy at the last evaluation, or the best by validation."""
        if not isinstance(record, TrainRecord | StoppedRecord):
            return replace(self, status="failed" if record else "pending")
        result = record.result
        index = selected_index(result, "validation" if select == "validation" else "last")  # never by the test samples
        accuracy = result.curves["validation"].accuracy[index]
        return replace(self, status=record.status, accuracy=accuracy, epoch=result.epochs_evaluated[index])


@dataclass(frozen=True)
class Candidate:
    """One drawn configuration of a method, trained with each seed of the search.

    number: of the draw, from 1. values: option → value.
    """

    number: int
    values: Mapping[str, Any]
    trials: tuple[SearchTrial, ...]

    @property
    def status(self) -> Status:
        """The status that its trials have in common; pending or failed if any of them is."""
        found = {trial.status for trial in self.trials}
        return next(status for status in get_args(Status) if status in found)

    @property
    def accuracy(self) -> float | None:
        """The mean validation accuracy over the seeds; None unless all of them have one."""
        known = [trial.accuracy for trial in self.trials if trial.accuracy is not None]
        return fmean(known) if len(known) == len(self.trials) else None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status, "accuracy": self.accuracy}


@dataclass(frozen=True)
class Tuning:
    """The search for one (data set, variant of a method, point of the sweep, fold).

    The candidates of a fold are trained and evaluated on its training and validation subjects alone.
    validation_labels: the number of labelled validation samples that it chooses by.
    """

    dataset: str
    method: str
    point: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    validation_labels: int
    fold: int | None = None

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
        found = (
            f"the search has nothing to choose from: none of its {len(self.candidates)} trials was trained to its end"
        )
        return found + (" with every seed" if len(self.candidates[0].trials) > 1 else "")

    def to_json(self) -> dict[str, Any]:
        candidates = [candidate.to_json() for candidate in self.candidates]
        chosen = self.chosen.number if self.chosen else None
        return {**asdict(self), "candidates": candidates, "chosen": chosen}


def draw(space: Mapping[str, Dimension], seed: int, number: int) -> dict[str, Any]:
    """Draw ``number`` of a search: option → value.

    Each option is drawn on its own, so all methods, data sets and points get the same values, and a longer search or a
    larger space contains the draws of a smaller one.
    """
    return {option: dimension.draw(rng_of("search", seed, option, number)) for option, dimension in space.items()}
