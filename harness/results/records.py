"""The files of a run's folder as types: records of jobs, ``plan.json`` and ``study.json``.

They are read only here, so a file of the wrong shape is named when it is opened, not met as a missing key later on.
Unknown fields are ignored: a folder written by a newer version with the same schema number still opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from harness.errors import InputError
from harness.jobs import JobKind
from harness.ledger import SCHEMA

Part = Literal["test", "validation"]


class RecordModel(BaseModel):
    """A part of a file: frozen, with a description of every field."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class NameAndVersion(RecordModel):
    name: str = Field(description="as in a study")
    version: str = Field(description="raised when a change of the code changes results")


class Content(RecordModel):
    """Everything that can change a job's result. The job's key is the hash of it."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    method: NameAndVersion = Field(description="the method")
    dataset: NameAndVersion = Field(description="the data set's reader")
    data: str = Field(description="fingerprint of the recordings")
    samples: dict[str, str] = Field(description="part → hash of its sample numbers")
    seeds: list[Any] = Field(description="the names that every random draw is seeded with")
    threads: int = Field(description="CPU threads of the job")
    device: str = Field(description="cpu or cuda")
    options: dict[str, Any] = Field(default={}, description="the method's own options in force")
    settings: dict[str, Any] = Field(
        default={}, description="options of the training loop in force: epochs, batch size, …"
    )
    row: str = Field(default="", description="the method's variant; empty for a method with one")
    stage1: str | None = Field(default=None, description="key of the stage-1 job whose encoders it starts from")


class SearchDraw(RecordModel):
    number: int = Field(description="of the draw, from 1")
    values: dict[str, Any] = Field(description="option → value")


class About(RecordModel):
    """What a job is, for people and tables. Not part of the key."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    study: str = Field(default="", description="the study that ran it first")
    dataset: str = Field(description="data set, as in the study")
    method: str = Field(description="method, as in the study")
    seed: int = Field(description="the seed")
    point: dict[str, Any] = Field(default={}, description="option → value at this point of the sweep")
    search: SearchDraw | None = Field(default=None, description="the search's draw; null outside a search")
    device: dict[str, Any] | None = Field(default=None, description="the device measured; null unless a profile job")


class Artefact(RecordModel):
    bytes: int = Field(description="size of the file")
    sha256: str = Field(description="hash of the file, checked whenever it is read")


class JobError(RecordModel):
    type: str = Field(description="class of the exception")
    message: str = Field(description="its message")
    traceback: str = Field(default="", description="its traceback")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class Scores(RecordModel):
    """Metrics at each evaluation, in the order of `epochs_evaluated`."""

    accuracy: list[float] = Field(default=[], description="share of samples predicted correctly, 0 to 1")
    macro_f1: list[float] = Field(default=[], description="F1 averaged over classes, 0 to 1")


class PretrainResult(RecordModel):
    loss: list[float] = Field(default=[], description="mean loss of each epoch")
    loss_floor: float | None = Field(
        default=None, description="the least value that the loss can take, where one is known"
    )
    findings: dict[str, Any] = Field(
        default={}, description="the method's diagnostics; Cosmo: quality of each modality"
    )
    train_seconds: float = Field(description="training alone")
    findings_seconds: float | None = Field(default=None, description="computing the diagnostics")
    n_parameters: int | None = Field(default=None, description="parameters trained")
    modal_distance: float | None = Field(
        default=None, description="mean cosine distance between the modalities' features"
    )
    modal_plane_variance: float | None = Field(
        default=None, description="share of variance in the plane that is drawn, 0 to 1"
    )
    absent: dict[str, str] = Field(default={}, description="figure → why it is null")


class TrainResult(RecordModel):
    epochs_evaluated: list[int] = Field(description="the epochs after which the model was evaluated, rising")
    curves: dict[Part, Scores] = Field(description="part of the data → metrics at each evaluation")
    loss: list[float] = Field(default=[], description="mean loss of each epoch")
    train_seconds: float = Field(description="training alone")
    evaluation_seconds: float | None = Field(default=None, description="all evaluations")
    n_parameters: int | None = Field(default=None, description="parameters of the classifier with its encoders")
    n_labelled: int | None = Field(default=None, description="labelled samples trained on")
    flops: int | None = Field(default=None, description="floating-point operations of one inference")
    per_class: dict[Part, list[float | None]] = Field(
        default={}, description="recall of each class at the last evaluation"
    )
    attention: dict[str, float] | None = Field(default=None, description="modality → mean weight over the test samples")
    modal_distance: float | None = Field(
        default=None, description="mean cosine distance between the modalities' features"
    )
    modal_plane_variance: float | None = Field(
        default=None, description="share of variance in the plane that is drawn, 0 to 1"
    )
    absent: dict[str, str] = Field(default={}, description="figure → why it is null")


class StoppedResult(RecordModel):
    epochs_evaluated: list[int] = Field(description="the epochs evaluated until it was stopped")
    curves: dict[Part, Scores] = Field(description="accuracy on the validation samples at each evaluation")


class Extrapolation(RecordModel):
    seconds: float | None = Field(default=None, description="of all epochs")
    energy_joules: float | None = Field(default=None, description="of all epochs, gross")
    reason: str | None = Field(default=None, description="why there is no extrapolation")


class PowerTotal(RecordModel):
    energy_joules: float | None = Field(default=None, description="gross energy; null with a reason")
    mean_watts: float | None = Field(default=None, description="mean power")
    peak_watts: float | None = Field(default=None, description="highest sample of the power")
    reason: str | None = Field(default=None, description="why the figures are null")


class Energy(RecordModel):
    """What a meter measured over one window of time."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    meter: str = Field(description="the meter, and what it read")
    covers: str = Field(description="what its readings include: the board, a processor, …")
    asked_hertz: float = Field(description="readings a second that were asked for")
    total: PowerTotal | None = Field(default=None, description="the channels that make up the total")
    above_idle_joules: float | None = Field(default=None, description="gross energy less idle power over the window")
    flags: list[str] = Field(default=[], description="cautions for the reader")


class Repeat(RecordModel):
    """One measured training."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    epochs: int = Field(description="epochs trained")
    seconds: float = Field(description="training alone")
    energy: Energy | None = Field(default=None, description="null where no meter could be read")


class TrainingCost(RecordModel):
    """Stage 2's cost on the device: means over the repeats."""

    epochs: int = Field(description="epochs trained in a repeat")
    epochs_of_the_trial: int = Field(description="epochs of the whole trial")
    seconds: float = Field(description="training alone")
    energy_joules: float | None = Field(default=None, description="gross energy")
    above_idle_joules: float | None = Field(default=None, description="gross energy less idle power over the same time")
    mean_watts: float | None = Field(default=None, description="mean power")
    peak_watts: float | None = Field(default=None, description="highest sample of the power")
    energy_absent: str | None = Field(default=None, description="why there is no energy")
    extrapolated: Extrapolation | None = Field(
        default=None, description="the whole trial, where fewer epochs were measured"
    )
    repeats: list[Repeat] = Field(default=[], description="each measured training")


class InferenceCost(RecordModel):
    """Latency of one runtime, precision and batch size. A time is null or missing where `absent` says why."""

    runtime: str = Field(description="eager, compile or onnx")
    precision: str = Field(description="fp32, bf16 or fp16")
    batch_size: int = Field(description="samples a query")
    n_queries: int | None = Field(default=None, description="queries timed")
    load_seconds: float | None = Field(default=None, description="building the model in the runtime")
    first_seconds: float | None = Field(default=None, description="the very first query")
    mean_seconds: float | None = Field(default=None, description="mean latency of a query")
    min_seconds: float | None = Field(default=None, description="shortest latency")
    max_seconds: float | None = Field(default=None, description="longest latency")
    p50_seconds: float | None = Field(default=None, description="50th percentile; null with too few queries for it")
    p90_seconds: float | None = Field(default=None, description="90th percentile, likewise")
    p95_seconds: float | None = Field(default=None, description="95th percentile, likewise")
    p99_seconds: float | None = Field(default=None, description="99th percentile, likewise")
    throughput_per_second: float | None = Field(default=None, description="samples a second")
    peak_rss_bytes: int | None = Field(default=None, description="highest resident memory of the process")
    peak_cuda_bytes: int | None = Field(default=None, description="highest memory allocated on the GPU")
    agreement: float | None = Field(default=None, description="share of predictions equal to eager fp32's, 0 to 1")
    joules_per_sample: float | None = Field(default=None, description="gross energy of a sample")
    absent: dict[str, str] = Field(default={}, description="figure → why it is missing")


class ProfileResult(RecordModel):
    """A trial's cost on a device."""

    trial: str = Field(default="", description="key of the train job that was measured")
    meter: str | None = Field(default=None, description="the meter that was read; null for none")
    meters_tried: dict[str, str] = Field(default={}, description="meter → why it was not used")
    training: TrainingCost | None = Field(
        default=None, description="cost of stage 2; null in a job that failed before it"
    )
    inference: list[InferenceCost] = Field(
        default=[], description="latency, one entry a runtime, precision and batch size"
    )
    throttling: list[str] = Field(default=[], description="signs that the device slowed itself down")
    absent: dict[str, str] = Field(default={}, description="figure → why it is missing")
    sampler_core_share: float | None = Field(
        default=None, description="CPU time of the meter's sampler, as a share of a core"
    )


class _Record(RecordModel):
    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    key: str = Field(description="hash of `content`")
    content: Content = Field(description="everything that can change the result")
    about: About = Field(description="what the job is, for people and tables")
    needs: list[str] = Field(default=[], description="keys of the jobs whose artefacts it read")
    attempts: int = Field(default=1, description="how often it was run")
    written_at: str = Field(default="", description="when, ISO 8601, UTC")


ResultT = TypeVar("ResultT", bound=RecordModel)


class DoneRecord(_Record, Generic[ResultT]):
    status: Literal["done"] = Field(description="done")
    result: ResultT = Field(description="the figures")
    artefacts: dict[str, Artefact] = Field(default={}, description="file name → its size and hash")
    environment: dict[str, str] = Field(default={}, description="host, processor, device and versions it ran with")
    started_at: str = Field(default="", description="when, ISO 8601, UTC")
    seconds: float = Field(default=0.0, description="wall-clock time of the whole job")


class PretrainRecord(DoneRecord[PretrainResult]):
    """A finished stage 1."""

    kind: Literal["pretrain"] = Field(description="pretrain")


class TrainRecord(DoneRecord[TrainResult]):
    """A finished stage 2."""

    kind: Literal["train"] = Field(description="train")


class ProfileRecord(DoneRecord[ProfileResult]):
    """A finished measurement on a device."""

    kind: Literal["profile"] = Field(description="profile")


class FailedRecord(_Record):
    """A job that raised. It is tried again when the run is started again."""

    status: Literal["failed"] = Field(description="failed")
    kind: JobKind = Field(description="pretrain, train or profile")
    error: JobError = Field(description="what was raised")
    partial: ProfileResult = Field(default=ProfileResult(), description="what a profile job had measured until then")


class StoppedRecord(_Record):
    """A train job that a search stopped early."""

    status: Literal["stopped"] = Field(description="stopped")
    kind: Literal["train"] = Field(description="train")
    result: StoppedResult = Field(description="the figures until then")


def _which(content: Any) -> str:
    if not isinstance(content, Mapping):
        return "failed"
    status, kind = content.get("status"), content.get("kind")
    return str(kind if status == "done" else status)


Record = Annotated[
    Annotated[PretrainRecord, Tag("pretrain")]
    | Annotated[TrainRecord, Tag("train")]
    | Annotated[ProfileRecord, Tag("profile")]
    | Annotated[FailedRecord, Tag("failed")]
    | Annotated[StoppedRecord, Tag("stopped")],
    Discriminator(_which),
]
RECORD: TypeAdapter[Record] = TypeAdapter(Record)


class PlannedTrial(RecordModel):
    """One line of the results, and the keys of its jobs."""

    dataset: str = Field(description="data set, as in the study")
    method: str = Field(description="method, with its variant after a colon where it has several")
    seed: int = Field(description="the seed")
    point: dict[str, Any] = Field(description="option → value at this point of the sweep")
    key: str | None = Field(description="of its train job; null while a search has not chosen its options")
    stage1_key: str | None = Field(description="of its pretrain job; null for a method without a stage 1")
    counts: dict[str, int] = Field(description="samples by part: train, validation, test, labelled, unlabelled")
    chosen: dict[str, Any] = Field(default={}, description="option → value chosen by the study's search")
    error: str | None = Field(default=None, description="why it can never be run")
    profile_keys: dict[str, str] = Field(default={}, description="device → key of its profile job")


class PlannedJob(RecordModel):
    kind: Literal["pretrain", "train", "profile", "search"] = Field(description="search: a train job of a search")
    title: str = Field(description="one line for people")
    needs: list[str] = Field(default=[], description="keys of the jobs that must be done before")


class PlannedData(RecordModel):
    title: str = Field(default="", description="one line for people")
    fingerprint: str = Field(description="hash of the recordings")
    modalities: list[dict[str, Any]] = Field(default=[], description="name, kind and shape of each")
    n_samples: int = Field(default=0, description="samples in all")
    n_classes: int = Field(description="classes")
    classes: list[str] = Field(default=[], description="their names, by number")
    subjects: dict[str, list[int]] = Field(default={}, description="part → its subjects")
    notes: dict[str, Any] = Field(default={}, description="what the reader found odd")


class PlanRecord(RecordModel):
    """``plan.json``: the trials of a study and the jobs that they share."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    study: str = Field(description="name of the study")
    select: Literal["last", "validation", "oracle"] = Field(description="which evaluation counts")
    sweep: dict[str, dict[str, list[Any]]] = Field(description="data set → option → its values")
    methods: list[str] = Field(description="methods with their variants, in the study's order")
    titles: dict[str, str] = Field(description="method → how it is written")
    seeds: list[int] = Field(description="the seeds")
    data: dict[str, PlannedData] = Field(description="data set → what it holds and how it is split")
    trials: list[PlannedTrial] = Field(description="the trials")
    jobs: dict[str, PlannedJob] = Field(description="key → job")
    search: dict[str, Any] | None = Field(default=None, description="the search: its space, budget, draws and choices")


class StudyRecord(RecordModel):
    """``study.json``: what was asked."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    study: str = Field(description="name of the study")
    title: str | None = Field(default="", description="of the report")
    question: str | None = Field(default="", description="what is to be answered")
    reference: str | None = Field(
        default=None, description="the method that the others are compared with, if the study names one"
    )
    file: str = Field(default="", description="path of the study's file")
    text: str = Field(default="", description="the file's text")
    overrides: list[str] = Field(default=[], description="what --set gave")
    in_force: dict[str, dict[str, dict[str, dict[str, Any]]]] = Field(
        default={}, description="data set → method → option → its value, and where it came from"
    )
    command: str = Field(default="", description="the command line")
    provenance: dict[str, Any] = Field(default={}, description="git commit, packages, Python, platform")


ModelT = TypeVar("ModelT", bound=RecordModel)


def read_record(path: Path) -> Record:
    """The record in a file. Raises `InputError` that names the file and what is wrong with it."""
    return _read(path, RECORD)


def read_file(path: Path, model: type[ModelT]) -> ModelT:
    """``plan.json`` or ``study.json``. Raises as `read_record`."""
    return _read(path, TypeAdapter(model))


T = TypeVar("T")


def _read(path: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except ValidationError as error:
        raise InputError(f"{path} {_fault(error)}") from None


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    wrong_schema = [e for e in error.errors(include_url=False) if e["loc"][-1:] == ("schema",)]
    if wrong_schema:
        found = wrong_schema[0]["input"] if wrong_schema[0]["type"] != "missing" else None
        return f"has schema {found}, this version reads {SCHEMA}"
    where = ".".join(str(part) for part in first["loc"])
    text = f"{where}: {first['msg']}" if where else first["msg"]
    return f"is damaged ({text}); delete it and run again to make it anew"
