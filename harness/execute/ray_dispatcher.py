"""A plan as Ray Tune sees it: each job a trial, handed out by a searcher when its inputs are there.

Imported by the Ray executor alone.
"""

from __future__ import annotations

import pickle
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
from harness.execute.cluster import living
from harness.execute.job_queue import JobQueue
from harness.execute.preflight import Node, missing, needs_of
from harness.execute.ray_early_stopping import EarlyStoppingScheduler
from harness.execute.ray_relay import ArtefactRelay
from harness.execute.ray_worker import Worker
from harness.jobs import Failure, Job, Outcome
from harness.method import Progress

POLL_NODES_SECONDS = 1.0  # how often the nodes are looked at


class Stop(tune.Stopper):
    """Ends the experiment when asked. Tune pickles it, so it holds nothing else."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: Any) -> bool:
        return self.asked

    def stop_all(self) -> bool:
        return self.asked


class Dispatcher:
    """The driver's end: gives jobs to the relay, collects what workers left, and writes it down."""

    def __init__(
        self,
        queue: JobQueue,
        data: Mapping[str, ray.ObjectRef[Any]],
        perform: Perform,
        observer: ProgressObserver,
        stop: Stop,
        retries: int,
        scheduler: EarlyStoppingScheduler | None,
    ):
        self.queue, self.observer, self._stop = queue, observer, stop
        self.error: Exception | None = None
        self.jobs: dict[str, Job] = {}  # those handed out that have not ended
        self._data, self._perform, self.retries, self.scheduler = data, perform, retries, scheduler
        self._deaths: dict[str, int] = {}
        self.nodes: dict[str, Node] = {}
        self._polled_at = -POLL_NODES_SECONDS
        self._lost: set[str] = set()  # resources of devices that have gone
        self.relay_name = f"harness-relay-{uuid4().hex}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.relay = ArtefactRelay.options(  # type: ignore[attr-defined]
            name=self.relay_name, scheduling_strategy=here
        ).remote()

    @contextmanager
    def capturing_errors(self) -> Iterator[None]:
        """The first error of our own (a full disk) ends the experiment and is kept: Tune would take it for a trial's."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            self._stop.asked = True

    def hand_out(self) -> Job | None:
        """Offer the next job to the workers; None while none is ready. A job whose device has left the cluster fails."""
        while (task := self.queue.next_ready()) is not None and not self._has_device(task[0]):
            self._lose_device(task[0], "")
        if task is None:
            return None
        job, inputs = task
        try:
            task_ref = ray.put((self._perform, job, inputs, self._data[job.data]))
        except (ObjectStoreFullError, OutOfDiskError) as error:
            self.queue.failed(job, Failure.of(error))
            return self.hand_out()
        ray.get(self.relay.offer.remote(job.key, [task_ref]))  # before any worker is told of it
        self.jobs[job.key] = job
        if self.scheduler:
            self.scheduler.begun(job)
        return job

    def progressed(self, job: Job, progress: Progress, checkpoint: bool) -> None:
        """A worker has ended an epoch; ``checkpoint``: and has left one with the relay."""
        self.queue.progressed(job, progress, ray.get(self.relay.checkpoint.remote(job.key)) if checkpoint else None)

    def poll_nodes(self) -> None:
        """Tell the observer of nodes that have joined or died, and say so when the job head fits none of those left."""
        if time.monotonic() - self._polled_at < POLL_NODES_SECONDS:
            return
        self._polled_at, nodes = time.monotonic(), living()
        if nodes == self.nodes:
            return
        for node_id in self.nodes.keys() - nodes.keys():
            self.observer.note(f"node {self.nodes[node_id].name} is gone; its jobs are tried again on the others")
        for node_id in nodes.keys() - self.nodes.keys() if self.nodes else ():
            self.observer.note(f"node {nodes[node_id].name} has joined")
        self.nodes = nodes
        self.observer.nodes(list(nodes.values()))
        for problem in missing(needs_of(self.queue.open), list(nodes.values())):
            self.observer.note(f"waiting for a node: {problem}")

    def amount(self, resource: str) -> float:
        """How much of a resource the living nodes have, used or not."""
        return sum(node.resources.get(resource, 0) for node in self.nodes.values())

    def node_name(self, node_id: str) -> str:
        """The name of a node, also of one that has just joined or gone."""
        node = self.nodes.get(node_id) or living().get(node_id)
        return node.name if node else node_id

    def ended(self, job: Job, died: str = "") -> None:
        """A worker has ended: write what it left; if that is nothing, offer the job again or write that it failed."""
        del self.jobs[job.key]
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
        self._deaths[job.key] = deaths = self._deaths.get(job.key, 0) + 1
        if deaths <= self.retries:
            self.observer.note(f"a worker died in {job.title}; it is tried again")
            self.queue.requeue(job)
        else:
            times = "once" if deaths == 1 else f"{deaths} times"
            why = "the node ran out of memory" if "OutOfMemoryError" in died else "killed, or out of memory?"
            self.queue.failed(job, Failure("WorkerDied", f"its worker process died {times} ({why})", died))

    def _has_device(self, job: Job) -> bool:
        """Whether the cluster has the device that a job is for; Ray would wait for it in silence."""
        if job.resource is None:
            return True
        return job.resource not in self._lost and job.resource in ray.cluster_resources()  # type: ignore[no-untyped-call]

    def _lose_device(self, job: Job, died: str) -> None:
        """A job's device is gone, and with it for this run all jobs for it: Ray itself takes a while to notice."""
        self._lost.add(str(job.resource))
        self.queue.failed(
            job, Failure("DeviceLost", f"the device {job.about['device']['name']} has left the cluster", died)
        )


class JobSearcher(Searcher):
    """What Tune asks for the next trial: never more at a time than the cluster can run.

    A trial that waits for room would get the actor of the next job that ends, and the actor being started for it would
    be thrown away: short jobs would all end up on one core.
    """

    def __init__(self, dispatcher: Dispatcher, max_concurrent: int | None):
        super().__init__()
        self._dispatcher, self._max_concurrent = dispatcher, max_concurrent

    def suggest(self, trial_id: str) -> Any:
        job = None
        with self._dispatcher.capturing_errors():
            if self._has_room():
                job = self._dispatcher.hand_out()
        if job is None:
            return Searcher.FINISHED if self._dispatcher.queue.is_finished or self._dispatcher.error else None
        return {
            "job": job.key, "relay": self._dispatcher.relay_name, "retries": self._dispatcher.retries,
            "workers": job.workers, "cpus": job.threads, "gpus": job.gpus, "resource": job.resource,
            "each_evaluation": self._dispatcher.scheduler is not None and self._dispatcher.scheduler.concerns(job),
        }  # fmt: skip

    def _has_room(self) -> bool:
        """Whether the nodes that there are now have room for one job more; nodes join and die while a run is on."""
        head, running = self._dispatcher.queue.head, list(self._dispatcher.jobs.values())
        self._dispatcher.poll_nodes()
        if head is None or not running:
            return True
        if head.resource:  # one at a time on each device
            return all(job.resource != head.resource for job in running)
        running = [job for job in running if not job.resource]
        return (
            (self._max_concurrent is None or len(running) < self._max_concurrent)
            and sum(job.workers * job.threads for job in [*running, head]) <= self._dispatcher.amount("CPU")
            and sum(job.workers * job.gpus for job in [*running, head]) <= self._dispatcher.amount("GPU")
        )

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        pass  # `TuneEvents` does it: only a callback is given the trial, with its error

    def save(self, checkpoint_path: str) -> None:
        pass  # the ledger is what lasts

    def restore(self, checkpoint_path: str) -> None:
        pass


class TuneEvents(tune.Callback):
    """What Tune tells of its trials."""

    def __init__(self, dispatcher: Dispatcher, stop: Stop):
        self._dispatcher, self._stop = dispatcher, stop

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if (job := self._dispatcher.jobs.get(trial.config["job"])) is None:
            return
        with self._dispatcher.capturing_errors():
            if "where" in result:
                self._dispatcher.observer.started(job, self._dispatcher.node_name(result["where"]))
            elif "progress" in result:
                self._dispatcher.progressed(job, Progress(**result["progress"]), result["checkpoint"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        said = Path(trial.error_file)  # Tune keeps the error there only
        self._ended(trial, died=said.read_text(encoding="utf-8") if said.is_file() else "")

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
) -> None:
    """Run a queue to its end, or until ``stop`` is asked. data: fingerprint → recordings. scheduler: what stops jobs early."""
    dispatcher = Dispatcher(
        queue,
        {name: ray.put(recordings) for name, recordings in data.items()},
        perform,
        observer,
        stop,
        retries,
        scheduler,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="harness-", ignore_cleanup_errors=True) as scratch:
            tune.run(
                Worker,
                name="jobs",
                search_alg=JobSearcher(dispatcher, max_concurrent),
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
                stop=stop,
                callbacks=[TuneEvents(dispatcher, stop)],
                storage_path=scratch,  # Tune's own state: read by no worker
                raise_on_failed_trial=False,
                verbose=0,
            )
    finally:
        ray.kill(dispatcher.relay)
    if dispatcher.error is not None:
        raise dispatcher.error
