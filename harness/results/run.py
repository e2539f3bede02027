"""A run read back from its folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InputError
from harness.ledger import Ledger
from harness.results.plan_records import PlannedJob, PlannedTrial, PlanRecord, StudyRecord
from harness.results.records import (
    FailedRecord,
    PretrainRecord,
    ProfileRecord,
    Record,
    Status,
    StoppedRecord,
    TrainRecord,
    read_file,
    read_record,
    read_status,
)


class RunResults:
    """What a run's folder held when it was read: the plan, the study and the records, each file read once.

    Tables, reports and the status are views of one such snapshot, so their parts agree with each other even while the
    run goes on. `newer` gives the run as it is now.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._ledger = Ledger(folder)
        self._records: dict[str, Record | None] = {}
        self._statuses: dict[str, Status | None] = {}  # of records that were not read whole

    @classmethod
    def open(cls, folder: Path) -> RunResults:
        """The results of an existing run. Raises `InputError` if the folder holds none."""
        Ledger.open(folder)
        return cls(folder)

    @cached_property
    def plan(self) -> PlanRecord:
        return read_file(self.folder / "plan.json", PlanRecord)

    @cached_property
    def study(self) -> StudyRecord:
        return read_file(self.folder / "study.json", StudyRecord)

    @cached_property
    def live(self) -> dict[str, Any] | None:
        """What the run was doing; None if it has not begun."""
        return self._ledger.live()

    def record(self, key: str | None) -> Record | None:
        """A job's record; None if it has left none. Raises `InputError` that names a damaged file."""
        if key is None:
            return None
        if key not in self._records:
            path = self._ledger.record_path(key)
            self._records[key] = read_record(path) if path.is_file() else None
        return self._records[key]

    def find_key(self, text: str) -> str:
        """The key of the plan's job that begins with ``text``, as git takes a commit.

        Raises `InputError` if no job's key begins with it, with the keys nearest to it, or if several do.
        """
        jobs = self.plan.jobs
        found = [key for key in jobs if key.startswith(text)]
        if len(found) == 1:
            return found[0]
        by_beginning = {key[: len(text)]: key for key in jobs}
        near = found or [by_beginning[one] for one in get_close_matches(text, by_beginning, n=3)]
        what = f"{len(found)} jobs have keys that begin with it" if found else "no job has a key that begins with it"
        shown = "".join(f"\n    {key}  {jobs[key].title}" for key in near[:5])
        hint = shown or "; `harness records RUN` shows the keys of the trials in its columns key and stage1_key"
        raise InputError(f"{self.folder}: {text!r} is not a job: {what}{':' if shown else ''}{hint}")

    def log(self, key: str) -> str:
        """What a job printed, and its traceback if it failed; empty if it printed nothing or has not ended."""
        record = self.record(key)
        recorded = record.error.traceback if isinstance(record, FailedRecord) else ""
        return self._ledger.log(key) or recorded  # runs of earlier versions have records alone

    def status(self, key: str) -> Status | None:
        """The status of a job's record; None if it has left none. Reads no more of a record than that."""
        if key in self._records:
            record = self._records[key]
            return record.status if record else None
        if key not in self._statuses:
            path = self._ledger.record_path(key)
            self._statuses[key] = read_status(path) if path.is_file() else None
        return self._statuses[key]

    def trial_status(self, trial: PlannedTrial) -> str:
        """ "done", "failed" or "pending". A trial that only a search stopped early is still to come."""
        status = self.status(trial.key) if trial.key else None
        if status in ("done", "failed"):
            return str(status)
        return "failed" if trial.error else "pending"

    def trained(self, key: str | None) -> TrainRecord | None:
        """The record of a finished train job; None if the job is not done."""
        record = self.record(key)
        return record if isinstance(record, TrainRecord) else None

    def pretrained(self, key: str | None) -> PretrainRecord | None:
        """The record of a finished stage 1; None if the job is not done."""
        record = self.record(key)
        return record if isinstance(record, PretrainRecord) else None

    def failed(self) -> Iterator[tuple[PlannedJob, FailedRecord]]:
        """The plan's failed jobs, in its order."""
        for key, job in self.plan.jobs.items():
            if self.status(key) == "failed" and isinstance(record := self.record(key), FailedRecord):
                yield job, record

    def done(self) -> dict[str, PretrainRecord | TrainRecord | ProfileRecord]:
        """Key → record of the plan's finished jobs."""
        found = {key: self.record(key) for key in self.plan.jobs}
        return {key: one for key, one in found.items() if one and not isinstance(one, FailedRecord | StoppedRecord)}

    def arrays(self, record: PretrainRecord | TrainRecord | ProfileRecord, name: str) -> dict[str, np.ndarray]:
        """The arrays of an npz artefact. Raises `InputError` if it is missing, or isn't what its record says."""
        if name not in record.artefacts:
            raise InputError(f"job {record.key} has no artefact {name!r}")
        data = self._ledger.artefact(record.key, name, record.artefacts[name].sha256)
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return dict(file)

    def records_of_other_plans(self) -> int:
        """How many records the folder holds that the plan does not ask for."""
        mine = set(self.plan.jobs)
        return sum(path.stem not in mine for path in (self.folder / "records").glob("*.json"))

    def newer(self) -> RunResults:
        """The run as it is now. Finished jobs are not read again: their records never change."""
        found = RunResults(self.folder)
        found._statuses = {key: status for key, status in self._statuses.items() if status == "done"}
        found._records = {
            key: one for key, one in self._records.items() if one and not isinstance(one, FailedRecord | StoppedRecord)
        }
        return found
