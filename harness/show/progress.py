"""How a run looks while it runs: live where there is a terminal, line by line where there is none."""

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
LINES_BESIDE_JOBS = 5  # of the live view: totals, bar, "more", and room for the prompt


@dataclass
class Running:
    """A job that is running. since: on the run_progress's clock."""

    job: Job
    where: str
    since: float
    progress: Progress | None = None


class RunProgress:
    """Counts and times of a run's jobs.

    jobs: those to run. already_done: needed jobs that an earlier run has left. shared: jobs that trials have in common
    and that are therefore not run again for each. before: kind → seconds of jobs that an earlier run has left.
    """

    def __init__(
        self, jobs: Sequence[Job], already_done: int = 0, shared: int = 0, clock: Callable[[], float] = time.monotonic,
        before: Mapping[str, Sequence[float]] | None = None,
    ):  # fmt: skip
        self.total, self.already_done, self.shared, self._clock = len(jobs), already_done, shared, clock
        self.running: dict[str, Running] = {}
        self.done, self.failed, self.stopped = 0, 0, 0
        self._begun = clock()
        self._left: Counter[str] = Counter(job.kind for job in jobs)  # not ended, by kind
        self._seconds = defaultdict[str, list[float]](
            list, {kind: list(some) for kind, some in (before or {}).items()}
        )  # of done jobs
        self._most_at_once = 1

    def started(self, job: Job, where: str) -> None:
        self.running[job.key] = Running(job, where, self._clock())
        self._most_at_once = max(self._most_at_once, len(self.running))

    def progressed(self, job: Job, progress: Progress) -> None:
        if job.key in self.running:
            self.running[job.key].progress = progress

    def finished(self, job: Job, record: Record) -> float | None:
        """Count a job; how many seconds it took, None if it never began."""
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
        """How long a job has been running."""
        return self._clock() - running.since

    @property
    def ended(self) -> int:
        return self.done + self.stopped + self.failed

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._begun

    @property
    def time_left(self) -> float | None:
        """Seconds until the last job ends, if the rest takes what the finished ones of its kind took.

        While none is finished, what those that run will take if all their epochs are alike. None as long as that isn't
        known of every kind that is left: there is nothing to tell from.
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
        """How long each running job of a kind will have taken, by the epochs that it has done."""
        some = [
            running
            for running in self.running.values()
            if running.job.kind == kind and running.progress and running.progress.epoch
        ]
        return [self.seconds(one) * one.progress.epochs / one.progress.epoch for one in some if one.progress]

    @property
    def summary(self) -> str:
        """``12 of 40 jobs done · 1 failed · 2 running · 5 done before · 2 min 10 s · about 4 min 40 s left``."""
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
    """One line as a job starts or ends, and one of progress every half minute."""

    def __init__(self, console: Console, run_progress: RunProgress):
        self._console, self._run_progress = console, run_progress
        self._told_at = run_progress.elapsed

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
        if self._run_progress.elapsed - self._told_at >= PROGRESS_SECONDS:
            self._told_at = self._run_progress.elapsed
            self.note(self._run_progress.summary)

    def finished(self, job: Job, record: Record) -> None:
        self.note(ending(job, record, self._run_progress.finished(job, record)))

    def nodes(self, nodes: Sequence[Node]) -> None:
        pass

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class RichProgress:
    """A live view: the totals, a bar, and a line for each running job. Failures and notes stay above it."""

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
        bar = Table.grid(expand=True)  # a bar of its own would not end its line
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
    """``about 2 min 05 s left``, as far as it is known."""
    if seconds is None:
        return "time left not known yet"
    return f"about {span(seconds)} left" if seconds >= 1 else "done any moment now"


def progress_for(console: Console, run_progress: RunProgress) -> RichProgress | PlainProgress:
    """The observer that fits the console; a context manager around the executor's run."""
    return RichProgress(console, run_progress) if console.is_terminal else PlainProgress(console, run_progress)


def state(running: Running, width: int = 80) -> str:
    """``12/300 · loss 2.3121 (floor 2.079) · node7``, the less the narrower."""
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
    """``done     train cosmo · utd-mhad · seed 0 in 12 s``; of one stopped early, how far it came; of a failure, its
    error's first line.
    """
    if record["status"] == "done":
        return f"done     {job.title}" + (f" in {span(seconds)}" if seconds is not None else "")
    if record["status"] == "stopped":
        epoch, accuracy = (
            record["result"]["epochs_evaluated"][-1],
            record["result"]["curves"]["validation"]["accuracy"][-1],
        )
        return f"stopped  {job.title} at epoch {epoch}: {accuracy:.1%} right on the validation subjects"
    error = record["error"]
    lines = str(error["message"]).splitlines() or [""]
    return f"failed   {job.title}: {error['type']}: {lines[0]}"


def span(seconds: float) -> str:
    """A time for people: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
