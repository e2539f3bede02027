from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from stubs import DATA, RecordingObserver, behave, learn, make_job, make_recordings

from harness.errors import InputError
from harness.execute import cluster
from harness.execute.inline import InlineExecutor
from harness.execute.ray_tune import RayExecutor, _signals
from harness.jobs import Job
from harness.ledger import Ledger

pytestmark = pytest.mark.ray


def run(jobs: list[Job], ledger: Ledger, perform=behave, **options: Any) -> RecordingObserver:
    observer = RecordingObserver()
    RayExecutor(perform=perform, **options).run(jobs, DATA, ledger, observer)
    return observer


@pytest.mark.usefixtures("local_ray")
def test_the_same_bits_as_inline(tmp_path: Path):
    roots = [make_job("root", i=i) for i in range(2)]
    leaves = [make_job("leaf", root, i=i) for root in roots for i in range(2)]
    jobs = [*roots, *leaves, make_job("leaf", *roots, threads=2)]
    inline, on_ray = Ledger(tmp_path / "inline"), Ledger(tmp_path / "ray")
    InlineExecutor(learn).run(jobs, DATA, inline, RecordingObserver())
    observer = run(jobs, on_ray, learn)
    for job in jobs:
        here, there = inline.record(job.key), on_ray.record(job.key)
        assert here["status"] == there["status"] == "done"
        assert here["environment"]["pid"] == os.getpid() != there["environment"]["pid"]
        for record in (here, there):
            del record["environment"], record["written_at"]
        assert here == there  # artefacts by their hashes
    for job in jobs:
        done_at = observer.events.index(("done", job.key))
        assert observer.events.index(("started", job.key)) < done_at
        assert all(
            observer.events.index(("done", need)) < observer.events.index(("started", job.key)) for need in job.needs
        )
    assert observer.hosts == {os.uname().nodename}


@pytest.mark.usefixtures("local_ray")
def test_no_trial_waits_for_the_stage_1_of_another(tmp_path: Path):
    class Signalling(RecordingObserver):
        def finished(self, job: Job, record: dict[str, Any]) -> None:
            super().finished(job, record)
            if {("done", leaf.key) for leaf in leaves} <= set(self.events):
                (tmp_path / "leaves-are-done").touch()

    slow, quick = make_job("until", file=str(tmp_path / "leaves-are-done")), make_job("quick")
    leaves = [make_job("leaf", quick, i=i) for i in range(2)]
    observer = Signalling()
    RayExecutor(perform=behave).run(
        [slow, quick, *leaves, make_job("leaf", slow)], DATA, Ledger(tmp_path / "run"), observer
    )
    assert [event for event, _ in observer.events].count(
        "done"
    ) == 5  # had a leaf waited for the slow one, it would still wait


def test_what_ray_start_left_behind_is_not_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import ray

    class Asked(Exception):
        pass

    def init(**asked: Any) -> None:
        raise Asked(asked["address"])

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)  # of the Ray that other tests share
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match=r"Ray does not start on this machine \(Asked: local\)"):
        run([make_job("good")], Ledger(tmp_path))
    monkeypatch.setattr(cluster, "_authenticate", lambda address: None)  # it would wait long for an answer
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(InputError, match="no Ray cluster can be used at 127"):
            run([make_job("good")], Ledger(tmp_path))


@pytest.mark.usefixtures("local_ray")
def test_failures_and_dead_workers(tmp_path: Path):
    ledger = Ledger(tmp_path / "run")
    bad, dead, once = make_job("raise"), make_job("die"), make_job("die-once", scar=str(tmp_path / "scar"))
    jobs = [bad, dead, once, make_job("child", bad), make_job("child", dead), make_job("child", once), make_job("good")]
    observer = run(jobs, ledger)
    statuses = [ledger.record(job.key)["status"] for job in jobs]
    assert statuses == ["failed", "failed", "done", "failed", "failed", "done", "done"]
    errors = [ledger.record(job.key).get("error", {}) for job in jobs]
    assert (errors[0]["type"], errors[0]["message"]) == ("ValueError", "no such luck")
    assert 'raise ValueError("no such luck")' in errors[0]["traceback"]
    assert (errors[1]["type"], errors[1]["message"]) == (
        "WorkerDied",
        "its worker process died 2 times (killed, or out of memory?)",
    )
    assert "died" in errors[1]["traceback"]
    assert errors[3]["message"] == f"needs {bad.title} ({bad.key}), which failed: no such luck"
    assert sorted(note for note in observer.notes if "died" in note) == sorted(
        f"a worker died in {job.title}; the job will be retried" for job in (dead, once)
    )
    assert ledger.record(jobs[5].key)["result"]["types"] == ["bytes"]


@pytest.mark.usefixtures("local_ray")
def test_one_at_a_time_recordings_without_a_copy_progress_while_running(tmp_path: Path):
    ledger, observer = Ledger(tmp_path), RecordingObserver()
    data = {"feed" * 5: make_recordings(n_samples=20_000)}  # too large for Ray to send it in a message
    peeks, sleeper = [make_job("peek", i=i) for i in range(6)], make_job("sleep", seconds=2)
    RayExecutor(perform=behave, max_concurrent=1).run([*peeks, sleeper], data, ledger, observer)
    assert [record.get("error") for record in ledger.records()] == [None] * 7
    assert [event for event, _ in observer.events if event != "progressed"] == ["started", "done"] * 7
    results = [ledger.record(job.key)["result"] for job in peeks]
    assert all(result["in_store"] for result in results)
    assert len({(result["pid"], result["at"]) for result in results}) == 1  # read once by the one worker
    assert 2 <= observer.events.count(("progressed", sleeper.key)) <= 5


@pytest.mark.usefixtures("local_ray")
def test_an_error_of_the_ledger_ends_the_run(tmp_path: Path):
    class FullDisk(Ledger):
        def write_done(self, *_: Any) -> Any:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run([make_job("good", i=i) for i in range(3)], FullDisk(tmp_path))
    assert run([make_job("good")], Ledger(tmp_path)).events[-1][0] == "done"


@pytest.mark.usefixtures("local_ray")
def test_ctrl_c_leaves_a_ray_that_was_there_before_free_of_workers(tmp_path: Path):
    class Interrupting(RecordingObserver):
        def progressed(self, *_: Any) -> None:
            if ("done", jobs[0].key) in self.events and "stopping" not in str(self.notes):
                os.kill(os.getpid(), signal.SIGINT)

    import ray

    ledger, observer = Ledger(tmp_path), Interrupting()
    before = signal.getsignal(signal.SIGINT)
    jobs = [make_job("quick"), *(make_job("sleep", seconds=60, i=i) for i in range(3))]
    with pytest.raises(KeyboardInterrupt):
        RayExecutor(perform=behave).run(jobs, DATA, ledger, observer)
    assert observer.notes[-1] == "stopping the workers; Ctrl-C again to stop at once"
    assert [record["key"] for record in ledger.records()] == [jobs[0].key]
    assert signal.getsignal(signal.SIGINT) is before
    deadline = time.monotonic() + 20
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ray.available_resources().get("CPU") == 2


@pytest.mark.usefixtures("local_ray")
def test_a_job_that_fits_no_node_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"needs 64 CPUs: no node has that much\n    the nodes are .*: 2 CPUs"):
        run([make_job("wide", threads=64)], Ledger(tmp_path))


@pytest.mark.parametrize(
    ("address", "cause", "message"),
    [
        ("127.0.0.1:1", None, "no Ray cluster can be reached at 127.0.0.1:1: .*refused"),
        ("ray://127.0.0.1:10001", None, "is not the address of a Ray cluster"),
        ("head", None, "is not the address of a Ray cluster"),
        ("auto", None, "no Ray cluster can be used at auto: none found"),
        ("auto", RuntimeError("too old"), r"no Ray cluster can be used at auto: none found \(too old\)"),
        ("auto", RuntimeError("No node info found matching attributes: '10.0.0.9'"), "is not one of its nodes; start"),
    ],
)
def test_an_address_without_a_cluster(
    tmp_path: Path, address: str, cause: Exception | None, message: str, monkeypatch: pytest.MonkeyPatch
):
    refused = ConnectionError("none found")
    refused.__cause__ = cause
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address == "auto":  # whatever cluster the machine has
        monkeypatch.setattr(ray, "init", Mock(side_effect=refused))
    with pytest.raises(InputError, match=message):
        run([make_job("good")], Ledger(tmp_path), address=address)


def test_without_ray_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'cosmo-harness\[ray\]', or run with --inline"):
        run([make_job("good")], Ledger(tmp_path))


def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_else(tmp_path: Path, own_home: dict[str, str]):
    pytest.importorskip("ray")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("interrupted.py"), tmp_path / "run"],
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
        _, errors = process.communicate(timeout=50)  # the sleepers alone would take longer
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert [record["status"] for record in Ledger(tmp_path / "run").records()] == ["done"] * 3
    assert not list((tmp_path / "run").rglob(".writing-*"))
    assert not list(temporary.iterdir())
    assert not errors


@pytest.mark.parametrize(
    ("number", "ignored"),
    [(signal.SIGTERM, False), (signal.SIGHUP, False), (signal.SIGHUP, True)],
    ids=["scheduler", "closed terminal", "nohup"],
)
def test_a_scheduler_or_a_closed_terminal_ends_a_run_unless_it_ignores_that(
    number: signal.Signals, ignored: bool
) -> None:
    before = signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    stop = SimpleNamespace(asked=False)
    try:
        ended = contextlib.nullcontext() if ignored else pytest.raises(KeyboardInterrupt)
        with ended, _signals(stop, True, RecordingObserver()):
            os.kill(os.getpid(), number)
        assert stop.asked is not ignored
    finally:
        signal.signal(number, before)
