"""Faults during a measurement: the record names them, measured parts are kept, and the next run repeats the job."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from small import planned, profiles, run
from trees import jetson

from harness.edge.profile import extrapolated
from harness.jobs import Job, Progress
from harness.ledger import Record
from harness.results.profiles import edge_tables
from harness.results.records import FailedRecord
from harness.results.run import RunResults


class Meddling:
    """An observer that does something once, when a profile job reports its first progress."""

    def __init__(self, do: Any):
        self._do = do

    def started(self, job: Job, where: str) -> None:
        pass

    def progressed(self, job: Job, progress: Progress) -> None:
        if job.kind == "profile" and self._do:
            self._do()
            self._do = None

    def finished(self, job: Job, record: Record) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def measuring(pid: int) -> list[int]:
    """The measuring processes among the children of a process, which may have others, such as those of Ray."""
    found = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [child for child in found if b"harness.edge.attach.measure" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
def test_a_meter_that_dies_on_the_way_and_comes_back(tmp_path: Path) -> None:
    rails = tmp_path / "sys"
    jetson(rails, "TX2")["VDD_IN"](7.0)
    plan, ledger = planned(
        tmp_path, meter=f"ina3221:{rails}", idle=2.5, seconds=2.5
    )  # 100 samples also on a busy machine
    run(plan, ledger, "anywhere", "here", observer=Meddling(lambda: shutil.rmtree(rails)))
    (job,) = profiles(plan)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "failed"
    assert record["error"]["type"] == "MeterFailed"
    partial = record["partial"]
    assert partial["training"]["epochs"] == 4
    assert partial["training"]["seconds"] > 0
    assert partial["training"]["energy_joules"] is None
    assert partial["idle"]["total"]["mean_watts"] == pytest.approx(7)
    assert len(partial["inference"]) == 2
    assert all(ledger.is_done(other.key) for other in plan.jobs.values() if other.kind != "profile")

    jetson(rails, "TX2")["VDD_IN"](7.0)
    run(plan, ledger, "here")
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "done"
    assert record["attempts"] == 2
    assert record["result"]["inference"][0]["joules_per_sample"] == pytest.approx(
        7 * record["result"]["inference"][0]["mean_seconds"], rel=0.15
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux' /proc")
def test_a_device_that_goes_away_leaves_the_parts_it_reported(tmp_path: Path) -> None:
    plan, ledger = planned(tmp_path, seconds=2.0)
    last_epochs = []

    class Killing(Meddling):
        def progressed(self, job: Job, progress: Progress) -> None:
            if job.kind == "profile" and progress.epoch == progress.epochs:
                last_epochs.append(progress)
                for child in measuring(os.getpid()) if len(last_epochs) == 2 else ():  # while the second row is timed
                    os.kill(child, signal.SIGKILL)

    run(plan, ledger, "anywhere", "here", observer=Killing(None))
    (job,) = profiles(plan)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "failed"
    assert record["error"]["type"] == "DeviceLost"
    assert "signal 9" in record["error"]["message"]
    assert not ledger.is_done(job.key)
    read = RunResults(ledger.root).record(job.key)
    assert isinstance(read, FailedRecord)
    assert read.partial.training is not None
    assert read.partial.training.epochs == 4
    assert len(read.partial.inference) == 1
    training, latency = edge_tables(RunResults(ledger.root))
    assert training.rows[0][1] == f"{read.partial.training.seconds:.2f} s"
    assert len(latency.rows) == 1


def test_without_a_meter_the_tables_say_so(tmp_path: Path) -> None:
    plan, ledger = planned(tmp_path, meter=f"rapl:{tmp_path}")
    run(plan, ledger, "anywhere", "here")
    training, latency = edge_tables(RunResults(ledger.root))
    assert training.rows[0][1].endswith(" s")  # without an energy
    assert any("not measured: no readable meter (rapl" in note for note in training.notes)
    assert [row[2] for row in latency.rows] == ["1", "8"]
    assert "J a sample" not in latency.columns


def test_a_table_of_two_processors_names_both(tmp_path: Path) -> None:
    plan, ledger = planned(tmp_path, meter="none", methods="deepsense, cosmo")
    run(plan, ledger, "anywhere", "here")
    path = ledger.record_path(profiles(plan)[0].key)
    record = json.loads(path.read_text())
    here = record["environment"]["processor"]
    record["environment"]["processor"] = "another processor"
    path.write_text(json.dumps(record))
    training, _ = edge_tables(RunResults(ledger.root))
    assert "another processor" in training.notes[0]
    assert here in training.notes[0]


def test_extrapolation_is_by_phase_and_never_of_one_that_was_not_measured() -> None:
    phases = ["encoders"] * 2 + ["head"] * 2
    found = extrapolated([4.0, 4.0, 1.0, 1.0], phases * 3, 20.0)
    assert found["seconds"] == pytest.approx(30)
    assert found["energy_joules"] == pytest.approx(60)
    missing = extrapolated([4.0, 4.0], phases * 3, 20.0)
    assert missing["seconds"] is None
    assert "head" in missing["reason"]
