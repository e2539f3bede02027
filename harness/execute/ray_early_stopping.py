"""Early stopping of the jobs of a search by Ray Tune's ASHA. Imported only by the Ray executor."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from harness.execute.base import EarlyStopping
from harness.jobs import Job
from harness.ledger import Ledger

ACCURACY = "progress/validation_accuracy"  # Tune flattens the result that a worker reports


class EarlyStoppingScheduler(FIFOScheduler):
    """Runs one ASHA for each search, which compares the jobs of that search. All other jobs run to their end.

    The records of earlier runs take part, so that a resumed search decides as if it had never been interrupted.
    """

    def __init__(self, asked: EarlyStopping, jobs: Sequence[Job], ledger: Ledger):
        super().__init__()  # type: ignore[no-untyped-call]
        self.evaluations: dict[str, list[tuple[int, float]]] = {}  # job's key → (epoch, accuracy)
        self.stopped: set[str] = set()
        self._asha: dict[str, Any] = {}  # job's key → its search's ASHA, which reads nothing of a trial but its id
        epochs = {job.key: job.epochs for job in jobs}
        for rivals in asked.rivals:
            if longest := max((epochs[key] for key in rivals if key in epochs), default=0):
                self._begin(rivals, longest, asked, ledger)

    def _begin(self, rivals: Sequence[str], longest: int, asked: EarlyStopping, ledger: Ledger) -> None:
        numbers = (max(longest, asked.grace_period), asked.grace_period, asked.reduction_factor)
        asha: Any = ASHAScheduler("epoch", "accuracy", "max", *numbers, stop_last_trials=False)
        for key in rivals:
            if key in self._asha:  # the job is shared by two searches
                continue
            self._asha[key] = asha
            asha.on_trial_add(None, SimpleNamespace(trial_id=key))
            record = ledger.record(key)
            if record and record["status"] in ("done", "stopped"):
                for epoch, accuracy in zip(
                    record["result"]["epochs_evaluated"],
                    record["result"]["curves"]["validation"]["accuracy"],
                    strict=True,
                ):
                    self._goes_on(key, epoch, accuracy)

    def concerns(self, job: Job) -> bool:
        """Whether a job may be stopped early, and must therefore report each of its evaluations."""
        return job.key in self._asha

    def begun(self, job: Job) -> None:
        """A job has been handed out, possibly as a retry."""
        self.evaluations[job.key] = []

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        key, accuracy = trial.config["job"], result.get(ACCURACY)
        if accuracy is None or key not in self._asha:
            return self.CONTINUE
        self.evaluations[key].append((result["progress/epoch"], accuracy))
        goes_on = self._goes_on(key, *self.evaluations[key][-1])
        if goes_on or result["progress/epoch"] == result["progress/epochs"]:  # after the last epoch nothing can stop
            return self.CONTINUE
        self.stopped.add(key)
        return self.STOP

    def _goes_on(self, key: str, epoch: int, accuracy: float) -> bool:
        result = {"epoch": epoch, "accuracy": accuracy}
        return bool(self._asha[key].on_trial_result(None, SimpleNamespace(trial_id=key), result) == self.CONTINUE)
