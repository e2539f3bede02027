"""What is known of a run in progress: counts and times of its jobs, and the estimate of the time left."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.jobs import Job, Progress
from harness.ledger import Record
from harness.show.estimate import EpochTimer, Remaining, TimeLeft, estimate, span

STAGES = {"pretrain": "stage 1", "train": "stage 2"}


Group = tuple[str | int, ...]


class Alike(NamedTuple):
    """Jobs that are expected to take equally long.

    epochs: of each job. A profile job counts as one epoch, since most of its time goes into measuring inference.
    alone: each runs while nothing else does, because it measures a device.
    """

    kind: str
    dataset: str
    device: str
    method: str
    point: str
    epochs: int
    alone: bool

    @classmethod
    def of(cls, job: Job) -> Alike:
        profile = job.kind == "profile"
        return cls(
            kind=job.kind,
            dataset=job.about["dataset"],
            device=job.about["device"]["name"] if profile else "",
            method=job.about["method"],
            point=repr(job.about.get("point")),
            epochs=1 if profile else max(job.epochs, 1),
            alone=job.attachment in ("here", "ssh"),
        )

    @property
    def groups(self) -> list[Group]:
        """What jobs share whose epochs are expected to take equally long; the closest likeness first.

        The same point of the sweep, then the same method and, for profile jobs, then the same device.
        """
        return [self[:5], self[:4], *([self[:3]] if self.kind == "profile" else [])]


class Pace(NamedTuple):
    """The seconds per epoch of some jobs, summed: a mean that costs the same for any number of them."""

    jobs: int = 0
    seconds: float = 0.0


@dataclass
class Running:
    """A job that is running. since: its start, on the clock of `RunProgress`."""

    job: Job
    where: str
    since: float
    progress: Progress | None = None
    alike: Alike = field(init=False)
    timer: EpochTimer = field(init=False)

    def __post_init__(self) -> None:
        self.alike = Alike.of(self.job)
        self.timer = EpochTimer(self.since, resumable=self.job.kind == "pretrain")

    def progressed(self, progress: Progress, now: float) -> None:
        self.progress = progress
        if self.job.kind != "profile":
            self.timer.epoch_ended(progress.epoch, now)

    @property
    def epochs_left(self) -> int:
        if self.progress is None or self.job.kind == "profile":
            return self.alike.epochs
        return self.progress.epochs - self.progress.epoch


class RunProgress:
    """Counts and times of the jobs of a run. Threads may share it.

    jobs: the jobs to run.
    already_done: how many of the jobs of the plan an earlier run has done.
    shared: how many jobs are saved because trials share them.
    before: jobs that an earlier run has done, with the seconds that each took.
    expected: the seconds that a job takes, as known before any job like it has been timed; None if it is not known.
    """

    def __init__(
        self, jobs: Sequence[Job], already_done: int = 0, shared: int = 0, clock: Callable[[], float] = time.monotonic,
        before: Iterable[tuple[Job, float]] = (), expected: Callable[[Job], float | None] = lambda job: None,
    ):  # fmt: skip
        self.total, self.already_done, self.shared, self._clock = len(jobs), already_done, shared, clock
        self.running: dict[str, Running] = {}
        self.done, self.failed, self.stopped = 0, 0, 0
        self._lock, self._is_over = threading.RLock(), False
        self._begun = clock()
        self._several_datasets = len({job.about["dataset"] for job in jobs}) > 1
        self._waiting = Counter(Alike.of(job) for job in jobs)
        self._timed = defaultdict[Group, Pace](Pace)  # group → seconds per epoch of the jobs done
        for job, seconds in before:
            self._keep(job, seconds / Alike.of(job).epochs)
        self._expected = {  # seconds per epoch
            alike: in_all / alike.epochs
            for alike, job in {Alike.of(job): job for job in jobs}.items()
            if (in_all := expected(job)) is not None
        }
        self._most_at_once = 1
        self._any_started = False

    def started(self, job: Job, where: str) -> None:
        with self._lock:
            self._any_started = True
            if job.key not in self.running:  # otherwise it is retried
                self._waiting[Alike.of(job)] -= 1
            self.running[job.key] = Running(job, where, self._clock())
            self._most_at_once = max(self._most_at_once, len(self.running))

    def progressed(self, job: Job, progress: Progress) -> None:
        with self._lock:
            if job.key in self.running:
                self.running[job.key].progressed(progress, self._clock())

    def finished(self, job: Job, record: Record) -> float | None:
        """Count a job as ended. Returns the seconds it took, None if it never started."""
        with self._lock:
            self.done += record["status"] == "done"
            self.stopped += record["status"] == "stopped"
            self.failed += record["status"] not in ("done", "stopped")
            running = self.running.pop(job.key, None)
            if running is None:
                self._waiting[Alike.of(job)] -= 1
                return None
            seconds, pace = self.seconds(running), running.timer.seconds_per_epoch
            if record["status"] == "done" and (pace is None or not running.timer.may_have_resumed):
                pace = seconds / running.alike.epochs  # with all that the job does beside its epochs
            if record["status"] != "failed" and pace is not None:
                self._keep(job, pace)
            return seconds

    def end(self) -> None:
        """The run is over. Jobs that were still running count as waiting."""
        with self._lock:
            self._is_over = True
            self._waiting.update(one.alike for one in self.running.values())
            self.running.clear()

    def seconds(self, running: Running) -> float:
        """Seconds since a running job started."""
        return self._clock() - running.since

    def seconds_left(self, running: Running) -> float | None:
        """Estimated seconds until a running job ends; None while no epoch of it, or of a job like it, is timed."""
        with self._lock:
            pace = running.timer.seconds_per_epoch
            pace = self._seconds_per_epoch(running.alike) if pace is None else pace
            return None if pace is None else running.timer.seconds_left(running.epochs_left, pace, self._clock())

    @property
    def ended(self) -> int:
        return self.done + self.stopped + self.failed

    @property
    def could_not_begin(self) -> bool:
        """Whether there are jobs, and none has started or ended."""
        return self.total > 0 and not self._any_started and not self.ended

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return self._clock() - self._begun

    @property
    def time_left(self) -> TimeLeft:
        """The time until the last job ends."""
        with self._lock:
            remaining = [
                Remaining(self._name(one.alike), self.seconds_left(one), alone=one.alike.alone)
                for one in self.running.values()
            ]
            for alike, jobs in self._waiting.items():
                if jobs > 0:
                    pace = self._seconds_per_epoch(alike)
                    seconds = None if pace is None else alike.epochs * pace
                    remaining.append(Remaining(self._name(alike), seconds, jobs, alike.alone))
            return estimate(remaining, self._most_at_once)

    @property
    def summary(self) -> str:
        """The state in one line.

        Such as ``12 of 40 jobs done · 1 failed · 2 running · 5 done before · 12 min 10 s so far · about 45 min left``.
        """
        parts = [f"{self.done} of {self.total} jobs done"]
        parts += [
            f"{n} {word}"
            for n, word in ((self.stopped, "stopped early"), (self.failed, "failed"), (len(self.running), "running"))
            if n
        ]
        parts += [f"{self.already_done} done before"] if self.already_done else []
        parts += [f"{self.shared} shared"] if self.shared else []
        if self._is_over:
            return " · ".join([*parts, f"in {span(self.elapsed)}"])
        parts += [f"{span(self.elapsed)} so far"]
        parts += [str(self.time_left)] if self.ended < self.total else []
        return " · ".join(parts)

    def _keep(self, job: Job, seconds_per_epoch: float) -> None:
        for group in Alike.of(job).groups:
            pace = self._timed[group]
            self._timed[group] = Pace(pace.jobs + 1, pace.seconds + seconds_per_epoch)

    def _seconds_per_epoch(self, alike: Alike) -> float | None:
        """The mean over jobs at the same point of the sweep; else over those at any point; else what was expected."""
        for group in alike.groups:
            done, running = self._timed.get(group, Pace()), self._running_paces(group)
            if jobs := done.jobs + len(running):
                return (done.seconds + sum(running)) / jobs
        return self._expected.get(alike)

    def _running_paces(self, group: Group) -> list[float]:
        found = [one.timer.seconds_per_epoch for one in self.running.values() if group in one.alike.groups]
        return [pace for pace in found if pace is not None]

    def _name(self, alike: Alike) -> str:
        """Such as ``stage 2 of cosmo`` or ``the profile of cosmo on jetson``."""
        name = f"{STAGES.get(alike.kind, 'the profile')} of {alike.method}"
        name += f" on {alike.device}" if alike.device else ""
        return name + (f" with {alike.dataset}" if self._several_datasets else "")
