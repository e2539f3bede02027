"""Versions and processors of a run's jobs, which can change the last digits of results but are not part of their "
"keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.results.records import PretrainRecord, ProfileRecord, TrainRecord

COMPARED = {"torch": "torch", "processor": "processor", "device": "device"}  # entry of an environment → its name
WHY = "keys do not contain them, and they change results, usually in the last digits"


def environments_of(records: Iterable[PretrainRecord | TrainRecord | ProfileRecord]) -> list[Mapping[str, Any]]:
    """The environments of the jobs that trained. Profile jobs are left out: they run on other devices on purpose."""
    return [record.environment for record in records if not isinstance(record, ProfileRecord)]


def mixed(environments: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What differs between the jobs: name → its values, sorted; {} if nothing does."""
    found: dict[str, set[str]] = {}
    for environment in environments:
        for entry, name in COMPARED.items():
            if environment.get(entry):
                found.setdefault(name, set()).add(str(environment[entry]))
    return {name: sorted(values) for name, values in found.items() if len(values) > 1}


def caution_of(environments: Iterable[Mapping[str, Any]], here: Mapping[str, str]) -> str | None:
    """A line if some jobs ran elsewhere than the next ones will; None if none did.

    here: the entries of the environment of the next jobs, as far as they are known.
    """
    known = list(environments)
    changes = []
    for entry, value in here.items():
        others = sorted({str(one[entry]) for one in known if one.get(entry)} - {value})
        if others:
            changes.append(f"{COMPARED[entry]} {' and '.join(others)}, now {value}")
    if not changes:
        return None
    return f"jobs of this run were done with {'; '.join(changes)}: {WHY}, so the report marks the run as mixed"
