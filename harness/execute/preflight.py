"""Before anything starts: what the plan needs, held against the nodes that there are.

A task whose resources no node has would wait for ever, in silence. `missing` is a pure function; `harness.execute.cluster`
asks Ray for its arguments. Imports no Ray.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import registry
from harness.jobs import Job

LEDGER_BYTES = 64 * 2**20  # that the run's folder must have room for at least
JOB_BYTES = 2**20  # and as much again for each job: encoders, predictions and a record take some 0.2 MB of it
SPILL_SHARE = 0.05  # of its disk Ray leaves free: it spills no objects onto a fuller one
UNITS = {"CPU": "CPUs", "GPU": "GPUs"}


@dataclass(frozen=True)
class Need:
    """Some bundles of resources that a job must have all at once; each bundle lies on one node.

    resources: name → amount, of one bundle: "CPU", "GPU", or what a node was given by ``ray start --resources``.
    """

    title: str  # of a job that has it
    resources: Mapping[str, float]
    bundles: int = 1
    hint: str = ""  # what would bring it

    def __str__(self) -> str:
        each = in_words(self.resources)
        return f"{self.bundles} × ({each})" if self.bundles > 1 else each


@dataclass(frozen=True)
class Node:
    """A living node of a cluster. resources: name → amount, used or not. faults: what is wrong there, whatever is needed."""

    name: str
    resources: Mapping[str, float]
    faults: Sequence[str] = field(default_factory=tuple)

    def holds(self, resources: Mapping[str, float]) -> int:
        """How many bundles of these resources the node has when it is idle."""
        wanted = {name: amount for name, amount in resources.items() if amount > 0}
        return min((int(self.resources.get(name, 0) / amount + 1e-9) for name, amount in wanted.items()), default=2**31)


def needs_of(jobs: Iterable[Job]) -> list[Need]:
    """What the jobs need, each kind of need once, named by the first job that has it."""
    found: dict[tuple[Any, ...], Need] = {}
    for job in jobs:
        resources = {name: float(amount) for name, amount in {"CPU": job.threads, "GPU": job.gpus}.items() if amount}
        if job.resource:
            resources = {job.resource: 1.0}  # a device: its jobs have it for themselves
        hint = (
            f"; on it, run `harness edge join --address HOST:PORT --name {job.about['device']['name']}`"
            if job.resource
            else ""
        )
        found.setdefault((job.workers, *sorted(resources.items())), Need(job.title, resources, job.workers, hint))
    return list(found.values())


def needed_modules(jobs: Iterable[Job], perform: Callable[..., object]) -> list[str]:
    """The modules that a node must be able to import: what does a job, and the jobs' methods."""
    paths = registry.paths("methods")
    methods = {job.content["method"]["name"] for job in jobs if "method" in job.content}
    return sorted({perform.__module__, *(paths[name].partition(":")[0] for name in methods if name in paths)})


def missing(needs: Iterable[Need], nodes: Sequence[Node]) -> list[str]:
    """A line for each need that the nodes can't meet, even idle; empty if every one can be met."""
    problems = []
    for need in needs:
        room = sum(node.holds(need.resources) for node in nodes)
        if room >= need.bundles:
            continue
        unknown = [name for name in need.resources if not any(node.resources.get(name) for node in nodes)]
        if unknown:
            why = f"no node has any {' nor '.join(UNITS.get(name, name) for name in unknown)}"
        elif room:
            why = f"there is room for {room} of the {need.bundles}"
        else:
            why = "no node has that much"
        problems.append(f"{need.title} needs {need}: {why}{need.hint}")
    return problems


def there(needs: Iterable[Need], nodes: Sequence[Node]) -> str:
    """The nodes in words, by what is needed of them: ``head: 2 CPUs, 0 GPUs; edge1: 4 CPUs, 1 GPUs``."""
    names = list(dict.fromkeys(["CPU", *(name for need in needs for name in need.resources)]))
    parts = [f"{node.name}: {in_words({name: node.resources.get(name, 0) for name in names})}" for node in nodes]
    return "; ".join(parts) or "none"


def in_words(resources: Mapping[str, float]) -> str:
    """``2 CPUs, 1 GPUs, 0.5 edge``."""
    return ", ".join(f"{amount:g} {UNITS.get(name, name)}" for name, amount in resources.items())


def ledger_room(folder: Path, n_jobs: int) -> list[str]:
    """A line if the disk of a run's folder (there or not yet) has too little room for the records of so many jobs."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free, wanted = shutil.disk_usage(there).free, LEDGER_BYTES + n_jobs * JOB_BYTES
    if free >= wanted:
        return []
    return [
        f"the disk of {folder} has {free / 2**20:.0f} MiB free, the records of {n_jobs} jobs may need {wanted / 2**20:.0f} MiB"
    ]


def spill_room(store_bytes: float, data_bytes: int, disk_bytes: int, free_bytes: int) -> str | None:
    """Why a node can't hold the data: more than its object store, and Ray wouldn't spill the rest. None if it can."""
    over = data_bytes - store_bytes
    room = max(0.0, free_bytes - SPILL_SHARE * disk_bytes)
    if over <= room:
        return None
    return (
        f"the data take {data_bytes / 2**20:.0f} MiB, its object store holds {store_bytes / 2**20:.0f} MiB and its disk has room for"
        f" {room / 2**20:.0f} MiB more (Ray keeps {SPILL_SHARE:.0%} of it free)"
    )
