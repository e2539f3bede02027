"""RUN/live.json, which tells other processes what a run is doing. It is replaced every few seconds during the run."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from harness.errors import InputError
from harness.execute.base import ProgressObserver
from harness.execute.preflight import Node
from harness.jobs import Job, Progress
from harness.ledger import Ledger, Record
from harness.show.run_progress import Running, RunProgress

WRITE_SECONDS = 2.0
SILENT_SECONDS = 30.0  # after this time without a write, a run may be dead


class Heartbeat:
    """An observer that passes all events on to another one and keeps live.json up to date.

    It is a context manager around the run of the executor.
    """

    def __init__(self, observer: ProgressObserver, ledger: Ledger, run_progress: RunProgress):
        self._observer, self._ledger, self._run_progress = observer, ledger, run_progress
        self._nodes: list[Node] = []
        self._begun_at = _now()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="live.json", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._run_progress.end()
        self._write(ended_at=_now())

    def started(self, job: Job, where: str) -> None:
        with self._lock:
            self._run_progress.started(job, where)
        self._observer.started(job, where)

    def progressed(self, job: Job, progress: Progress) -> None:
        with self._lock:
            self._run_progress.progressed(job, progress)
        self._observer.progressed(job, progress)

    def finished(self, job: Job, record: Record) -> None:
        with self._lock:
            self._run_progress.finished(job, record)
        self._observer.finished(job, record)

    def nodes(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)
        self._observer.nodes(nodes)

    def note(self, text: str) -> None:
        self._observer.note(text)

    def _keep_writing(self) -> None:
        self._write()
        while not self._ended.wait(WRITE_SECONDS):
            self._write()

    def _write(self, **more: Any) -> None:
        with self._lock:
            content = {**self._content(), **more}
        try:
            self._ledger.write_live(content)
        except InputError:  # the disk is full; writing the next record reports that
            return

    def _content(self) -> dict[str, Any]:
        run_progress = self._run_progress
        time_left = run_progress.time_left
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "begun_at": self._begun_at,
            "written_at": _now(),
            "done": run_progress.done,
            "failed": run_progress.failed,
            "elapsed_seconds": run_progress.elapsed,
            "seconds_left": time_left.seconds,
            "untimed": list(time_left.untimed),
            "running": [self._running(one) for one in run_progress.running.values()],
            "nodes": [_node(node) for node in self._nodes],
        }

    def _running(self, one: Running) -> dict[str, Any]:
        return {
            "key": one.job.key,
            "title": one.job.title,
            "where": one.where,
            "seconds": self._run_progress.seconds(one),
            "seconds_left": self._run_progress.seconds_left(one),
            "progress": None if one.progress is None else _progress(one.progress),
        }


def _progress(progress: Progress) -> dict[str, Any]:
    loss = progress.loss if math.isfinite(progress.loss) else None
    return {"epoch": progress.epoch, "epochs": progress.epochs, "loss": loss, "loss_floor": progress.loss_floor}


def _node(node: Node) -> dict[str, Any]:
    return {"name": node.name, "cpus": node.resources.get("CPU", 0), "gpus": node.resources.get("GPU", 0)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def silence(live: Mapping[str, Any]) -> float:
    """Seconds since the run last wrote live.json."""
    return (datetime.now(timezone.utc) - datetime.fromisoformat(live["written_at"])).total_seconds()


def stopped(live: Mapping[str, Any]) -> str | None:
    """Why the run does not seem to be running; None if it seems to be."""
    process = f"process {live['pid']} on {live['host']}"
    if "ended_at" in live:
        return f"ended at {live['ended_at'][:19]}"
    if live["host"] == socket.gethostname() and not _lives(live["pid"]):
        return f"stopped: {process} no longer exists (killed?); it last reported {silence(live):.0f} s ago"
    if silence(live) > SILENT_SECONDS:
        return f"silent: {process} last reported {silence(live):.0f} s ago"
    return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True
