"""``plan.json`` and ``study.json`` of a run's folder as types."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self, TypedDict

from harness.results.record_model import RecordModel


class ValueInForce(TypedDict):
    value: Any
    source: str


class PlannedModality(TypedDict):
    name: str
    kind: str
    shape: list[int]


class PlannedTrial(RecordModel):
    """One row of the results, and the keys of its jobs."""

    dataset: str = Field(description="data set, as in the study")
    method: str = Field(description="method, with its variant after a colon if it has several")
    seed: int = Field(description="seed")
    fold: int | None = Field(default=None, description="number of the fold, from 1; null without folds")
    point: dict[str, Any] = Field(description="option → value at this point of the sweep")
    key: str | None = Field(description="key of its train job; null as long as a search has not chosen its options")
    stage1_key: str | None = Field(description="key of its pretrain job; null for a method without stage 1")
    counts: dict[str, int] = Field(
        description="number of samples in each part: train, validation, test, labelled, unlabelled"
    )
    validation_labels: int = Field(
        default=0, description="number of labelled validation samples that its options or its epoch were chosen by"
    )
    chosen: dict[str, Any] = Field(default={}, description="option → value chosen by the search")
    error: str | None = Field(default=None, description="why it can't be run")
    profile_keys: dict[str, str] = Field(default={}, description="device → key of its profile job")


def labelled_counts(trials: Iterable[PlannedTrial]) -> dict[str, list[int]]:
    """Data set → the numbers of labelled samples of its trials, ascending."""
    found: dict[str, set[int]] = {}
    for trial in trials:
        found.setdefault(trial.dataset, set()).add(trial.counts.get("labelled", 0))
    return {dataset: sorted(counts) for dataset, counts in found.items()}


class PlannedJob(RecordModel):
    kind: Literal["pretrain", "train", "profile", "search"] = Field(description="search: a train job of a search")
    title: str = Field(description="one line for people")
    needs: list[str] = Field(default=[], description="keys of the jobs that must be done first")


class PlannedData(RecordModel):
    title: str = Field(default="", description="one line for people")
    fingerprint: str = Field(description="hash of the recordings")
    modalities: list[PlannedModality] = Field(default=[], description="name, kind and shape of each")
    n_samples: int = Field(default=0, description="number of samples")
    n_unlabelled: int = Field(default=0, description="number of samples without a label")
    n_classes: int = Field(description="number of classes")
    classes: list[str] = Field(default=[], description="names of the classes, by number")
    subjects: dict[str, list[int | str]] = Field(default={}, description="part → its subjects; empty with folds")
    folds: list[dict[str, list[int | str]]] = Field(default=[], description="for each fold: part → its subjects")
    notes: dict[str, Any] = Field(default={}, description="facts about the files, such as counts and irregularities")


class PlanRecord(RecordModel):
    """``plan.json``: the trials of a study and the jobs that they share."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    study: str = Field(description="name of the study")
    select: Literal["last", "validation", "oracle"] = Field(description="which evaluation is reported")
    sweep: dict[str, dict[str, list[Any]]] = Field(description="data set → option → its values")
    methods: list[str] = Field(description="methods with their variants, in the order of the study")
    titles: dict[str, str] = Field(description="method → its title")
    seeds: list[int] = Field(description="the seeds")
    data: dict[str, PlannedData] = Field(description="data set → its content and split")
    trials: list[PlannedTrial] = Field(description="the trials")
    jobs: dict[str, PlannedJob] = Field(description="key → job")
    search: dict[str, Any] | None = Field(default=None, description="the search: its space, budget, draws and choices")

    @model_validator(mode="after")
    def _describes_its_trials(self) -> Self:
        for trial in self.trials:
            if trial.dataset not in self.data:
                raise ValueError(f"data lacks {trial.dataset!r}, the data set of a trial")
            if trial.method not in self.methods:
                raise ValueError(f"methods lacks {trial.method!r}, the method of a trial")
            keys = [trial.key, trial.stage1_key, *trial.profile_keys.values()]
            if unknown := [key for key in keys if key is not None and key not in self.jobs]:
                raise ValueError(f"jobs lacks {unknown[0]!r}, a job of a trial")
        return self


class StudyRecord(RecordModel):
    """``study.json``: the study as it was run."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    study: str = Field(description="name of the study")
    title: str | None = Field(default="", description="title of the report")
    question: str | None = Field(default="", description="question that the study answers")
    reference: str | None = Field(
        default=None, description="method that the others are compared with, if the study sets one"
    )
    grid_grams_per_kwh: float | None = Field(
        default=None, description="grams of CO₂ equivalent per kWh, if the study gives them"
    )
    file: str = Field(default="", description="path of the study file")
    text: str = Field(default="", description="text of the file")
    overrides: list[str] = Field(default=[], description="values given with --set")
    in_force: dict[str, dict[str, dict[str, ValueInForce]]] = Field(
        default={}, description="data set → method → option → its value and source"
    )
    command: str = Field(default="", description="the command line")
    provenance: dict[str, Any] = Field(default={}, description="git commit, packages, Python, platform")


def _checked_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("should be a time with its zone, ISO 8601")
    return text


class RunningJob(RecordModel):
    """A job that runs now."""

    key: str = Field(description="its key")
    title: str = Field(description="one line for people")
    where: str = Field(description="node that it runs on")
    seconds: float = Field(description="seconds since it started")
    seconds_left: float | None = Field(default=None, description="estimate of the rest")
    progress: dict[str, int | float | None] | None = Field(
        default=None, description="epoch, epochs, loss and loss_floor"
    )


class LiveNode(RecordModel):
    name: str = Field(description="name of the node")
    cpus: float = Field(description="its CPUs")
    gpus: float = Field(description="its GPUs")


class LiveRecord(RecordModel):
    """``live.json``: what a run was doing when it last wrote."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    pid: int = Field(ge=1, le=2**31, description="process that runs it")
    host: str = Field(description="its host")
    begun_at: str = Field(default="", description="time of its start, ISO 8601, UTC")
    written_at: Annotated[str, AfterValidator(_checked_time)] = Field(description="time of writing, ISO 8601, UTC")
    ended_at: str = Field(default="", description="time of its end, ISO 8601, UTC; missing as long as it runs")
    done: int = Field(description="jobs done")
    failed: int = Field(description="jobs failed")
    elapsed_seconds: float = Field(description="seconds since the start")
    seconds_left: float | None = Field(default=None, description="estimate of the rest")
    untimed: list[str] = Field(default=[], description="kinds of jobs that the estimate leaves out")
    running: list[RunningJob] = Field(default=[], description="jobs that run")
    nodes: list[LiveNode] = Field(default=[], description="nodes of the cluster")
