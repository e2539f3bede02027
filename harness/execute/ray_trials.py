"""A plan as Ray Tune sees it: each job a trial, handed out by a searcher when its inputs are there.

Imported by the Ray executor alone.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.base import Recordings
from harness.execute.base import Perform, Watch
from harness.execute.course import Course
from harness.execute.ray_halving import Halving
from harness.execute.ray_worker import Courier, Worker
from harness.jobs import Failure, Job, Outcome
from harness.method import Progress


class Stop(tune.Stopper):
    """Ends the experiment when asked. Tune pickles it, so it holds nothing else."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: Any) -> bool:
        return self.asked

    def stop_all(self) -> bool:
        return self.asked


class Desk:
    """The driver's end: gives jobs to the courier, collects what workers left, and writes it down."""

    def __init__(
        self, course: Course, data: Mapping[str, ray.ObjectRef[Any]], perform: Perform, watch: Watch, retries: int, halving: Halving | None
    ):
        self.course, self.watch = course, watch
        self.jobs: dict[str, Job] = {}  # those handed out that have not ended
        self._data, self._perform, self.retries, self.halving = data, perform, retries, halving
        self._deaths: dict[str, int] = {}
        self.courier_name = f"harness-courier-{uuid4().hex}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.courier = Courier.options(  # type: ignore[attr-defined]
            name=self.courier_name, scheduling_strategy=here
        ).remote()

    def hand_out(self) -> Job | None:
        """Offer the next job to the workers; None while none is ready."""
        if (task := self.course.next()) is None:
            return None
        job, inputs = task
        task_ref = ray.put((self._perform, job, inputs, self._data[job.data]))
        ray.get(self.courier.offer.remote(job.key, [task_ref]))  # before any worker is told of it
        self.jobs[job.key] = job
        if self.halving:
            self.halving.begun(job)
        return job

    def progressed(self, job: Job, progress: Progress, checkpoint: bool) -> None:
        """A worker has ended an epoch; ``checkpoint``: and has left one with the courier."""
        self.course.progressed(job, progress, ray.get(self.courier.checkpoint.remote(job.key)) if checkpoint else None)

    def ended(self, job: Job, died: str = "") -> None:
        """A worker has ended: write what it left; if that is nothing, offer the job again or write that it failed."""
        del self.jobs[job.key]
        left = ray.get(self.courier.collect.remote(job.key))
        if left is not None:
            what: Outcome | Failure = pickle.loads(left)
            if isinstance(what, Failure):
                self.course.failed(job, what)
            else:
                self.course.done(job, what)
            return
        if self.halving and job.key in self.halving.stopped:
            self.course.stopped(job, self.halving.looks[job.key])
            return
        self._deaths[job.key] = deaths = self._deaths.get(job.key, 0) + 1
        if deaths <= self.retries:
            self.watch.note(f"a worker died in {job.title}; it is tried again")
            self.course.again(job)
        else:
            times = "once" if deaths == 1 else f"{deaths} times"
            self.course.failed(job, Failure("WorkerDied", f"its worker process died {times} (killed, or out of memory?)", died))


class Handout(Searcher):
    """What Tune asks for the next trial: never more at a time than the cluster can run.

    A trial that waits for room would get the actor of the next job that ends, and the actor being started for it would
    be thrown away: short jobs would all end up on one core.
    """

    def __init__(self, desk: Desk, cpus: float, gpus: float, max_concurrent: int | None):
        super().__init__()
        self._desk, self._cpus, self._gpus, self._max_concurrent = desk, cpus, gpus, max_concurrent

    def suggest(self, trial_id: str) -> Any:
        if self._desk.course.over:
            return Searcher.FINISHED
        if not self._has_room() or (job := self._desk.hand_out()) is None:
            return None
        return {
            "job": job.key, "courier": self._desk.courier_name, "retries": self._desk.retries,
            "workers": job.workers, "cpus": job.threads, "gpus": job.gpus,
            "each_look": self._desk.halving is not None and self._desk.halving.concerns(job),
        }  # fmt: skip

    def _has_room(self) -> bool:
        ahead, running = self._desk.course.ahead, self._desk.jobs.values()
        if ahead is None or not running:
            return True
        return (
            (self._max_concurrent is None or len(running) < self._max_concurrent)
            and sum(job.workers * job.threads for job in [*running, ahead]) <= self._cpus
            and sum(job.workers * job.gpus for job in [*running, ahead]) <= self._gpus
        )

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        pass  # `Told` does it: only a callback is given the trial, with its error

    def save(self, checkpoint_path: str) -> None:
        pass  # the ledger is what lasts

    def restore(self, checkpoint_path: str) -> None:
        pass


class Told(tune.Callback):
    """What Tune tells of its trials. The first error of our own (a full disk) ends the experiment and is kept.

    Tune would take an exception from here for the trial's.
    """

    def __init__(self, desk: Desk, stop: Stop):
        self._desk, self._stop = desk, stop
        self.error: Exception | None = None

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any) -> None:
        if (job := self._desk.jobs.get(trial.config["job"])) is None:
            return
        if "where" in result:
            self._desk.watch.started(job, result["where"])
        elif "progress" in result:
            self._desk.progressed(job, Progress(**result["progress"]), result["checkpoint"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        said = Path(trial.error_file)  # Tune keeps the error there only
        self._ended(trial, died=said.read_text(encoding="utf-8") if said.is_file() else "")

    def _ended(self, trial: Trial, died: str = "") -> None:
        if self._stop.asked:
            return
        try:
            self._desk.ended(self._desk.jobs[trial.config["job"]], died)
        except Exception as error:
            self.error = error
            self._stop.asked = True


def run_trials(
    course: Course,
    data: Mapping[str, Recordings],
    perform: Perform,
    watch: Watch,
    stop: Stop,
    retries: int,
    max_concurrent: int | None,
    halving: Halving | None,
) -> None:
    """Run a course to its end, or until ``stop`` is asked. data: fingerprint → recordings. halving: what stops jobs early."""
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    desk = Desk(course, {name: ray.put(recordings) for name, recordings in data.items()}, perform, watch, retries, halving)
    told = Told(desk, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="harness-", ignore_cleanup_errors=True) as scratch:
            tune.run(
                Worker,
                name="jobs",
                search_alg=Handout(desk, there.get("CPU", 0), there.get("GPU", 0), max_concurrent),
                scheduler=halving,
                num_samples=-1,
                reuse_actors=True,
                stop=stop,
                callbacks=[told],
                storage_path=scratch,  # Tune's own state: read by no worker
                raise_on_failed_trial=False,
                verbose=0,
            )
    finally:
        ray.kill(desk.courier)
    if told.error is not None:
        raise told.error
