"""The contracts of executors and of the observers that follow a run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.data.base import Recordings
from harness.execute.preflight import Node
from harness.jobs import Inputs, Job, Outcome, Progress
from harness.ledger import Ledger, Record

Perform = Callable[[Job, Recordings, Inputs], Generator[Progress, None, Outcome]]
"""A function that does a job: it yields after each epoch and returns the outcome.

In use this is `harness.execute.perform_job.perform`; tests pass stubs.
"""


def default_perform() -> Perform:
    """Return `harness.execute.perform_job.perform`. The import is late because it pulls in the training loops."""
    from harness.execute.perform_job import perform

    return perform


class ProgressObserver(Protocol):
    """Receives the events of a run. All calls come from one thread of the driver."""

    def started(self, job: Job, where: str) -> None:
        """A job has started. where: "local", or the name of its node."""

    def progressed(self, job: Job, progress: Progress) -> None:
        """A running job has completed an epoch. Not every epoch is reported."""

    def finished(self, job: Job, record: Record) -> None:
        """A job has a record, whose status is done, failed or, in a search, stopped."""

    def nodes(self, nodes: Sequence[Node]) -> None:
        """The nodes of the cluster, at the start of a run on Ray and whenever one has joined or left."""

    def note(self, text: str) -> None:
        """A message worth a line of output, such as an address or a retry."""


@dataclass(frozen=True)
class EarlyStopping:
    """Settings of Ray Tune's ASHA, which stops jobs by their accuracy on the validation samples.

    rivals: for each search, the keys of the jobs that compete with each other.
    """

    rivals: tuple[tuple[str, ...], ...]
    grace_period: int  # epochs
    reduction_factor: float


class Executor(Protocol):
    """Runs each job after the jobs it needs, and writes each record to the ledger as soon as the job has ended.

    When a job fails, its record says so. The jobs that need it are recorded as failed for that reason, and all others
    continue. KeyboardInterrupt is raised again once the workers have stopped; finished jobs keep their records.
    """

    def run(
        self, jobs: Sequence[Job], data: Mapping[str, Recordings], ledger: Ledger, observer: ProgressObserver
    ) -> None:
        """Run ``jobs``, none of which is done yet. Any job they need is either among them or done in the ledger.

        data: fingerprint → recordings.
        """
