"""What Ray says of its cluster, and the preflight: everything that is wrong, in one message, before anything starts.

Imported by the Ray executor alone.
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
from harness.execute.preflight import Need, Node, missing, spill_room, there

REACH_SECONDS = 10.0
ANSWER_SECONDS = 120.0  # a node's first worker is a Python process to be started there


def reach(address: str) -> None:
    """Raise `InputError` if nothing listens at HOST:PORT, or if it wants another token than ours.

    Ray itself would ask for a long time, then end the process, or fail without saying why.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(f"{address!r} is no address of a Ray cluster: 'auto', or HOST:PORT as `ray start` prints it")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise InputError(f"no Ray cluster can be reached at {address}: {error}") from error
    try:
        _greet(address)
    except AuthenticationError as error:
        mode = os.environ.get("RAY_AUTH_MODE")
        ours = (
            "ours is another"
            if mode == "token"
            else f"token authentication is off here (RAY_AUTH_MODE is {mode or 'not set'})"
        )
        raise InputError(
            f"the Ray cluster at {address} wants its token, and {ours}: copy ~/.ray/auth_token from the node that started it, or set"
            " RAY_AUTH_TOKEN; then export RAY_AUTH_MODE=token"
        ) from error


def _greet(address: str) -> None:
    """Ask the cluster for its name, which needs the token. Does nothing where Ray's insides are other than they were in 2.60."""
    try:
        from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
    except ImportError:
        return
    ensure_token_if_auth_enabled(
        None, create_token_if_missing=False
    )  # without a token GcsClient would abort the process
    try:
        GcsClient(address=address)
    except AuthenticationError:
        raise
    except Exception:  # what else is wrong, ray.init tells
        return


def living() -> dict[str, Node]:
    """Node id → node, of those alive. A name that several nodes have is followed by the beginning of the id."""
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
    wait_seconds: float,
    observer: ProgressObserver,
) -> list[str]:
    """What is wrong with the cluster, a line each. Waits for what no node has, as long as is asked.

    modules: what the nodes must be able to import; None: the cluster is this machine's alone, with what this process has.
    """
    wrong = _await(needs, wait_seconds, observer)
    nodes = list(_asked(living(), modules, data_bytes).values())
    wrong += [f"node {node.name}: {fault}" for node in nodes for fault in node.faults]
    if wrong:
        wrong.append(f"the nodes are {there(needs, nodes)}")
    return wrong


def _await(needs: Sequence[Need], wait_seconds: float, observer: ProgressObserver) -> list[str]:
    end, told = time.monotonic() + wait_seconds, None
    while (wrong := missing(needs, list(living().values()))) and time.monotonic() < end:
        if wrong != told:
            observer.note(f"waiting up to {wait_seconds:g} s for nodes to join (Ctrl-C to stop): {'; '.join(wrong)}")
            told = wrong
        time.sleep(0.5)
    return wrong


def _asked(nodes: Mapping[str, Node], modules: Sequence[str] | None, data_bytes: int) -> dict[str, Node]:
    """The nodes with their faults: a task on each looks around there."""
    probe, found = _probe(), {}
    task = ray.remote(num_cpus=0, max_retries=0)(probe)
    answers = {}
    for node_id, folder in {
        node["NodeID"]: os.path.dirname(node["ObjectStoreSocketName"]) for node in _listed()
    }.items():
        if node_id not in nodes:  # it has joined just now
            continue
        if modules is not None:
            on_it = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
            answers[node_id] = on_it.remote(list(modules), folder)
        else:
            answers[node_id] = ray.put(probe([], folder))
    end = time.monotonic() + ANSWER_SECONDS
    for node_id, answer in answers.items():
        node = nodes[node_id]
        try:
            said = ray.get(answer, timeout=max(0.1, end - time.monotonic()))
            faults = _faults(said, node.resources.get("object_store_memory", 0), data_bytes)
        except Exception as error:  # it died, it can't start a worker, it doesn't answer
            faults = [f"it does not answer ({type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})"]
        found[node_id] = replace(node, faults=tuple(faults))
    return found


def _probe() -> Callable[[list[str], str], dict[str, Any]]:
    """What a node is asked. Made here, so that Ray sends the function itself: the harness may not be there to be imported."""

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
        if "harness" not in lacking:
            versions["cosmo-harness"] = str(importlib.import_module("harness").__version__)
        return {"versions": versions, "lacking": lacking, "disk": disk.total, "free": disk.free}

    return probe


def _faults(answer: Mapping[str, Any], store_bytes: float, data_bytes: int) -> list[str]:
    """What is wrong on a node, by its answer."""
    ours = {"Ray": ray.__version__, "Python": platform.python_version(), "cosmo-harness": __version__}
    theirs = answer["versions"]
    faults = [
        f"{name} is {theirs[name]} there and {ours[name]} here"
        for name in theirs
        if not _fits(name, theirs[name], ours[name])
    ]
    if "harness" in answer["lacking"]:
        faults.append(
            f"the harness is not installed there ({answer['lacking']['harness']}): pip install cosmo-harness=={__version__}"
        )
    else:
        faults += [f"{module} can't be imported there ({error})" for module, error in answer["lacking"].items()]
    full = spill_room(store_bytes, data_bytes, answer["disk"], answer["free"])
    return faults + ([full] if full else [])


def _fits(name: str, theirs: str, ours: str) -> bool:
    """Whether a node's version goes with ours. Python's last number may differ where Ray was told to allow that."""
    if name == "Python" and os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor":
        return theirs.split(".")[:2] == ours.split(".")[:2]
    return theirs == ours
