"""The tidy table of a run: one row a trial. All that the reports know comes through here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.ledger import Ledger, Record
from harness.results.profiles import profile_columns
from harness.results.selection import selected_index

COLUMNS = (
    "key", "status", "dataset", "method", "seed", "accuracy", "macro_f1", "epoch", "n_labelled", "n_unlabelled", "n_train",
    "n_validation", "n_test", "stage1_key", "stage1_seconds", "stage2_seconds", "error",
)  # fmt: skip


def trial_table(ledger: Ledger, known: Mapping[str, Record | None] | None = None) -> pd.DataFrame:
    """One row a trial: `COLUMNS`, a column for each option that is swept or searched, and what was measured on devices.

    Figures are NaN unless the trial is done; ``stage1_seconds`` and ``stage2_seconds`` are of training alone. known: the
    records by key, where they have been read already.
    """
    plan = ledger.plan()
    records = (
        {key: ledger.record(key) for key in plan["jobs"]}
        if known is None
        else {key: known.get(key) for key in plan["jobs"]}
    )
    asked = [*plan["sweep"].values(), *(trial.get("chosen", {}) for trial in plan["trials"])]
    swept = list(dict.fromkeys(option for options in asked for option in options))
    rows = [_row(trial, records, plan["select"], swept) for trial in plan["trials"]]
    front, back = COLUMNS[:5], COLUMNS[5:]
    measured = list(dict.fromkeys(name for row in rows for name in row if name not in {*COLUMNS, *swept}))
    return pd.DataFrame(rows, columns=[*front, *swept, *back, *measured])


def _row(trial: Record, records: Mapping[str, Record | None], select: str, swept: list[str]) -> dict[str, Any]:
    record = records[trial["key"]] if trial["key"] else None
    if record and record["status"] == "stopped":
        record = None  # a search did without the rest: the trial is still to come
    stage1 = records[trial["stage1_key"]] if trial["stage1_key"] else None
    row: dict[str, Any] = {name: trial[name] for name in ("key", "dataset", "method", "seed", "stage1_key")}
    row |= {option: trial["point"].get(option, trial.get("chosen", {}).get(option)) for option in swept}
    row |= {
        f"n_{part}": trial["counts"].get(part, 0) for part in ("labelled", "unlabelled", "train", "validation", "test")
    }
    row["status"] = record["status"] if record else "failed" if trial.get("error") else "pending"
    row["error"] = trial.get("error")
    if record and record["status"] == "failed":
        row["error"] = f"{record['error']['type']}: {record['error']['message']}"
    if stage1 and stage1["status"] == "done":
        row["stage1_seconds"] = stage1["result"]["train_seconds"]
    if record and record["status"] == "done":
        result = record["result"]
        index = selected_index(result, select)
        row |= {name: result["curves"]["test"][name][index] for name in ("accuracy", "macro_f1")}
        row |= {"epoch": result["epochs_evaluated"][index], "stage2_seconds": result["train_seconds"]}
    return row | profile_columns(trial, records)
