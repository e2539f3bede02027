"""The cost of a run: computing time by stage and host, and the sizes of the networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from reports.document import Column, Table, Text
from reports.run import RunData, Trial
from reports.text import count, listing, number


class JobTime(NamedTuple):
    """Seconds that a job spent on training and on other work. where: data set, stage, method, host."""

    where: tuple[str, str, str, str]
    key: str
    training: float
    other: float


def job_times(run: RunData, trial: Trial) -> Iterator[JobTime]:
    """The times of a trial's jobs, if they are known."""
    dataset, method = trial["dataset"], trial["method"]
    if pretrained := run.pretrained.get(trial["stage1_key"] or ""):
        where = (dataset, "stage 1", str(pretrained["method"]), str(pretrained.get("host", "–")))
        yield JobTime(
            where, trial["stage1_key"], pretrained["train_seconds"], pretrained.get("findings_seconds") or 0.0
        )
    elif trial["stage1_key"] and trial["stage1_seconds"] is not None:
        yield JobTime((dataset, "stage 1", method, "–"), trial["stage1_key"], trial["stage1_seconds"], 0.0)
    if trial["status"] == "done" and trial["stage2_seconds"] is not None:
        detail = run.details.get(trial["key"], {})
        where = (dataset, "stage 2", method, str(detail.get("host", "–")))
        yield JobTime(where, trial["key"], trial["stage2_seconds"], detail.get("evaluation_seconds") or 0.0)


def time_table(run: RunData) -> Table | None:
    """Seconds by stage, method and host, each job counted once; None if nothing has run."""
    spent: dict[tuple[str, str, str, str], dict[str, JobTime]] = {}
    for trial in run.rows:
        for job in job_times(run, trial):
            spent.setdefault(job.where, {})[job.key] = job
    rows = []
    for (dataset, stage, method, host), found in spent.items():
        training, other = sum(job.training for job in found.values()), sum(job.other for job in found.values())
        seconds = (training / len(found), training, other)
        names = map(Text, (dataset, stage, run.title(method), host))
        rows.append((*names, Text(str(len(found)), rank=len(found)), *(Text(number(s), rank=s) for s in seconds)))
    if not rows:
        return None
    numbers = ("Jobs", "Seconds per job", "Training (s)", "Other (s)")
    columns = (*map(Column, ("Data set", "Stage", "Method", "Host")), *(Column(name, True) for name in numbers))
    caption = (
        "Training: the training loop alone. Other: assessing the quality of the data in stage 1, evaluation in stage "
        "2. A job shared by several trials is counted once."
    )
    return Table("Computing time", caption, columns, tuple(rows))


def size_table(run: RunData) -> Table | None:
    """Parameters and FLOPs of each method's network; None if they are unknown."""
    rows = []
    for dataset, method in product(run.datasets, run.methods):
        parameters = _known(run, dataset, method, "n_parameters")
        flops = _known(run, dataset, method, "flops")
        if parameters or flops:
            cells = (_span(parameters, "{:,.0f}", 1), _span(flops, "{:.2f}", 1e6))
            rows.append((Text(dataset), Text(run.title(method)), *cells))
    if not rows:
        return None
    columns = (Column("Data set"), Column("Method"), Column("Parameters", True), Column("MFLOPs per inference", True))
    caption = (
        "Networks of stage 2. A multiply-add counts as two operations; convolutions, matrix products and GRUs are "
        "counted."
    )
    return Table("Size of the networks", caption, columns, tuple(rows))


def _known(run: RunData, dataset: str, method: str, name: str) -> list[float]:
    """An entry of the details of a method's trials on a data set, where it is known."""
    groups = run.trials_by_group(dataset).items()
    details = [
        run.details.get(trial["key"], {}) for (planned, _), some in groups if planned == method for trial in some
    ]
    return [one[name] for one in details if one.get(name) is not None]


def _span(values: Sequence[float], form: str, unit: float) -> Text:
    if not values:
        return Text("–")
    ends = dict.fromkeys(form.format(value / unit).replace(",", "\u202f") for value in (min(values), max(values)))
    return Text(" to ".join(ends), rank=float(max(values)))


def total_time(run: RunData) -> str:
    """A sentence with the training time by stage; shared jobs are counted once. Empty if nothing has run."""
    stage1, stage2 = _seconds(run, "stage1_key", "stage1_seconds"), _seconds(run, "key", "stage2_seconds")
    parts = [f"{_duration(sum(stage1))} in stage 1 ({count(len(stage1), 'job')})"] if stage1 else []
    parts += [f"{_duration(sum(stage2))} in stage 2 ({count(len(stage2), 'job')})"] if stage2 else []
    return f"Training time, summed over jobs: {listing(parts)}." if parts else ""


def _seconds(run: RunData, key: str, column: str) -> list[float]:
    return list({trial[key]: trial[column] for trial in run.rows if trial[key] and trial[column] is not None}.values())


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
