from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from stubs import DATA, RecordingObserver, behave, learn, make_job, outcome

from harness.errors import InputError
from harness.execute.inline import InlineExecutor
from harness.jobs import Job, Progress
from harness.ledger import Ledger


def run(jobs: list[Job], ledger: Ledger, perform=behave) -> RecordingObserver:
    observer = RecordingObserver()
    InlineExecutor(perform).run(jobs, DATA, ledger, observer)
    return observer


def test_jobs_run_after_those_they_need_and_get_their_artefacts_as_bytes(tmp_path: Path):
    ledger = Ledger(tmp_path)
    first, other = make_job("first"), make_job("other")
    second = make_job("second", first, other)
    observer = run([second, other, first], ledger)
    assert [key for event, key in observer.events if event == "done"] == [other.key, first.key, second.key]
    assert [event for event, key in observer.events if key == first.key] == ["started", "progressed", "done"]
    result = ledger.record(second.key)["result"]
    assert result == {"inputs": {first.key: ["artefact.bin"], other.key: ["artefact.bin"]}, "types": ["bytes"]}


def test_a_needed_job_may_be_done_already(tmp_path: Path):
    ledger = Ledger(tmp_path)
    first = make_job("first")
    run([first], ledger)
    second = make_job("second", first)
    assert run([second], ledger).events == [("started", second.key), ("progressed", second.key), ("done", second.key)]


def test_a_failure_takes_only_its_dependants_with_it(tmp_path: Path):
    ledger = Ledger(tmp_path)
    bad, good = make_job("raise"), make_job("good")
    child, both = make_job("child", bad), make_job("both", good, bad)
    grandchild = make_job("grandchild", child, both)
    observer = run([bad, good, child, both, grandchild], ledger)
    assert {key: ledger.record(key)["status"] for key in (bad.key, good.key)} == {bad.key: "failed", good.key: "done"}
    error = ledger.record(bad.key)["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no such luck")
    assert 'raise ValueError("no such luck")' in error["traceback"]
    for job, need in ((child, bad), (both, bad), (grandchild, child)):
        record = ledger.record(job.key)
        assert record["status"] == "failed"
        assert record["attempts"] == 1
        assert record["error"]["message"].startswith(f"needs {need.title} ({need.key}), which failed: ")
        assert ("started", job.key) not in observer.events


def test_a_job_whose_inputs_are_damaged_fails_and_says_so(tmp_path: Path):
    ledger = Ledger(tmp_path)
    first = make_job("first")
    run([first], ledger)
    (tmp_path / "artefacts" / first.key / "artefact.bin").write_bytes(b"rust")
    second, other = make_job("second", first), make_job("other")
    run([second, other], ledger)
    assert "is damaged or missing" in ledger.record(second.key)["error"]["message"]
    assert ledger.is_done(other.key)


def test_keyboard_interrupt_passes_and_keeps_what_is_finished(tmp_path: Path):
    def interrupted(job, recordings, inputs):
        if job.content["name"] == "second":
            raise KeyboardInterrupt
        return (yield from behave(job, recordings, inputs))

    ledger = Ledger(tmp_path)
    jobs = [make_job("first"), make_job("second"), make_job("third")]
    with pytest.raises(KeyboardInterrupt):
        run(jobs, ledger, interrupted)
    assert [record["key"] for record in ledger.records()] == [jobs[0].key]
    assert not list(tmp_path.rglob(".writing-*"))


def test_what_the_driver_cannot_write_ends_the_run_and_fails_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def perform(job, recordings, inputs):
        yield Progress(1, 2, 0.5, checkpoint=b"state")
        return outcome({})

    def full(self, key, content):
        raise InputError("No space left on device")

    monkeypatch.setattr(Ledger, "keep_checkpoint", full)
    ledger = Ledger(tmp_path)
    with pytest.raises(InputError, match="No space left on device"):
        InlineExecutor(perform).run([make_job("a"), make_job("b")], DATA, ledger, RecordingObserver())
    assert not list(ledger.records())


def test_an_emulated_precision_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job = make_job("first", device="cpu", settings={"epochs": 5, "precision": "bf16"})
    monkeypatch.setattr("harness.provenance.cpu_flags", lambda: {"avx2"})
    with pytest.raises(InputError, match="bf16 is not native to its processor"):
        run([job], Ledger(tmp_path))
    monkeypatch.setattr("harness.provenance.cpu_flags", lambda: {"avx2", "amx_bf16"})
    assert ("done", job.key) in run([job], Ledger(tmp_path)).events


def test_a_gpu_that_is_not_there_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="device: cuda needs a GPU"):
        run([make_job("first", device="cuda"), make_job("other", device="cuda")], Ledger(tmp_path))


def test_the_thread_count_is_put_back(tmp_path: Path):
    before = torch.get_num_threads()
    ledger = Ledger(tmp_path)
    job = make_job("learn", threads=before + 1)
    run([job], ledger, learn)
    assert ledger.record(job.key)["result"]["threads"] == before + 1
    assert torch.get_num_threads() == before


def test_ray_is_not_imported():
    code = "import sys, harness.execute.inline, harness.execute.base; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
