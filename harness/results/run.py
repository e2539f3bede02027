"""A run read back from its folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from harness.data.npy import read_npz
from harness.errors import Damaged, InputError
from harness.jobs import MODEL
from harness.ledger import Ledger, digest
from harness.results.plan_records import LiveRecord, PlannedJob, PlannedTrial, PlanRecord, StudyRecord
from harness.results.records import (
    FailedRecord,
    PretrainRecord,
    ProfileRecord,
    Record,
    RecordHead,
    Status,
    StoppedRecord,
    TrainRecord,
    read_file,
    read_head,
    read_record,
)

T = TypeVar("T")


class RunResults:
    """What a run's folder held when it was read: the plan, the study and the records, each file read once.

    Tables, reports and the status are views of one such snapshot, so their parts agree with each other even while the
    run goes on. `newer` gives the run as it is now.

    heal: whether a damaged record counts as absent, so that its job runs again, instead of being an error.
    """

    def __init__(self, folder: Path, heal: bool = False):
        self.folder, self._heal = folder, heal
        self._ledger = Ledger(folder)
        self._records: dict[str, Record | None] = {}
        self._heads: dict[str, RecordHead | None] = {}  # of records that were not read whole
        self._faults: dict[tuple[str, bool], str | None] = {}
        self.damaged_records: dict[str, str] = {}  # key → what is wrong with the record, which counts as absent

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
        path = self.folder / "live.json"
        if not path.is_file():
            return None
        return read_file(path, LiveRecord).model_dump(by_alias=True, exclude_unset=True)

    def record(self, key: str | None) -> Record | None:
        """A job's record; None if it has left none. Raises `InputError` that names a damaged file."""
        if key is None:
            return None
        if key not in self._records:
            self._records[key] = self._read(key, read_record)
        return self._records[key]

    def _read(self, key: str, read: Callable[[Path], T]) -> T | None:
        path = self._ledger.record_path(key)
        try:
            return read(path) if path.exists() else None
        except Damaged as error:
            if not self._heal:
                raise
            self.damaged_records[key] = str(error)
            return None

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
        head = self._head(key)
        return head.status if head else None

    def _head(self, key: str) -> RecordHead | None:
        if key not in self._heads:
            self._heads[key] = self._read(key, read_head)
        return self._heads[key]

    def fault(self, key: str, thorough: bool = False) -> str | None:
        """What is wrong with the artefacts of a finished job; None if nothing is, or if it is not done.

        thorough: whether each is read and hashed, and not only those that have changed since they were written.
        """
        if (key, thorough) not in self._faults:
            record = self._records[key] if key in self._records else self._head(key)
            artefacts = {} if record is None or isinstance(record, FailedRecord | StoppedRecord) else record.artefacts
            found = (
                self._ledger.artefact_fault(key, name, artefact.bytes, artefact.sha256, thorough)
                for name, artefact in artefacts.items()
            )
            self._faults[key, thorough] = next(filter(None, found), None)
        return self._faults[key, thorough]

    def lacks_model(self, key: str) -> bool:
        """Whether a finished train job has kept no model, although it could have."""
        record = self.trained(key)
        return record is not None and MODEL not in record.artefacts and "model" not in record.result.absent

    def stale_input(self, key: str) -> str | None:
        """The key of a job whose artefacts are no longer those that a finished job read; None if there is none."""
        record = self.record(key)
        if record is None or isinstance(record, FailedRecord | StoppedRecord):
            return None
        for need, known in record.inputs.items():
            made = self.record(need)
            if isinstance(made, PretrainRecord) and known != digest({n: a.sha256 for n, a in made.artefacts.items()}):
                return need
        return None

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
        return read_npz(io.BytesIO(data), f"{self.folder}: {name} of job {record.key}")

    def records_of_other_plans(self) -> int:
        """How many records the folder holds that the plan does not ask for."""
        mine = set(self.plan.jobs)
        return sum(path.stem not in mine for path in (self.folder / "records").glob("*.json"))

    def newer(self, again: Collection[str] = ()) -> RunResults:
        """The run as it is now. Finished jobs are not read again, except ``again``: their records do not change."""
        found = RunResults(self.folder, self._heal)
        found._heads = {
            key: head for key, head in self._heads.items() if head and head.status == "done" and key not in again
        }
        found._records = {
            key: one
            for key, one in self._records.items()
            if one and key not in again and not isinstance(one, FailedRecord | StoppedRecord)
        }
        return found
