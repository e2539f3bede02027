"""The contract of an experiment tracker."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

Status = Literal["done", "stopped", "failed", "interrupted"]
"""How a job ended. "stopped": by a search, early. "interrupted": with the run, before its end."""

COMPLETE: tuple[Status, ...] = ("done", "stopped")  # a job with one of these is not logged again

Curves = Mapping[str, Mapping[int, float]]
"""Metric → epoch → value."""


@dataclass(frozen=True)
class TrackedJob:
    """A job as a tracker shows it.

    title: one line. kind: "pretrain", "train", "search" or "profile". parameters: option → value, with the data set,
    the method and the seed. tags: further facts, such as the key of its stage 1.
    """

    key: str
    title: str
    kind: str
    study: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


class MetricValue(NamedTuple):
    """The value of a metric after an epoch."""

    metric: str
    epoch: int
    value: float


class TrackedRun(ABC):
    """The run of a tracker that one job is logged to. Any exception of its methods ends the logging, not the run."""

    def __init__(self) -> None:
        self._points: set[tuple[str, int]] = set()  # those that are logged

    def log(self, points: Iterable[MetricValue]) -> None:
        """Log points, except those that are logged already and values that are not finite."""
        new = {(point.metric, point.epoch): point for point in points if math.isfinite(point.value)}
        if left := [point for place, point in new.items() if place not in self._points]:
            self.write(left)
            self._points.update(new)

    def end(self, status: Status, curves: Curves, figures: Mapping[str, float], error: str = "") -> None:
        """Log what is missing of the curves, and close the run.

        figures: name → value of what the job leaves, such as its accuracy. error: why it failed.
        """
        self.log(sorted(points_of(curves), key=lambda point: point.epoch))
        self.close(status, figures, error)

    @abstractmethod
    def write(self, points: Sequence[MetricValue]) -> None:
        """Log new points. Epochs mostly ascend, but those that were not reported in time come last."""

    @abstractmethod
    def close(self, status: Status, figures: Mapping[str, float], error: str) -> None:
        """Log the figures and the status, and close the run."""


class Tracker(ABC):
    """An experiment tracker.

    A subclass's constructor raises an exception with the reason if the target can't be used, before a run starts.
    Each tracker is used from one thread only, once it has been made.
    """

    name: ClassVar[str]
    title: ClassVar[str]  # one line for people
    version: ClassVar[str] = "1"
    usage: ClassVar[str]  # name and target, such as mlflow:URI
    package: ClassVar[str]  # module that it needs; the extra of the harness that installs it has the tracker's name

    def __init__(self, target: str, study: str):
        self.target, self.study = target, study

    @abstractmethod
    def logged(self) -> set[str]:
        """The keys of the jobs that are here already, with a status that is `COMPLETE`."""

    @abstractmethod
    def begin(self, job: TrackedJob) -> TrackedRun:
        """Open a run for a job. An earlier run of the same job that did not complete may be closed or replaced."""


def points_of(curves: Curves) -> list[MetricValue]:
    return [MetricValue(metric, epoch, value) for metric, curve in curves.items() for epoch, value in curve.items()]
