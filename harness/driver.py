"""Driving a run: study → plan → executor → ledger → report, once, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import InputError
from harness.execute.base import EarlyStopping, Executor
from harness.jobs import Job
from harness.ledger import Ledger
from harness.plan import Plan, make_plan
from harness.study import find_study, read_study


@dataclass
class Driver:
    """A planned run and its ledger."""

    planned: Plan
    ledger: Ledger
    command: str
    console: Console
    data: Path | None

    @classmethod
    def plan(cls, study: Path, folder: Path | None, data: Path | None, overrides: Sequence[str], command: str, console: Console) -> Driver:
        """Read and check the study, read its data, lay out the jobs. Starts and writes nothing."""
        checked = read_study(find_study(study), overrides)
        if data is not None and not data.is_dir():
            raise InputError(f"the data folder {data} does not exist; give another with --data or HARNESS_DATA")
        names = ", ".join(entry.name for entry in checked.file.datasets)
        ledger = Ledger(folder or Path("runs") / checked.file.study)
        with console.status(f"reading {names}"):
            planned = make_plan(checked, data, ledger.record)
        for caution in planned.cautions:
            console.print(f"note: {caution}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        return cls(planned, ledger, command, console, data)

    @property
    def todo(self) -> list[Job]:
        return [job for key, job in self.planned.jobs.items() if not self.planned.is_settled(key, self.ledger.record(key))]

    def show_plan(self) -> None:
        """The plan in words and a table; what `--dry-run` prints."""
        from harness.summary import show_plan

        show_plan(self.planned, self.todo, self.console)

    def run(self, inline: bool, address: str | None, wait_seconds: float = 0.0) -> int:
        """Run what isn't done; print the tables, write the report. Returns the exit status: 0, or 1 when trials failed."""
        from harness.report import write_reports
        from harness.summary import show_result

        search = self.planned.study.file.search
        if inline and search and search.scheduler != "none":
            raise InputError(
                f"search.scheduler: {search.scheduler} stops trials while others run, which --inline can't: leave --inline out, "
                "or train every trial of the search to its end with --set search.scheduler=none"
            )
        with self.ledger.locked():
            self._run_all(inline, address, wait_seconds)
            failed = show_result(self.ledger, self.console)
            self.console.print(f"report: {write_reports([self.ledger])[0]}", highlight=False, soft_wrap=True)
        return 1 if failed else 0

    def _run_all(self, inline: bool, address: str | None, wait_seconds: float) -> None:
        """Run what the plan asks for, and what it asks for then: a search's choice adds the study's own trials."""
        from harness.provenance import provenance

        tried: set[str] = set()
        known = {"command": self.command, "provenance": provenance()}
        while True:
            self.ledger.write_plan({**self.planned.study_json(), **known}, self.planned.to_json())
            todo = [job for job in self.todo if job.key not in tried]
            if not todo:
                break
            self._execute(todo, inline, address, wait_seconds)
            tried |= {job.key for job in todo}
            if not self.planned.tunings:
                return
            self.planned = make_plan(self.planned.study, self.data, self.ledger.record)
        if not tried:
            self.console.print(f"all {len(self.planned.jobs)} jobs are done already: nothing to run", highlight=False)

    def _execute(self, todo: list[Job], inline: bool, address: str | None, wait_seconds: float) -> None:
        from harness.live import Live
        from harness.terminal import Tally, watch_for

        executor: Executor
        if inline:
            from harness.execute.inline import InlineExecutor

            executor = InlineExecutor()
        else:
            from harness.execute.ray_tune import RayExecutor

            retries = self.planned.study.file.retries
            executor = RayExecutor(address, retries=retries, stopping=self._stopping(), wait_seconds=wait_seconds)
        n_done = len(self.planned.jobs) - len(todo)
        shown = watch_for(self.console, todo, n_done, self.planned.shared)
        with shown as watch, Live(watch, self.ledger, Tally(todo, n_done)) as live:
            try:
                executor.run(todo, self.planned.data, self.ledger, live)
            except KeyboardInterrupt:
                left = len(self.todo)
                watch.note(f"interrupted: {len(self.planned.jobs) - left} jobs are done and kept, {left} are left")
                watch.note(f"go on with: {self.command}")
                raise

    def _stopping(self) -> EarlyStopping | None:
        """Which of the jobs compete in a search, if the study has losers stopped early."""
        search = self.planned.study.file.search
        if search is None or search.scheduler == "none":
            return None
        rivals = tuple(tuple(candidate.key for candidate in tuning.candidates) for tuning in self.planned.tunings)
        return EarlyStopping(rivals, search.grace_period, search.reduction_factor)
