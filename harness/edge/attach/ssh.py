"""A device over SSH: commands are run there, and it is asked beforehand whether it is fit to be measured on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence

from harness.edge.attach.bundle import code_version
from harness.edge.attach.probe import Check, command_here, probe_device
from harness.errors import InputError
from harness.jobs import Job
from harness.study.edge import Device

SSH = (
    "ssh",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=4",
)
FAILED = 255  # ssh's own exit status


class SshError(Exception):
    """A command that failed on the device, or on the way to it."""


def device_of(job: Job) -> Device:
    """The device of a profile job."""
    return Device.from_plain({name: value for name, value in job.about["device"].items() if name != "way"})


def base(device: Device) -> list[str]:
    """What comes before a command that is to run on the device."""
    assert device.ssh is not None
    return [*SSH, *device.ssh_options, "--", device.ssh]


def run(prefix: Sequence[str], command: str, content: bytes = b"") -> bytes:
    """What a command prints there; content: its standard input. Raises `SshError` if it fails."""
    done = subprocess.run([*prefix, command], input=content, capture_output=True, check=False)
    if done.returncode:
        raise SshError(
            f"{prefix[-1]}: `{command}` failed ({why(done.returncode, done.stderr.decode(errors='replace'))})"
        )
    return done.stdout


def why(status: int, stderr: str) -> str:
    """An exit status in words."""
    what = "the connection was lost" if status == FAILED else f"signal {-status}" if status < 0 else f"status {status}"
    return f"{what}: {stderr.strip()}" if stderr.strip() else what


def require(jobs: Iterable[Job]) -> None:
    """Ask every device that is reached over SSH whether it can do its jobs. Raises `InputError` with all faults."""
    devices = {
        job.about["device"]["name"]: (device_of(job), str(job.content["device"]))
        for job in jobs
        if job.attachment == "ssh"
    }
    faults = [f"{name}: {fault}" for name, (device, kind) in devices.items() if (fault := _fault(device, kind))]
    if faults:
        raise InputError(
            "; ".join(faults) + "\nmend it, or leave the device out; offline: true measures on it later, by a bundle"
        )


def _fault(device: Device, kind: str) -> str | None:
    try:
        said = run(base(device), f"{device.command} edge serve --json").decode(errors="replace")
        lines = [line for line in said.splitlines() if line.startswith("{")]
        found = {what: str(text) for what, text in json.loads(lines[-1]).items()}
    except SshError as error:
        return str(error)
    except (ValueError, IndexError, AttributeError):
        return f"`{device.command} edge serve` on {device.ssh} answered something else: {said[:200]!r}"
    if found.get("harness") != code_version():
        return f"the harness on {device.ssh} is {found.get('harness')}, here it is {code_version()}: install the same version on both"
    if kind == "cuda" and found.get("GPU", "").startswith("none"):
        return f"kind: cuda, but on {device.ssh} PyTorch sees no GPU"
    return None


def check_ssh_server() -> list[Check]:
    """What SSH needs of this device: a server that answers."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", 22), 5) as door:
            said = door.recv(80).decode(errors="replace").strip()
    except OSError as error:
        return [
            Check(
                "SSH server",
                f"none answers on port 22 ({error}); `sudo systemctl start ssh`, or give ssh_options a port",
            )
        ]
    return [Check("SSH server", f"{said} answers on port 22", True)]


def serve_lines() -> list[str]:
    """What this device has, and the line by which a study measures on it."""
    import getpass
    import platform

    checks = probe_device()
    gpu = next(check.found for check in checks if check.what == "GPU")
    host, kind = platform.node() or "host", "" if gpu.startswith("none") else ", kind: cuda"
    line = f"- {{name: {host.partition('.')[0]}{kind}, ssh: {getpass.getuser()}@{host}, command: {command_here()}}}"
    return [*map(str, [*checks, *check_ssh_server()]), "in a study, under edge: devices:", f"    {line}"]
