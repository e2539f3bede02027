"""Runs a queue of jobs through Ray Tune: each job is a trial, which a searcher hands out once its inputs are complete.

Imported only by the Ray executor.
"""

from __future__ import annotations

import pickle
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray import tune
from ray.exceptions import ObjectStoreFullError, OutOfDiskError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.base import Recordings
from harness.execute.base import Perform, ProgressObserver
from harness.execute.cluster import living_nodes
from harness.execute.job_queue import JobQueue
from harness.execute.node_probe import NodeProbes
from harness.execute.preflight import UNITS, Node, has_room, missing, needs_of
from harness.execute.ray_early_stopping import EarlyStoppingScheduler
from harness.execute.ray_relay import ArtefactRelay
from harness.execute.ray_worker import Worker
from harness.jobs import Failure, Job, Outcome, Progress

POLL_NODES_SECONDS = 1.0  # how often the list of nodes is updated
WAITING_SECONDS = 60.0  # after this time without a running job, a line says so
FAILED_STARTS = 3  # how many workers may fail to take a job before it has failed


class Stop(tune.Stopper):
    """Ends the experiment once ``asked`` is set. Tune pickles it, so it holds nothing else."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: Any) -> bool:
        return self.asked

    def stop_all(self) -> bool:
        return self.asked


class Dispatcher:
    """The driver's side of the relay: offers jobs, collects what workers have left, and records it."""

    def __init__(
        self,
        queue: JobQueue,
        data: Mapping[str, ray.ObjectRef[Any]],
        perform: Perform,
        observer: ProgressObserver,
        stop: Stop,
        retries: int,
        scheduler: EarlyStoppingScheduler | None,
        probes: NodeProbes,
    ):
        self.queue, self.observer, self._stop = queue, observer, stop
        self.error: Exception | None = None
        self.jobs: dict[str, Job] = {}  # handed out and not ended
        self.where: dict[str, str] = {}  # key of a job that has started and not ended → id of its node
        self._data, self._perform, self.retries, self.scheduler = data, perform, retries, scheduler
        self._deaths: dict[str, int] = {}
        self._failed_starts: dict[str, int] = {}
        self.probes = probes
        self.nodes: dict[str, Node] = {}  # those that the jobs may run on
        self._seen: dict[str, str] = {}  # id → name of the living nodes that jobs could run on at some time
        self._has_polled = False
        self._active_at = time.monotonic()  # when a job was last seen running
        self._polled_at = -POLL_NODES_SECONDS
        self._lost: set[str] = set()  # resources of devices that have left the cluster
        self.relay_name = f"harness-relay-{uuid4().hex}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.relay = ArtefactRelay.options(  # type: ignore[attr-defined]
            name=self.relay_name, scheduling_strategy=here
        ).remote()

    @property
    def is_stopping(self) -> bool:
        """Whether the run was interrupted, or the driver itself has failed."""
        return self._stop.asked

    @contextmanager
    def capturing_errors(self) -> Iterator[None]:
        """Keep the driver's own first error, such as a full disk, and end the experiment.

        Without this, Tune would treat it as the error of a trial.
        """
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            self._stop.asked = True

    def hand_out(self) -> Job | None:
        """Offer the next job to the workers and return it; None while none is ready.

        A job whose device has left the cluster fails.
        """
        while (task := self.queue.next_ready()) is not None and not self.has_device(task[0]):
            self._lose_device(task[0], "")
        if task is None:
            return None
        job, inputs = task
        try:
            task_ref = ray.put((self._perform, job, inputs, self._data[job.data]))
        except (ObjectStoreFullError, OutOfDiskError) as error:
            self.queue.failed(job, Failure.of(error))
            return self.hand_out()
        ray.get(self.relay.offer.remote(job.key, [task_ref]))  # must be complete before a worker starts the trial
        self.jobs[job.key] = job
        if self.scheduler:
            self.scheduler.begun(job)
        return job

    def started(self, job: Job, node_id: str) -> None:
        """A worker has taken a job."""
        self.where[job.key] = node_id
        self._active_at = time.monotonic()
        self.observer.started(job, self._node_name(node_id))

    def progressed(self, job: Job, progress: Progress, checkpoint: bool) -> None:
        """A worker has completed an epoch. checkpoint: whether it has left one with the relay."""
        self.queue.progressed(job, progress, ray.get(self.relay.checkpoint.remote(job.key)) if checkpoint else None)

    def poll_nodes(self) -> None:
        """Report to the observer which nodes have joined or left, and which jobs fit on none of those that remain."""
        if time.monotonic() - self._polled_at < POLL_NODES_SECONDS:
            return
        self._polled_at = time.monotonic()
        self.probes.update()
        self.probes.report(self.observer)
        self._note_waiting()
        for node_id in self._seen.keys() - self.probes.nodes.keys():
            name = self._seen.pop(node_id)
            self.observer.note(f"node {name} is gone; its jobs will be retried on the other nodes")
        nodes = self.probes.fit
        if nodes == self.nodes:
            return
        for node_id in nodes.keys() - self._seen.keys() if self._has_polled else ():
            self.observer.note(f"node {nodes[node_id].name} has joined")
        self.nodes, self._has_polled = nodes, True
        self._seen |= {node_id: node.name for node_id, node in nodes.items()}
        self.observer.nodes(list(nodes.values()))
        usable = [node for node in self.probes.nodes.values() if not node.faults]  # or not probed yet
        for problem in missing(needs_of(self.queue.open), usable):
            self.observer.note(f"waiting for a node: {problem}")

    def _note_waiting(self) -> None:
        """Say so if no job has been running for a while. Ray itself would wait in silence."""
        if self.where or not self.jobs:
            self._active_at = time.monotonic()
        elif time.monotonic() - self._active_at >= WAITING_SECONDS:
            self._active_at = time.monotonic()
            free, there = ray.available_resources(), ray.cluster_resources()  # type: ignore[no-untyped-call]
            known = [name for name in ("CPU", "GPU") if there.get(name)]
            amounts = ", ".join(f"{free.get(name, 0):g} of {there[name]:g} {UNITS[name]}" for name in known)
            self.observer.note(
                f"no worker has come within {WAITING_SECONDS:g} s, and {len(self.jobs)} jobs wait for one: the nodes "
                f"are too busy to start its process, or others use the cluster ({amounts} are not reserved)"
            )

    def has_room(self, job: Job) -> bool:
        """Whether a node has room for one more job beside those that are handed out."""
        return has_room(job, self.nodes, [(one, self.where.get(one.key)) for one in self.jobs.values()])

    def _node_name(self, node_id: str) -> str:
        """The name of a node, even if it has just joined or left."""
        node = self.probes.nodes.get(node_id) or living_nodes().get(node_id)
        return node.name if node else node_id

    def ended(self, job: Job, died: str = "") -> None:
        """A worker has ended: record what it left. If it left nothing, retry the job or record that it failed."""
        del self.jobs[job.key]
        began = self.where.pop(job.key, None) is not None
        left = ray.get(self.relay.collect.remote(job.key))
        if left is not None:
            what: Outcome | Failure = pickle.loads(left)
            if isinstance(what, Failure):
                self.queue.failed(job, what)
            else:
                self.queue.done(job, what)
            return
        if self.scheduler and job.key in self.scheduler.stopped:
            self.queue.stopped(job, self.scheduler.evaluations[job.key])
            return
        if job.resource:
            self._lose_device(job, died)
            return
        if not began:
            self._could_not_start(job, died)
            return
        self._deaths[job.key] = deaths = self._deaths.get(job.key, 0) + 1
        if deaths <= self.retries:
            self.observer.note(f"a worker died in {job.title}; the job will be retried")
            self.queue.requeue(job)
        else:
            times = "once" if deaths == 1 else f"{deaths} times"
            why = "the node ran out of memory" if "OutOfMemoryError" in died else "killed, or out of memory?"
            self.queue.failed(job, Failure("WorkerDied", f"its worker process died {times} ({why})", died))

    def _could_not_start(self, job: Job, died: str) -> None:
        """A worker has ended before it took its job. That isn't a death of the job, and says something of the node."""
        why = last_line(died)
        self._failed_starts[job.key] = count = self._failed_starts.get(job.key, 0) + 1
        if count > FAILED_STARTS:
            self.queue.failed(
                job, Failure("WorkerNotStarted", f"its worker could not take the job {count} times: {why}", died)
            )
            return
        self.observer.note(f"a worker could not take {job.title} ({why}); the nodes are probed again")
        self.probes.repeat()
        self._polled_at = -POLL_NODES_SECONDS
        self.queue.requeue(job)

    def has_device(self, job: Job) -> bool:
        """Whether the cluster has the device of a job, if it needs one. Ray itself would wait for it in silence."""
        if job.resource is None:
            return True
        usable = [node for node in self.probes.nodes.values() if not node.faults]  # or not probed yet
        return job.resource not in self._lost and any(node.resources.get(job.resource) for node in usable)

    def _lose_device(self, job: Job, died: str) -> None:
        """Give up a device for the rest of this run, and fail the job. Ray itself takes a while to notice the loss."""
        self._lost.add(str(job.resource))
        self.queue.failed(
            job, Failure("DeviceLost", f"the device {job.about['device']['name']} has left the cluster", died)
        )


def last_line(traceback: str) -> str:
    """The line of a traceback that names the error."""
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), "no error is known")


class JobSearcher(Searcher):
    """Suggests the next trial to Tune, but never more trials at a time than the cluster can run.

    A trial that waits for resources would take over the actor of the next job that ends, and the actor being started
    for it would be discarded. Short jobs would then all run on one core.
    """

    def __init__(self, dispatcher: Dispatcher, max_concurrent: int | None):
        super().__init__()
        self._dispatcher, self._max_concurrent = dispatcher, max_concurrent

    def suggest(self, trial_id: str) -> Any:
        job = None
        with self._dispatcher.capturing_errors():
            if not self._dispatcher.is_stopping and self._has_room():
                job = self._dispatcher.hand_out()
        if job is None:
            return Searcher.FINISHED if self._dispatcher.queue.is_finished or self._dispatcher.is_stopping else None
        return {
            "job": job.key, "relay": self._dispatcher.relay_name, "retries": self._dispatcher.retries,
            "workers": job.workers, "cpus": job.threads, "gpus": job.gpus, "resource": job.resource,
            "avoid": self._dispatcher.probes.others,
            "each_evaluation": self._dispatcher.scheduler is not None and self._dispatcher.scheduler.concerns(job),
        }  # fmt: skip

    def _has_room(self) -> bool:
        """Whether the current nodes have room for one more job. Nodes may join and leave during a run."""
        dispatcher = self._dispatcher
        head, running = dispatcher.queue.head, list(dispatcher.jobs.values())
        dispatcher.poll_nodes()
        if head is None:
            return True
        if not dispatcher.has_device(head):
            return True  # `hand_out` fails the job
        together = [job for job in running if not job.resource]
        if self._max_concurrent is not None and not head.resource and len(together) >= self._max_concurrent:
            return False
        return dispatcher.has_room(head)

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        pass  # see `TuneEvents`: only a callback receives the trial with its error

    def save(self, checkpoint_path: str) -> None:
        pass  # the ledger holds all state that must survive

    def restore(self, checkpoint_path: str) -> None:
        pass


class TuneEvents(tune.Callback):
    """Passes the events of Tune's trials on to the dispatcher."""

    def __init__(self, dispatcher: Dispatcher, stop: Stop):
        self._dispatcher, self._stop = dispatcher, stop

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if (job := self._dispatcher.jobs.get(trial.config["job"])) is None:
            return
        with self._dispatcher.capturing_errors():
            if "where" in result:
                self._dispatcher.started(job, result["where"])
            elif "progress" in result:
                self._dispatcher.progressed(job, Progress(**result["progress"]), result["checkpoint"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        error_file = Path(trial.error_file)  # the only place where Tune keeps the error
        self._ended(trial, died=error_file.read_text(encoding="utf-8") if error_file.is_file() else "")

    def _ended(self, trial: Trial, died: str = "") -> None:
        if not self._stop.asked:
            with self._dispatcher.capturing_errors():
                self._dispatcher.ended(self._dispatcher.jobs[trial.config["job"]], died)


def run_trials(
    queue: JobQueue,
    data: Mapping[str, Recordings],
    perform: Perform,
    observer: ProgressObserver,
    stop: Stop,
    retries: int,
    max_concurrent: int | None,
    scheduler: EarlyStoppingScheduler | None,
    probes: NodeProbes,
    scratch_parent: str | None,
) -> None:
    """Run a queue to its end, or until ``stop.asked`` is set.

    data: fingerprint → recordings. scheduler: stops jobs early; None if no job may be stopped. scratch_parent: where to
    make the folder for Tune's own state; None is the folder for temporary files.
    """
    dispatcher = Dispatcher(
        queue,
        {name: ray.put(recordings) for name, recordings in data.items()},
        perform,
        observer,
        stop,
        retries,
        scheduler,
        probes,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="harness-", dir=scratch_parent, ignore_cleanup_errors=True) as scratch:
            tune.run(
                Worker,
                name="jobs",
                search_alg=JobSearcher(dispatcher, max_concurrent),
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
                stop=stop,
                callbacks=[TuneEvents(dispatcher, stop)],
                storage_path=scratch,  # Tune's own state, which no worker reads
                raise_on_failed_trial=False,
                verbose=0,
            )
    finally:
        ray.kill(dispatcher.relay)
    if dispatcher.error is not None:
        raise dispatcher.error
