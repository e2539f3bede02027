"""What `harness status` says of a run in another process: running, silent, dead or ended."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from harness.execute.preflight import Node
from harness.jobs import Failure, Job, Progress
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.results.run import RunResults
from harness.show.heartbeat import SILENT_SECONDS, Heartbeat, stopped
from harness.show.run_progress import RunProgress
from harness.show.status import show_status, watch_status
from harness.study import read_study

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense]
seeds: 4
options: {fantasy-device: {series: 6, seconds: 12}}
"""
RECORD = {"status": "done"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], list[Job]]:
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(STUDY)
    plan = make_plan(read_study(path), None)
    return {**plan.study_json(), "command": "harness run study.yaml"}, plan.to_json(), list(plan.jobs.values())


@pytest.fixture
def ledger(tmp_path: Path, planned) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.write_plan(*planned[:2])
    return ledger


def said(ledger: Ledger) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_status(RunResults.open(ledger.root), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_before_during_and_after(ledger: Ledger, planned) -> None:
    jobs = planned[2]
    assert "small in" in said(ledger)
    assert "not begun" in said(ledger)
    now = [100.0]
    watch = Mock()
    live = Heartbeat(watch, ledger, RunProgress(jobs, clock=lambda: now[0]))
    live.nodes([Node("head", {"CPU": 4.0}), Node("edge", {"CPU": 8.0, "GPU": 1.0})])
    live.started(jobs[0], "edge")
    live.started(jobs[1], "edge")
    now[0] += 12
    live.progressed(jobs[0], Progress(12, 30, 0.5, 0.25))
    now[0] += 18
    live.finished(jobs[1], RECORD)
    live._write()
    text = said(ledger)
    assert ": running" in text
    assert "2.0 jobs a minute" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["train"][1:] == ["0", "0", "1", "3"]  # no record was written; one runs
    assert rows["head"] == ["4", "0", "nothing"]
    assert rows["edge"][:2] == ["8", "1"]
    state = r": epoch 12 of 30 · loss 0\.5 \(floor 0\.25\) · 3\d s so far · about 1\d s left"
    assert re.search(re.escape(jobs[0].title) + state, text)
    assert re.search(r"2\.0 jobs a minute · about 1 min \d0 s left", text)
    assert watch.started.call_count == 2
    with live:
        pass
    text = said(ledger)
    assert "ended at " in text
    assert "go on with: harness run study.yaml" in text
    assert "nothing" not in text


def test_the_error_of_a_failed_job_does_not_reach_the_terminals_controls(ledger: Ledger, planned) -> None:
    ledger.write_failed(planned[2][0], Failure("RuntimeError", "the loss is \x1b[2J\x1b]0;owned\x07nan\u202e", ""))
    text = said(ledger)
    assert "RuntimeError: the loss is nan" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_dead_or_silent_process_is_not_called_running() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    now = datetime.now(timezone.utc)
    here = {"pid": os.getpid(), "host": socket.gethostname(), "written_at": now.isoformat()}
    assert stopped(here) is None
    assert f"process {gone.pid} on {here['host']} no longer exists" in str(stopped({**here, "pid": gone.pid}))
    assert (
        stopped({**here, "pid": gone.pid, "host": "elsewhere"}) is None
    )  # a process elsewhere is only known to be dead by its silence
    late = (now - timedelta(seconds=SILENT_SECONDS + 5)).isoformat()
    assert "silent: process" in str(stopped({**here, "host": "elsewhere", "written_at": late}))
    assert "ended at" in str(stopped({**here, "ended_at": now.isoformat()}))


def test_a_full_disk_does_not_end_the_run(ledger: Ledger, planned, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.ledger._write_whole", full)
    with Heartbeat(Mock(), ledger, RunProgress(planned[2])) as live:
        live.started(planned[2][0], "local")
    assert ledger.live() is None


def test_watching_ends_with_the_run_and_its_warnings(ledger: Ledger, planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.show.status.warnings_of", lambda results: ["made up"])
    live = Heartbeat(Mock(), ledger, RunProgress(planned[2]))
    live.__enter__()
    end = time.monotonic() + 10
    while ledger.live() is None and time.monotonic() < end:
        time.sleep(0.01)
    threading.Timer(0.3, live.__exit__).start()
    console = Console(file=io.StringIO(), width=200)
    watch_status(ledger.root, console, 0.05)
    assert re.search("ended at (.|\n)*warning: made up", console.file.getvalue())  # type: ignore[attr-defined]
