"""Helpers that find a free port, read the resources of a Ray cluster from outside, and wait."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

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


def wait_for(what: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.5)
