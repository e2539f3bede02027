"""The queue of a run, shared by all executors: which jobs can start, and what is recorded when one ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from harness.execute.base import ProgressObserver
from harness.jobs import CHECKPOINT, Failure, Inputs, Job, Outcome, Progress
from harness.ledger import Ledger


class JobQueue:
    """Hands out jobs whose inputs are complete, and writes each record when its job ends.

    Jobs are handed out in the given order, as far as their needs allow. Not thread-safe.
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
        """Whether every job has a record."""
        return not self._open

    @property
    def open(self) -> Iterable[Job]:
        """The jobs without a record."""
        return self._open.values()

    @property
    def head(self) -> Job | None:
        """The job that `next_ready` will try first."""
        return self._ready[0] if self._ready else None

    def next_ready(self) -> tuple[Job, Inputs] | None:
        """A job that can start, with its inputs; None while there is none. A job whose inputs cannot be read fails."""
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
        """Report that a job has completed an epoch, and keep its checkpoint if there is one."""
        if checkpoint is not None:
            self._ledger.keep_checkpoint(job.key, checkpoint)
        self._observer.progressed(job, progress)

    def requeue(self, job: Job) -> None:
        """Put a job that was handed out but left nothing back at the front of the queue."""
        self._ready.appendleft(job)

    def done(self, job: Job, outcome: Outcome) -> None:
        """Record that a job is done. Jobs that waited only for this one can now start."""
        self._observer.finished(job, self._ledger.write_done(job, outcome))
        del self._open[job.key]
        for dependant in self._dependants[job.key]:
            self._missing[dependant.key].remove(job.key)
            if dependant.key in self._open and not self._missing[dependant.key]:
                self._ready.append(dependant)

    def stopped(self, job: Job, evaluations: Sequence[tuple[int, float]]) -> None:
        """Record that a search has stopped a job early. evaluations: (epoch, accuracy on the validation samples)."""
        self._observer.finished(job, self._ledger.write_stopped(job, evaluations))
        self._dropped(job, "was stopped early")

    def failed(self, job: Job, failure: Failure) -> None:
        """Record that a job has failed, and that the jobs that need it fail with it."""
        self._observer.finished(job, self._ledger.write_failed(job, failure))
        self._dropped(job, f"failed: {failure.message}")

    def _dropped(self, job: Job, why: str) -> None:
        del self._open[job.key]
        for dependant in self._dependants[job.key]:
            if dependant.key in self._open:  # it may have failed already because of another job it needs
                reason = f"needs {job.title} ({job.key}), which {why}"
                self.failed(dependant, Failure("NeededJobFailed", reason, ""))
