"""The options of stages and methods: pydantic models that refuse what they don't know, so that a typo is an error."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self


class Options(BaseModel):
    """Base of all options: frozen, no unknown key, dumped under the names that a study uses (``lambda``)."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def from_plain(cls, values: Any) -> Self:
        """Validate plain values (from YAML or JSON): strict (``true`` is no number), but a list may be a tuple."""
        return cls.model_validate_json(json.dumps(values, default=str))

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Optimiser(Options):
    """What both stages set: the gradient steps.

    The defaults are the slides' (lr 0.01) and the authors' code's (SGD, momentum 0.9, weight decay 1e-4).
    ``lr_milestones``: epochs after which the rate is multiplied by ``lr_decay``. ``betas``: Adam's.
    """

    epochs: Annotated[int, Field(ge=0)] = 100
    batch_size: Annotated[int, Field(ge=2)] = 16
    lr: Annotated[float, Field(gt=0)] = 0.01
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    lr_milestones: tuple[Positive, ...] = ()
    precision: Literal["fp32", "bf16"] = "fp32"

    def content(self) -> dict[str, Any]:
        """What of these settings can change a result."""
        return {name: value for name, value in self.to_json().items() if name != "betas" or self.optimizer == "adam"}


class Stage1(Optimiser):
    """Stage 1: pre-training on unlabelled data.

    ``workers``: processes that share each batch (``batch_size`` is the whole one's); above one, Ray Train places them on the
    cluster's nodes, each with the study's ``threads`` and ``gpus_per_worker``. ``batch_norm``: statistics of each worker's own
    samples ("local", as the authors' DataParallel) or of all ("sync"). ``checkpoint_every``: epochs after which what is
    needed to go on is kept, until stage 1 is done.
    """

    batch_size: Annotated[int, Field(ge=2)] = 64
    workers: Positive = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0
    batch_norm: Literal["local", "sync"] = "local"
    checkpoint_every: Positive = 25

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.batch_size < 2 * self.workers:
            raise ValueError(
                f"batch_size {self.batch_size} is too small for {self.workers} workers: each needs two samples, for BatchNorm"
            )
        return self

    def content(self) -> dict[str, Any]:
        irrelevant = {"gpus_per_worker", "checkpoint_every"} | ({"batch_norm"} if self.workers == 1 else set())
        return {name: value for name, value in super().content().items() if name not in irrelevant}


class Stage2(Optimiser):
    """Stage 2: supervised training on few labels.

    ``encoders_lr``: the rate of the classifier's part "encoders"; none: ``lr``.
    ``evaluate_every``: epochs between two looks at the validation and test samples; the last epoch is always looked at.
    """

    encoders_lr: Annotated[float, Field(gt=0)] | None = None
    evaluate_every: Positive = 5

    def content(self) -> dict[str, Any]:
        return {name: value for name, value in super().content().items() if name != "encoders_lr" or value is not None}
