"""What code a run was started with: recorded with the plan, for no report can find it out later."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

RECORDED = ("cosmo-harness", "torch", "numpy", "scipy", "scikit-learn", "pytorch-metric-learning", "ray", "pandas")


def provenance() -> dict[str, Any]:
    """The state of the code, the versions of what it computes with, and the machine that planned."""
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


def git_state(folder: Path) -> dict[str, Any]:
    """``commit`` and whether ``dirty``, of the checkout that the folder's files are tracked in; else why it is ``absent``."""
    try:
        tracked = _git(folder, "ls-files", "--error-unmatch", "--", f"{folder}/")
        if not tracked:  # a package installed into somebody else's checkout says nothing of its own code
            return {"absent": "the package was not run from a git checkout"}
        return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"absent": "the package was not run from a git checkout"}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
