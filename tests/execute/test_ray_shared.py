"""Stage 1 shared by several workers through Ray Train."""

from __future__ import annotations

from pathlib import Path

import pytest
from stubs import DATA, RecordingObserver, behave, make_job, together

from harness.errors import InputError
from harness.execute.inline import InlineExecutor
from harness.execute.ray_tune import RayExecutor
from harness.ledger import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("local_ray")]


def shared(name: str, **content: object):  # type: ignore[no-untyped-def]
    return make_job(name, settings={"epochs": 5, "workers": 2}, **content)


def test_two_workers_of_one_group(tmp_path: Path) -> None:
    job, ledger, observer = shared("root"), Ledger(tmp_path), RecordingObserver()
    RayExecutor(perform=together).run([job], DATA, ledger, observer)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "done", record["error"]
    assert record["result"] == {"ranks": 1.0, "count": 2, "began_at": 0}
    assert ledger.artefacts(job.key)["artefact.bin"] == b"together"
    assert ledger.checkpoint(job.key) is None


def test_all_go_on_from_the_last_checkpoint_when_one_dies(tmp_path: Path) -> None:
    job, ledger = shared("root", dies=str(tmp_path / "once")), Ledger(tmp_path / "run")
    RayExecutor(perform=together, retries=1).run([job], DATA, ledger, RecordingObserver())
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "done", record["error"]
    assert (tmp_path / "once").exists()
    assert record["result"]["began_at"] == 2


def test_an_error_of_one_is_the_jobs(tmp_path: Path) -> None:
    job, alone, ledger = shared("root", raises=True), make_job("root"), Ledger(tmp_path)
    RayExecutor(perform=together, retries=0).run([job], DATA, ledger, RecordingObserver())
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "failed"
    assert ledger.checkpoint(job.key) == b"2"  # from which it goes on when it is run again
    RayExecutor(perform=behave).run([alone], DATA, ledger, RecordingObserver())
    assert (ledger.record(alone.key) or {})["status"] == "done"  # nothing is left reserved


def test_without_ray_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stage1\.workers: 2 needs Ray"):
        InlineExecutor(together).run([shared("root")], DATA, Ledger(tmp_path), RecordingObserver())


def test_more_workers_than_fit_are_refused(tmp_path: Path) -> None:
    job = make_job("root", settings={"epochs": 5, "workers": 3})
    with pytest.raises(InputError, match=r"needs 3 × \(1 CPUs\)"):
        RayExecutor(perform=together).run([job], DATA, Ledger(tmp_path), RecordingObserver())
