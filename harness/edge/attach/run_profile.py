"""Does a profile job: a separate process, on this machine or over SSH, measures a bundle, and its record is fetched.

The measuring process shares neither memory nor Ray with the process that starts it. If it is lost, what it has
reported of the result is kept.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from harness.data.base import Recordings
from harness.edge.attach import ssh
from harness.edge.attach.bundle import Bundle, read_result, write_bundle
from harness.jobs import Failure, Inputs, Job, Outcome, Progress

STDERR_LINES = 20
END_SECONDS = 15.0
FOLDER = re.compile(r"/[A-Za-z0-9._/+-]+")


class Failed(Exception):
    """A job has failed where it was measured. ``failure``: as recorded there."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


class DeviceLost(Exception):
    """The measuring process, or the connection to it, was lost. ``partial``: the result as far as measured."""

    def __init__(self, message: str, partial: dict[str, Any] | None = None):
        super().__init__(message)
        self.partial = partial or {}


def perform_profile(job: Job, recordings: Recordings, inputs: Inputs) -> Generator[Progress, None, Outcome]:
    """Measure one job by means of a bundle. Raises `Failed` or `DeviceLost`, with all that was measured by then."""
    with tempfile.TemporaryDirectory(prefix="harness-edge-") as folder:
        bundle, result = Path(folder, "bundle.zip"), Path(folder, "result.zip")
        write_bundle(bundle, Bundle((job,), {job.data: recordings}, {need: inputs[need] for need in job.needs}))
        try:
            yield from (_over_ssh if job.attachment == "ssh" else _here)(job, bundle, result)
        except ssh.SshError as error:
            raise DeviceLost(str(error)) from error
        ((record, artefacts),) = read_result(result)
    return outcome_of(record, artefacts, job.attachment)


def outcome_of(record: dict[str, Any], artefacts: dict[str, bytes], attachment: str) -> Outcome:
    """The outcome behind a measured record.

    attachment: how the device was attached. Raises `Failed` if the job failed.
    """
    if record["status"] != "done":
        error = record["error"]
        raise Failed(Failure(error["type"], error["message"], error["traceback"], record.get("partial", {})))
    environment = {**record["environment"], "attached_by": attachment}
    return Outcome(record["result"], artefacts, environment, record["started_at"], record["seconds"])


def _here(job: Job, bundle: Path, result: Path) -> Generator[Progress, None, None]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if job.content["device"] == "cuda" and not environment.get("CUDA_VISIBLE_DEVICES"):
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides all GPUs from a job that has asked for none
    command = [sys.executable, "-m", "harness.edge.attach.measure", str(bundle), "--out", str(result), "--progress"]
    yield from _follow(command, environment)


def _over_ssh(job: Job, bundle: Path, result: Path) -> Generator[Progress, None, None]:
    device = ssh.device_of(job)
    base = ssh.base(device)
    folder = ssh.run(base, "mktemp -d").decode().strip()
    if not FOLDER.fullmatch(folder):
        raise ssh.SshError(f"{device.ssh}: `mktemp -d` answered {folder[:80]!r}")
    try:
        ssh.run(base, f"cat > {folder}/bundle.zip", bundle.read_bytes())
        command = f"{device.command} edge measure {folder}/bundle.zip --out {folder}/result.zip --progress"
        yield from _follow([*base, command], None)
        result.write_bytes(ssh.run(base, f"cat {folder}/result.zip"))
    finally:
        subprocess.run(
            [*base, f"rm -r -- {shlex.quote(folder)}"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )


def _follow(command: Sequence[str], environment: dict[str, str] | None) -> Generator[Progress, None, None]:
    """Start a measuring process and yield its progress. Raises `DeviceLost` with what it reported if it fails."""
    partial: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                message = _parsed(line)
                if isinstance(message.get("partial"), dict):
                    partial = message["partial"]
                elif "epoch" in message:
                    loss = message["loss"]
                    yield Progress(message["epoch"], message["epochs"], float("nan") if loss is None else loss)
            status = process.wait()
        finally:
            if process.poll() is None:
                _end(process)
        if status:
            stderr.seek(0)
            why = ssh.why(status, "\n".join(deque(stderr.read().splitlines(), STDERR_LINES)))
            raise DeviceLost(f"the measuring process ended early ({why})", partial)


def _end(process: subprocess.Popen[str]) -> None:
    """End a measuring process, which first restores the power mode of the device if it has set one."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parsed(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}  # output of some library
    return message if isinstance(message, dict) else {}
