"""The state of a Ray cluster, and the preflight, which reports all problems at once before anything starts.

Imported only by the Ray executor.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import AuthenticationError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness import __version__
from harness.errors import InputError
from harness.execute.base import ProgressObserver
from harness.execute.preflight import Need, Node, describe_nodes, emulated, missing, spill_room

REACH_SECONDS = 10.0
ANSWER_SECONDS = 120.0  # a node's first worker is a Python process that has to start first


def check_address(address: str) -> None:
    """Raise `InputError` if nothing listens at HOST:PORT, or if the cluster does not accept our token.

    Ray itself would keep trying for a long time and then end the process, or fail without naming the cause.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(
            f"{address!r} is not the address of a Ray cluster: give 'auto', or HOST:PORT as printed by `ray start`"
        )
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise InputError(f"no Ray cluster can be reached at {address}: {error}") from error
    try:
        _authenticate(address)
    except AuthenticationError as error:
        mode = os.environ.get("RAY_AUTH_MODE")
        problem = (
            "the token here is a different one"
            if mode == "token"
            else f"token authentication is off here (RAY_AUTH_MODE is {mode or 'not set'})"
        )
        raise InputError(
            f"the Ray cluster at {address} requires its token, but {problem}: copy ~/.ray/auth_token from the node that"
            " started it, or set RAY_AUTH_TOKEN; then export RAY_AUTH_MODE=token"
        ) from error


def _authenticate(address: str) -> None:
    """Connect to the cluster, which needs the token. Does nothing if Ray's internals differ from those of 2.60."""
    try:
        from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
    except ImportError:
        return
    # without a token, GcsClient would abort the process
    ensure_token_if_auth_enabled(None, create_token_if_missing=False)
    try:
        GcsClient(address=address)
    except AuthenticationError:
        raise
    except Exception:  # any other problem is reported by ray.init
        return


def living_nodes() -> dict[str, Node]:
    """Node id → node, for all living nodes. If nodes share a name, the first digits of the id are added to it."""
    listed = _listed()
    counts = Counter(_name(node) for node in listed)
    found = {}
    for node in listed:
        name, node_id = _name(node), node["NodeID"]
        found[node_id] = Node(f"{name} ({node_id[:6]})" if counts[name] > 1 else name, node["Resources"])
    return found


def _listed() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _name(node: Mapping[str, Any]) -> str:
    named = node["NodeName"] != node["NodeManagerAddress"]  # by `ray start --node-name`
    return str(node["NodeName"] if named else node["NodeManagerHostname"])


def preflight(
    needs: Sequence[Need],
    modules: Sequence[str] | None,
    data_bytes: int,
    precisions: Sequence[str],
    wait_seconds: float,
    observer: ProgressObserver,
) -> list[str]:
    """The problems of the cluster, one line each. Waits up to ``wait_seconds`` for nodes with the resources needed.

    modules: those that every node must be able to import; None if the cluster is local to this process, so that its
    workers have what this process has. precisions: those below fp32 that the jobs compute in on a CPU.
    """
    problems = _wait_for_nodes(needs, wait_seconds, observer)
    nodes = list(_probe_nodes(living_nodes(), modules, data_bytes, precisions).values())
    problems += [f"node {node.name}: {fault}" for node in nodes for fault in node.faults]
    if problems:
        problems.append(f"the nodes are {describe_nodes(needs, nodes)}")
    return problems


def _wait_for_nodes(needs: Sequence[Need], wait_seconds: float, observer: ProgressObserver) -> list[str]:
    end, reported = time.monotonic() + wait_seconds, None
    while (problems := missing(needs, list(living_nodes().values()))) and time.monotonic() < end:
        if problems != reported:
            observer.note(f"waiting up to {wait_seconds:g} s for nodes to join (Ctrl-C to stop): {'; '.join(problems)}")
            reported = problems
        time.sleep(0.5)
    return problems


def _probe_nodes(
    nodes: Mapping[str, Node], modules: Sequence[str] | None, data_bytes: int, precisions: Sequence[str]
) -> dict[str, Node]:
    """The nodes with their faults, which a task on each node finds out."""
    probe, found = _probe(), {}
    task = ray.remote(num_cpus=0, max_retries=0)(probe)
    answers = {}
    for node_id, folder in {
        node["NodeID"]: os.path.dirname(node["ObjectStoreSocketName"]) for node in _listed()
    }.items():
        if node_id not in nodes:  # it has joined since
            continue
        if modules is not None:
            pinned = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
            answers[node_id] = pinned.remote(list(modules), folder)
        else:
            answers[node_id] = ray.put(probe([], folder))
    end = time.monotonic() + ANSWER_SECONDS
    for node_id, answer in answers.items():
        node = nodes[node_id]
        try:
            found_there = ray.get(answer, timeout=max(0.1, end - time.monotonic()))
            faults = _faults(found_there, node.resources.get("object_store_memory", 0), data_bytes, precisions)
        except Exception as error:  # the node died, cannot start a worker, or does not answer
            faults = [f"it does not answer ({type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})"]
        found[node_id] = replace(node, faults=tuple(faults))
    return found


def _probe() -> Callable[[list[str], str], dict[str, Any]]:
    """The function that probes a node. Being nested, it is pickled by value: the harness may be missing there."""

    def probe(modules: list[str], folder: str) -> dict[str, Any]:
        import importlib
        import platform
        import shutil

        import ray

        lacking = {}
        for module in ["harness", *modules]:
            try:
                importlib.import_module(module)
            except Exception as error:
                lacking[module] = f"{type(error).__name__}: {error}"
        disk = shutil.disk_usage(folder)
        versions = {"Ray": ray.__version__, "Python": platform.python_version()}
        answer = {"versions": versions, "lacking": lacking, "disk": disk.total, "free": disk.free}
        if "harness" not in lacking:
            provenance = importlib.import_module("harness.provenance")
            versions["cosmo-harness"] = provenance.__version__
            answer["processor"] = provenance.processor()
            answer["native"] = [name for name in provenance.PRECISION_FLAGS if provenance.has_native(name)]
        return answer

    return probe


def _faults(
    answer: Mapping[str, Any], store_bytes: float, data_bytes: int, precisions: Sequence[str] = ()
) -> list[str]:
    """The faults of a node, from the answer of its probe."""
    ours = {"Ray": ray.__version__, "Python": platform.python_version(), "cosmo-harness": __version__}
    theirs = answer["versions"]
    faults = [
        f"{name} is {theirs[name]} there but {ours[name]} here"
        for name in theirs
        if not _fits(name, theirs[name], ours[name])
    ]
    if "harness" in answer["lacking"]:
        faults.append(
            f"the harness is not installed there ({answer['lacking']['harness']}):"
            f" pip install cosmo-harness=={__version__}"
        )
    else:
        faults += [f"{module} cannot be imported there ({error})" for module, error in answer["lacking"].items()]
        faults += emulated(precisions, answer["native"], answer["processor"])
    full = spill_room(store_bytes, data_bytes, answer["disk"], answer["free"])
    return faults + ([full] if full else [])


def _fits(name: str, theirs: str, ours: str) -> bool:
    """Whether a node's version is compatible with ours. Python's patch release may differ if Ray is set to allow it."""
    if name == "Python" and os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor":
        return theirs.split(".")[:2] == ours.split(".")[:2]
    return theirs == ours
