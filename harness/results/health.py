"""Signs that a trial's accuracy does not say what it seems to: a training that may have gone wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.keys import content_key
from harness.results.plan_records import PlannedTrial
from harness.results.records import PretrainResult, TrainResult
from harness.results.run import RunResults
from harness.results.selection import selected_index

Sign = Literal["one class", "at chance", "diverged", "not fitted", "stage 1 flat"]

FITTED = 0.1  # the loss of stage 2 below which the labelled samples are fitted
UNFITTED = 0.5  # of the loss of guessing, log of the number of classes
FLAT = 0.02  # of what stage 1 could lower its loss by

IN_WORDS: dict[Sign, str] = {
    "one class": "a single class is predicted for all test samples",
    "at chance": "the accuracy is not above that of always predicting the most common class",
    "diverged": "the loss of stage 2 had been low, but ends above that of guessing",
    "not fitted": "the labelled samples are not fitted yet; more epochs of stage 2 or a higher lr may help",
    "stage 1 flat": "the loss of stage 1 has hardly fallen",
}


@dataclass(frozen=True)
class TrialsWarning:
    """Trials of one method at one point of the sweep that show the same sign.

    trials: how many of them, of ``done`` trials that are done. example: the figures of the first.
    """

    dataset: str
    method: str
    point: Mapping[str, Any]
    sign: Sign
    trials: int
    done: int
    example: str

    def __str__(self) -> str:
        point = ", ".join(f"{option} = {value}" for option, value in self.point.items())
        where = f"{self.method} on {self.dataset}" + (f" ({point})" if point else "")
        of = f" in {self.trials} of {self.done} trials" if self.done > 1 else ""
        return f"{where}: {IN_WORDS[self.sign]}{of} ({self.example})"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "text": IN_WORDS[self.sign]}


def signs(train: TrainResult, pretrain: PretrainResult | None, n_classes: int, select: str) -> dict[Sign, str]:
    """The signs that a trial shows, each with its figures."""
    found: dict[Sign, str] = dict(_of_predictions(train, select))
    found |= dict(_of_loss(train.loss, math.log(n_classes)))
    if pretrain and (text := _flat(pretrain)):
        found["stage 1 flat"] = text
    return found


def _of_predictions(train: TrainResult, select: str) -> Iterator[tuple[Sign, str]]:
    scores, share = train.curves.get("test"), train.largest_class_share.get("test")
    if scores is None or not scores.accuracy:
        return
    index = selected_index(train, select)
    accuracy = f"accuracy {100 * scores.accuracy[index]:.1f} %"
    if scores.classes_predicted and scores.classes_predicted[index] == 1:
        yield "one class", accuracy
    elif share is not None and scores.accuracy[index] <= share:
        shown = len(train.loss) > 1 and train.loss[-1] < FITTED
        fitted = f", although its training loss is {train.loss[-1]:.2g}" if shown else ""
        yield "at chance", f"{accuracy}, most common class {100 * share:.1f} %{fitted}"


def _of_loss(loss: Sequence[float], guessing: float) -> Iterator[tuple[Sign, str]]:
    if len(loss) < 2:  # of a classifier that is fitted at once, or after a single epoch: there is no course to judge
        return
    if loss[-1] > guessing and min(loss) < UNFITTED * guessing:
        yield "diverged", f"{min(loss):.2g} in epoch {loss.index(min(loss)) + 1}, {loss[-1]:.2g} at the end"
    elif min(loss) > UNFITTED * guessing:
        yield "not fitted", f"loss {loss[-1]:.2g} after {len(loss)} epochs, guessing has {guessing:.2g}"


def _flat(pretrain: PretrainResult) -> str:
    """The loss at both ends of stage 1, if it has lowered it by next to nothing of what it could."""
    loss, floor = pretrain.loss, pretrain.loss_floor or 0.0
    if len(loss) < 2 or loss[0] - min(loss) >= FLAT * (loss[0] - floor):
        return ""
    return f"loss {loss[0]:.3g} → {loss[-1]:.3g}"


def warnings_of(results: RunResults) -> list[TrialsWarning]:
    """The signs that trials of a run show, grouped, in the order of the plan."""
    groups: dict[str, list[PlannedTrial]] = {}
    for trial in results.plan.trials:
        groups.setdefault(content_key([trial.dataset, trial.method, trial.point]), []).append(trial)
    return [warning for trials in groups.values() for warning in _of_group(trials, results)]


def _of_group(trials: Sequence[PlannedTrial], results: RunResults) -> Iterator[TrialsWarning]:
    dataset, method, point = trials[0].dataset, trials[0].method, trials[0].point
    n_classes, select = results.plan.data[dataset].n_classes, results.plan.select
    found: dict[Sign, list[str]] = {}
    done = 0
    for trial in trials:
        if record := results.trained(trial.key):
            pretrained = results.pretrained(trial.stage1_key)
            done += 1
            for sign, text in signs(
                record.result, pretrained.result if pretrained else None, n_classes, select
            ).items():
                found.setdefault(sign, []).append(text)
    for sign, texts in found.items():
        yield TrialsWarning(dataset, method, point, sign, len(texts), done, texts[0])
