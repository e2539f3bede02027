"""The kept model of a trial: which trial is meant, and its model read from the folder of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import InputError
from harness.jobs import MODEL, value_text
from harness.ledger import Ledger
from harness.results.plan_records import PlannedTrial
from harness.results.records import FailedRecord
from harness.results.run import RunResults
from harness.results.selection import selected_index
from harness.training.trained_model import TrainedModel, model_from_bytes

SHOWN = 20  # candidates that a message lists


def find_trial(results: RunResults, key: str | None = None, wanted: Mapping[str, str] | None = None) -> PlannedTrial:
    """The trial with a key, which may be shortened, or the only one whose values are the ``wanted`` ones.

    wanted: method, seed, dataset, fold or a swept or searched option → its value as text. A method is also named
    without its variant. Raises `InputError` if there is no such trial, or with the candidates if there are several.
    """
    if key is not None:
        key = results.find_key(key)
        found = [trial for trial in results.plan.trials if trial.key == key]
        if not found:
            title = results.plan.jobs[key].title
            raise InputError(f"{results.folder}: {key} is not a trial, but the job {title!r}")
        return found[0]
    trials, wanted = results.plan.trials, dict(wanted or {})
    known = dict.fromkeys(name for trial in trials for name in _values(trial))
    if unknown := [name for name in wanted if name not in known]:
        raise InputError(f"{results.folder}: no trial has the option {unknown[0]!r}; they have {', '.join(known)}")
    found = [trial for trial in trials if all(_has(trial, name, text) for name, text in wanted.items())]
    if len(found) == 1:
        return found[0]
    asked = ", ".join(f"{name} {text}" for name, text in wanted.items())
    what = f"{len(found) or 'no'} trials have {asked}" if asked else f"there are {len(found)} trials"
    raise InputError(
        f"{results.folder}: {what}; give --trial KEY, or more of --method, --seed and --where:"
        f"{_candidates(found or trials)}"
    )


def model_of(results: RunResults, trial: PlannedTrial) -> TrainedModel:
    """The model of a trial. Raises `InputError` if it is not done or has kept none, or if the file is damaged."""
    where, record = f"{results.folder}: trial {_title(trial)}", results.record(trial.key)
    done = results.trained(trial.key)
    if done is None:
        reason = f"it failed: {record.error}" if isinstance(record, FailedRecord) else "run the study first"
        raise InputError(f"{where} is not done, so it has no model ({reason})")
    if MODEL not in done.artefacts:
        if "model" in done.result.absent:
            raise InputError(f"{where} has no model: {done.result.absent['model']}")
        raise InputError(
            f"{where} has kept no model: run the study again with keep_models: true, or with "
            "`--set keep_models=true`; stage 1 is not run again, stage 2 is"
        )
    content = Ledger(results.folder).artefact(done.key, MODEL, done.artefacts[MODEL].sha256)
    return model_from_bytes(content, f"{results.folder}: {MODEL} of job {done.key}")


def final_model_note(results: RunResults, trial: PlannedTrial) -> str | None:
    """What to know of a model whose trial reports an evaluation before the last epoch; None otherwise."""
    if (done := results.trained(trial.key)) is None or results.plan.select == "last":
        return None
    epochs = done.result.epochs_evaluated
    reported = epochs[selected_index(done.result, results.plan.select)]
    if reported == epochs[-1]:
        return None
    return (
        f"the model is that of the last epoch, {epochs[-1]}; the report has the accuracy after epoch {reported}, "
        f"because of select: {results.plan.select}"
    )


def _values(trial: PlannedTrial) -> dict[str, Any]:
    found = {"method": trial.method, "seed": trial.seed, "dataset": trial.dataset, **trial.point, **trial.chosen}
    return found | ({} if trial.fold is None else {"fold": trial.fold})


def _has(trial: PlannedTrial, name: str, text: str) -> bool:
    value = _values(trial).get(name)
    if name == "method":
        return text in (value, trial.method.partition(":")[0])
    if isinstance(value, float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return value_text(value) == text


def _title(trial: PlannedTrial) -> str:
    values = _values(trial)
    shown = [f"{name} {value_text(value)}" for name, value in values.items() if name not in ("method", "dataset")]
    return " · ".join([f"{trial.key or 'without a job yet'}: {trial.method}", trial.dataset, *shown])


def _candidates(trials: Sequence[PlannedTrial]) -> str:
    lines = [f"\n    {_title(trial)}" for trial in trials[:SHOWN]]
    return "".join(lines) + (f"\n    … and {len(trials) - SHOWN} more" if len(trials) > SHOWN else "")
