"""`harness edge join`: this device as a node of a Ray cluster, with a resource and a label of its own.

The node offers no CPUs and no GPUs, only the resource ``edge:NAME``, once: nothing but the jobs for this device comes to it, one
at a time. Ray itself is started as a process of its own; this module does not import it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.edge.attach.probe import Check, probe_device
from harness.errors import InputError

REACH_SECONDS = 10.0
SKEW_SECONDS = 2.0
LEAVE_SECONDS = 20.0
ASK_SECONDS = 120.0
ASK_HEAD = """\
import json, sys
from ray._common.usage.usage_lib import get_cluster_metadata
from ray._raylet import GcsClient
client = GcsClient(address=sys.argv[1])
about = get_cluster_metadata(client)
alive = [node for node in client.get_all_node_info().values() if not node.state]
resources = [name for node in alive for name in dict(node.resources_total)]
print(json.dumps({"ray": about["ray_version"], "python": about["python_version"], "resources": resources}))
"""
ASK_CLOCK = """\
import json, sys, time
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
head = next(node for node in ray.nodes() if node["Alive"] and "node:__internal_head__" in node["Resources"])
tell = ray.remote(num_cpus=0)(lambda: time.time()).options(
    scheduling_strategy=NodeAffinitySchedulingStrategy(head["NodeID"], soft=False))
ray.get(tell.remote())
before = time.time()
there = ray.get(tell.remote())
print(json.dumps({"skew": there - (before + time.time()) / 2, "unsure": (time.time() - before) / 2}))
"""


def check_ray() -> list[Check]:
    """What a node of a Ray cluster needs of this device."""
    try:
        checks = [Check("Ray", version("ray"), True)]
    except PackageNotFoundError:
        checks = [Check("Ray", "not installed: pip install 'cosmo-harness[ray]', or use ssh or a bundle", False)]
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    token = named or Path.home().joinpath(".ray/auth_token").is_file()
    said = "there is one" if token else "none here: copy ~/.ray/auth_token from the head if the cluster asks for it"
    return [*checks, Check("token", said)]


def check_head(address: str, name: str) -> list[Check]:
    """What the cluster's head says: reachable, versions, token, clock, whether the name is free."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{address!r} is no address of a Ray cluster: HOST:PORT as `ray start --head` prints it")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        return [Check("head", f"nothing answers at {address}: {error}", False)]
    said, why = _ask(ASK_HEAD, address)
    if said is None:
        return [
            Check("head", f"{address} doesn't take us (no or another token, or another version of Ray?): {why}", False)
        ]
    free = f"edge:{name}" not in said["resources"]
    same = (
        said["ray"] == version("ray")
        and said["python"].rpartition(".")[0] == platform.python_version().rpartition(".")[0]
    )
    return [
        Check(
            "head", f"{address}: Ray {said['ray']}, Python {said['python']}" + ("" if same else ": not as here"), same
        ),
        Check("name", f"{name} is free" if free else f"{name} is taken by another node: give another --name", free),
    ]


def _ask(script: str, address: str) -> tuple[dict[str, Any] | None, str]:
    """What a script says of the cluster; None with the last line of its errors if it can't."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, address],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=ASK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {ASK_SECONDS:g} s"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return None, ([line for line in done.stderr.splitlines() if line.strip()] or ["no answer"])[-1]
    said: dict[str, Any] = json.loads(lines[-1])
    return said, ""


def join(address: str, name: str, told: Callable[[str], None]) -> None:
    """Be a node until Ctrl-C or SIGTERM, or until Ray's own process ends. Raises `InputError` if the preflight finds a fault."""
    checks = [*check_ray(), *probe_device()]
    checks += check_head(address, name) if all(check.ok is not False for check in checks) else []
    for check in checks:
        told(str(check))
    if faults := [check for check in checks if check.ok is False]:
        raise InputError("; ".join(f"{fault.what}: {fault.found}" for fault in faults))
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        node = subprocess.Popen(
            [
                sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--block", "--num-cpus=0", "--num-gpus=0",
                f"--resources={json.dumps({f'edge:{name}': 1})}", f"--labels=edge={name}",
            ],
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=folder,
        )  # fmt: skip
        with _signals() as asked:
            _stay(node, address, name, told, asked)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C and SIGTERM."""
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(
    node: subprocess.Popen[str], address: str, name: str, told: Callable[[str], None], asked: threading.Event
) -> None:
    """Tell when the node is part of the cluster; wait for its end, or for the signal to leave, and then leave in order."""
    joined = False
    while not asked.is_set() and node.poll() is None:
        if not joined:
            said, _ = _ask(ASK_HEAD, address)
            joined = said is not None and f"edge:{name}" in said["resources"]
            if joined:
                told(f"this device is {name} of the cluster at {address}; Ctrl-C leaves it")
                _tell_skew(address, told)
        asked.wait(0.5)
    if node.poll() is not None:
        last = node.stdout.read().strip().splitlines()[-3:] if node.stdout else []
        raise InputError(f"Ray's process ended with status {node.returncode}: {' '.join(last)}")
    told("leaving the cluster")
    node.terminate()  # `ray start --block` ends its own processes on SIGTERM
    try:
        node.wait(LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
    told("left")


def _tell_skew(address: str, told: Callable[[str], None]) -> None:
    said, error = _ask(ASK_CLOCK, address)
    if said is None:
        told(f"    clock: not known: {error}")
    else:
        far = abs(said["skew"]) > SKEW_SECONDS + said["unsure"]
        told(
            f"    clock: {said['skew']:+.2f} s against the head"
            + (": set it; durations are not touched, dates are" if far else "")
        )
