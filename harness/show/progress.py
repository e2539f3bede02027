"""The progress of a run: a live view on a terminal, and plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.execute.preflight import Node
from harness.jobs import Job
from harness.ledger import Record
from harness.method import Progress

PROGRESS_SECONDS = 30.0
LINES_BESIDE_JOBS = 5  # lines of the live view for totals, bar, "and N more" and the prompt


@dataclass
class Running:
    """A job that is running. since: its start, on the clock of `RunProgress`."""

    job: Job
    where: str
    since: float
    progress: Progress | None = None


class RunProgress:
    """Counts and times of the jobs of a run.

    jobs: the jobs to run.
    already_done: how many of the jobs of the plan an earlier run has done.
    shared: how many jobs are saved because trials share them.
    before: kind → seconds that each job of an earlier run took.
    """

    def __init__(
        self, jobs: Sequence[Job], already_done: int = 0, shared: int = 0, clock: Callable[[], float] = time.monotonic,
        before: Mapping[str, Sequence[float]] | None = None,
    ):  # fmt: skip
        self.total, self.already_done, self.shared, self._clock = len(jobs), already_done, shared, clock
        self.running: dict[str, Running] = {}
        self.done, self.failed, self.stopped = 0, 0, 0
        self._begun = clock()
        self._left: Counter[str] = Counter(job.kind for job in jobs)  # kind → jobs that have not ended
        self._seconds = defaultdict[str, list[float]](list)  # kind → seconds of each job done
        for kind, some in (before or {}).items():
            self._seconds[kind] = list(some)
        self._most_at_once = 1

    def started(self, job: Job, where: str) -> None:
        self.running[job.key] = Running(job, where, self._clock())
        self._most_at_once = max(self._most_at_once, len(self.running))

    def progressed(self, job: Job, progress: Progress) -> None:
        if job.key in self.running:
            self.running[job.key].progress = progress

    def finished(self, job: Job, record: Record) -> float | None:
        """Count a job as ended. Returns the seconds it took, None if it never started."""
        running = self.running.pop(job.key, None)
        seconds = None if running is None else self._clock() - running.since
        self._left[job.kind] -= 1
        if record["status"] == "done":
            self.done += 1
            if seconds is not None:
                self._seconds[job.kind].append(seconds)
        elif record["status"] == "stopped":
            self.stopped += 1
        else:
            self.failed += 1
        return seconds

    def seconds(self, running: Running) -> float:
        """Seconds since a running job started."""
        return self._clock() - running.since

    @property
    def ended(self) -> int:
        return self.done + self.stopped + self.failed

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return self._clock() - self._begun

    @property
    def time_left(self) -> float | None:
        """Estimated seconds until the last job ends; None while there is nothing to base an estimate on.

        A job is assumed to take the mean time of the finished jobs of its kind. While none has finished, the estimate
        is based on the epochs that the running jobs have completed.
        """
        left = {kind: n for kind, n in self._left.items() if n > 0}
        known = {kind: self._seconds[kind] or self._expected(kind) for kind in left}
        if not all(known.values()):
            return None
        means = {kind: sum(some) / len(some) for kind, some in known.items()}
        spent = sum(min(self._clock() - r.since, means[r.job.kind]) for r in list(self.running.values()))
        work = sum(n * means[kind] for kind, n in left.items()) - spent
        waiting = sum(left.values()) > len(self.running)
        return max(work / self._most_at_once, max(means.values()) if waiting else 0.0)

    def _expected(self, kind: str) -> list[float]:
        """The estimated total seconds of each running job of a kind, from the epochs it has completed."""
        some = [
            running
            for running in self.running.values()
            if running.job.kind == kind and running.progress and running.progress.epoch
        ]
        return [self.seconds(one) * one.progress.epochs / one.progress.epoch for one in some if one.progress]

    @property
    def summary(self) -> str:
        """The state in one line.

        Such as ``12 of 40 jobs done · 1 failed · 2 running · 5 done before · 2 min 10 s · about 4 min 40 s left``.
        """
        parts = [f"{self.done} of {self.total} jobs done"]
        parts += [
            f"{n} {word}"
            for n, word in ((self.stopped, "stopped early"), (self.failed, "failed"), (len(self.running), "running"))
            if n
        ]
        parts += [f"{self.already_done} done before"] if self.already_done else []
        parts += [f"{self.shared} shared"] if self.shared else []
        parts += [span(self.elapsed)]
        if self.ended < self.total:
            parts += [left_text(self.time_left)]
        return " · ".join(parts)


class PlainProgress:
    """Prints a line when a job starts or ends, and a summary every `PROGRESS_SECONDS`."""

    def __init__(self, console: Console, run_progress: RunProgress):
        self._console, self._run_progress = console, run_progress
        self._reported_at = run_progress.elapsed

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._run_progress.running.clear()
        self.note(self._run_progress.summary)

    def started(self, job: Job, where: str) -> None:
        self._run_progress.started(job, where)
        self.note(f"started  {job.title}" + (f" on {where}" if where != "local" else ""))

    def progressed(self, job: Job, progress: Progress) -> None:
        self._run_progress.progressed(job, progress)
        if self._run_progress.elapsed - self._reported_at >= PROGRESS_SECONDS:
            self._reported_at = self._run_progress.elapsed
            self.note(self._run_progress.summary)

    def finished(self, job: Job, record: Record) -> None:
        self.note(ending(job, record, self._run_progress.finished(job, record)))

    def nodes(self, nodes: Sequence[Node]) -> None:
        pass

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class RichProgress:
    """A live view with the totals, a bar and a line for each running job. Failures and notes are printed above it."""

    def __init__(self, console: Console, run_progress: RunProgress):
        self._console, self._run_progress = console, run_progress
        self._live = Live(get_renderable=self._view, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> RichProgress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._run_progress.running.clear()
        self.note(self._run_progress.summary)

    def started(self, job: Job, where: str) -> None:
        self._run_progress.started(job, where)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._run_progress.progressed(job, progress)

    def finished(self, job: Job, record: Record) -> None:
        seconds = self._run_progress.finished(job, record)
        if record["status"] == "failed":
            self._console.print(Text(ending(job, record, seconds), style="red"))

    def nodes(self, nodes: Sequence[Node]) -> None:
        pass

    def note(self, text: str) -> None:
        self._console.print(Text(text))

    def _view(self) -> Group:
        run_progress = self._run_progress
        bar = Table.grid(expand=True)  # a bare ProgressBar would not end its line
        bar.add_row(ProgressBar(total=max(run_progress.total, 1), completed=run_progress.ended))
        return Group(Text(run_progress.summary), bar, self._jobs())

    def _jobs(self) -> Table:
        running = list(self._run_progress.running.values())
        room = max(1, self._console.height - LINES_BESIDE_JOBS)
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        for one in running[:room]:
            table.add_row(Text(one.job.title), Text(state(one, self._console.width)))
        if len(running) > room:
            table.add_row(Text(f"and {len(running) - room} more"), Text(""))
        return table


def left_text(seconds: float | None) -> str:
    """The time left as text, such as ``about 2 min 05 s left``. seconds: None if it is unknown."""
    if seconds is None:
        return "time left not known yet"
    return f"about {span(seconds)} left" if seconds >= 1 else "done any moment now"


def progress_for(console: Console, run_progress: RunProgress) -> RichProgress | PlainProgress:
    """The observer that suits the console. It is a context manager around the run of the executor."""
    live = (console.is_terminal or console.is_jupyter) and not console.quiet
    return RichProgress(console, run_progress) if live else PlainProgress(console, run_progress)


def state(running: Running, width: int = 80) -> str:
    """The state of a job, such as ``12/300 · loss 2.3121 (floor 2.079) · node7``; shorter on a narrow terminal."""
    progress = running.progress
    if progress is None:
        return "starting"
    parts = [f"{progress.epoch}/{progress.epochs}"]
    parts += [f"loss {progress.loss:.4g}" + _floor(progress, width)] if width >= 60 else []
    parts += [running.where] if width >= 100 and running.where != "local" else []
    return " · ".join(parts)


def _floor(progress: Progress, width: int) -> str:
    return f" (floor {progress.loss_floor:.4g})" if progress.loss_floor is not None and width >= 80 else ""


def ending(job: Job, record: Record, seconds: float | None) -> str:
    """How a job ended, such as ``done     train cosmo · utd-mhad · seed 0 in 12 s``.

    For a job stopped early, how far it came; for a failed job, the first line of its error.
    """
    if record["status"] == "done":
        return f"done     {job.title}" + (f" in {span(seconds)}" if seconds is not None else "")
    if record["status"] == "stopped":
        result = record["result"]
        epoch, accuracy = result["epochs_evaluated"][-1], result["curves"]["validation"]["accuracy"][-1]
        return f"stopped  {job.title} at epoch {epoch}: accuracy {accuracy:.1%} on the validation samples"
    error = record["error"]
    lines = str(error["message"]).splitlines() or [""]
    return f"failed   {job.title}: {error['type']}: {lines[0]}"


def span(seconds: float) -> str:
    """A duration as text, such as ``0.4 s``, ``12 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
