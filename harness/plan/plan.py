"""A plan: trials, and the jobs that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.base import Dataset, Recordings
from harness.jobs import Job
from harness.results.plan_records import PlannedTrial
from harness.search import Tuning
from harness.study import Study


@dataclass
class Plan:
    """The trials of a study and the jobs that they need. Each job is listed once, after the jobs that it needs."""

    study: Study
    trials: list[PlannedTrial] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    tunings: list[Tuning] = field(default_factory=list)
    jobs_without_sharing: int = 0
    datasets: list[Dataset] = field(default_factory=list)
    label_lists: list[Path] = field(default_factory=list)  # the files of labelled samples that were read
    data: dict[str, Recordings] = field(default_factory=dict)
    about_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_force: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    cautions: list[str] = field(default_factory=list)  # shown before the run starts

    @property
    def shared(self) -> int:
        """The number of jobs saved by sharing: without it, each trial would run its own."""
        return self.jobs_without_sharing - len(self.jobs)

    @property
    def searching(self) -> bool:
        """Whether a search is not finished, so that some trials have no jobs yet."""
        return any(not tuning.settled for tuning in self.tunings)

    @property
    def searched(self) -> set[str]:
        """The keys of the jobs that the searches need."""
        trained = {trial.key for tuning in self.tunings for one in tuning.candidates for trial in one.trials}
        return trained | {need for key in trained for need in self.jobs[key].needs}

    @property
    def needs_ray(self) -> dict[str, str]:
        """Why jobs can't be run with --inline, by key."""
        found = {key: why for key, job in self.jobs.items() if (why := job.needs_ray)}
        search = self.study.file.search
        if search is None or search.scheduler == "none":
            return found
        text = (
            f"search.scheduler: {search.scheduler} stops trials while others run, which --inline can't: "
            "leave --inline out, or train every trial of the search to its end with --set search.scheduler=none"
        )
        return found | dict.fromkeys(self.searched, text)

    def unsettled(self, status: Callable[[str], str | None]) -> list[Job]:
        """The jobs that must still be run: neither done, nor stopped early and needed by a search alone.

        status: gives the status of the record of a key, None where there is no record.
        """
        searched = [trial for tuning in self.tunings for one in tuning.candidates for trial in one.trials]
        stopped = {trial.key for trial in searched if trial.status == "stopped"}
        settled = {"done": set(self.jobs), "stopped": stopped - {trial.key for trial in self.trials}}
        return [job for key, job in self.jobs.items() if key not in settled.get(status(key) or "", ())]

    def to_json(self) -> dict[str, Any]:
        """The content of plan.json."""
        file = self.study.file
        return {
            "study": file.study,
            "select": file.select,
            "sweep": {entry.name: file.sweep_of(entry) for entry in file.datasets},
            "methods": list(dict.fromkeys(trial.method for trial in self.trials)),
            "titles": self.titles,
            "seeds": file.seeds,
            "data": self.about_data,
            "trials": [trial.model_dump() for trial in self.trials],
            "jobs": {
                key: {
                    "kind": job.shown_kind,
                    "title": job.title,
                    "needs": list(job.needs),
                }
                for key, job in self.jobs.items()
            },
            "search": self._search_json(),
        }

    def _search_json(self) -> dict[str, Any] | None:
        """The space and budget of the search, every draw with its outcome, and the choices."""
        if not (search := self.study.file.search):
            return None
        return {
            **search.to_json(),
            "seed": self.study.file.search_seed,
            "seeds": self.study.file.search_seeds,
            "tunings": [tuning.to_json() for tuning in self.tunings],
        }

    def study_json(self) -> dict[str, Any]:
        """The content of study.json: the study's text, and all values in force with their sources."""
        file = self.study.file
        return {
            "study": file.study,
            "title": file.title,
            "question": file.question,
            "reference": file.reference,
            "grid_grams_per_kwh": file.edge.grid_grams_per_kwh if file.edge else None,
            "file": str(self.study.path),
            "text": self.study.text,
            "overrides": list(self.study.overrides),
            "in_force": self.in_force,
        }
