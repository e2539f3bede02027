"""The records of jobs as types, and reading of the JSON files in a run's folder.

A file is validated when it is read, so an invalid one is reported then and not as a missing key later. Unknown fields
are ignored, so a folder written by a newer version with the same schema number can still be opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator
from typing_extensions import Self

from harness.errors import Damaged, InputError
from harness.jobs import JobKind
from harness.ledger import MAX_RUN_FILE_BYTES, SCHEMA
from harness.reading import read_regular
from harness.results.profile_records import ProfileResult
from harness.results.record_model import RecordModel

Part = Literal["test", "validation"]
Status = Literal["done", "failed", "stopped"]


class NameAndVersion(RecordModel):
    name: str = Field(description="name in a study")
    version: str = Field(description="raised when a change of the code changes results")


class Content(RecordModel):
    """Everything that can change the result of a job. The key of the job is its hash."""

    model_config = ConfigDict(extra="allow")
    method: NameAndVersion = Field(description="the method")
    dataset: NameAndVersion = Field(description="the data set")
    data: str = Field(description="fingerprint of the recordings")
    samples: dict[str, str] = Field(description="part of the data → hash of its sample numbers")
    seeds: list[Any] = Field(description="names that seed every random draw")
    threads: int = Field(description="CPU threads of the job")
    device: str = Field(description="cpu or cuda")
    options: dict[str, Any] = Field(default={}, description="options of the method in force")
    settings: dict[str, Any] = Field(
        default={}, description="settings of the training loop in force: epochs, batch size, …"
    )
    row: str = Field(default="", description="variant of the method; empty for a method with one model")
    stage1: str | None = Field(default=None, description="key of the stage-1 job whose encoders the job starts from")


class SearchDraw(RecordModel):
    number: int = Field(description="number of the draw, from 1")
    values: dict[str, Any] = Field(description="option → value")


class About(RecordModel):
    """The description of a job for people and tables, which is not part of the key."""

    model_config = ConfigDict(extra="allow")
    study: str = Field(default="", description="study that ran the job first")
    dataset: str = Field(description="data set, as in the study")
    method: str = Field(description="method, as in the study")
    seed: int = Field(description="seed")
    fold: int | None = Field(default=None, description="number of the fold, from 1; null without folds")
    point: dict[str, Any] = Field(default={}, description="option → value at this point of the sweep")
    search: SearchDraw | None = Field(default=None, description="draw of the search; null outside a search")
    data_options: dict[str, Any] = Field(default={}, description="options of the data set; empty for stage 1")
    device: dict[str, Any] | None = Field(default=None, description="device measured; null except for profile jobs")


class Artefact(RecordModel):
    bytes: int = Field(description="size of the file")
    sha256: str = Field(description="hash of the file, checked when it is read")


class JobError(RecordModel):
    type: str = Field(description="class of the exception")
    message: str = Field(description="its message")
    traceback: str = Field(default="", description="its traceback")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class Scores(RecordModel):
    """Metrics at each evaluation, in the order of `epochs_evaluated`."""

    accuracy: list[float] = Field(default=[], description="fraction of samples predicted correctly, 0 to 1")
    macro_f1: list[float] = Field(default=[], description="F1 averaged over classes, 0 to 1")
    classes_predicted: list[int] = Field(default=[], description="number of different classes among the predictions")


def check_curves(curves: Mapping[Part, Scores], n_evaluations: int) -> None:
    """Raise `ValueError` unless there is a score of each evaluation, and at least one evaluation."""
    if not n_evaluations:
        raise ValueError("there is no evaluation")
    for part, scores in curves.items():
        lengths = {len(scores.accuracy), len(scores.macro_f1) or n_evaluations}
        lengths |= {len(scores.classes_predicted) or n_evaluations}
        if lengths != {n_evaluations}:
            raise ValueError(f"curves.{part} has other lengths than epochs_evaluated")


class ModalityQuality(RecordModel):
    """The quality of one modality, see `harness.cosmo.quality.Quality`. Further entries are intervals and reasons."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | str | tuple[float, float] | None]
    hopkins: float = Field(description="Hopkins statistic H, 0 to 1")
    k_opt: int = Field(description="number of clusters")
    score: float = Field(description="q = H / max(abs(k_opt − classes), 1), which the weight is in proportion to")
    weight: float = Field(description="weight of the modality, 0 to 1")


class Findings(RecordModel):
    model_config = ConfigDict(extra="allow")
    quality: dict[str, ModalityQuality] | None = Field(default=None, description="modality → its quality, for Cosmo")


class PretrainResult(RecordModel):
    loss: list[float] = Field(default=[], description="mean loss of each epoch")
    loss_floor: float | None = Field(default=None, description="lower bound of the loss, if one is known")
    findings: Findings = Field(default=Findings(), description="diagnostics of the method")
    train_seconds: float = Field(description="time of training alone")
    findings_seconds: float | None = Field(default=None, description="time of computing the diagnostics")
    n_parameters: int | None = Field(default=None, description="number of trained parameters")
    modal_distance: float | None = Field(
        default=None, description="mean cosine distance between the modalities' features"
    )
    modal_plane_variance: float | None = Field(
        default=None, description="share of variance in the plane that is drawn, 0 to 1"
    )
    absent: dict[str, str] = Field(default={}, description="figure → why it is null")


class TrainResult(RecordModel):
    epochs_evaluated: list[int] = Field(description="epochs after which the model was evaluated, increasing")
    curves: dict[Part, Scores] = Field(description="part of the data → metrics at each evaluation")
    loss: list[float] = Field(default=[], description="mean loss of each epoch")
    train_seconds: float = Field(description="time of training alone")
    evaluation_seconds: float | None = Field(default=None, description="time of all evaluations")
    n_parameters: int | None = Field(
        default=None, description="number of parameters of the classifier with its encoders"
    )
    n_labelled: int | None = Field(default=None, description="number of labelled samples trained on")
    flops: int | None = Field(default=None, description="floating-point operations of one inference")
    per_class: dict[Part, list[float | None]] = Field(
        default={}, description="recall of each class at the last evaluation"
    )
    largest_class_share: dict[Part, float] = Field(
        default={}, description="fraction of the samples that are of the most common class, 0 to 1"
    )
    attention: dict[str, float] | None = Field(default=None, description="modality → mean weight over the test samples")
    modal_distance: float | None = Field(
        default=None, description="mean cosine distance between the modalities' features"
    )
    modal_plane_variance: float | None = Field(
        default=None, description="share of variance in the plane that is drawn, 0 to 1"
    )
    absent: dict[str, str] = Field(default={}, description="figure → why it is null")

    @model_validator(mode="after")
    def _has_a_score_of_each_evaluation(self) -> Self:
        check_curves(self.curves, len(self.epochs_evaluated))
        return self


class StoppedResult(RecordModel):
    epochs_evaluated: list[int] = Field(description="epochs evaluated until it was stopped")
    curves: dict[Part, Scores] = Field(description="accuracy on the validation samples at each evaluation")


class _Record(RecordModel):
    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    key: str = Field(description="hash of `content`")
    content: Content = Field(description="everything that can change the result")
    about: About = Field(description="description of the job, for people and tables")
    needs: list[str] = Field(default=[], description="keys of the jobs whose artefacts it read")
    attempts: int = Field(default=1, description="number of times it was run")
    written_at: str = Field(default="", description="time of writing, ISO 8601, UTC")


ResultT = TypeVar("ResultT", bound=RecordModel)


class DoneRecord(_Record, Generic[ResultT]):
    status: Literal["done"] = Field(description="done")
    result: ResultT = Field(description="the result")
    artefacts: dict[str, Artefact] = Field(default={}, description="file name → its size and hash")
    inputs: dict[str, str] = Field(
        default={}, description="key of each job whose artefacts it read → hash of these artefacts"
    )
    environment: dict[str, str] = Field(default={}, description="host, processor, device and versions that it ran with")
    started_at: str = Field(default="", description="time of the start, ISO 8601, UTC")
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
    """A job that raised an exception. It is run again when the run is started again."""

    status: Literal["failed"] = Field(description="failed")
    kind: JobKind = Field(description="pretrain, train or profile")
    error: JobError = Field(description="the exception")
    partial: ProfileResult = Field(default=ProfileResult(), description="what a profile job had measured by then")


class StoppedRecord(_Record):
    """A train job that a search stopped early."""

    status: Literal["stopped"] = Field(description="stopped")
    kind: Literal["train"] = Field(description="train")
    result: StoppedResult = Field(description="the result until then")


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


class RecordHead(RecordModel):
    """The status and the artefacts of a record, whatever its kind; the rest of it is not looked at."""

    schema_: Literal[1] = Field(alias="schema", description="version of the file's format")
    status: Status = Field(description="done, failed or stopped")
    artefacts: dict[str, Artefact] = Field(default={}, description="file name → its size and hash")


HEAD = TypeAdapter(RecordHead)


ModelT = TypeVar("ModelT", bound=RecordModel)


def read_record(path: Path) -> Record:
    """Read a record.

    Raises `Damaged` with the file and what is wrong with it, or `InputError` if it was written by another version.
    """
    return _read(path, RECORD)


def read_head(path: Path) -> RecordHead:
    """The head of the record in a file, in a tenth of the time of `read_record`. Raises as it does."""
    return _read(path, HEAD)


def read_file(path: Path, model: type[ModelT]) -> ModelT:
    """Read ``plan.json`` or ``study.json``. Raises like `read_record`."""
    return _read(path, TypeAdapter(model))


T = TypeVar("T")


def _read(path: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(read_regular(path, MAX_RUN_FILE_BYTES))
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except InputError as error:
        raise Damaged(str(error)) from None
    except ValidationError as error:
        raise _fault(error, path) from None
    except (OSError, RecursionError) as error:
        raise Damaged(f"{path} can't be read ({error})") from None


def _fault(error: ValidationError, path: Path) -> InputError:
    first = error.errors(include_url=False)[0]
    wrong_schema = [e for e in error.errors(include_url=False) if e["loc"][-1:] == ("schema",)]
    if wrong_schema and wrong_schema[0]["type"] != "missing":
        return InputError(f"{path} has schema {wrong_schema[0]['input']}, this version reads {SCHEMA}")
    where = ".".join(str(part) for part in first["loc"])
    text = f"{where}: {first['msg']}" if where else first["msg"]
    return Damaged(f"{path} is damaged ({text}); delete it and run again to create it anew")
