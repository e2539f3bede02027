"""What a plan is: trials, and the jobs that they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.data.base import Recordings
from harness.jobs import Job
from harness.results.records import PlannedTrial, Record
from harness.search import Tuning
from harness.study import Study


@dataclass
class Plan:
    """The trials of a study and the jobs that they need, each job once and after those it needs."""

    study: Study
    trials: list[PlannedTrial] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    tunings: list[Tuning] = field(default_factory=list)
    asked: int = 0  # how many jobs it would take without sharing
    data: dict[str, Recordings] = field(default_factory=dict)
    about_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_force: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    cautions: list[str] = field(default_factory=list)  # worth a line before the run starts

    @property
    def shared(self) -> int:
        """How many jobs sharing has saved: without it each trial would run its own."""
        return self.asked - len(self.jobs)

    @property
    def searching(self) -> bool:
        """Whether these are a search's jobs, of which the jobs of some trials are still to follow."""
        return any(not tuning.settled for tuning in self.tunings)

    def is_settled(self, key: str, record: Record | None) -> bool:
        """Whether a job need not run: it is done, or was stopped early and only a search wanted it."""
        if record is None or record.status != "stopped":
            return record is not None and record.status == "done"
        return any(c.key == key and c.status == "stopped" for t in self.tunings for c in t.candidates) and all(
            trial.key != key for trial in self.trials
        )

    def to_json(self) -> dict[str, Any]:
        """What the ledger keeps as plan.json."""
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
                    "kind": "search" if "search" in job.about else job.kind,
                    "title": job.title,
                    "needs": list(job.needs),
                }
                for key, job in self.jobs.items()
            },
            "search": self._search_json(),
        }

    def _search_json(self) -> dict[str, Any] | None:
        """What was searched under which budget, every draw with what came of it, and the choices."""
        if not (search := self.study.file.search):
            return None
        return {
            **search.to_json(),
            "seed": self.study.file.search_seed,
            "tunings": [tuning.to_json() for tuning in self.tunings],
        }

    def study_json(self) -> dict[str, Any]:
        """What the ledger keeps as study.json: the text, and every value in force with its source."""
        file = self.study.file
        return {
            "study": file.study,
            "title": file.title,
            "question": file.question,
            "reference": file.reference,
            "file": str(self.study.path),
            "text": self.study.text,
            "overrides": list(self.study.overrides),
            "in_force": self.in_force,
        }
