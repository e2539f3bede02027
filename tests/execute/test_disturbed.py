"""The proofs of benchmarks/disturbed.py and benchmarks/killed.py with 20 kills: nothing is lost or done twice."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize(
    "program",
    [["killed.py"], ["killed.py", "--victim", "raylet"], ["killed.py", "--victim", "gcs_server"], ["disturbed.py"]],
)
def test_disturbed_runs_lose_nothing(program: list[str]) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, str(BENCHMARKS / program[0]), *program[1:], "--kills", "20"]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, timeout=7000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
