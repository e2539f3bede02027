"""Probes a device for what measurements depend on: versions, GPU, meters and power mode."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import registry
from harness.edge.attach.bundle import code_version
from harness.edge.power.recorder import probe
from harness.edge.state import power_mode


@dataclass(frozen=True)
class Check:
    """One property of a device, with its value.

    ok: whether it is fit for measurements; None if it is only information.
    """

    what: str
    found: str
    ok: bool | None = None

    def __str__(self) -> str:
        return f"{'no ' if self.ok is False else 'ok ' if self.ok else '   '} {self.what}: {self.found}"


def probe_device() -> list[Check]:
    """The properties of this device."""
    reasons = {name: probe(name) for name in registry.paths("meters") if name != "replay"}
    readable = [name for name, reason in reasons.items() if reason is None]
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return [
        Check("Python", platform.python_version()),
        Check("harness", code_version()),
        Check("GPU", _gpu()),
        Check("meters", ", ".join(readable) or f"none, energy will not be measured ({why})"),
        Check("power mode", power_mode() or "unknown: nvpmodel is not installed"),
    ]


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none found by PyTorch"


def command_here() -> str:
    """The command that starts the harness on this device after a login, for the ``command`` of a study."""
    if found := shutil.which("harness", path=str(Path(sys.executable).parent)):
        return found
    return shutil.which("harness") or f"{sys.executable} -m harness"
