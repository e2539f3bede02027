"""One run from start to end: study → plan → executor → ledger → report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.errors import InputError
from harness.execute.base import EarlyStopping, Executor
from harness.jobs import Job
from harness.ledger import Ledger
from harness.plan import Plan, make_plan
from harness.plan.data_files import check_data_of
from harness.plan.outline import OutlineMemo
from harness.plan.timings import expected_seconds, known_timings, remember
from harness.results.environments import caution_of
from harness.results.integrity import damage
from harness.results.records import PretrainRecord, ProfileRecord, TrainRecord
from harness.results.run import RunResults
from harness.show.tables import show_cautions, show_damage, show_plan, show_result, show_without_model
from harness.study import MAX_TRIALS, Study, find_study, read_study
from harness.trackers.tracking import Tracking, find_tracker


@dataclass(frozen=True)
class Execution:
    """How the jobs of a run are executed.

    inline: in this process, one after another; else on Ray. address: of a Ray cluster; None is this machine, or
    RAY_ADDRESS where that is set. wait_seconds: how long to wait for nodes to join while none has what a job needs.
    stop_at_failure: whether the first job that fails in this process ends the run, with `JobFailed`.
    start_seconds: how long Ray may take to start, or a node to answer; None is the executor's default. ship_code:
    whether to send this package and its plug-ins to the nodes. log: the trackers that the run is also logged to, such
    as ``mlflow:URI``.
    Raises `InputError` for values that exclude each other or can't be used.
    """

    inline: bool = False
    address: str | None = None
    wait_seconds: float | None = None
    stop_at_failure: bool = False
    start_seconds: float | None = None
    ship_code: bool = False
    log: Sequence[str] = ()

    @property
    def on_cluster(self) -> bool:
        """Whether jobs run on a Ray cluster instead of on this machine alone."""
        return not self.inline and bool(self.address or os.environ.get("RAY_ADDRESS"))

    def __post_init__(self) -> None:
        for name, seconds, least in (
            ("wait-for-nodes", self.wait_seconds, 0),
            ("start-timeout", self.start_seconds, 1),
        ):
            if seconds is not None and not seconds >= least:
                raise InputError(f"{name}: {seconds:g} is too short; it should be at least {least} s")
        if self.inline and self.address:
            raise InputError("inline runs all jobs in this process, address runs them on a cluster: give one of them")
        if self.inline and self.wait_seconds is not None:
            raise InputError(
                "inline runs all jobs in this process: there are no nodes for --wait-for-nodes to wait for"
            )
        if self.inline and self.start_seconds is not None:
            raise InputError("inline runs all jobs in this process: there is no Ray to which --start-timeout applies")
        if self.ship_code and not self.on_cluster:
            raise InputError("--ship-code sends the code to the nodes of a Ray cluster: give the cluster's --address")
        for tracker in self.log:
            find_tracker(tracker)


@dataclass
class Driver:
    """A planned run, its ledger, and the results that it already has."""

    plan: Plan
    ledger: Ledger
    results: RunResults
    command: str
    console: Console
    data: Path | None

    @classmethod
    def from_file(
        cls,
        study: Path,
        folder: Path | None,
        data: Path | None,
        overrides: Sequence[str],
        command: str,
        console: Console,
        max_trials: int = MAX_TRIALS,
    ) -> Driver:
        """Read and check a study, read its data and plan its jobs. Starts nothing and writes nothing."""
        found = _find(study, console)
        checked = check_data_of(data, lambda: read_study(found, overrides, max_trials))
        return cls.from_study(checked, folder, data, command, console)

    @classmethod
    def from_study(cls, study: Study, folder: Path | None, data: Path | None, command: str, console: Console) -> Driver:
        """Plan a study that has been read already."""
        names = ", ".join(entry.name for entry in study.file.datasets)
        results = RunResults(folder or Path("runs") / study.file.study, heal=True)
        with console.status(Text(f"reading {names}")):
            plan = make_plan(study, data, results.record)
        show_cautions(plan.cautions, console)
        driver = cls(plan, Ledger(results.folder), results, command, console, data)
        show_damage(driver.damage, console)
        show_without_model(driver.without_model, console)
        return driver

    @property
    def todo(self) -> list[Job]:
        """The jobs that are not done and can be run from here."""
        return [job for job in self._open if job.attachment != "offline"]

    @property
    def offline(self) -> list[Job]:
        """The jobs that are not done and must be carried to a device without a network."""
        return [job for job in self._open if job.attachment == "offline"]

    @property
    def _open(self) -> list[Job]:
        """The jobs that are not done. Their records are read whole, since the tables and the report need them."""
        records, again = {key: self.results.record(key) for key in self.plan.jobs}, {*self.damage, *self.without_model}
        known = {key: record.status for key, record in records.items() if record and key not in again}
        return self.plan.unsettled(known.get)

    @property
    def _settled(self) -> dict[str, tuple[str, str]]:
        """Key → kind and title of each job that is not run again."""
        again = {job.key for job in self._open}
        return {key: (job.shown_kind, job.title) for key, job in self.plan.jobs.items() if key not in again}

    @property
    def damage(self) -> dict[str, str]:
        """The jobs that must run again: key → what is wrong with their files or those that they were made from."""
        return damage({key: job.needs for key, job in self.plan.jobs.items()}, self.results)

    @property
    def without_model(self) -> list[str]:
        """The finished jobs that must run again to keep their models."""
        return [key for key, job in self.plan.jobs.items() if job.keep_model and self.results.lacks_model(key)]

    def run(self, execution: Execution) -> int:
        """Run the jobs that are not done, print the tables and write the report.

        Returns the exit status: 0, or 1 if trials failed.
        """
        from harness.results.gather import write_reports

        if execution.inline:
            _require_no_ray(self.plan.needs_ray, [job.key for job in self.todo])
        file = self.plan.study.file
        tracking = Tracking(execution.log, file.study, file.select, lambda text: self.console.print(text, markup=False))
        with self.ledger.locked():
            self._read_again()
            with tracking:
                tracking.catch_up(self.results, self._settled)
                self._run_all(execution, tracking)
            failed = show_result(self.results, self.console)
            if self.offline:
                export = f"harness edge export {self.ledger.root} BUNDLE.zip"
                text = f"{len(self.offline)} jobs wait for an offline device: {export}"
                self.console.print(text, highlight=False, soft_wrap=True)
            self.console.print(f"report: {write_reports([self.results])[0]}", highlight=False, soft_wrap=True)
        return 1 if failed else 0

    def _read_again(self) -> None:
        """Take in what another process has done in the folder between planning and now."""
        again = self.plan.jobs if self.damage or self.without_model else ()
        self.results = self.results.newer(again=again)
        if self.plan.tunings:
            self.plan = make_plan(self.plan.study, self.data, self.results.record)

    def _run_all(self, execution: Execution, tracking: Tracking) -> None:
        """Run the jobs of the plan; once a search has chosen, plan again and run the study's own trials."""
        from harness.provenance import provenance

        tried: set[tuple[str, bool]] = set()  # a draw of a search runs again if it is chosen and keeps its model
        known = {"command": self.command, "provenance": provenance()}
        while True:
            self.ledger.write_plan({**self.plan.study_json(), **known}, self.plan.to_json())
            todo = [job for job in self.todo if (job.key, job.keep_model) not in tried]
            if not todo:
                break
            if not tried:
                self._caution_of_environment(execution)
            self._execute(todo, execution, tracking)
            tried |= {(job.key, job.keep_model) for job in todo}
            self.results = self.results.newer(again={key for key, _ in tried})
            remember(self._timed(todo))
            if not self.plan.tunings:
                continue  # with the jobs whose inputs have changed, if there are any
            self.plan = make_plan(self.plan.study, self.data, self.results.record)
        if not tried:
            text = f"all {len(self._settled)} jobs are done already: nothing to run"
            self.console.print(text, highlight=False)

    def _caution_of_environment(self, execution: Execution) -> None:
        """Warn if the jobs that are done had another torch or processor than this process, which goes on with them."""
        from importlib.metadata import version

        from harness.provenance import processor

        here = {"torch": version("torch")}
        if not execution.on_cluster:
            here["processor"] = processor()
        known = [self.results.record(key) for key in self.plan.jobs]
        trained = [record for record in known if isinstance(record, PretrainRecord | TrainRecord)]
        text = caution_of((record.environment for record in trained), here)
        show_cautions([text] if text else [], self.console)

    def _execute(self, todo: list[Job], execution: Execution, tracking: Tracking) -> None:
        from harness.execute.inline import InlineExecutor
        from harness.show.heartbeat import Heartbeat
        from harness.show.progress import progress_for
        from harness.show.run_progress import RunProgress

        if any(job.attachment == "ssh" for job in todo):
            from harness.edge.attach.ssh import require

            require(todo)
        here = InlineExecutor(stop_at_failure=execution.stop_at_failure)
        executor: Executor = here
        first, apart = todo, list[Job]()
        if not execution.inline:
            executor = self._ray_executor(execution)
            first, apart = (
                [job for job in todo if (job.attachment in ("here", "ssh")) == which] for which in (False, True)
            )
        before, done_before = self._seconds_before(), len(self._settled)
        expected = partial(expected_seconds, {} if execution.on_cluster else known_timings())
        shown, written = (
            RunProgress(todo, done_before, shared, before=before, expected=expected) for shared in (self.plan.shared, 0)
        )
        with (
            progress_for(self.console, shown) as observer,
            Heartbeat(observer, self.ledger, written) as heartbeat,
            tracking.observing(heartbeat) as following,
        ):
            try:
                executor.run(first, self.plan.data, self.ledger, following)
                here.run(apart, self.plan.data, self.ledger, following)  # measured while nothing else runs
            except KeyboardInterrupt:
                self.results = self.results.newer()
                done, left = len(self._settled), len(self.todo)
                observer.note(f"interrupted: {done} jobs are done and kept, {left} are left")
                observer.note(f"go on with: {self.command}")
                raise

    def _ray_executor(self, execution: Execution) -> Executor:
        from harness.execute.ray_tune import START_SECONDS, RayExecutor

        return RayExecutor(
            execution.address,
            max_concurrent=self.plan.study.file.max_concurrent,
            retries=self.plan.study.file.retries,
            stopping=self._stopping(),
            wait_seconds=execution.wait_seconds or 0.0,
            start_seconds=execution.start_seconds or START_SECONDS,
            ship_code=execution.ship_code,
        )

    def _timed(self, jobs: Sequence[Job]) -> list[tuple[Job, float, Mapping[str, str]]]:
        """Those of these jobs that are done, with the seconds and the environment of each."""
        found = [(job, self.results.record(job.key)) for job in jobs]
        return [(job, _seconds(one), one.environment) for job, one in found if one is not None and one.status == "done"]

    def _seconds_before(self) -> list[tuple[Job, float]]:
        """The finished jobs of the plan, with the seconds that each took."""
        found = [(job, self.results.record(key)) for key, job in self.plan.jobs.items()]
        return [(job, _seconds(record)) for job, record in found if record is not None and record.status == "done"]

    def _stopping(self) -> EarlyStopping | None:
        """Which jobs compete in a search, if the study stops the losing ones early."""
        search = self.plan.study.file.search
        if search is None or search.scheduler == "none":
            return None
        rivals = tuple(
            tuple(trial.key for candidate in tuning.candidates for trial in candidate.trials)  # a single seed's
            for tuning in self.plan.tunings
        )
        return EarlyStopping(rivals, search.grace_period, search.reduction_factor)


def _require_no_ray(needs_ray: Mapping[str, str], todo: Iterable[str]) -> None:
    """Raise `InputError` if a job can't be run with --inline. needs_ray: key → why. todo: the keys of the jobs."""
    for why in filter(None, map(needs_ray.get, todo)):
        raise InputError(why)


def _seconds(record: PretrainRecord | TrainRecord | ProfileRecord) -> float:
    """The time that a finished job took. If it was resumed, its record's own covers only the time since then."""
    return max(record.seconds, record.result.train_seconds) if isinstance(record, PretrainRecord) else record.seconds


def _find(study: Path, console: Console) -> Path:
    """`find_study`, with a line if it finds another file than the one that the user named."""
    found = find_study(study)
    if found != study and study.suffix:
        console.print(f"{study} is not here: using the study that comes with the package", highlight=False)
    return found


def dry_run(
    study: Path,
    folder: Path | None,
    data: Path | None,
    overrides: Sequence[str],
    console: Console,
    options: bool,
    max_trials: int = MAX_TRIALS,
    inline: bool = False,
) -> None:
    """Print the plan of a study; start nothing and write nothing to its folder.

    options: also print every value in force, with its source. inline: estimate the time of a run with ``--inline``. The
    arguments are otherwise those of `Driver.from_file`.
    """
    study = _find(study, console)
    memo = OutlineMemo(study, overrides, data, max_trials)
    outline = None if options or (data and not data.is_dir()) else memo.read()
    if outline:
        show_cautions(outline.cautions, console)
        results = RunResults(folder or Path("runs") / outline.study, heal=True)
        faults = damage({key: outline.needs.get(key, ()) for key in outline.jobs}, results)
        show_damage(faults, console)
        without_model = [key for key in outline.models if results.lacks_model(key)]
        show_without_model(without_model, console)
        again = {*faults, *without_model}
        unfinished = {key for key in outline.jobs if results.status(key) != "done" or key in again}
    else:
        driver = Driver.from_file(study, folder, data, overrides, "", console, max_trials)
        outline, unfinished = memo.write(driver.plan), {job.key for job in (*driver.todo, *driver.offline)}
        if options:
            from harness.show.options import show_values

            show_values(driver.plan, console)
            console.print()
    if inline:
        _require_no_ray(outline.needs_ray, unfinished)
    show_plan(outline, unfinished, console, inline)
