from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from stubs import DATA, Told, behave, learn, make_job, make_recordings

from harness.errors import InputError
from harness.execute.inline import InlineExecutor
from harness.execute.ray_tune import RayExecutor
from harness.jobs import Job
from harness.ledger import Ledger

pytestmark = pytest.mark.ray


def run(jobs: list[Job], ledger: Ledger, perform=behave, **options: Any) -> Told:
    watch = Told()
    RayExecutor(perform=perform, **options).run(jobs, DATA, ledger, watch)
    return watch


def test_the_same_bits_as_inline(tmp_path: Path, local_ray: None):
    roots = [make_job("root", i=i) for i in range(2)]
    leaves = [make_job("leaf", root, i=i) for root in roots for i in range(2)]
    jobs = [*roots, *leaves, make_job("leaf", *roots, threads=2)]
    inline, on_ray = Ledger(tmp_path / "inline"), Ledger(tmp_path / "ray")
    InlineExecutor(learn).run(jobs, DATA, inline, Told())
    watch = run(jobs, on_ray, learn)
    for job in jobs:
        here, there = inline.record(job.key), on_ray.record(job.key)
        assert here["status"] == there["status"] == "done"
        assert here["environment"]["pid"] == os.getpid() != there["environment"]["pid"]
        for record in (here, there):
            del record["environment"], record["written_at"]
        assert here == there  # artefacts by their hashes
    for job in jobs:
        done_at = watch.events.index(("done", job.key))
        assert watch.events.index(("started", job.key)) < done_at
        assert all(watch.events.index(("done", need)) < watch.events.index(("started", job.key)) for need in job.needs)
    assert watch.places == {os.uname().nodename}


def test_failures_and_dead_workers(tmp_path: Path, local_ray: None):
    ledger = Ledger(tmp_path / "run")
    bad, dead, once = make_job("raise"), make_job("die"), make_job("die-once", scar=str(tmp_path / "scar"))
    jobs = [bad, dead, once, make_job("child", bad), make_job("child", dead), make_job("child", once), make_job("good")]
    watch = run(jobs, ledger)
    statuses = [ledger.record(job.key)["status"] for job in jobs]
    assert statuses == ["failed", "failed", "done", "failed", "failed", "done", "done"]
    errors = [ledger.record(job.key).get("error", {}) for job in jobs]
    assert (errors[0]["type"], errors[0]["message"]) == ("ValueError", "no such luck")
    assert 'raise ValueError("no such luck")' in errors[0]["traceback"]
    assert (errors[1]["type"], errors[1]["message"]) == ("WorkerDied", "its worker process died 2 times (killed, or out of memory?)")
    assert "died" in errors[1]["traceback"]
    assert errors[3]["message"] == f"needs {bad.title} ({bad.key}), which failed: no such luck"
    assert sorted(watch.notes) == sorted(f"a worker died in {job.title}; it is tried again" for job in (dead, once))
    assert ledger.record(jobs[5].key)["result"]["types"] == ["bytes"]


def test_recordings_are_read_without_a_copy_once_per_worker(tmp_path: Path, local_ray: None):
    ledger = Ledger(tmp_path)
    data = {"feed" * 5: make_recordings(n_samples=20_000)}  # too large for Ray to send it in a message
    jobs = [make_job("peek", i=i) for i in range(6)]
    RayExecutor(perform=behave, max_concurrent=1).run(jobs, data, ledger, Told())
    results = [record["result"] for record in ledger.records()]
    assert len(results) == 6
    assert all(result["in_store"] for result in results)
    assert len({(result["pid"], result["at"]) for result in results}) == 1


def test_max_concurrent(tmp_path: Path, local_ray: None):
    watch = run([make_job("good", i=i) for i in range(4)], Ledger(tmp_path), max_concurrent=1)
    assert [event for event, _ in watch.events if event != "progressed"] == ["started", "done"] * 4


def test_progress_is_told_while_a_job_runs(tmp_path: Path, local_ray: None):
    job = make_job("sleep", seconds=2)
    events = run([job], Ledger(tmp_path)).events
    assert 2 <= events.count(("progressed", job.key)) <= 5
    assert events[-1] == ("done", job.key)


def test_an_error_of_the_ledger_ends_the_run(tmp_path: Path, local_ray: None):
    class FullDisk(Ledger):
        def write_done(self, *_: Any) -> Any:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run([make_job("good", i=i) for i in range(3)], FullDisk(tmp_path))
    assert run([make_job("good")], Ledger(tmp_path)).events[-1][0] == "done"


def test_a_job_that_fits_no_node_is_refused(tmp_path: Path, local_ray: None):
    with pytest.raises(InputError, match="asks for 64 CPUs, the nodes have 2 CPUs"):
        run([make_job("wide", threads=64)], Ledger(tmp_path))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster can be reached at 127.0.0.1:1: .*refused"),
        ("ray://127.0.0.1:10001", "is no address of a Ray cluster"),
        ("head", "is no address of a Ray cluster"),
        ("auto", "no Ray cluster can be used at auto"),
    ],
)
def test_an_address_without_a_cluster(tmp_path: Path, address: str, message: str, monkeypatch: pytest.MonkeyPatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address == "auto":  # whatever cluster the machine has
        monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("none found")))
    with pytest.raises(InputError, match=message):
        run([make_job("good")], Ledger(tmp_path), address=address)


def test_without_ray_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'cosmo-harness\[ray\]', or run with --inline"):
        run([make_job("good")], Ledger(tmp_path))


@pytest.mark.parametrize("whose", [[], ["--there"]])
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_else(tmp_path: Path, own_home: dict[str, str], whose: list[str]):
    pytest.importorskip("ray")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("interrupted.py"), tmp_path / "run", *whose],
        env={**own_home, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["done\n"] * 3
        time.sleep(1)  # the sleepers are under way
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process in front
        asked = time.monotonic()
        _, errors = process.communicate(timeout=30)
        took = time.monotonic() - asked
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert took < 15
    assert [record["status"] for record in Ledger(tmp_path / "run").records()] == ["done"] * 3
    assert not list((tmp_path / "run").rglob(".writing-*"))
    assert not list(temporary.iterdir())
    assert not errors
    print(f"stopped in {took:.1f} s")
