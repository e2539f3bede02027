"""The page of the docs on the files of a run's folder, written from their types.

python -m harness.results.reference > docs/records.md
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import is_typeddict

from harness.results.plan_records import PlanRecord, StudyRecord
from harness.results.profiles import INFERENCE, TRAINING
from harness.results.records import (
    FailedRecord,
    PretrainRecord,
    ProfileRecord,
    StoppedRecord,
    TrainRecord,
)
from harness.results.table import COLUMNS

HEAD = """\
# The files of a run

This page is generated from the types in `harness/results/records.py`, `profile_records.py` and `plan_records.py`.

A run's folder holds everything that its tables and reports are made from:

| File | Holds |
| --- | --- |
| `plan.json` | the trials, and the jobs that they share |
| `study.json` | what was asked: the study's text, every value in force with its source, the state of the code |
| `records/KEY.json` | what a job left: its result, or why it failed |
| `artefacts/KEY/NAME` | files that a job left: encoders, predictions, latencies |
| `logs/KEY.txt` | what a job printed, and the traceback if it failed; missing if it printed nothing |
| `checkpoints/KEY` | where a job that is not done can go on |
| `live.json` | what the run is doing now |

Every file is written whole or not at all. A record of a finished job never changes. `KEY` is the hash of the record's
`content`, so two jobs with equal keys have equal results on the same kind of processor. Numbers are JSON numbers in SI
units; times in names end in `_seconds`, energies in `_joules`, powers in `_watts`. A figure that was not measured is
`null` or missing, and `absent` has the reason.

In Python, `harness.results.run.RunResults.open(FOLDER)` reads them as these types:

```python
from pathlib import Path
from harness.results.run import RunResults

results = RunResults.open(Path("runs/label_rate"))
for trial in results.plan.trials:
    if record := results.trained(trial.key):
        print(trial.method, trial.seed, record.result.curves["test"].accuracy[-1])
```
"""

SECTIONS: list[tuple[str, str, list[type[BaseModel]]]] = [
    ("Records", "A record's `kind` and `status` say which of these it is.",
     [PretrainRecord, TrainRecord, ProfileRecord, FailedRecord, StoppedRecord]),
    ("plan.json", "", [PlanRecord]),
    ("study.json", "", [StudyRecord]),
]  # fmt: skip

TABLE = """\
## The table of trials

`harness records RUN`, the CSV of a report and `Run.trials` in Python have one row per trial. The column `seed` is
followed by a column for each option that is swept or searched, and the columns below by those measured on devices.

| Column | Meaning |
| --- | --- |
"""

MEASURED = f"""
For each device, by its name in the study: `DEVICE.status`, `DEVICE.error`, `DEVICE.profile_key`, `DEVICE.meter`,
`DEVICE.energy_absent`; the cost of stage 2 as `DEVICE.stage2_NAME` with
{", ".join(f"`{name}`" for name in TRAINING)}; and for each runtime, precision and batch size
`DEVICE.RUNTIME_PRECISION_batchSIZE.NAME` with {", ".join(f"`{name}`" for name in INFERENCE)}.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts, shown = [HEAD], set[type[BaseModel]]()
    for title, text, models in SECTIONS:
        parts.append(f"## {title}\n" + (f"\n{text}\n" if text else ""))
        for model in models:
            parts += _tables(model, shown)
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in COLUMNS.items())
    return "\n".join([*parts, TABLE + rows + MEASURED])


def _tables(model: type[BaseModel], shown: set[type[BaseModel]]) -> Iterator[str]:
    """The table of a type, then those of the types in it; each type once on the page."""
    if model in shown:
        return
    shown.add(model)
    name = model.__name__.partition("[")[0]
    doc = (model.__doc__ or "").strip()
    about = f"\n{doc}\n" if doc and not doc.startswith(("A part of a file", "!!!")) and "__doc__" in vars(model) else ""
    rows, inside = [], list[type[BaseModel]]()
    for field_name, field in model.model_fields.items():
        kind = field.annotation
        rows.append(f"| `{field.alias or field_name}` | {_shown(kind)} | {field.description} |")
        inside += _models_in(kind)
    yield f"### {name}\n{about}\n| Field | Type | Meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    for one in inside:
        yield from _tables(one, shown)


def _models_in(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in get_args(kind) for model in _models_in(part)]


def _shown(kind: Any) -> str:
    """A type as JSON has it: ``object of string → number``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{value!r}`".replace("'", '"') for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_shown(part) for part in parts)
    if origin is list:
        return f"array of {_shown(parts[0])}"
    if origin is dict:
        return "object" if parts[1] is Any else f"object of {_shown(parts[1])}"
    if is_typeddict(kind):
        return "object"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        name = kind.__name__
        return f"[{name}](#{name.lower()})"
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "any"}
    return names[kind]


if __name__ == "__main__":
    print(page(), end="")
