"""Runs jobs on Ray, on the cores of this machine or the nodes of a cluster.

Ray Tune schedules the jobs; only the driver writes to the ledger.
"""

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
from harness.execute.local_ray import QUIET, local_ray
from harness.execute.preflight import cpu_precisions, ledger_room, needed_modules, needs_of, require_gpu
from harness.execute.session import told_if_killed
from harness.jobs import Job
from harness.ledger import Ledger
from harness.provenance import usable_cores

if TYPE_CHECKING:
    from harness.execute.node_probe import NodeProbes
    from harness.execute.ray_dispatcher import Stop

# Ray sends usage statistics over the network unless this is set before Ray is imported. Set it to 1 to send them.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

START_SECONDS = 300.0
TUNE = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON or TensorBoard files: the ledger holds everything
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # our handler raises KeyboardInterrupt and restores the previous handler
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # `JobSearcher` sets the limit; the default of one leaves cores idle
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # no snapshots during the run
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # errors are in the records
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer output prints a table of settings at any verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # workers keep the working directory in which Ray starts them
}


class RayExecutor:
    """Runs jobs on Ray.

    address: of a running cluster, "auto" or "HOST:PORT". None: RAY_ADDRESS if it is set, otherwise a Ray of this run
    alone on the cores of this machine. If Ray is already initialised in this process, it is used and left running.
    max_concurrent: the most jobs at a time; None: as many as fit on the cores.
    retries: how often a job is retried after its worker process died.
    perform: does a job; by default `harness.execute.perform_job.perform`. Workers must be able to import it.
    stopping: which jobs may be stopped early; None: no job.
    wait_seconds: how long to wait for nodes to join while no node has the resources that some job needs.
    start_seconds: how long Ray may take to start, and a node to answer.
    ship_code: whether to send this package and its plug-ins to the nodes, where their dependencies must be installed.
    """

    def __init__(
        self,
        address: str | None = None,
        max_concurrent: int | None = None,
        retries: int = 1,
        perform: Perform | None = None,
        stopping: EarlyStopping | None = None,
        wait_seconds: float = 0.0,
        start_seconds: float = START_SECONDS,
        ship_code: bool = False,
    ):
        self._address = address or os.environ.get("RAY_ADDRESS")  # set by `ray job submit`
        self._max_concurrent, self._retries, self._wait_seconds = max_concurrent, retries, wait_seconds
        self._start_seconds, self._ship_code = start_seconds, ship_code
        self._perform, self._stopping = perform or default_perform(), stopping

    def run(
        self, jobs: Sequence[Job], data: Mapping[str, Recordings], ledger: Ledger, observer: ProgressObserver
    ) -> None:
        """Run ``jobs``; see `harness.execute.base.Executor`.

        Raises `InputError` if Ray is not installed, if the address cannot be reached, or if the cluster cannot run the
        jobs; in the last case the message names all problems.
        """
        if not jobs:
            return
        ray = _import_ray()
        from harness.execute.ray_dispatcher import Stop, run_trials
        from harness.execute.ray_early_stopping import EarlyStoppingScheduler

        used = {job.data: data[job.data] for job in jobs}
        stop = Stop()
        with _told_if_ray_dies(ray), self._connected(ray, jobs, observer) as (ours, scratch):
            probes = self._check(jobs, used, ledger, observer, alone=ours and self._address is None)
            with _environment(TUNE), _quiet(), _signals(stop, at_once=ours, observer=observer):
                scheduler = EarlyStoppingScheduler(self._stopping, jobs, ledger) if self._stopping else None
                queue = JobQueue(jobs, ledger, observer)
                options = (self._retries, self._max_concurrent, scheduler, probes)
                run_trials(queue, used, self._perform, observer, stop, *options, scratch)

    def _check(
        self,
        jobs: Sequence[Job],
        data: Mapping[str, Recordings],
        ledger: Ledger,
        observer: ProgressObserver,
        alone: bool,
    ) -> NodeProbes:
        """Probe the nodes. Raises `InputError` with all problems that would keep the jobs from running.

        alone: the cluster is a Ray of this run alone, on this machine.
        """
        from harness.execute.node_probe import NodeProbes, preflight

        data_bytes = sum(array.nbytes for recordings in data.values() for array in recordings.arrays.values())
        modules = None if alone else needed_modules(jobs, self._perform)
        problems = ledger_room(ledger.root, jobs)
        on_gpus = any(job.gpus for job in jobs)
        probes = NodeProbes(modules, data_bytes, cpu_precisions(jobs), self._start_seconds, on_gpus)
        problems += preflight(needs_of(jobs), probes, self._wait_seconds, observer)
        if problems:
            raise InputError("\n    ".join(["the run cannot start:", *problems]))
        return probes

    @contextmanager
    def _connected(
        self, ray: Any, jobs: Sequence[Job], observer: ProgressObserver
    ) -> Iterator[tuple[bool, str | None]]:
        """Connect to Ray.

        Yields whether this call did so; only then is Ray shut down at the end. Yields also the folder of the session,
        if it is one of this run alone.
        """
        if ray.is_initialized():
            if self._ship_code:
                raise InputError("Ray is initialised already in this process, so the code can't be shipped")
            yield False, None
            return
        if self._address is None:
            require_gpu(jobs)
            # A job with more threads than cores is slow but possible, so Ray is given at least as many cores as the
            # largest job needs.
            cores = max(usable_cores(), *(job.workers * job.threads for job in jobs))
            with local_ray(ray, cores, self._start_seconds, observer) as folder:
                yield True, folder
            return
        with self._joined(ray, self._address, observer):
            yield True, None

    @contextmanager
    def _joined(self, ray: Any, address: str, observer: ProgressObserver) -> Iterator[None]:
        """Connect to a running cluster."""
        from harness.execute.cluster import check_address
        from harness.execute.ship_code import code_to_ship

        check_address(address)
        environment = {"py_modules": code_to_ship()} if self._ship_code else None
        try:
            context = ray.init(address=address, runtime_env=environment, **QUIET)
        except Exception as error:  # ConnectionError, a wrong token, a different version of Ray or Python
            raise InputError(f"no Ray cluster can be used at {address}: {_why_not_joined(error)}") from error
        dashboard = f"; its dashboard is at http://{context.dashboard_url}" if context.dashboard_url else ""
        observer.note(f"connected to Ray at {address}{dashboard}")
        try:
            with told_if_killed():  # as Ray itself does if the control server of the cluster is gone
                yield
        finally:
            ray.shutdown()


def _why_not_joined(error: Exception) -> str:
    """Why this process cannot connect to a cluster."""
    if "No node info found" in str(error.__cause__):
        return (
            "this machine is not one of its nodes; start the run on one of them, make this machine a node with "
            "`ray start --address=HOST:PORT`, or use `ray job submit`"
        )
    return f"{error} ({error.__cause__})" if error.__cause__ else str(error)


@contextmanager
def _told_if_ray_dies(ray: Any) -> Iterator[None]:
    """Raise `InputError` if a process of Ray, other than those that do jobs, has died."""
    try:
        yield
    except ray.exceptions.RayTaskError:  # an error in our own code
        raise
    except ray.exceptions.RayError as error:
        why = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
        raise InputError(
            f"a process of Ray has ended that all jobs need ({why}), as when it is killed or the machine runs out of "
            "memory. What is finished is kept: the same command goes on"
        ) from error


def _import_ray() -> Any:
    try:
        import ray
        import ray.tune
    except ImportError as error:
        raise InputError(
            f"Ray cannot be imported ({error}): pip install 'cosmo-harness[ray]', or run with --inline"
        ) from error
    return ray


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
    """Silence Tune's log: failures are in the records and reach the observer."""
    logger = logging.getLogger("ray.tune")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _signals(stop: Stop, at_once: bool, observer: ProgressObserver) -> Iterator[None]:
    """Make Ctrl-C, SIGTERM and SIGHUP stop the run by KeyboardInterrupt, and restore the handlers that Tune replaces.

    at_once: raise immediately, because a Ray of our own ends with all its workers. If a callback swallows the
    exception, ``stop`` still ends the run. Otherwise Tune first stops its workers in order, and a second Ctrl-C raises
    immediately.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only the main thread is interrupted
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    interrupted = False

    def ask(*_: Any) -> None:
        nonlocal interrupted
        stop.asked = interrupted = True
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        if at_once:
            raise KeyboardInterrupt
        observer.note("stopping the workers; Ctrl-C again to stop at once")

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)  # sent by schedulers such as Slurm
    if before[signal.SIGHUP] != signal.SIG_IGN:  # as below nohup
        signal.signal(signal.SIGHUP, ask)  # sent when the terminal is closed
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
