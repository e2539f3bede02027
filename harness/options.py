"""Options of stages and methods: pydantic models that reject unknown keys, so that a typo is an error."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self


class Options(BaseModel):
    """Base class of all options: frozen, without unknown keys, and dumped under the names used in a study (``lambda``).

    Every field has a description, which is shown by `harness describe NAME` and in the schema of studies.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def from_plain(cls, values: Any) -> Self:
        """Validate plain values from YAML or JSON. Types are strict (``true`` is not a number); lists become tuples."""
        return cls.model_validate_json(json.dumps(values, default=str))

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)

    def content(self) -> dict[str, Any]:
        """The options that can affect a result, for the key of a job."""
        defaults = {name: type(self).model_fields[name].default for name in self.without_effect()}
        return self.model_copy(update=defaults).to_json()

    def without_effect(self) -> set[str]:
        """The fields that can't affect a result beside the values of the others. In `content` they are at default."""
        return set()


def _whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"should be a fraction of one GPU or a whole number of GPUs, such as 0.5 or {int(gpus)}")
    return gpus


GpuCount = Annotated[float, AfterValidator(_whole_above_one)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimiser(Options):
    """The settings of gradient descent, which both stages have.

    The default learning rate is that of Cosmo's slides; SGD, its momentum and weight decay are those of the authors'
    code.
    """

    epochs: int = Field(default=100, ge=0, description="number of epochs to train")
    batch_size: int = Field(default=16, ge=2, description="samples per batch")
    lr: float = Field(default=0.01, gt=0, description="learning rate")
    optimizer: Literal["sgd", "adam"] = Field(default="sgd", description="the optimizer")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of SGD")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.999), description="decay rates of the two running averages of Adam"
    )
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay (L2 penalty)")
    lr_decay: float = Field(
        default=0.9, gt=0, le=1, description="factor applied to the learning rate at each milestone"
    )
    lr_milestones: tuple[Positive, ...] = Field(
        default=(), description="epochs after which the learning rate is multiplied by lr_decay"
    )
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="arithmetic; bf16 is mixed precision")

    def content(self) -> dict[str, Any]:
        return {name: value for name, value in super().content().items() if name != "betas" or self.optimizer == "adam"}

    def without_effect(self) -> set[str]:
        return ({"momentum"} if self.optimizer == "adam" else set()) | (set() if self.lr_milestones else {"lr_decay"})


class Augmentations(Options):
    """The maximum strength of each augmentation. The strength is drawn for each sample and modality."""

    failure: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="maximum fraction of the time steps that a failing sensor loses; 0 for none",
    )
    noise: float = Field(
        default=0.3,
        ge=0,
        description="maximum standard deviation of added noise, for normalised data, and three times its maximum mean; "
        "0 for none",
    )
    down_sampling: int = Field(default=4, ge=1, description="maximum factor of down-sampling in time; 1 for none")


class Stage1(Optimiser):
    """Stage 1: pre-training on unlabelled data."""

    batch_size: int = Field(default=64, ge=2, description="samples per batch over all workers; at least two per worker")
    workers: int = Field(default=1, ge=1, description="processes that share each batch; more than one needs Ray")
    gpus_per_worker: GpuCount = Field(
        default=0,
        ge=0,
        description="GPUs that Ray reserves for each worker on device: cuda; by default one, or gpus_per_trial if "
        "there is one worker",
    )
    batch_norm: Literal["local", "sync"] = Field(
        default="local",
        description="BatchNorm statistics over each worker's samples, as with the authors' DataParallel, or over all",
    )
    augmentations: Augmentations | None = Field(
        default=None,
        description="augmentations of each sample in each epoch, before anything that the method itself does to it; "
        "by default none",
    )
    checkpoint_every: int = Field(
        default=25, ge=1, description="epochs between two checkpoints, which are kept until stage 1 is done"
    )

    @model_validator(mode="after")
    def _every_worker_has_what_it_needs(self) -> Self:
        if self.batch_size < 2 * self.workers:
            raise ValueError(
                f"batch_size {self.batch_size} is too small for {self.workers} workers: "
                "each needs at least two samples, for BatchNorm"
            )
        if self.workers > 1 and 0 < self.gpus_per_worker < 1:
            raise ValueError(
                f"gpus_per_worker {self.gpus_per_worker:g} would put several of the {self.workers} workers on one GPU, "
                "which NCCL does not allow: give 1"
            )
        return self

    def content(self) -> dict[str, Any]:
        irrelevant = {"gpus_per_worker", "checkpoint_every"} | ({"batch_norm"} if self.workers == 1 else set())
        irrelevant |= {"augmentations"} if self.augmentations is None else set()
        return {name: value for name, value in super().content().items() if name not in irrelevant}


class Stage2(Optimiser):
    """Stage 2: supervised training on few labels.

    OF_FITTED: the settings that apply to a method whose classifier is fitted once, see `harness.method.Method`.
    """

    OF_FITTED: ClassVar[frozenset[str]] = frozenset({"precision", "batch_norm"})

    encoders_lr: float | None = Field(default=None, gt=0, description="learning rate of the encoders; by default lr")
    batch_norm: Literal["reestimated", "running"] = Field(
        default="reestimated",
        description="BatchNorm statistics at evaluation: estimated anew on the labelled samples with dropout off, or "
        "the running statistics of training (authors' code)",
    )
    evaluate_every: int = Field(
        default=5,
        ge=1,
        description="epochs between two evaluations on the validation and test samples; the last is always evaluated",
    )

    def content(self) -> dict[str, Any]:
        return {name: value for name, value in super().content().items() if name != "encoders_lr" or value is not None}
