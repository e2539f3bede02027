"""Runs jobs one after another in this process: for small studies, debuggers and machines without Ray."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing

import torch

from harness.data.base import Recordings
from harness.errors import InputError, JobFailed
from harness.execute.base import Perform, ProgressObserver, default_perform
from harness.execute.job_log import logged
from harness.execute.job_queue import JobQueue
from harness.execute.preflight import cpu_precisions, emulated, ledger_room, require_gpu
from harness.jobs import Failure, Job, Outcome, Progress
from harness.ledger import Ledger
from harness.provenance import PRECISION_FLAGS, has_native, processor


class InlineExecutor:
    """Runs jobs in this process, in the order of the plan.

    perform: does a job; by default `harness.execute.perform_job.perform`.
    stop_at_failure: the first job that fails ends the run with `JobFailed`, after its record is written.
    """

    def __init__(self, perform: Perform | None = None, stop_at_failure: bool = False):
        self._perform, self._stop_at_failure = perform or default_perform(), stop_at_failure

    def run(
        self, jobs: Sequence[Job], data: Mapping[str, Recordings], ledger: Ledger, observer: ProgressObserver
    ) -> None:
        """Run ``jobs``; see `harness.execute.base.Executor`.

        Raises `InputError` if this machine can't run a job: it needs Ray, a GPU that is not there or a precision that
        the processor would emulate, or the disk has too little room for the records.
        """
        for why in filter(None, (job.needs_ray for job in jobs)):
            raise InputError(why)
        native = [precision for precision in PRECISION_FLAGS if has_native(precision)]
        if wrong := [*emulated(cpu_precisions(jobs), native, processor()), *ledger_room(ledger.root, jobs)]:
            raise InputError("\n    ".join(["the run cannot start:", *wrong]))
        require_gpu(jobs)
        queue = JobQueue(jobs, ledger, observer)
        threads = torch.get_num_threads()
        try:
            while (task := queue.next_ready()) is not None:
                job, inputs = task
                observer.started(job, "local")
                with closing(logged(self._perform(job, data[job.data], inputs))) as generator:
                    self._do(job, generator, queue)
        finally:
            torch.set_num_threads(threads)  # jobs set their own

    def _do(self, job: Job, generator: Generator[Progress, None, Outcome], queue: JobQueue) -> None:
        """Do a job and record how it ended. What can't be written raises, since it is not the job that has failed."""
        while True:
            try:
                progress = next(generator)
            except StopIteration as stop:
                queue.done(job, stop.value)
                return
            except Exception as error:
                queue.failed(job, Failure.of(error))
                if self._stop_at_failure:
                    raise JobFailed(job.title) from error
                return
            queue.progressed(job, progress, progress.checkpoint)
