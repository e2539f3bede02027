"""Whether the files of a run are what its records say, and the repair of a damaged folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Damaged, InputError
from harness.ledger import Ledger
from harness.results.plan_records import PlanRecord, StudyRecord
from harness.results.records import FailedRecord, StoppedRecord, read_file, read_record
from harness.results.run import RunResults


def damage(needs: Mapping[str, Sequence[str]], results: RunResults) -> dict[str, str]:
    """Which finished jobs must run again: key → what is wrong.

    Their own artefacts are damaged, or they were made from others than there are now. Only artefacts that have changed
    since they were written are read, and those that jobs which are still to run will read.

    needs: key of each job of a plan → keys of the jobs that it needs.
    """
    records = {key: results.record(key) for key in needs}
    found = {key: fault for key, fault in results.damaged_records.items() if key in needs}
    found |= {key: fault for key in needs if (fault := results.fault(key))}
    for key, inputs in needs.items():
        record = records[key]
        if record is None or record.status == "failed":
            found |= {need: fault for need in inputs if (fault := results.fault(need, thorough=True))}
        elif key not in found and (need := results.stale_input(key)):
            found[key] = f"the artefacts of {need}, which {key} was made from, have changed"
    return found


@dataclass(frozen=True)
class Fault:
    """A damaged file of a run's folder, and what is wrong with it."""

    path: Path
    what: str


def verify(folder: Path) -> Iterator[Fault]:
    """All damaged files of a run: each record is read, and each artefact hashed.

    Raises `InputError` for a record of another version.
    """
    ledger = Ledger(folder)
    for name, model in (("plan.json", PlanRecord), ("study.json", StudyRecord)):
        if not os.path.lexists(folder / name):  # set aside earlier; the next run writes it anew
            continue
        try:
            read_file(folder / name, model)
        except Damaged as error:
            yield Fault(folder / name, str(error))
    for path in sorted((folder / "records").glob("*.json")):
        try:
            record = read_record(path)
            if record.key != path.stem or ledger.record_path(record.key) != path:
                raise Damaged(f"{path} is the record of job {record.key}")
        except Damaged as error:
            yield Fault(path, str(error))
            continue
        if isinstance(record, FailedRecord | StoppedRecord):
            continue
        for name, artefact in record.artefacts.items():
            if fault := ledger.artefact_fault(record.key, name, artefact.bytes, artefact.sha256, thorough=True):
                yield Fault(folder / "artefacts" / record.key / name, fault)


def repair(folder: Path) -> list[Fault]:
    """Set all damaged files of a run aside, in its folder ``damaged``, so that the next run makes them anew.

    Half-written files are removed. Raises `InputError` if the run goes on meanwhile.
    """
    ledger = Ledger(folder)
    with ledger.locked():
        faults = list(verify(folder))
        for fault in faults:
            if os.path.lexists(fault.path):
                ledger.set_aside(fault.path)
    return faults


def check_folder(folder: Path) -> None:
    """Raise `InputError` if a folder holds nothing of a run."""
    if not any((folder / name).exists() for name in ("plan.json", "study.json", "records", "artefacts")):
        raise InputError(f"{folder} holds no run")
