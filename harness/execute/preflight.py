"""Compares what a plan needs with the nodes of the cluster, before anything starts.

Without this check, Ray would wait forever, in silence, for resources that no node has. `missing` is a pure function;
`harness.execute.node_probe` asks Ray for its arguments. This module does not import Ray.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import registry
from harness.errors import InputError
from harness.execute.admission import Room, bundles_that_fit
from harness.jobs import Job

LEDGER_BYTES = 64 * 2**20  # room that a run's folder needs in any case
JOB_BYTES = 2**20  # room for each job; its encoders, predictions and record usually take about 0.2 MB
MODEL_BYTES = 32 * 2**20  # room for each model that is kept; most take 5 to 15 MB
SPILL_SHARE = 0.05  # Ray stops spilling objects when less than this share of the disk is free
UNITS = {"CPU": "CPUs", "GPU": "GPUs"}


@dataclass(frozen=True)
class Need:
    """Bundles of resources that a job must have at the same time. Each bundle must fit on one node.

    title: of the first job with this need. resources: name → amount in one bundle; a name is "CPU", "GPU" or a custom
    resource of ``ray start --resources``. hint: how to provide what is missing.
    """

    title: str
    resources: Mapping[str, float]
    bundles: int = 1
    hint: str = ""

    def __str__(self) -> str:
        each = describe(self.resources)
        return f"{self.bundles} × ({each})" if self.bundles > 1 else each


@dataclass(frozen=True)
class Node:
    """A living node of a cluster.

    resources: name → total amount, in use or not. faults: what makes the node unfit for any job; None until its probe
    has answered.
    """

    name: str
    resources: Mapping[str, float]
    faults: Sequence[str] | None = ()

    @property
    def fit(self) -> bool:
        """Whether jobs can run on the node: its probe has answered and found no fault."""
        return self.faults is not None and not self.faults


def need_of(job: Job) -> Need:
    """What a job needs. A job on a device has the whole device to itself."""
    if job.resource:
        join = f"harness edge join --address HOST:PORT --name {job.about['device']['name']}"
        return Need(job.title, {job.resource: 1.0}, job.workers, f"; on the device, run `{join}`")
    resources = {name: float(amount) for name, amount in {"CPU": job.threads, "GPU": job.gpus}.items() if amount}
    return Need(job.title, resources, job.workers)


def needs_of(jobs: Iterable[Job]) -> list[Need]:
    """The distinct needs of the jobs, each with the title of the first job that has it."""
    found: dict[tuple[Any, ...], Need] = {}
    for job in jobs:
        need = need_of(job)
        found.setdefault((need.bundles, *sorted(need.resources.items())), need)
    return list(found.values())


def has_room(job: Job, nodes: Mapping[str, Node], running: Iterable[tuple[Job, str | None]]) -> bool:
    """Whether the nodes have room for one more job.

    nodes: id → node, those that may run it. running: the jobs handed out, each with the id of its node, None while it
    is not known; then each of its bundles is counted on the first node that has room for it.
    """
    rooms = {node_id: Room(node.resources) for node_id, node in nodes.items()}
    unplaced = []
    for one, node_id in running:
        if node_id is None or one.workers > 1:
            unplaced.append(need_of(one))
        elif node_id in rooms:
            rooms[node_id].take(need_of(one).resources)
    for need in unplaced:
        bundles_that_fit(need.resources, rooms.values(), need.bundles)
    need = need_of(job)
    return bundles_that_fit(need.resources, rooms.values(), need.bundles) == need.bundles


def needed_modules(jobs: Iterable[Job], perform: Callable[..., object]) -> list[str]:
    """The modules that every node must be able to import: the worker's, that of ``perform``, those of the methods."""
    paths = registry.paths("methods")
    methods = {job.content["method"]["name"] for job in jobs if "method" in job.content}
    of_methods = (paths[name].partition(":")[0] for name in methods if name in paths)
    return sorted({"harness.execute.ray_worker", perform.__module__, *of_methods})


def cpu_precisions(jobs: Iterable[Job]) -> list[str]:
    """The precisions below fp32 in which the jobs compute on CPUs that the executor chooses, such as "bf16"."""
    on_cpu = [job.content for job in jobs if job.kind != "profile" and job.content.get("device") == "cpu"]
    return sorted({content["settings"].get("precision", "fp32") for content in on_cpu} - {"fp32"})


def emulated(precisions: Iterable[str], native: Iterable[str], processor: str) -> list[str]:
    """One line for each of the precisions that a processor would have to emulate."""
    return [
        f"precision {precision} is not native to its processor ({processor}), which would emulate it up to hundreds of"
        " times slower: leave precision at fp32, or use a processor with AVX512-BF16, AMX or Arm's BF16"
        for precision in precisions
        if precision not in native
    ]


def require_gpu(jobs: Iterable[Job]) -> None:
    """Raise `InputError` if some of the jobs compute on a GPU of this machine, and PyTorch finds none."""
    if not any(job.content.get("device") == "cuda" and job.attachment in ("here", "anywhere") for job in jobs):
        return
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            "device: cuda needs a GPU, but PyTorch finds none on this machine; use device: cpu, "
            "or give --address for a cluster with GPUs"
        )


def missing(needs: Iterable[Need], nodes: Sequence[Node]) -> list[str]:
    """One line for each need that the nodes cannot meet even when they are idle; empty if they can meet all."""
    problems = []
    for need in needs:
        room = bundles_that_fit(need.resources, [Room(node.resources) for node in nodes], need.bundles)
        if room >= need.bundles:
            continue
        unknown = [name for name in need.resources if not any(node.resources.get(name) for node in nodes)]
        if unknown:
            why = f"no node has any {' or '.join(UNITS.get(name, name) for name in unknown)}"
        elif room:
            why = f"there is room for {room} of the {need.bundles}"
        else:
            why = "no node has that much"
        problems.append(f"{need.title} needs {need}: {why}{need.hint}")
    return problems


def describe_nodes(needs: Iterable[Need], nodes: Sequence[Node]) -> str:
    """The nodes with the resources that the needs name: ``head: 2 CPUs, 0 GPUs; edge1: 4 CPUs, 1 GPUs``."""
    names = list(dict.fromkeys(["CPU", *(name for need in needs for name in need.resources)]))
    parts = [f"{node.name}: {describe({name: node.resources.get(name, 0) for name in names})}" for node in nodes]
    return "; ".join(parts) or "none"


def describe(resources: Mapping[str, float]) -> str:
    """Resources as text, such as ``2 CPUs, 1 GPUs, 0.5 edge``."""
    return ", ".join(f"{amount:g} {UNITS.get(name, name)}" for name, amount in resources.items())


def ledger_room(folder: Path, jobs: Sequence[Job]) -> list[str]:
    """One line if the disk of a run's folder has too little room for the records and models of the jobs, else none.

    The folder need not exist yet.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    wanted = LEDGER_BYTES + len(jobs) * JOB_BYTES + sum(job.keep_model for job in jobs) * MODEL_BYTES
    if free >= wanted:
        return []
    return [
        f"the disk of {folder} has {free / 2**20:.0f} MiB free, but the records of {len(jobs)} jobs may need"
        f" {wanted / 2**20:.0f} MiB"
    ]


def spill_room(store_bytes: float, data_bytes: int, disk_bytes: int, free_bytes: int) -> str | None:
    """Why a node cannot hold the data, neither in its object store nor by spilling the rest to disk. None if it can."""
    excess = data_bytes - store_bytes
    room = max(0.0, free_bytes - SPILL_SHARE * disk_bytes)
    if excess <= room:
        return None
    return (
        f"the data take {data_bytes / 2**20:.0f} MiB, but the object store holds {store_bytes / 2**20:.0f} MiB and the"
        f" disk has room for {room / 2**20:.0f} MiB more (Ray keeps {SPILL_SHARE:.0%} of it free)"
    )
