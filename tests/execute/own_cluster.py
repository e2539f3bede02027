"""A Ray cluster of real `ray start` processes with token authentication, and a driver process for it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
MARK = "HARNESS_TEST_MARK"
START_SECONDS = 240.0


class OwnCluster:
    """A cluster whose nodes are processes of this machine.

    Every process that it starts carries a mark in its environment, by which it is found and killed.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # Ray's sockets need a short path
        self._mark = uuid4().hex
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._port = server.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith("RAY_AUTH") and name != "RAY_ADDRESS"
            },
            "HOME": str(self.folder),
            "RAY_TMPDIR": str(self.folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join([str(HERE), str(REPOSITORY)]),
            MARK: self._mark,
        }

    def head(self, cpus: int, *options: str) -> None:
        self.start(
            "head", ["--head", f"--port={self._port}", "--include-dashboard=false", f"--num-cpus={cpus}", *options]
        )
        end = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in self.log("head"):
            assert time.monotonic() < end, self.log("head")
            time.sleep(0.2)

    def node(self, name: str, cpus: int, *options: str, before: Sequence[str] = (), **variables: str) -> None:
        """Start a node that joins the cluster. before: a command that takes `ray start` as its last arguments."""
        arguments = [
            f"--address={self.address}",
            f"--num-cpus={cpus}",
            f"--node-name={name}",
            "--dashboard-agent-listen-port=0",
            *options,
        ]
        self.start(name, arguments, before, **variables)

    def start(self, name: str, arguments: Sequence[str], before: Sequence[str] = (), **variables: str) -> None:
        # on a busy machine Ray gives up on its own node after 30 s
        retry = ["sh", "-c", 'until "$@"; do sleep 1; done', "sh"]
        command = [*before, *retry, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments]
        working_directory = self.folder / f"cwd-{name}"
        working_directory.mkdir()
        environment = {**self.environment, f"{MARK}_NODE": name, **variables}
        with (self.folder / f"{name}.log").open("wb") as log:
            subprocess.Popen(
                command, cwd=working_directory, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """Send SIGKILL to all processes of a node, as if its power failed."""
        for pid in _with(f"{MARK}={self._mark}", f"{MARK}_NODE={name}"):
            _kill(pid)

    def driver(
        self, ledger: Path, jobs: Sequence[tuple[str, dict[str, Any]]], *options: str, **variables: str
    ) -> subprocess.Popen[str]:
        """Start `python driven.py` on this cluster."""
        command = [sys.executable, str(HERE / "driven.py"), self.address, str(ledger), repr(list(jobs)), *options]
        environment = {**self.environment, **variables}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def close(self) -> None:
        for pid in _with(f"{MARK}={self._mark}"):
            _kill(pid)
        shutil.rmtree(self.folder, ignore_errors=True)


def _with(*variables: str) -> list[int]:
    """The living processes whose environment has these variables."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and {name.encode() for name in variables} <= set(
                (folder / "environ").read_bytes().split(b"\0")
            ):
                found.append(int(folder.name))
        except OSError:  # the process has ended, or belongs to another user
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
