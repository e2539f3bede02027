"""Driving a run: study → plan → executor → ledger → report, once, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import InputError
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

    @classmethod
    def plan(cls, study: Path, folder: Path | None, data: Path | None, overrides: Sequence[str], command: str, console: Console) -> Driver:
        """Read and check the study, read its data, lay out the jobs. Starts and writes nothing."""
        checked = read_study(find_study(study), overrides)
        if data is not None and not data.is_dir():
            raise InputError(f"the data folder {data} does not exist; give another with --data or HARNESS_DATA")
        names = ", ".join(entry.name for entry in checked.file.datasets)
        with console.status(f"reading {names}"):
            planned = make_plan(checked, data)
        for caution in planned.cautions:
            console.print(f"note: {caution}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        return cls(planned, Ledger(folder or Path("runs") / checked.file.study), command, console)

    @property
    def todo(self) -> list[Job]:
        return [job for job in self.planned.jobs.values() if not self.ledger.is_done(job.key)]

    def show_plan(self) -> None:
        """The plan in words and a table; what `--dry-run` prints."""
        from harness.summary import show_plan

        show_plan(self.planned, self.todo, self.console)

    def run(self, inline: bool, address: str | None) -> int:
        """Run what isn't done; print the tables, write the report. Returns the exit status: 0, or 1 when jobs failed."""
        from harness.summary import show_result, write_report

        with self.ledger.locked():
            todo = self.todo
            self.ledger.write_plan({**self.planned.study_json(), "command": self.command}, self.planned.to_json())
            if todo:
                self._execute(todo, inline, address)
            else:
                self.console.print(f"all {len(self.planned.jobs)} jobs are done already: nothing to run", highlight=False)
            failed = show_result(self.ledger, self.console)
            self.console.print(f"report: {write_report(self.ledger)}", highlight=False, soft_wrap=True)
        return 1 if failed else 0

    def _execute(self, todo: list[Job], inline: bool, address: str | None) -> None:
        from harness.execute.base import Executor
        from harness.terminal import watch_for

        executor: Executor
        if inline:
            from harness.execute.inline import InlineExecutor

            executor = InlineExecutor()
        else:
            from harness.execute.ray_tune import RayExecutor

            executor = RayExecutor(address, retries=self.planned.study.file.retries)
        n_done = len(self.planned.jobs) - len(todo)
        with watch_for(self.console, todo, n_done, self.planned.shared) as watch:
            try:
                executor.run(todo, self.planned.data, self.ledger, watch)
            except KeyboardInterrupt:
                left = len(self.todo)
                watch.note(f"interrupted: {len(self.planned.jobs) - left} jobs are done and kept, {left} are left")
                watch.note(f"go on with: {self.command}")
                raise
