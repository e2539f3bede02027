"""Commands in the process of the tests, where a process of their own is not what is tested: torch is imported already."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.cli import entry
from harness.cli.console import debugger


def harness(
    *arguments: str | Path, cwd: Path | None = None, typed: str = "", **variables: str
) -> CompletedProcess[str]:
    """Run a command as if it were ``harness ARGUMENTS`` in a process of its own, without HARNESS_DATA.

    typed: what is read from standard input. variables: of the environment.
    """
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        if cwd:
            patch.chdir(cwd)
        patch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.StringIO(typed))
        patch.setattr(debugger, "wanted", False)
        patch.delenv("HARNESS_DATA", raising=False)
        for name, value in {"COLUMNS": "200", **variables}.items():
            patch.setenv(name, value)
        try:
            entry()
        except SystemExit as end:
            status = int(end.code or 0)
    return CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
