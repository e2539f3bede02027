"""Experiment trackers: what the tools' own readers find, resuming, failures, and runs that do not depend on them."""

from __future__ import annotations

import io
import json
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console

import harness
from harness import registry
from harness.errors import InputError
from harness.execute import perform_job
from harness.results.records import TrainRecord
from harness.results.run import RunResults
from harness.trackers import tracking
from harness.trackers.jobs import curves_of
from harness.trackers.tracker import MetricValue, TrackedJob, TrackedRun, Tracker
from harness.trackers.tracking import Tracking, open_tracker, send

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [cmc]
sweep: {label_rate: [0.1, 0.3]}
seeds: 1
stage1: {epochs: 2}
stage2: {epochs: 3, evaluate_every: 2}
options: {fantasy-device: {series: 6, seconds: 12}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study, run without trackers as runs/plain."""
    folder = tmp_path_factory.mktemp("trackers")
    (folder / "small.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "offline")
        patch.setattr(tracking, "BATCH_SECONDS", 0.02)
        harness.run("small.yaml", out="runs/plain", inline=True, quiet=True)
        yield folder


@pytest.fixture(scope="module")
def targets(folder: Path) -> dict[str, str]:
    """The trackers that are installed, which runs/logged was logged to while it ran."""
    names = {"tensorboard": folder / "tensorboard", "mlflow": folder / "mlflow", "wandb": "project"}
    targets = {name: f"{name}:{where}" for name, where in names.items() if find_spec(name)}
    harness.run("small.yaml", out="runs/logged", inline=True, quiet=True, log=list(targets.values()))
    return targets


@pytest.fixture(params=["tensorboard", "mlflow", "wandb"])
def target(request: pytest.FixtureRequest, targets: dict[str, str]) -> str:
    if request.param not in targets:
        pytest.skip(f"{request.param} is not installed")
    return targets[request.param]


def records(run: Path) -> dict[str, Any]:
    """Key → what a record says of its results, without times."""
    found = {}
    for path in sorted((run / "records").iterdir()):
        record = json.loads(path.read_text())
        result = {name: value for name, value in record["result"].items() if not name.endswith("seconds")}
        found[record["key"]] = (record["status"], result, record["artefacts"])
    return found


# -- readers: key of a job → its curves, its figures and its parameters -------------------------------------------


def read_tensorboard(folder: Path) -> dict[str, tuple[Any, Any, Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for path in (folder / "small").iterdir():
        events = EventAccumulator(str(path))
        events.Reload()
        scalars = {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        options = HParamsPluginData.FromString(content).session_start_info.hparams
        parameters = {name: value.string_value or value.number_value for name, value in options.items()}
        curves = {name: dict(points) for name, points in scalars.items() if [step for step, _ in points] != [0]}
        assert all(len(curves[name]) == len(scalars[name]) for name in curves)  # no epoch twice
        found[parameters["key"]] = (curves, {n: v[0][1] for n, v in scalars.items() if n not in curves}, parameters)
    return found


def read_mlflow(folder: Path) -> dict[str, tuple[Any, Any, Any]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(folder))
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.info.run_name.split(" · ")[1:3] == ["fantasy-device", "seed 0"] for run in runs)
    found = {}
    for run in runs:
        history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        points = {name: [(one.step, one.value) for one in metrics] for name, metrics in history.items()}
        curves = {name: dict(sorted(one)) for name, one in points.items() if one[0][0] > 0}
        assert all(len(curves[name]) == len(points[name]) for name in curves)
        found[run.data.tags["key"]] = (curves, run.data.metrics, run.data.params)
    assert len(found) == len(runs)
    return found


def leveldb_log(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after wandb's header of 7 bytes."""
    position, record = 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # no header fits into the rest of the block
            position += 32768 - position % 32768
        size, kind = struct.unpack_from("<HB", content, position + 4)
        record += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # the whole record, or its last part
            yield record
            record = b""


def read_wandb(folder: Path) -> dict[str, tuple[Any, Any, Any]]:
    from wandb.proto.wandb_internal_pb2 import Record

    found = {}
    for path in (folder / "wandb").glob("offline-run-*/*.wandb"):
        curves: dict[str, dict[int, float]] = {}
        config, summary = {}, {}
        for data in leveldb_log(path.read_bytes()):
            record = Record.FromString(data)
            for item in [*record.run.config.update, *record.config.update]:
                config[item.key or item.nested_key[0]] = json.loads(item.value_json)
            for item in record.summary.update:
                summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
            row = {(i.key or i.nested_key[0]): json.loads(i.value_json) for i in record.history.item}
            for name in set(row) - {"epoch", "_step", "_runtime", "_timestamp"}:
                assert int(row["epoch"]) not in curves.setdefault(name, {})
                curves[name][int(row["epoch"])] = row[name]
        found[config["key"]] = (curves, summary, config)
    return found


def read(target: str, folder: Path) -> dict[str, tuple[Any, Any, Any]]:
    reader = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}[target.partition(":")[0]]
    return reader(folder if target.startswith("wandb") else Path(target.partition(":")[2]))


def check(target: str, folder: Path, results: RunResults) -> None:
    """Compare what a reader finds with the records of a run."""
    found = read(target, folder)
    assert set(found) == set(results.plan.jobs)
    for key, (curves, figures, parameters) in found.items():
        record = results.record(key)
        assert record is not None
        expected = {name: dict(sorted(curve.items())) for name, curve in curves_of(record).items()}
        for name, curve in expected.items():
            assert dict(sorted(curves[name].items())) == pytest.approx(curve, rel=1e-6), name
        assert parameters["method"] == "cmc"
        assert str(parameters["seed"]) in ("0", "0.0")
        if isinstance(record, TrainRecord):
            assert float(parameters["label_rate"]) in (0.1, 0.3)
            assert int(parameters["stage2.epochs"]) == 3
            assert figures["accuracy"] == pytest.approx(record.result.curves["test"].accuracy[-1])
        else:
            assert int(parameters["stage1.epochs"]) == 2


# -- tests --------------------------------------------------------------------------------------------------------


def test_the_tools_read_what_the_records_say_and_the_results_are_the_same(target: str, folder: Path) -> None:
    run = folder / "runs/logged"
    plain, logged = records(folder / "runs/plain"), records(run)
    assert plain == logged
    check(target, folder, RunResults.open(run))


def test_neither_a_resumed_run_nor_sending_logs_a_job_twice(target: str, folder: Path) -> None:
    run = folder / "runs/logged"
    harness.run("small.yaml", out=run, inline=True, quiet=True, log=[target])
    assert send(RunResults.open(run), [target], pytest.fail) == [(target, 0, 3)]
    check(target, folder, RunResults.open(run))


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_finished_run_is_sent_and_an_unfinished_log_is_replaced(name: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip(name)
    target, results = f"{name}:{tmp_path / name}", RunResults.open(folder / "runs/plain")
    for key, job in results.plan.jobs.items():  # a process that is killed leaves such a log
        tracker = open_tracker(target, "small")
        tracker.logged()
        tracker.begin(TrackedJob(key, job.title, job.kind, "small", {})).log(
            [MetricValue("loss", 1, 9.0), MetricValue("loss", 5, 9.0)]
        )
    time.sleep(1.1)  # the names of event files have seconds, by which TensorBoard sorts them
    assert send(results, [target], pytest.fail) == [(target, 3, 0)]
    if name == "mlflow":
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=str(tmp_path / name))
        runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
        assert Counter(run.info.status for run in runs) == {"FINISHED": 3, "KILLED": 3}
        for run in runs:
            if run.info.status == "KILLED":
                client.delete_run(run.info.run_id)
    check(target, folder, results)


class Fake(Tracker):
    """A tracker that fails where its target says, and remembers what it is given."""

    name, title, usage, package = "fake", "Fake", "fake:WHERE", "json"
    seen: ClassVar[list[Any]] = []

    def __init__(self, target: str, study: str):
        super().__init__(target, study)
        if target == "start":
            raise ConnectionError("no server\nat all")

    def logged(self) -> set[str]:
        if self.target == "read":
            raise ConnectionError("no server")
        return set()

    def begin(self, job: TrackedJob) -> TrackedRun:
        return FakeRun(self.target, job)


class FakeRun(TrackedRun):
    def __init__(self, target: str, job: TrackedJob):
        super().__init__()
        self._target, self._job = target, job

    def write(self, points: Sequence[MetricValue]) -> None:
        if self._target == "run":
            raise ConnectionError("the server is gone")
        if self._target == "hangs":
            time.sleep(60)
        Fake.seen += points

    def close(self, status: str, figures: Any, error: str) -> None:
        Fake.seen.append((self._job.kind, status, error))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "get", lambda kind, name, get=registry.get: Fake if name == "fake" else get(kind, name)
    )
    monkeypatch.setattr(Fake, "seen", [])


def test_a_tracker_that_fails_is_one_warning_and_the_run_goes_on(
    fake: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    monkeypatch.setattr(tracking, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr("harness.show.console.make_console", lambda quiet=False: Console(file=text, width=400))
    run = harness.run("small.yaml", out="runs/fails", inline=True, log=["fake:run", "fake:hangs", "fake:nowhere"])
    assert run.status == {"done": 2}
    warnings = [line for line in text.getvalue().splitlines() if "nothing more is logged" in line]
    assert len(warnings) == 2
    assert "fake:run (the server is gone)" in warnings[0]
    assert "fake:hangs (not done within 1 s)" in warnings[1]
    assert [one for one in Fake.seen if one[-1] == ""] == [
        ("pretrain", "done", ""), ("train", "done", ""), ("train", "done", ""),
    ]  # fmt: skip
    assert [one.epoch for one in Fake.seen if isinstance(one, MetricValue) and one.metric == "loss"] == [
        1,
        2,
        1,
        2,
        3,
        1,
        2,
        3,
    ]


def test_failed_and_interrupted_jobs_are_logged_as_such(
    fake: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = perform_job.perform

    def stop(job: Any, *others: Any) -> Any:
        if job.kind == "train" and job.about["point"]["label_rate"] == 0.1:
            raise ValueError("broken")
        if job.kind == "train":
            yield next(perform(job, *others))
            raise KeyboardInterrupt
        return (yield from perform(job, *others))

    monkeypatch.setattr(perform_job, "perform", stop)
    with pytest.raises(KeyboardInterrupt):
        harness.run("small.yaml", out=tmp_path / "run", inline=True, quiet=True, log=["fake:nowhere"])
    ends = [one for one in Fake.seen if not isinstance(one, MetricValue)]
    assert ends == [("pretrain", "done", ""), ("train", "failed", "ValueError: broken"), ("train", "interrupted", "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlfow:x", "there is no tracker 'mlfow': did you mean 'mlflow'"),
        ("mlflow", "'mlflow' lacks a target: give mlflow:URI"),
        ("fake:start", "fake:start can't be used: no server"),
        ("fake:read", "fake:read can't be read: no server"),
        ("mlflow:https://me:secret@host", "must contain no password"),
    ],
)
def test_what_cannot_work_is_refused_before_the_start(fake: None, folder: Path, text: str, message: str) -> None:
    if text.startswith("mlflow:"):
        pytest.importorskip("mlflow")
    with pytest.raises(InputError, match=message):
        harness.run("small.yaml", out="runs/none", inline=True, quiet=True, log=[text])
    assert not (folder / "runs/none").exists()


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package wandb: pip install 'cosmo-harness\[wandb\]'"):
        Tracking(["wandb:project"], "small", "last", print)
