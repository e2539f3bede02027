"""The proof of benchmarks/killed.py with one kill: a run on Ray whose driver is killed loses and repeats nothing."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found in /proc")
def test_a_killed_driver_loses_nothing() -> None:
    pytest.importorskip("ray")
    program = Path(__file__).parents[2] / "benchmarks/killed.py"
    command = [sys.executable, str(program), "--kills", "1", "--seeds", "1"]
    done = subprocess.run(command, cwd=program.parents[1], capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no finished job ran again, all records are equal, no half-written file is left" in done.stdout
