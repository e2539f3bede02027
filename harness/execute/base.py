"""The contract of an executor, and of who watches it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.data.base import Recordings
from harness.execute.preflight import Node
from harness.jobs import Inputs, Job, Outcome
from harness.ledger import Ledger, Record
from harness.method import Progress

Perform = Callable[[Job, Recordings, Inputs], Generator[Progress, None, Outcome]]
"""What does a job: yields after each epoch, returns the outcome. `harness.execute.perform_job.perform`, or a test's stub."""


def default_perform() -> Perform:
    """`harness.execute.perform_job.perform`, imported when asked for: it brings the training loops with it."""
    from harness.execute.perform_job import perform

    return perform


class ProgressObserver(Protocol):
    """Who is told what happens; all calls come from the driver's one thread."""

    def started(self, job: Job, where: str) -> None:
        """A job has begun on a node ("local" or the node's name)."""

    def progressed(self, job: Job, progress: Progress) -> None:
        """A running job has ended an epoch (not every epoch is told)."""

    def finished(self, job: Job, record: Record) -> None:
        """A job has left a record with status done, failed or, by a search, stopped."""

    def nodes(self, nodes: Sequence[Node]) -> None:
        """The nodes that there are, at the beginning of a run on Ray and whenever one has joined or gone."""

    def note(self, text: str) -> None:
        """Something worth a line: an address, a retry."""


@dataclass(frozen=True)
class EarlyStopping:
    """Ray Tune's ASHA over the accuracy on validation samples. rivals: for each search the keys of the jobs that compete."""

    rivals: tuple[tuple[str, ...], ...]
    grace_period: int  # epochs
    reduction_factor: float


class Executor(Protocol):
    """Runs jobs: each after those it needs, each record written to the ledger as soon as it is there.

    A job that fails leaves a failed record and takes with it only the jobs that need it (recorded as failed, with
    that reason); all others go on. KeyboardInterrupt is passed on once workers are stopped; what is finished is kept.
    """

    def run(
        self, jobs: Sequence[Job], data: Mapping[str, Recordings], ledger: Ledger, observer: ProgressObserver
    ) -> None:
        """Run these jobs, none of which is done. A needed job that isn't among them is done in the ledger."""
