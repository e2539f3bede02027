"""Which nodes of a Ray cluster are fit for the jobs. Each node is probed at the start, or when it joins later.

A node that is not fit is left out, and the run goes on with the others. Imported only by the Ray executor.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness import __version__
from harness.execute.base import ProgressObserver
from harness.execute.cluster import LivingNode, living_nodes
from harness.execute.preflight import Need, Node, describe_nodes, emulated, missing, spill_room

POLL_SECONDS = 0.2


class NodeProbes:
    """The living nodes of the cluster, each with the faults that its probe has found.

    modules: those that every node must be able to import; None if the cluster is local to this process, so that its
    workers have what this process has. precisions: those below fp32 that the jobs compute in on a CPU.
    answer_seconds: how long a node is waited for; one that answers later is used from then on. on_gpus: whether there
    are jobs that compute on GPUs, so that PyTorch has to find those of each node that has any.
    """

    def __init__(
        self,
        modules: Sequence[str] | None,
        data_bytes: int,
        precisions: Sequence[str],
        answer_seconds: float,
        on_gpus: bool = False,
    ):
        self._modules, self._data_bytes, self._precisions = modules, data_bytes, precisions
        self._answer_seconds, self._on_gpus = answer_seconds, on_gpus
        self._probe = _probe()
        self._asked: dict[str, tuple[ray.ObjectRef[Any], float]] = {}  # node id → its answer, when it was asked
        self._faults: dict[str, tuple[str, ...]] = {}  # node id → what its answer says
        self._reported: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}

    @property
    def fit(self) -> dict[str, Node]:
        """The nodes on which jobs can run."""
        return {node_id: node for node_id, node in self.nodes.items() if node.fit}

    @property
    def others(self) -> list[str]:
        """The ids of the nodes on which no job may be placed: unfit, or not probed yet."""
        return sorted(self.nodes.keys() - self.fit.keys())

    def update(self) -> None:
        """List the living nodes, probe the new ones, and collect the answers that have come. Does not wait."""
        living = living_nodes()
        for node_id in self._asked.keys() - living.keys():
            del self._asked[node_id]
            self._faults.pop(node_id, None)
        for node_id in living.keys() - self._asked.keys():
            self._asked[node_id] = self._ask(node_id, living[node_id]), time.monotonic()
        waiting = {self._asked[node_id][0]: node_id for node_id in living if node_id not in self._faults}
        answered, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0) if waiting else ([], [])
        for answer in answered:
            node_id = waiting[answer]
            self._faults[node_id] = tuple(self._faults_of(answer, living[node_id]))
        self.nodes = {
            node_id: Node(node.name, node.resources, self._faults.get(node_id)) for node_id, node in living.items()
        }

    def wait(self) -> None:
        """Wait until all nodes have answered or have been waited for as long as they may take."""
        self.update()
        while any(node.faults is None and not self._late(node_id) for node_id, node in self.nodes.items()):
            time.sleep(POLL_SECONDS)
            self.update()

    def repeat(self) -> None:
        """Probe all nodes again, because a worker could not start on a node that was found fit."""
        if self._modules is not None:
            self._asked, self._faults = {}, {}

    def unfit(self) -> dict[str, str]:
        """Node id → why the node is left out. A node that may still answer in time is not among them."""
        found = {}
        for node_id, node in self.nodes.items():
            if node.faults:
                found[node_id] = f"node {node.name} is left out: {'; '.join(node.faults)}"
            elif node.faults is None and self._late(node_id):
                found[node_id] = (
                    f"node {node.name} is left out until it answers: it has not started a Python process within"
                    f" {self._answer_seconds:g} s (--start-timeout)"
                )
        return found

    def report(self, observer: ProgressObserver) -> None:
        """Say which nodes are left out and why, each once."""
        for node_id, line in self.unfit().items():
            if self._reported.get(node_id) != line:
                self._reported[node_id] = line
                observer.note(line)

    def _late(self, node_id: str) -> bool:
        return time.monotonic() - self._asked[node_id][1] > self._answer_seconds

    def _ask(self, node_id: str, node: LivingNode) -> ray.ObjectRef[Any]:
        if self._modules is None:
            return ray.put(self._probe([], node.folder))
        here = NodeAffinitySchedulingStrategy(node_id, soft=False)
        task: Any = ray.remote(num_cpus=0, max_retries=0)(self._probe)
        on_gpus = self._on_gpus and bool(node.resources.get("GPU"))
        asked: ray.ObjectRef[Any] = task.options(scheduling_strategy=here).remote(
            list(self._modules), node.folder, on_gpus
        )
        return asked

    def _faults_of(self, answer: ray.ObjectRef[Any], node: LivingNode) -> list[str]:
        try:
            found = ray.get(answer)
        except Exception as error:  # the node died, cannot start a worker, or cannot run the probe
            return [f"its probe has failed ({_reason(error)})"]
        return faults(found, node.resources.get("object_store_memory", 0), self._data_bytes, self._precisions)


def preflight(needs: Sequence[Need], probes: NodeProbes, wait_seconds: float, observer: ProgressObserver) -> list[str]:
    """The problems of the cluster, one line each; none if its fit nodes have the resources needed.

    Waits for the answers of the nodes, and up to ``wait_seconds`` for nodes that join.
    """
    probes.wait()
    end, reported = time.monotonic() + wait_seconds, None
    while (problems := missing(needs, list(probes.fit.values()))) and time.monotonic() < end:
        if problems != reported:
            observer.note(f"waiting up to {wait_seconds:g} s for nodes to join (Ctrl-C to stop): {'; '.join(problems)}")
            reported = problems
        probes.report(observer)
        time.sleep(POLL_SECONDS)
        probes.wait()
    if not problems:
        probes.report(observer)
        return []
    if not probes.fit:
        problems = ["no node of the cluster can run the jobs"]
    problems += probes.unfit().values()
    return [*problems, f"the nodes are {describe_nodes(needs, list(probes.nodes.values()))}"]


def _reason(error: Exception) -> str:
    """The cause of a failed probe in one line."""
    cause = error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error
    return f"{type(cause).__name__}: {(str(cause).strip().splitlines() or [''])[0]}"


def _probe() -> Callable[..., dict[str, Any]]:
    """The function that probes a node. Being nested, it is pickled by value: the harness may be missing there."""

    def probe(modules: list[str], folder: str, on_gpus: bool = False) -> dict[str, Any]:
        import importlib
        import os
        import platform
        import shutil
        import subprocess
        import sys

        import ray

        disk = shutil.disk_usage(folder)
        versions = {"Ray": ray.__version__, "Python": platform.python_version()}
        lacking: dict[str, str] = {}
        answer = {"versions": versions, "lacking": lacking, "disk": disk.total, "free": disk.free}
        try:
            provenance = importlib.import_module("harness.provenance")
        except Exception as error:
            other = list(getattr(sys.modules.get("harness"), "__path__", []))  # any folder of that name
            absent = isinstance(error, ModuleNotFoundError) and str(error.name).startswith("harness")
            where = f"; {other[0]} there is another package or a folder of that name" if other and absent else ""
            lacking["harness"] = f"{type(error).__name__}: {error}{where}"
            return answer
        versions["cosmo-harness"] = provenance.__version__
        answer["processor"] = provenance.processor()
        answer["native"] = [name for name in provenance.PRECISION_FLAGS if provenance.has_native(name)]
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception as error:
                lacking[module] = f"{type(error).__name__}: {error}"
        if on_gpus:  # in another process, since Ray hides the GPUs from this one
            visible = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
            command = [sys.executable, "-c", "import torch; torch.cuda.init()"]
            done = subprocess.run(command, env=visible, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                answer["gpu"] = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return answer

    return probe


def faults(answer: Mapping[str, Any], store_bytes: float, data_bytes: int, precisions: Sequence[str] = ()) -> list[str]:
    """The faults of a node, from the answer of its probe."""
    ours = {"Ray": ray.__version__, "Python": platform.python_version(), "cosmo-harness": __version__}
    theirs = answer["versions"]
    found = [
        f"{name} is {theirs[name]} there but {ours[name]} here"
        for name in theirs
        if not _fits(name, theirs[name], ours[name])
    ]
    if "harness" in answer["lacking"]:
        found.append(
            f"the harness cannot be imported there ({answer['lacking']['harness']}): install cosmo-harness"
            f" {__version__} there as you did here, or send the code along with --ship-code"
        )
    else:
        found += [f"{module} cannot be imported there ({error})" for module, error in answer["lacking"].items()]
        found += emulated(precisions, answer["native"], answer["processor"])
    if "gpu" in answer:
        found.append(f"PyTorch cannot use its GPUs ({answer['gpu']}): install a build of PyTorch there that can")
    full = spill_room(store_bytes, data_bytes, answer["disk"], answer["free"])
    return found + ([full] if full else [])


def _fits(name: str, theirs: str, ours: str) -> bool:
    """Whether a node's version is compatible with ours. Python's patch release may differ if Ray is set to allow it."""
    if name == "Python" and os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor":
        return theirs.split(".")[:2] == ours.split(".")[:2]
    return theirs == ours
