"""`harness env`: versions and hardware, for a bug report."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any

import typer

from harness.cli.console import out


class EnvironmentFormat(str, Enum):
    text = "text"
    json = "json"


def env(
    format_: Annotated[EnvironmentFormat, typer.Option("--format", help="The format of the output.")] = (
        EnvironmentFormat.text
    ),
) -> None:
    """Print the versions and the hardware that a bug report needs."""
    from harness.provenance import describe_environment

    found = describe_environment()
    lines = [json.dumps(found, indent=1)] if format_ is EnvironmentFormat.json else _lines(found)
    for line in lines:
        out.print(line, soft_wrap=True)


def _lines(found: dict[str, Any]) -> list[str]:
    git = found["git"]
    commit = f"{git['commit']}{' with uncommitted changes' if git['dirty'] else ''}" if "commit" in git else "none"
    memory = "unknown" if found["memory_bytes"] is None else f"{found['memory_bytes'] / 2**30:.1f} GiB"
    rows = {
        "cosmo-harness": found["harness"],
        "git commit": commit,
        "Python": found["python"],
        "platform": found["platform"],
        "processor": found["processor"],
        "CPU flags": " ".join(found["cpu_flags"]) or "unknown",
        "cores": f"{found['cores']}, of which this process may use {found['usable_cores']}",
        "memory": memory,
        "GPUs": ", ".join(found["gpus"]) or "none that PyTorch can use",
        **{name: version or "not installed" for name, version in found["packages"].items()},
    }
    width = max(map(len, rows)) + 2
    return [f"{name:{width}}{value}" for name, value in rows.items()]
