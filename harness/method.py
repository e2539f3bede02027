"""The contract of a method: what a file must define to take part in a study.

A method has options, builds a `Pretrainer` for stage 1 if it has one, and builds a `Classifier` for stage 2. Its
options are split by the stage that they affect, so that a sweep over stage 2 shares stage 1. The training loops, in
`harness.training`, are the same for all methods. A method may also start from the stage 1 of another one
(`Method.stage1_of`), and have a classifier that is fitted once instead of trained (`Method.fitted`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.data.base import Modality
from harness.errors import InputError
from harness.options import Options

Batch = Mapping[str, Tensor]
"""Modality name → tensor of shape (n, *modality.shape), normalised, in the precision of the model."""

ENCODERS, HEAD = "encoders", "head"
"""The names of a classifier's parts, by convention."""

Features = tuple[Tensor, ...]
"""The output of a pretrainer: tensors whose first axis is the sample, so that workers can gather them."""

Readings = Mapping[str, Mapping[str, Any]]
"""Name → preset of the options of a method, and of the settings of the stages under "stage1" and "stage2"."""


@dataclass(frozen=True)
class Task:
    """What a model is built for: the modalities, in the order of the data set, and the number of classes."""

    modalities: tuple[Modality, ...]
    n_classes: int

    def only(self, names: tuple[str, ...]) -> Task:
        """The same task with only these modalities."""
        return Task(tuple(m for m in self.modalities if m.name in names), self.n_classes)


@dataclass(frozen=True)
class Pretrained:
    """The result of stage 1: the parameters of the encoders, and the diagnostics of the unlabelled data."""

    encoders: Mapping[str, Tensor]
    diagnostics: Mapping[str, Any]


class Pretrainer(nn.Module, ABC):
    """The model of stage 1. `views` and `loss` get the whole batch, `forward` the samples of one worker.

    Stage 2 receives ``encoders``, an nn.ModuleDict by modality; everything else is discarded. If the model also has
    ``projections`` by modality, the distance between the projections of the modalities is recorded.

    ``rng`` is a CPU generator with the same state on every worker, and the source of all random draws of a method. In
    `forward`, the number of draws must not depend on the number of samples.
    """

    encoders: nn.ModuleDict
    loss_floor: float | None = None  # the lower bound of the loss, where one is known
    trains: bool = True  # if False, no epoch is run: the encoders stay random, and only the diagnostics are computed
    static: bool = False
    """Whether `forward` and `loss` repeat the same operations in every step, on tensors of the same shapes, and neither
    draw from ``rng`` nor wait for the device. On a GPU such a step can run as a CUDA graph."""

    def views(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The input of `forward`: tensors whose first axis is still the sample. By default the batch itself."""
        return batch

    @abstractmethod
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The features of each sample: tensors of shape (n, ...)."""

    @abstractmethod
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """The scalar loss over the features of a batch; lower is better."""


@dataclass(frozen=True)
class Phase:
    """What one epoch of stage 2 trains, by the names of the classifier's children.

    gradient: the parts whose parameters are updated. train_mode: the parts in train() mode (dropout on, BatchNorm with
    the statistics of the batch); None means the same parts as ``gradient``. A part in neither is frozen and in eval()
    mode.
    """

    gradient: frozenset[str]
    train_mode: frozenset[str] | None = None


class Classifier(nn.Module):
    """The model of stage 2. Its children are its parts, by convention ``encoders`` and ``head``.

    A subclass defines `forward`, or `encode` and `classify`. With these two, the features of samples are computed only
    once while the encoders are frozen.
    """

    def encode(self, batch: Batch) -> Features:
        """Features of each sample, each tensor of shape (n, ...). Depends on no part but ``encoders``."""
        raise NotImplementedError

    def classify(self, features: Features) -> Tensor:
        """Logits of shape (n, n_classes), from the features of `encode`."""
        raise NotImplementedError

    def fit(self, features: Features, label: Tensor) -> None:
        """Fit the classifier, from `encode` of all labelled samples and their classes (n,), int64.

        Only for a method with ``fitted = True``. What is fitted has to be kept in parameters or buffers.
        """
        raise NotImplementedError

    def forward(self, batch: Batch) -> Tensor:
        """Logits of shape (n, n_classes)."""
        return self.classify(self.encode(batch))

    def phase(self, epoch: int) -> Phase:
        """The parts trained in an epoch, counted from 1; by default all."""
        return Phase(frozenset(name for name, _ in self.named_children()))

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """Arrays to keep in addition to the predictions; their first axis is the sample.

        Three names have a meaning. The record has the mean over the test samples of ``attention`` (n, n_modalities),
        the weights of the modalities in the order of the task, and of ``modal_distance`` (n,), see
        `harness.nn.distance`. ``features`` (n, n_modalities, width) are stored as their projection on the principal
        plane, ``modal_plane`` (m, n_modalities, 2), for at most 300 of the samples.
        """
        return {}

    def unexplained(self) -> dict[str, str]:
        """The reasons why `explain` leaves out ``attention`` or ``modal_distance``, by name."""
        return {}


class Method(ABC):
    """A method plug-in: one file, one subclass.

    Stage1, Stage2: the options that affect each stage; an option that affects both is in both. In a study they are one
    flat mapping, ``options: {cosmo: {positives: 9, lambda: 0.8}}``. READINGS: named presets of these options and of the
    settings of the stages, such as {"authors-code": {"freeze": False, "stage2": {"lr": 0.001}}}, chosen by the option
    ``reading``; the first one is the default. ABLATIONS: the same, chosen by the option ``without`` and applied on top
    of the reading. Values given in a study take precedence over both. SETTINGS: the method's own defaults, a preset
    that is always applied. fitted: whether classifiers are fitted once, by `Classifier.fit`, instead of trained by
    gradient descent. Of the settings of stage 2, only those of `Stage2.OF_FITTED` apply then.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[str] = "1"  # part of the key; raise it when a change of the code changes results
    Stage1: ClassVar[type[Options] | None] = None  # None if the method has no stage 1
    Stage2: ClassVar[type[Options]] = Options
    READINGS: ClassVar[Readings] = {"paper": {}}
    ABLATIONS: ClassVar[Readings] = {}
    SETTINGS: ClassVar[Mapping[str, Any]] = {}
    min_modalities: ClassVar[int] = 1
    min_unlabelled: ClassVar[int] = 2  # samples that stage 1 needs
    fitted: ClassVar[bool] = False

    @classmethod
    def presets(cls) -> dict[str, Readings]:
        """Option → the presets that it chooses from, in the order in which they are applied."""
        return {
            option: presets for option, presets in (("reading", cls.READINGS), ("without", cls.ABLATIONS)) if presets
        }

    def variants(self, task: Task, options: Any) -> tuple[str, ...]:
        """The models to compare separately (SingleModal: one per modality); () for a method with one model.

        options: those of stage 2.
        """
        return ()

    def stage1_of(self, variant: str) -> str | None:
        """The name of another method, with whose stage 1 this variant starts; None for the method's own, if any.

        It is the same job as that of the other method, with the options that the study gives to that method.
        """
        return None

    def check(self, task: Task, stage1: Any, stage2: Any) -> None:
        """Raise `InputError` if these options don't fit the task. Called before anything starts.

        By default, a model is built on the meta device, without memory, so that an error of its network is raised here.
        """
        with torch.device("meta"):
            if self.Stage1:
                self.build_pretrainer(task, stage1)
            else:
                self.build_classifier(task, stage2, None, next(iter(self.variants(task, stage2)), ""))

    def check_unlabelled(self, n: int, workers: int) -> None:
        """Raise `InputError` if n unlabelled samples are too few for stage 1 on so many workers."""
        least = max(self.min_unlabelled, 2 * workers)  # BatchNorm needs two samples per worker
        if n < least:
            on = f" on {workers} workers" if workers > 1 else ""
            raise InputError(f"unlabeled: {self.name} needs at least {least} samples for stage 1{on}, not {n}")

    def check_stage1_of(self, other: Method, other_options: Any, task: Task, options: Any, variant: str) -> None:
        """Raise `InputError` if a variant can't start from the encoders of another method's stage 1."""
        with torch.device("meta"):
            encoders = other.build_pretrainer(task, other_options).encoders.state_dict()
            try:
                self.build_classifier(task, options, Pretrained(encoders, {}), variant)
            except RuntimeError as error:  # of load_state_dict
                raise InputError(
                    f"{self.name} can't start from stage 1 of {other.name} with these options, because its encoders "
                    "are not those that methods share"
                ) from error

    def cautions(self, stage2: Any, epochs: int) -> list[str]:
        """Warnings about valid options for a stage 2 of ``epochs`` epochs, shown before a run starts."""
        return []

    def build_pretrainer(self, task: Task, options: Any) -> Pretrainer:
        """The model of stage 1, randomly initialised from the global generator of torch."""
        raise TypeError(f"{self.name} has no stage 1")

    def diagnose(self, pretrainer: Pretrainer, batch: Batch, task: Task, options: Any, seed: int) -> dict[str, Any]:
        """The diagnostics of the unlabelled data, as JSON. Stage 2 gets them in `Pretrained`.

        Names are free except for ``quality``: modality → ``hopkins``, ``k_opt``, ``score`` and ``weight``, as records
        and reports have the quality of a modality.

        pretrainer: the model after stage 1, in eval() mode. If it has ``projections``, its BatchNorm statistics are
        those of the unlabelled samples. batch: all unlabelled samples, normalised.
        """
        return {}

    @abstractmethod
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """The model of stage 2. Its encoders start from ``pretrained`` if the method has a stage 1.

        variant: one of `variants`, or "" for a method with one model.
        """
