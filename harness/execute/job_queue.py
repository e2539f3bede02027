"""The queue of a run: which jobs can begin, and what those that have ended leave. The same for every executor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from harness.execute.base import ProgressObserver
from harness.jobs import CHECKPOINT, Failure, Inputs, Job, Outcome
from harness.ledger import Ledger
from harness.method import Progress


class JobQueue:
    """Hands out jobs whose inputs are there and writes each record as its job ends, the driver's thread only.

    Jobs come in the order in which they were given, as far as their needs allow.
    """

    def __init__(self, jobs: Sequence[Job], ledger: Ledger, observer: ProgressObserver):
        self._ledger, self._observer = ledger, observer
        self._open = {job.key: job for job in jobs}
        self._missing = {key: {need for need in job.needs if need in self._open} for key, job in self._open.items()}
        self._dependants: dict[str, list[Job]] = {key: [] for key in self._open}
        for job in self._open.values():
            for need in self._missing[job.key]:
                self._dependants[need].append(job)
        self._ready = deque(job for key, job in self._open.items() if not self._missing[key])

    @property
    def is_finished(self) -> bool:
        """Whether every job has left its record."""
        return not self._open

    @property
    def open(self) -> Iterable[Job]:
        """The jobs that have left no record yet."""
        return self._open.values()

    @property
    def head(self) -> Job | None:
        """The job that `next` will evaluation at first."""
        return self._ready[0] if self._ready else None

    def next_ready(self) -> tuple[Job, Inputs] | None:
        """A job that can begin, with its inputs; None while there is none. A job whose inputs can't be read fails."""
        while self._ready:
            job = self._ready.popleft()
            try:
                inputs: dict[str, dict[str, bytes]] = {need: self._ledger.artefacts(need) for need in job.needs}
                if (checkpoint := self._ledger.checkpoint(job.key)) is not None:
                    inputs[job.key] = {CHECKPOINT: checkpoint}
                return job, inputs
            except Exception as error:
                self.failed(job, Failure.of(error))
        return None

    def progressed(self, job: Job, progress: Progress, checkpoint: bytes | None) -> None:
        """A job has ended an epoch, and may have left where it can go on."""
        if checkpoint is not None:
            self._ledger.keep_checkpoint(job.key, checkpoint)
        self._observer.progressed(job, progress)

    def requeue(self, job: Job) -> None:
        """A job that was handed out left nothing: it is the next to be handed out."""
        self._ready.appendleft(job)

    def done(self, job: Job, outcome: Outcome) -> None:
        """A job is done: write its record, and let those begin that waited for it alone."""
        self._observer.finished(job, self._ledger.write_done(job, outcome))
        del self._open[job.key]
        for dependant in self._dependants[job.key]:
            self._missing[dependant.key].remove(job.key)
            if dependant.key in self._open and not self._missing[dependant.key]:
                self._ready.append(dependant)

    def stopped(self, job: Job, evaluations: Sequence[tuple[int, float]]) -> None:
        """A search has stopped a job early: write how far it came."""
        self._observer.finished(job, self._ledger.write_stopped(job, evaluations))
        self._dropped(job, "was stopped early")

    def failed(self, job: Job, failure: Failure) -> None:
        """A job has failed: write that, and that those that need it have failed with it."""
        self._observer.finished(job, self._ledger.write_failed(job, failure))
        self._dropped(job, f"failed: {failure.message}")

    def _dropped(self, job: Job, why: str) -> None:
        del self._open[job.key]
        for dependant in self._dependants[job.key]:
            if dependant.key in self._open:  # else it has already failed by another of its needs
                reason = f"needs {job.title} ({job.key}), which {why}"
                self.failed(dependant, Failure("NeededJobFailed", reason, ""))
