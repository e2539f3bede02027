"""`harness edge join`: makes this device a node of a Ray cluster, with a resource and a label of its own.

The node offers no CPUs or GPUs but a single unit of the resource ``edge:NAME``. Ray therefore runs only the jobs for
this device on it, one at a time. Ray is started in a separate process; this module does not import it.
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
MATCH_LEVEL = "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL"  # read by Ray: "patch" (its default) or "minor"
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
read_clock = ray.remote(num_cpus=0)(lambda: time.time()).options(
    scheduling_strategy=NodeAffinitySchedulingStrategy(head["NodeID"], soft=False))
ray.get(read_clock.remote())
before = time.time()
there = ray.get(read_clock.remote())
print(json.dumps({"skew": there - (before + time.time()) / 2, "unsure": (time.time() - before) / 2}))
"""


def check_ray() -> list[Check]:
    """Whether this device has what a node of a Ray cluster needs."""
    try:
        checks = [Check("Ray", version("ray"), True)]
    except PackageNotFoundError:
        checks = [Check("Ray", "not installed: pip install 'cosmo-harness[ray]', or use ssh or a bundle", False)]
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    token = named or Path.home().joinpath(".ray/auth_token").is_file()
    text = "found" if token else "not found: copy ~/.ray/auth_token from the head if the cluster requires a token"
    if token and os.environ.get("RAY_AUTH_MODE") != "token":
        text += ", but Ray uses it only if RAY_AUTH_MODE=token is set"
    return [*checks, Check("token", text)]


def check_head(address: str, name: str) -> list[Check]:
    """Whether the head of the cluster can be reached and accepts this device: its token, versions and name."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(
            f"{address!r} is not the address of a Ray cluster: give HOST:PORT as printed by `ray start --head`"
        )
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        return [Check("head", f"nothing answers at {address}: {error}", False)]
    cluster, why = _ask(ASK_HEAD, address)
    if cluster is None:
        text = f"{address} refuses this device (a missing or wrong token, or a different version of Ray?): {why}"
        return [Check("head", text, False)]
    free = f"edge:{name}" not in cluster["resources"]
    versions, fault = f"Ray {cluster['ray']}, Python {cluster['python']}", _mismatch(cluster["ray"], cluster["python"])
    return [
        Check("head", f"{address}: {versions}" + (f", but {fault}" if fault else ""), not fault),
        Check("name", f"{name} is free" if free else f"{name} is taken by another node: give another --name", free),
    ]


def _mismatch(ray: str, python: str) -> str | None:
    """Why Ray refuses a node of this device's versions in a cluster of those versions; None if it accepts it."""
    own_ray, own_python = version("ray"), platform.python_version()
    here = f"Ray {own_ray}, Python {own_python} here"
    if ray != own_ray:
        return f"{here}: install ray=={ray}, or attach this device by ssh, which needs no Ray"
    by_minor = os.environ.get(MATCH_LEVEL, "patch") == "minor"
    if python == own_python or (by_minor and python.split(".")[:2] == own_python.split(".")[:2]):
        return None
    if python.split(".")[:2] == own_python.split(".")[:2]:
        return (
            f"{here}: by default Ray accepts the same patch version only; set {MATCH_LEVEL}=minor here and on the head,"
            " or attach this device by ssh"
        )
    return f"{here}: install Python {python}, or attach this device by ssh, which accepts any version from 3.10 on"


def _ask(script: str, address: str) -> tuple[dict[str, Any] | None, str]:
    """Run a script that prints JSON about the cluster. Returns the JSON, or None and the last line of the errors."""
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
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer, ""


def join(address: str, name: str, notify: Callable[[str], None]) -> None:
    """Make this device a node of the cluster until Ctrl-C or SIGTERM.

    name: of the device in studies. notify: receives messages for the user. Raises `InputError` if a check finds a
    fault, or if Ray's process ends early.
    """
    checks = [*check_ray(), *probe_device()]
    checks += check_head(address, name) if all(check.ok is not False for check in checks) else []
    for check in checks:
        notify(str(check))
    if faults := [check for check in checks if check.ok is False]:
        raise InputError("; ".join(f"{fault.what}: {fault.found}" for fault in faults))
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        node = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--block"),
                *("--num-cpus=0", "--num-gpus=0", f"--resources={json.dumps({f'edge:{name}': 1})}"),
                f"--labels=edge={name}",
            ],
            env={
                **os.environ,
                "RAY_USAGE_STATS_ENABLED": "0",
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd=folder,
        )
        with _signals() as asked:
            _stay(node, address, name, notify, asked)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set."""
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(
    node: subprocess.Popen[str], address: str, name: str, notify: Callable[[str], None], asked: threading.Event
) -> None:
    """Report when the node has joined, wait until it ends or ``asked`` is set, and then leave the cluster in order."""
    joined = False
    while not asked.is_set() and node.poll() is None:
        if not joined:
            cluster, _ = _ask(ASK_HEAD, address)
            joined = cluster is not None and f"edge:{name}" in cluster["resources"]
            if joined:
                notify(f"this device has joined the cluster at {address} as {name}; press Ctrl-C to leave")
                _report_skew(address, notify)
        asked.wait(0.5)
    if node.poll() is not None:
        last = node.stdout.read().strip().splitlines()[-3:] if node.stdout else []
        raise InputError(f"Ray's process ended with status {node.returncode}: {' '.join(last)}")
    notify("leaving the cluster")
    node.terminate()  # `ray start --block` ends its own processes on SIGTERM
    try:
        node.wait(LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
    notify("left")


def _report_skew(address: str, notify: Callable[[str], None]) -> None:
    clock, error = _ask(ASK_CLOCK, address)
    if clock is None:
        notify(f"    clock: unknown: {error}")
        return
    text = f"    clock: {clock['skew']:+.2f} s against the head"
    if abs(clock["skew"]) > SKEW_SECONDS + clock["unsure"]:
        text += ": set it, or dates will be wrong; durations are not affected"
    notify(text)
