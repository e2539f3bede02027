"""The code, packages and hardware of this machine: recorded with each plan, and printed by `harness env`."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path
from typing import Any

from harness import __version__

RECORDED = ("cosmo-harness", "torch", "numpy", "scipy", "scikit-learn", "pytorch-metric-learning", "ray", "pandas")
CPU_FLAGS = (  # instructions that change speed or last digits, as Linux names them on x86 and ARM
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "asimdhp", "bf16", "i8mm", "sve",
)  # fmt: skip

PRECISION_FLAGS = {  # any one of them
    "bf16": {"avx512_bf16", "amx_bf16", "bf16", "avx_ne_convert"},
    "fp16": {"avx512_fp16", "amx_fp16", "asimdhp"},
}


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provenance() -> dict[str, Any]:
    """What is recorded with a plan: the git commit, the versions of packages, and the machine that planned."""
    versions = {
        name: dist.version for dist in distributions() if (name := (dist.metadata["Name"] or "").lower()) in RECORDED
    }
    return {
        "git": git_state(Path(__file__).resolve().parent),
        "packages": dict(sorted(versions.items())),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


def describe_environment() -> dict[str, Any]:
    """What a bug report needs: versions of the harness and of the packages it can use, and the hardware.

    Returns:
        JSON-compatible values. ``packages`` maps each name to its version, or to None if it is not installed.
        ``memory_bytes`` is None where the system does not say.
    """
    flags = cpu_flags()
    return {
        "harness": __version__,
        "git": git_state(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpu_flags": [flag for flag in CPU_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
        "packages": {name: _version_of(name) for name in _used_packages()},
    }


def processor() -> str:
    """The processor's model."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def cpu_flags() -> set[str]:
    """The instruction sets of the processor, as Linux names them; empty on other systems."""
    lines = [line for line in _cpuinfo().splitlines() if line.lower().startswith(("flags", "features"))]
    return {flag for line in lines for flag in line.split()}


def has_native(precision: str) -> bool:
    """Whether the processor computes in "bf16" or "fp16" natively; False where that is unknown, as outside Linux."""
    return bool(cpu_flags() & PRECISION_FLAGS[precision])


def git_state(folder: Path) -> dict[str, Any]:
    """The git commit of a folder's files.

    Returns:
        ``commit``, and ``dirty``: whether the checkout has uncommitted changes. If git does not track the folder,
        ``absent`` with the reason instead.
    """
    try:
        tracked = _git(folder, "ls-files", "--error-unmatch", "--", f"{folder}/")
        if not tracked:  # installed into another project's checkout, whose commit says nothing of our code
            return {"absent": "the package was not run from a git checkout"}
        return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"absent": "the package was not run from a git checkout"}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _gpus() -> list[str]:
    try:
        import torch

        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except Exception as error:  # a broken installation is what a bug report is about
        return [f"unknown: {type(error).__name__}: {error}"]


def _used_packages() -> list[str]:
    """The packages that the harness requires, and those of its extras except the developers' tools."""
    try:
        wanted = [line for line in requires("cosmo-harness") or [] if not re.search(r"extra == .dev.", line)]
    except PackageNotFoundError:  # a checkout that was never installed
        wanted = [name for name in RECORDED if name != "cosmo-harness"]
    return sorted({re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in wanted})


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
