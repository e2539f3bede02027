"""Helpers that find a free port, join a Ray cluster, read its resources from outside, and wait."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from harness.edge.attach.join import ASK_HEAD


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def resources(address: str, environment: dict[str, str]) -> list[str] | None:
    done = subprocess.run(
        [sys.executable, "-c", ASK_HEAD, address], env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return list(json.loads(lines[-1])["resources"]) if lines else None


def join(address: str, name: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """`harness edge join` in a process of its own, once the device has joined."""
    command = [sys.executable, "-m", "harness", "edge", "join", "--address", address, "--name", name]
    for _ in range(5):  # on a busy machine Ray gives up on its own node after 30 s
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if "this device has joined the cluster" in line:
                return process
        process.wait()
    raise AssertionError("".join(said))


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.5)
