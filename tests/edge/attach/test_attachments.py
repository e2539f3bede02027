"""A study of real recordings on devices attached in every way: here, as a node, over SSH and by a bundle.

Their records are equal.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attached import join
from small import without_times

from harness.ledger import Ledger

STUDY = Path(__file__).parents[3] / "studies/edge_cost.yaml"
SMALL = (
    "datasets=[usc-had]", "methods=[cosmo]", "labels=12", "unlabeled=64", "stage1.epochs=1", "cosmo.quality={restarts: 1, subsets: 0}", "stage2.epochs=4",
    "edge.epochs=2", "edge.idle_seconds=2.5", "edge.hertz=100", "edge.batch_sizes=[1, 8]",
    "edge.latency={seconds: 0.05, count: 12, warmup: 1}",
)  # fmt: skip
TRACE = "seconds,VDD_IN_watts\n0,4\n0.5,6\n1,4\n"


@pytest.mark.data
@pytest.mark.ray
@pytest.mark.nightly  # the other tests of this folder compare each way with a measurement here
@pytest.mark.timeout(900)
def test_a_trial_has_the_same_record_however_its_device_is_attached(
    head: tuple[str, dict[str, str]], device: str, raw_data: Path, tmp_path: Path
) -> None:
    address, environment = head
    (tmp_path / "power.csv").write_text(TRACE)

    def harness(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness", *map(str, arguments)]
        return subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finished(process: subprocess.Popen[str]) -> None:
        said = process.communicate(timeout=280)[0]
        assert process.returncode == 0, said

    node = join(address, "node", environment)
    devices = f"edge.devices=[cpu, {{name: node}}, {device}, {{name: box, offline: true}}]"
    changes = [
        part for change in (*SMALL, devices, f"edge.meter=replay:{tmp_path}/power.csv") for part in ("--set", change)
    ]
    finished(harness("run", STUDY, "--data", raw_data, "--address", address, *changes, "--out", "run"))
    node.terminate()
    finished(harness("edge", "export", "run", "box.zip", "--data", raw_data))
    finished(harness("edge", "measure", "box.zip"))
    finished(harness("edge", "import", "run", "box-result.zip"))
    finished(node)

    by_trial: dict[str, dict[str, dict[str, Any]]] = {}
    for record in Ledger(tmp_path / "run").records():
        if record["kind"] == "profile":
            assert record["status"] == "done", record["error"]
            by_trial.setdefault(record["result"]["trial"], {})[record["content"]["on"]] = record
    assert len(by_trial) == 1
    for records in by_trial.values():
        ways = {name: record["environment"]["attached_by"] for name, record in records.items()}
        assert ways == {"cpu": "here", "node": "ray", "orin": "ssh", "box": "bundle"}
        here, *others = ({**record["content"], "on": None} for record in records.values())
        assert all(content == here for content in others)
        here, *others = (without_times(record["result"]) for record in records.values())
        assert all(result == here for result in others)
        assert here["meter"].startswith("replay:")
        watts = [record["result"]["idle"]["total"]["mean_watts"] for record in records.values()]
        assert watts == pytest.approx([5] * 4, abs=0.4)
