"""MLflow: one of its runs for each job, in the experiment that has the name of the study."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.errors import InputError
from harness.trackers.tracker import COMPLETE, MetricValue, Status, TrackedJob, TrackedRun, Tracker

ENVIRONMENT = {  # what the user has set stays
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is gone is noticed in seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3 refuses a folder otherwise
}
STATUS: Mapping[Status, str] = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
METRICS, PARAMETERS = 1000, 100  # at most so many in one request


class MLflow(Tracker):
    """A server, a database or a folder of MLflow. The tags ``key``, ``kind`` and ``status`` name the job."""

    name, title, usage = "mlflow", "MLflow: a server, a database or a folder", "mlflow:URI"
    package = "mlflow"

    def __init__(self, target: str, study: str):
        super().__init__(target, study)
        if urlsplit(target).password:
            raise InputError(
                "the command is recorded with the run, so it must contain no password: "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=target)
        found = self._client.get_experiment_by_name(study)
        self._experiment = found.experiment_id if found else self._client.create_experiment(study)
        self._unfinished: dict[str, list[str]] = defaultdict(list)  # key → MLflow's runs that a dead process left

    def logged(self) -> set[str]:
        runs = list(self._runs())
        for run in runs:
            if run.info.status == "RUNNING":
                self._unfinished[run.data.tags.get("key", "")].append(run.info.run_id)
        return {run.data.tags["key"] for run in runs if run.data.tags.get("status") in COMPLETE}

    def _runs(self) -> Iterator[Any]:
        """All of MLflow's runs in the experiment that the harness made."""
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            yield from (run for run in page if "key" in run.data.tags)
            if not (token := page.token):
                return

    def begin(self, job: TrackedJob) -> TrackedRun:
        for run_id in self._unfinished.pop(job.key, []):
            self._client.set_terminated(run_id, "KILLED")
        return MLflowRun(self._client, self._experiment, job)


class MLflowRun(TrackedRun):
    """A run of MLflow."""

    def __init__(self, client: Any, experiment: str, job: TrackedJob):
        from mlflow.entities import Param

        super().__init__()
        self._client = client
        tags = {"key": job.key, "kind": job.kind, "study": job.study, **job.tags}
        self._id = client.create_run(experiment, tags=tags, run_name=job.title).info.run_id
        parameters = [Param(name, str(value)) for name, value in job.parameters.items()]
        for first in range(0, len(parameters), PARAMETERS):
            client.log_batch(self._id, params=parameters[first : first + PARAMETERS])

    def write(self, points: Sequence[MetricValue]) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        metrics = [Metric(metric, value, now, epoch) for metric, epoch, value in points]
        for first in range(0, len(metrics), METRICS):
            self._client.log_batch(self._id, metrics=metrics[first : first + METRICS])

    def close(self, status: Status, figures: Mapping[str, float], error: str) -> None:
        self.write([MetricValue(name, 0, value) for name, value in figures.items()])
        if error:
            self._client.set_tag(self._id, "error", error)
        self._client.set_tag(self._id, "status", status)
        self._client.set_terminated(self._id, STATUS[status])
