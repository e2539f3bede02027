"""What lies behind the scores of one point of a sweep: the contents of its trials' artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports import statistics
from reports.run import Point, RunData, Trial, block_of
from reports.text import where_text

Details = Mapping[str, Any]


@dataclass(frozen=True)
class PointDetails:
    """The contents of a run's artefacts at one point of a data set's sweep, by method."""

    run: RunData
    dataset: str
    point: Point

    @property
    def where(self) -> str:
        return where_text(self.dataset, self.point)

    @cached_property
    def stage2(self) -> dict[str, list[Details]]:
        """Method → the details of its finished trials with their ``seed`` and ``block``, in order."""
        return {
            method: [{**self.run.details.get(trial["key"], {}), **_place(trial)} for trial in trials]
            for method, trials in self._trials.items()
        }

    @cached_property
    def stage1(self) -> dict[str, list[Details]]:
        """Method → the details of its stage 1 jobs, each once, with the ``seed`` and ``block`` of their trials.

        A method that only has jobs of an earlier one, as a probe of that one has, has no details.
        """
        pretrained = self.run.pretrained
        found: dict[str, list[Details]] = {}
        earlier: list[set[str]] = []
        for method, trials in self._trials.items():
            by_key = {trial["stage1_key"]: trial for trial in trials if trial["stage1_key"] in pretrained}
            shown = {} if any(set(by_key) <= keys for keys in earlier) else by_key
            found[method] = [{**pretrained[key], **_place(trial)} for key, trial in shown.items()]
            earlier.append(set(by_key))
        return found

    @cached_property
    def _trials(self) -> dict[str, list[Trial]]:
        return {method: self.run.done_trials(self.dataset, self.point, method) for method in self.run.methods}


def _place(trial: Trial) -> dict[str, Any]:
    return {"seed": trial["seed"], "block": block_of(trial)}


def first_point_details(run: RunData, dataset: str) -> PointDetails | None:
    """The details of the first point of the sweep with a finished trial; None if there is none.

    Other points are not shown.
    """
    groups = run.trials_by_group(dataset).items()
    done = {point for (_, point), trials in groups if any(trial["status"] == "done" for trial in trials)}
    point = next((point for point in run.points(dataset) if point in done), None)
    return None if point is None else PointDetails(run, dataset, point)


def present(details: Sequence[Details], name: str) -> list[Any]:
    """The values of an entry in the details that have it."""
    return [detail[name] for detail in details if detail.get(name) is not None]


def block_means(values: Sequence[tuple[int, float]]) -> list[float]:
    """The mean value of each block. values: of each trial, with its block."""
    blocks: dict[int, list[float]] = {}
    for block, value in values:
        blocks.setdefault(block, []).append(float(value))
    return [float(statistics.mean(some)) for some in blocks.values()]
