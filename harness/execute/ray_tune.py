"""Jobs on Ray: on this machine's cores, or on a cluster's nodes. Ray Tune schedules, the driver alone writes the ledger."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.data.base import Recordings
from harness.errors import InputError
from harness.execute.base import EarlyStopping, Perform, ProgressObserver, default_perform
from harness.execute.job_queue import JobQueue
from harness.execute.preflight import ledger_room, needed_modules, needs_of
from harness.jobs import Job
from harness.ledger import Ledger

if TYPE_CHECKING:
    from harness.execute.ray_dispatcher import Stop

# Ray sends usage statistics over the network unless told not to before it is imported; who wants that sets it to 1.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

TUNE = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files: the ledger has it all
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours passes KeyboardInterrupt on, and puts the old one back
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # ours is the searcher that says how many; by default one waits, and cores stay idle
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # no snapshots while running
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # they are in the records
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer output prints a table of settings however quiet it is told to be
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # workers stay where Ray starts them
}


class RayExecutor:
    """Runs jobs on Ray.

    address: a running cluster's ("auto", "HOST:PORT"); None: RAY_ADDRESS if that is set, else this machine's cores, for
    this run alone. Where Ray is already initialised in this process, that is used and left running. max_concurrent: jobs
    at a time; None: as many as there are cores. retries: how often a job is tried again whose worker process died.
    perform: what does a job; by default `harness.execute.perform_job.perform`; workers must be able to import it. stopping: which jobs
    may be stopped early; None: none. wait_seconds: how long to wait for nodes that are to join, while no node has what some
    job asks for.
    """

    def __init__(
        self,
        address: str | None = None,
        max_concurrent: int | None = None,
        retries: int = 1,
        perform: Perform | None = None,
        stopping: EarlyStopping | None = None,
        wait_seconds: float = 0.0,
    ):
        self._address = address or os.environ.get("RAY_ADDRESS")  # which `ray job submit` sets
        self._max_concurrent, self._retries, self._wait_seconds = max_concurrent, retries, wait_seconds
        self._perform, self._stopping = perform or default_perform(), stopping

    def run(
        self, jobs: Sequence[Job], data: Mapping[str, Recordings], ledger: Ledger, observer: ProgressObserver
    ) -> None:
        """Run these jobs; see `harness.execute.base.Executor`. data: fingerprint → recordings.

        Raises `InputError` if Ray isn't installed or the address can't be reached, and, with everything that is wrong at once,
        if the cluster can't run the jobs.
        """
        if not jobs:
            return
        ray = _import_ray()
        from harness.execute.ray_dispatcher import Stop, run_trials
        from harness.execute.ray_early_stopping import EarlyStoppingScheduler

        used = {job.data: data[job.data] for job in jobs}
        stop = Stop()
        with self._connected(ray, jobs, observer) as ours:
            self._check(jobs, used, ledger, observer, alone=ours and self._address is None)
            with _environment(TUNE), _quiet(), _signals(stop, at_once=ours, observer=observer):
                scheduler = EarlyStoppingScheduler(self._stopping, jobs, ledger) if self._stopping else None
                queue = JobQueue(jobs, ledger, observer)
                run_trials(queue, used, self._perform, observer, stop, self._retries, self._max_concurrent, scheduler)

    def _check(
        self,
        jobs: Sequence[Job],
        data: Mapping[str, Recordings],
        ledger: Ledger,
        observer: ProgressObserver,
        alone: bool,
    ) -> None:
        """The preflight: raise `InputError` with all that is wrong. alone: the cluster is this machine's Ray, for this run."""
        from harness.execute.cluster import preflight

        data_bytes = sum(array.nbytes for recordings in data.values() for array in recordings.arrays.values())
        modules = None if alone else needed_modules(jobs, self._perform)
        wrong = ledger_room(ledger.root, len(jobs)) + preflight(
            needs_of(jobs), modules, data_bytes, self._wait_seconds, observer
        )
        if wrong:
            raise InputError("\n    ".join(["the run can't begin:", *wrong]))

    @contextmanager
    def _connected(self, ray: Any, jobs: Sequence[Job], observer: ProgressObserver) -> Iterator[bool]:
        """Ray, for a while; whether it is ours to end."""
        if ray.is_initialized():
            yield False
            return
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address is None:
            # "local": else Ray would join what `ray start` has left on this machine, running or dead. As many cores as one job
            # asks for, at least: a job with more threads than cores is slow, not impossible
            cores = max(_cores(), *(job.workers * job.threads for job in jobs))
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        else:
            from harness.execute.cluster import reach

            reach(self._address)
            try:
                context = ray.init(address=self._address, **quiet)
            except Exception as error:  # ConnectionError, a wrong token, another version of Ray or Python
                raise InputError(f"no Ray cluster can be used at {self._address}: {error}") from error
            dashboard = f"; its dashboard is at http://{context.dashboard_url}" if context.dashboard_url else ""
            observer.note(f"connected to Ray at {self._address}{dashboard}")
        try:
            yield True
        finally:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
        import ray.tune
    except ImportError as error:
        raise InputError(
            f"Ray can't be imported ({error}): pip install 'cosmo-harness[ray]', or run with --inline"
        ) from error
    return ray


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """No words from Tune: what failed is in the records, and the observer tells it."""
    logger = logging.getLogger("ray.tune")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _signals(stop: Stop, at_once: bool, observer: ProgressObserver) -> Iterator[None]:
    """Put back the signal handlers that Tune takes over; Ctrl-C and SIGTERM stop the run and raise KeyboardInterrupt.

    at_once: it is raised on the spot, for our own Ray ends with all its workers; should it be lost in a callback, Tune's
    stop ends the run. Else Tune first stops its workers in order; a second Ctrl-C raises it on the spot.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it is interrupted
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    interrupted = False

    def ask(*_: Any) -> None:
        nonlocal interrupted
        stop.asked = interrupted = True
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        if at_once:
            raise KeyboardInterrupt
        observer.note("stopping the workers; Ctrl-C again to stop at once")

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)  # as schedulers send it
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
