"""The table of a run: one row a trial."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from harness.results.plan_records import PlannedTrial
from harness.results.profiles import profile_columns
from harness.results.records import FailedRecord
from harness.results.run import RunResults
from harness.results.selection import selected_index
from reports.cleaning import spreadsheet_safe

if TYPE_CHECKING:  # importing pandas takes half a second
    import pandas as pd

COLUMNS = {
    "key": "key of the train job: its record is records/KEY.json",
    "status": "done, failed or pending",
    "dataset": "data set, as in the study",
    "method": "method, with its variant after a colon where it has several",
    "fold": "number of the fold, from 1; empty without folds",
    "seed": "the seed of label draw, initial weights and batches",
    "accuracy": "share of test samples predicted correctly, 0 to 1, at the evaluation that the study selects",
    "macro_f1": "F1 averaged over classes, 0 to 1, at the same evaluation",
    "epoch": "the epoch of that evaluation",
    "n_labelled": "labelled samples that stage 2 trains on",
    "n_unlabelled": "unlabelled samples that stage 1 trains on",
    "n_train": "samples of the training subjects",
    "n_validation": "samples of the validation subjects that are evaluated",
    "n_test": "samples of the test subjects",
    "n_validation_labels": "labelled validation samples that its options or its epoch were chosen by",
    "stage1_key": "key of the pretrain job, empty for a method without a stage 1",
    "stage1_seconds": "training time of stage 1 alone",
    "stage2_seconds": "training time of stage 2 alone",
    "error": "why the trial failed",
}
_BEFORE_OPTIONS = 6  # so many columns stand left of the swept options


def trial_table(results: RunResults) -> pd.DataFrame:
    """One row a trial: `COLUMNS`, a column for each option swept or searched, then what was measured on devices.

    Figures are NaN unless the trial is done.
    """
    import pandas as pd

    columns, rows = _columns_and_rows(results)
    return pd.DataFrame(rows, columns=columns)


def write_csv(results: RunResults, file: TextIO) -> None:
    """Write the table as CSV: the values of ``trial_table(results)``, without pandas, and integers as integers.

    No cell is one that a terminal acts on or that a spreadsheet evaluates.
    """
    columns, rows = _columns_and_rows(results)
    cells = [csv_cells([row.get(name) for row in rows]) for name in columns]
    rows_of_text = (map(spreadsheet_safe, row) for row in chain([columns], zip(*cells, strict=True)))
    csv.writer(file, lineterminator=os.linesep).writerows(rows_of_text)


def csv_cells(values: Sequence[Any]) -> list[Any]:
    """A column as text: numbers of which one is a float are floats, and an empty field is None."""
    known = [value for value in values if value is not None]
    numbers = all(type(value) in (int, float) for value in known)
    if numbers and any(type(value) is float for value in known):
        values = [None if value is None or math.isnan(value) else float(value) for value in values]
    return list(values)


def _columns_and_rows(results: RunResults) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the columns, and a row for each trial that lacks what is not known of it."""
    plan = results.plan
    asked = [*plan.sweep.values(), *(trial.chosen for trial in plan.trials)]
    swept = list(dict.fromkeys(option for options in asked for option in options))
    rows = [_row(trial, results, swept) for trial in plan.trials]
    measured = list(dict.fromkeys(name for row in rows for name in row if name not in {*COLUMNS, *swept}))
    columns = list(COLUMNS)
    return [*columns[:_BEFORE_OPTIONS], *swept, *columns[_BEFORE_OPTIONS:], *measured], rows


def _row(trial: PlannedTrial, results: RunResults, swept: list[str]) -> dict[str, Any]:
    record = results.record(trial.key)
    row = trial.model_dump(include={"key", "dataset", "method", "fold", "seed", "stage1_key"})
    row |= {option: trial.point.get(option, trial.chosen.get(option)) for option in swept}
    row |= {
        f"n_{part}": trial.counts.get(part, 0) for part in ("labelled", "unlabelled", "train", "validation", "test")
    }
    row["n_validation_labels"] = trial.validation_labels
    row["status"] = results.trial_status(trial)
    row["error"] = str(record.error) if isinstance(record, FailedRecord) else trial.error
    if stage1 := results.pretrained(trial.stage1_key):
        row["stage1_seconds"] = stage1.result.train_seconds
    if (done := results.trained(trial.key)) and (scores := done.result.curves.get("test")):
        index = selected_index(done.result, results.plan.select)
        row |= {"accuracy": scores.accuracy[index], "macro_f1": scores.macro_f1[index] if scores.macro_f1 else None}
        row |= {"epoch": done.result.epochs_evaluated[index], "stage2_seconds": done.result.train_seconds}
    return row | profile_columns(trial, results)
