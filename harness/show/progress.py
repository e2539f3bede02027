"""The progress of a run: a live view on a terminal, and plain lines elsewhere."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.execute.preflight import Node
from harness.jobs import Job, Progress
from harness.ledger import Record
from harness.show.console import CleanConsole
from harness.show.estimate import left_text, rough_span, span
from harness.show.run_progress import Running, RunProgress

TICK_SECONDS = 1.0
FIRST_UPDATE_SECONDS = 5.0  # after the start, or after an update without epochs, to the first one with epochs
UPDATE_SECONDS = (30.0, 300.0)  # the shortest and the longest time between two updates
EVENT_LINES = 50  # at most this many jobs that start, or end, have a line of their own between two updates
RUNNING_LINES = 20  # at most this many running jobs are in an update
LINES_BESIDE_JOBS = 5  # lines of the live view for totals, bar, "and N more" and the prompt


class PlainProgress:
    """Prints a line when a job starts or ends and, from time to time, how far each running job is.

    These updates come from a thread of its own, so that a log grows during epochs of many minutes as well.
    """

    def __init__(self, console: Console, run_progress: RunProgress):
        # the stream of now: while a job runs in this process, sys.stdout also writes to the log of that job
        self._console = CleanConsole(file=console.file, width=console.width, quiet=console.quiet)
        self._run_progress = run_progress
        self._updated_at, self._epochs_shown = run_progress.elapsed, False
        self._events = Counter[str]()  # started, done and so on → events since the last update
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_updating, name="progress", daemon=True)

    def __enter__(self) -> PlainProgress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._run_progress.end()
        self._note_collapsed()
        if not self._run_progress.could_not_begin:
            self.note(self._run_progress.summary)

    def started(self, job: Job, where: str) -> None:
        self._run_progress.started(job, where)
        self._event("started", f"started  {job.title}" + (f" on {where}" if where != "local" else ""))

    def progressed(self, job: Job, progress: Progress) -> None:
        self._run_progress.progressed(job, progress)

    def finished(self, job: Job, record: Record) -> None:
        self._event(record["status"], ending(job, record, self._run_progress.finished(job, record)))

    def nodes(self, nodes: Sequence[Node]) -> None:
        pass

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def update(self) -> None:
        """Print how far the run is, if it is time."""
        with self._lock:
            elapsed = self._run_progress.elapsed
            has_epochs = any(one.progress is not None for one in list(self._run_progress.running.values()))
            pause = FIRST_UPDATE_SECONDS if has_epochs and not self._epochs_shown else update_pause(elapsed)
            if elapsed - self._updated_at < pause:
                return
            self._updated_at, self._epochs_shown = elapsed, self._epochs_shown or has_epochs
            self._note_collapsed()
            for line in update_lines(self._run_progress):
                self.note(line)

    def _keep_updating(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            try:
                self.update()
            except OSError:  # the disk is full; the next line of the run itself reports that
                return

    def _event(self, word: str, line: str) -> None:
        with self._lock:
            self._events[word] += 1
            if self._events[word] <= EVENT_LINES:
                self.note(line)

    def _note_collapsed(self) -> None:
        for word, events in self._events.items():
            if events > EVENT_LINES:
                self.note(f"{word:<8} {events - EVENT_LINES} more jobs")
        self._events.clear()


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
        self._run_progress.end()
        if not self._run_progress.could_not_begin:
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
        summary = Text(run_progress.summary)
        bar = Table.grid(expand=True)  # a bare ProgressBar would not end its line
        bar.add_row(ProgressBar(total=max(run_progress.total, 1), completed=run_progress.ended))
        wrapped = len(summary.wrap(self._console, self._console.width)) - 1
        return Group(summary, bar, self._jobs(max(1, self._console.height - LINES_BESIDE_JOBS - wrapped)))

    def _jobs(self, room: int) -> Table:
        """The running jobs. room: at most this many lines."""
        running = list(self._run_progress.running.values())
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        for one in running[:room]:
            left = self._run_progress.seconds_left(one)
            table.add_row(Text(one.job.title), Text(state(one, left, self._console.width)))
        if len(running) > room:
            table.add_row(Text(f"and {len(running) - room} more"), Text(""))
        return table


def progress_for(console: Console, run_progress: RunProgress) -> RichProgress | PlainProgress:
    """The observer that suits the console. It is a context manager around the run of the executor."""
    live = (console.is_terminal or console.is_jupyter) and not console.quiet
    return RichProgress(console, run_progress) if live else PlainProgress(console, run_progress)


def update_pause(elapsed: float) -> float:
    """Seconds between two updates, which grow with the seconds that the run has taken so far."""
    shortest, longest = UPDATE_SECONDS
    return min(max(elapsed / 10, shortest), longest)


def update_lines(run_progress: RunProgress) -> list[str]:
    """A line for each running job, as far as there are not too many, and the summary."""
    running = list(run_progress.running.values())
    lines = [
        f"running  {one.job.title}: "
        + running_text(one.progress, run_progress.seconds(one), run_progress.seconds_left(one))
        for one in running[:RUNNING_LINES]
    ]
    lines += [f"running  {len(running) - RUNNING_LINES} more jobs"] if len(running) > RUNNING_LINES else []
    return [*lines, run_progress.summary]


def running_text(progress: Progress | None, seconds: float, seconds_left: float | None) -> str:
    """How far a job is, such as ``epoch 12 of 300 · loss 2.312 (floor 2.079) · 30 s so far · about 12 min left``.

    seconds: since the job started. seconds_left: None if it cannot be estimated yet.
    """
    if progress is None:
        parts = ["no epoch done yet"]
    elif math.isnan(progress.loss):
        parts = ["measuring inference"]
    else:
        parts = [f"epoch {progress.epoch} of {progress.epochs}", loss_text(progress)]
    left = "time left not known (nothing like it timed yet)" if seconds_left is None else left_text(seconds_left)
    return " · ".join([*parts, f"{span(seconds)} so far", left])


def loss_text(progress: Progress, floor: bool = True) -> str:
    """Such as ``loss 2.312 (floor 2.079)``. The floor, the least value that the loss can take, is not always known."""
    text = f"loss {progress.loss:.4g}"
    return f"{text} (floor {progress.loss_floor:.4g})" if floor and progress.loss_floor is not None else text


def state(running: Running, seconds_left: float | None, width: int = 80) -> str:
    """The state of a job, such as ``12/300 · loss 2.312 (floor 2.079) · 12 min left · node7``; shorter if narrow."""
    progress = running.progress
    if progress is None:
        parts = ["starting"]
    elif math.isnan(progress.loss):
        parts = ["measuring inference"]
    else:
        parts = [f"{progress.epoch}/{progress.epochs}"]
        parts += [loss_text(progress, floor=width >= 80)] if width >= 60 else []
    if width >= 50 and seconds_left is not None and seconds_left >= 1:
        parts.append(f"{rough_span(seconds_left)} left")
    parts += [running.where] if width >= 100 and running.where != "local" else []
    return " · ".join(parts)


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
