"""TensorBoard: event files, one folder for each job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.trackers.tracker import COMPLETE, Curves, MetricValue, Status, TrackedJob, TrackedRun, Tracker, points_of

COMPLETED = "completed"  # an empty file in the folder of a job that is complete
TITLE_LENGTH = 150  # characters of a job's title in the name of its folder


class TensorBoard(Tracker):
    """Event files in DIR/STUDY/JOB-KEY: curves under Time Series, options and final figures under HParams."""

    name, title, usage = "tensorboard", "Event files for TensorBoard", "tensorboard:DIR"
    package = "tensorboard"

    def __init__(self, target: str, study: str):
        super().__init__(target, study)
        self._folder = Path(target).expanduser() / _safe(study)
        self._folder.mkdir(parents=True, exist_ok=True)
        import torch.utils.tensorboard  # noqa: F401  # it fails here, rather than during the run

    def logged(self) -> set[str]:
        return {path.parent.name.rpartition("-")[2] for path in self._folder.glob(f"*/{COMPLETED}")}

    def begin(self, job: TrackedJob) -> TrackedRun:
        return TensorBoardRun(self._folder / f"{_safe(job.title)[:TITLE_LENGTH]}-{job.key}", job)


class TensorBoardRun(TrackedRun):
    """The event files of a job."""

    def __init__(self, folder: Path, job: TrackedJob):
        from torch.utils.tensorboard import SummaryWriter

        super().__init__()
        self._folder, self._job = folder, job
        self._last_epoch: dict[str, int] = {}  # metric → the last epoch that was written
        left_behind = folder.exists()
        self._writer: Any = SummaryWriter(str(folder))
        if left_behind:
            self._start_again()

    def _start_again(self) -> None:
        """Let TensorBoard forget what it has read of the job, as after the restart of a program."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._writer.file_writer.add_event(Event(step=0, session_log=SessionLog(status=SessionLog.START)))
        self._points.clear()

    def write(self, points: Sequence[MetricValue]) -> None:
        for metric, epoch, value in points:
            self._writer.add_scalar(metric, value, epoch)
            self._last_epoch[metric] = epoch

    def end(self, status: Status, curves: Curves, figures: Mapping[str, float], error: str = "") -> None:
        if self._would_go_back(points_of(curves)):
            self._start_again()
        super().end(status, curves, figures, error)

    def _would_go_back(self, points: Iterable[MetricValue]) -> bool:
        """Whether points are missing before the last epoch; TensorBoard draws points in the order of writing."""
        missing = (point for point in points if (point.metric, point.epoch) not in self._points)
        return any(point.epoch < self._last_epoch.get(point.metric, 0) for point in missing)

    def close(self, status: Status, figures: Mapping[str, float], error: str) -> None:
        from torch.utils.tensorboard.summary import hparams

        known = {**self._job.parameters, "kind": self._job.kind, "key": self._job.key, "status": status}
        shown = {name: _plain(value) for name, value in known.items()}
        for summary in hparams(shown, dict.fromkeys(figures)):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, 0)
        if error:
            self._writer.add_text("error", error)
        self._writer.close()
        if status in COMPLETE:
            (self._folder / COMPLETED).touch()


def _plain(value: Any) -> Any:
    """A value of the types that HParams takes."""
    return value if isinstance(value, bool | int | float | str) else str(value)


def _safe(text: str) -> str:
    """A text as a part of a path."""
    return re.sub(r"[^\w.=]+", "-", text).strip("-.") or "study"
