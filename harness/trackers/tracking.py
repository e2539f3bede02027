"""Logging of a run to trackers while it goes on, and of a finished one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from harness import registry
from harness.errors import InputError
from harness.execute.base import ProgressObserver
from harness.execute.preflight import Node
from harness.jobs import Job, Progress
from harness.ledger import Record
from harness.results.records import RECORD, FailedRecord
from harness.results.run import RunResults
from harness.trackers.jobs import curves_of, figures_of, points_of_progress, tracked_job
from harness.trackers.tracker import COMPLETE, Curves, MetricValue, Status, TrackedJob, TrackedRun, Tracker

BATCH_SECONDS = 1.0  # progress is logged at most so often
SILENT_SECONDS = 60.0  # a tracker that takes longer than this for one job at the end of a run is given up

Ending = tuple[Status, Curves, dict[str, float], str]
"""The arguments of `TrackedRun.end`."""

Event = Callable[[], None] | tuple[str, Iterable[MetricValue]]
"""What a thread is to do, or points of a job, by its key."""


def find_tracker(text: str) -> tuple[type[Tracker], str]:
    """The class and the target that ``NAME:TARGET`` names. Raises `InputError` if it is not installed."""
    name, _, target = text.partition(":")
    cls: type[Tracker] = registry.get("trackers", name)
    if not target:
        raise InputError(f"{text!r} lacks a target: give {cls.usage}")
    if find_spec(cls.package) is None:
        extra = f"'cosmo-harness[{name}]'" if name in registry.BUILT_IN["trackers"] else cls.package
        raise InputError(f"{text} needs the package {cls.package}: pip install {extra}")
    return cls, target


def open_tracker(text: str, study: str) -> Tracker:
    """The tracker named by ``NAME:TARGET``. Raises `InputError` if it is not installed or can't be used."""
    cls, target = find_tracker(text)
    try:
        return cls(target, study)
    except Exception as error:
        raise InputError(f"{text} can't be used: {_one_line(error)}") from error


class Tracking:
    """Logs a run to trackers, each in a thread of its own. It is a context manager around the run.

    A tracker that fails is left out from then on: the run and its results never depend on one.

    texts: ``NAME:TARGET`` of each tracker. select: which evaluation counts. warn: shows a line to the user.
    Raises `InputError` if one of the trackers can't be used.
    """

    def __init__(self, texts: Sequence[str], study: str, select: str, warn: Callable[[str], None]):
        self._study, self._select, self._warn = study, select, warn
        self._feeds = [Feed(text, open_tracker(text, study), self._show) for text in dict.fromkeys(texts)]
        self._observer: ProgressObserver | None = None

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for feed in self._feeds:
            feed.finish()
        for feed in self._feeds:
            feed.join(at_once=kind is not None)

    def _show(self, text: str) -> None:
        observer = self._observer
        (observer.note if observer else self._warn)(text)

    def catch_up(self, results: RunResults, jobs: Mapping[str, tuple[str, str]]) -> list[tuple[str, int, int]]:
        """Log the jobs that a tracker lacks. Returns its text, how many are logged now, and how many were before.

        jobs: key of each job that is not to be run again → its kind and title.
        """
        return [(feed.text, *self._catch_up(feed, results, jobs)) for feed in self._feeds]

    def _catch_up(self, feed: Feed, results: RunResults, jobs: Mapping[str, tuple[str, str]]) -> tuple[int, int]:
        missing = [key for key in jobs if key not in feed.logged]
        for key in missing:
            if (record := results.record(key)) is not None:
                content, about = record.content.model_dump(), record.about.model_dump()
                feed.begin(tracked_job(key, record.kind, *jobs[key], self._study, content, about))
                feed.end(key, self._ending(record))
        return len(missing), len(jobs) - len(missing)

    def _ending(self, record: Any) -> Ending:
        error = str(record.error) if isinstance(record, FailedRecord) else ""
        return record.status, curves_of(record), figures_of(record, self._select), error

    @contextmanager
    def observing(self, observer: ProgressObserver) -> Iterator[TrackingObserver]:
        """An observer that passes all events on to another one, which shows warnings meanwhile, and to the trackers."""
        self._observer = observer
        try:
            yield TrackingObserver(self, observer)
        finally:
            self._observer = None

    def started(self, job: Job) -> None:
        """Open a run for a job in each tracker."""
        tracked = tracked_job(job.key, job.kind, job.shown_kind, job.title, self._study, job.content, job.about)
        for feed in self._feeds:
            feed.begin(tracked)

    def progressed(self, job: Job, progress: Progress) -> None:
        """Log what a job has reported."""
        for feed in self._feeds:
            feed.log(job.key, points_of_progress(progress))

    def finished(self, job: Job, record: Record) -> None:
        """Log how a job has ended, and close its runs."""
        if self._feeds:
            ending = self._ending(RECORD.validate_python(record))
            for feed in self._feeds:
                feed.end(job.key, ending)

    @property
    def failed(self) -> set[str]:
        """The trackers that have failed, as the user named them."""
        return {feed.text for feed in self._feeds if feed.failed}


class TrackingObserver:
    """Passes events on to trackers and to another observer."""

    def __init__(self, tracking: Tracking, observer: ProgressObserver):
        self._tracking, self._observer = tracking, observer

    def started(self, job: Job, where: str) -> None:
        self._tracking.started(job)
        self._observer.started(job, where)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._tracking.progressed(job, progress)
        self._observer.progressed(job, progress)

    def finished(self, job: Job, record: Record) -> None:
        self._tracking.finished(job, record)
        self._observer.finished(job, record)

    def nodes(self, nodes: Sequence[Node]) -> None:
        self._observer.nodes(nodes)

    def note(self, text: str) -> None:
        self._observer.note(text)


class Feed:
    """A tracker with the thread that writes to it, so that a slow one does not hold up the run.

    text: how the user named it. logged: the keys of the jobs that it has.
    """

    def __init__(self, text: str, tracker: Tracker, warn: Callable[[str], None]):
        self.text, self._tracker, self._warn = text, tracker, warn
        try:
            self.logged = tracker.logged()
        except Exception as error:
            raise InputError(f"{text} can't be read: {_one_line(error)}") from error
        self.failed = False
        self._runs: dict[str, TrackedRun] = {}
        self._points: dict[str, list[MetricValue]] = {}  # key → points to be logged
        self._events: deque[Event] = deque()
        self._finishing = threading.Event()
        self._moved_at = time.monotonic()
        self._thread = threading.Thread(target=self._keep_logging, name=text, daemon=True)
        self._thread.start()

    def _put(self, event: Event) -> None:
        if not self.failed:
            self._events.append(event)

    def begin(self, job: TrackedJob) -> None:
        self._put(lambda: self._begin(job))

    def log(self, key: str, points: Iterable[MetricValue]) -> None:
        self._put((key, points))

    def end(self, key: str, ending: Ending) -> None:
        self._put(lambda: self._end(key, ending))

    def finish(self) -> None:
        """Let the thread end, once everything is logged."""
        self._moved_at = time.monotonic()
        self._finishing.set()

    def join(self, at_once: bool) -> None:
        """Wait for the thread, unless it has stopped getting anywhere. at_once: not longer than that in any case."""
        begun_at = time.monotonic()
        while self._thread.is_alive() and not self.failed:
            self._thread.join(0.1)
            if time.monotonic() - (begun_at if at_once else self._moved_at) > SILENT_SECONDS:
                self._fail(f"not done within {SILENT_SECONDS:.0f} s")

    def _keep_logging(self) -> None:
        try:
            while not self._finishing.wait(BATCH_SECONDS):
                self._log_all()
            self._log_all()
            for run in self._runs.values():
                run.end("interrupted", {}, {})
        except Exception as error:
            self._fail(_one_line(error))

    def _log_all(self) -> None:
        while self._events and not self.failed:
            event = self._events.popleft()
            if isinstance(event, tuple):
                self._points.setdefault(event[0], []).extend(event[1])
            else:
                event()
                self._moved_at = time.monotonic()
        for key in list(self._points):
            self._log_points(key)

    def _log_points(self, key: str) -> None:
        points = self._points.pop(key, [])
        if key in self._runs and points:
            self._runs[key].log(points)

    def _begin(self, job: TrackedJob) -> None:
        if job.key not in self._runs and job.key not in self.logged:  # else the job is run again
            self._runs[job.key] = self._tracker.begin(job)

    def _end(self, key: str, ending: Ending) -> None:
        self._log_points(key)
        if run := self._runs.pop(key, None):
            run.end(*ending)
            if ending[0] in COMPLETE:
                self.logged.add(key)

    def _fail(self, reason: str) -> None:
        if not self.failed:
            self.failed = True
            self._warn(
                f"warning: nothing more is logged to {self.text} ({reason}); the run does not depend on it, and "
                f"`harness send RUN --to {self.text}` logs what is missing"
            )


def _one_line(error: BaseException) -> str:
    """The first line of an exception's message, or its class."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def send(results: RunResults, texts: Sequence[str], warn: Callable[[str], None]) -> list[tuple[str, int, int]]:
    """Log the finished jobs of a run to trackers, except those that they have.

    Returns the text of each tracker that did not fail, and how many jobs were logged and were there already.
    """
    plan = results.plan
    jobs = {key: (job.kind, job.title) for key, job in plan.jobs.items() if results.status(key) in COMPLETE}
    with Tracking(texts, plan.study, plan.select, warn) as tracking:
        counts = tracking.catch_up(results, jobs)
    return [count for count in counts if count[0] not in tracking.failed]
