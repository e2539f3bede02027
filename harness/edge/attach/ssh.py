"""Devices reached over SSH: runs commands on them, and checks beforehand that they can do their jobs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from harness.edge.attach.bundle import code_version
from harness.edge.attach.probe import Check, command_here, probe_device
from harness.errors import InputError
from harness.jobs import Job
from harness.study.edge import Device

OPTIONS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")
SSH = ("ssh", *(argument for option in OPTIONS for argument in ("-o", option)))
FAILED = 255  # the exit status of ssh when the connection fails


class SshError(Exception):
    """A command has failed on the device, or the connection to the device has."""


def require_client() -> None:
    """Raise `InputError` if this machine has no ssh client."""
    if shutil.which("ssh") is None:
        raise InputError("there is no ssh on this machine: install OpenSSH's client (openssh-client) to reach a device")


def device_of(job: Job) -> Device:
    """The device of a profile job."""
    return Device.from_plain({name: value for name, value in job.about["device"].items() if name != "way"})


def base(device: Device) -> list[str]:
    """The beginning of a command line that runs a command on the device."""
    assert device.ssh is not None
    return [*SSH, *device.ssh_options, "--", device.ssh]


def run(prefix: Sequence[str], command: str, content: bytes = b"") -> bytes:
    """Run a command on the device and return its standard output. Raises `SshError` if it fails.

    prefix: as given by `base`. content: standard input of the command.
    """
    done = subprocess.run([*prefix, command], input=content, capture_output=True, check=False)
    if done.returncode:
        raise SshError(
            f"{prefix[-1]}: `{command}` failed ({why(done.returncode, done.stderr.decode(errors='replace'))})"
        )
    return done.stdout


def why(status: int, stderr: str) -> str:
    """An exit status as text, with the error output."""
    what = "the connection was lost" if status == FAILED else f"signal {-status}" if status < 0 else f"status {status}"
    return f"{what}: {stderr.strip()}" if stderr.strip() else what


def require(jobs: Iterable[Job]) -> None:
    """Check that all devices reached over SSH can do their jobs. Raises `InputError` that names all faults."""
    devices = {
        job.about["device"]["name"]: (device_of(job), str(job.content["device"]))
        for job in jobs
        if job.attachment == "ssh"
    }
    if devices:
        require_client()
    faults = [f"{name}: {fault}" for name, (device, kind) in devices.items() if (fault := _fault(device, kind))]
    if faults:
        raise InputError(
            "; ".join(faults)
            + "\nfix this, or leave the device out; with offline: true it can be measured later by a bundle"
        )


def _fault(device: Device, kind: str) -> str | None:
    try:
        output = run(base(device), f"{device.command} edge serve --json").decode(errors="replace")
        lines = [line for line in output.splitlines() if line.startswith("{")]
        found = {what: str(text) for what, text in json.loads(lines[-1]).items()}
    except SshError as error:
        return str(error)
    except (ValueError, IndexError, AttributeError):
        return f"`{device.command} edge serve` on {device.ssh} gave an unexpected answer: {output[:200]!r}"
    if found.get("harness") != code_version():
        return (
            f"the harness on {device.ssh} is {found.get('harness')}, but here it is {code_version()}:"
            " install the same version on both machines"
        )
    if kind == "cuda" and found.get("GPU", "").startswith("none"):
        return f"the study says kind: cuda, but PyTorch finds no GPU on {device.ssh}"
    return None


def check_ssh_server() -> list[Check]:
    """Whether an SSH server answers on this device."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", 22), 5) as connection:
            banner = connection.recv(80).decode(errors="replace").strip()
    except OSError as error:
        return [
            Check(
                "SSH server",
                f"none answers on port 22 ({error}); run `sudo systemctl start ssh`, or set a port in ssh_options",
                ok=False,
            )
        ]
    return [Check("SSH server", f"{banner} answers on port 22", ok=True)]


def serve_lines() -> tuple[list[str], bool]:
    """The properties of this device and its entry under ``edge: devices:`` of a study, as lines of text.

    Also returns whether nothing is missing that measuring over SSH needs.
    """
    import getpass
    import platform

    checks = [*probe_device(), *check_ssh_server()]
    gpu = next(check.found for check in checks if check.what == "GPU")
    host, kind = platform.node() or "host", "" if gpu.startswith("none") else ", kind: cuda"
    line = f"- {{name: {host.partition('.')[0]}{kind}, ssh: {getpass.getuser()}@{host}, command: {command_here()}}}"
    ready = all(check.ok is not False for check in checks)
    return [*map(str, checks), "in a study, add under edge: devices:", f"    {line}"], ready
