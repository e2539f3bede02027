"""The contract of a method: what one file must say to take part in a study.

A method has options (split by the stage that they change, so that a sweep over stage 2 shares stage 1), builds a
`Pretrainer` for stage 1 if it has one, and a `Classifier` for stage 2. The loops are not its business: they are in
`harness.training` and the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.data.base import Modality
from harness.options import Options

Batch = Mapping[str, Tensor]
"""Modality name → tensor of shape (n, *modality.shape), normalised, in the model's precision."""

Features = tuple[Tensor, ...]
"""What a pretrainer's forward gives: tensors whose first axis is the sample, so that workers can gather them."""

Readings = Mapping[str, Mapping[str, Any]]
"""Name → preset of a method's options, and of the stages' settings under "stage1" and "stage2"."""


@dataclass(frozen=True)
class Task:
    """What a model is built for: the modalities (in the data set's order) and the number of classes."""

    modalities: tuple[Modality, ...]
    n_classes: int

    def only(self, names: tuple[str, ...]) -> Task:
        """The same task with only these modalities."""
        return Task(tuple(m for m in self.modalities if m.name in names), self.n_classes)


@dataclass(frozen=True)
class Pretrained:
    """What stage 1 leaves: the encoders' parameters, and what was found in the unlabelled data (Cosmo: its quality)."""

    encoders: Mapping[str, Tensor]
    diagnostics: Mapping[str, Any]


class Pretrainer(nn.Module, ABC):
    """The model of stage 1. `views` and `loss` see the whole batch, `forward` each worker's samples.

    ``encoders`` (an nn.ModuleDict by modality) is what stage 2 receives; everything else is thrown away. If there are also
    ``projections`` by modality, the distance between the modalities' projections is recorded.
    ``rng``: a CPU generator with the same state on every worker; all of a method's own draws come from it, in `forward`
    only such as do not depend on the number of samples.
    """

    encoders: nn.ModuleDict
    loss_floor: float | None = None  # the least value that the loss can take, where it is known
    trains: bool = True  # False: no epoch is run; the encoders stay random and only the diagnostics are wanted

    def views(self, batch: Batch, rng: torch.Generator) -> Batch:
        """What `forward` gets of a batch: tensors whose first axis is still the sample. By default the batch itself."""
        return batch

    @abstractmethod
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """Features of each sample, each tensor of shape (n, ...)."""

    @abstractmethod
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """The scalar loss over a batch's features; the smaller the better."""


@dataclass(frozen=True)
class Phase:
    """What one epoch of stage 2 trains, by the names of the classifier's children.

    gradient: the parts whose parameters are updated. train_mode: the parts in train() mode (dropout on, BatchNorm by
    batch); None: the same as ``gradient``. A name that is in neither is frozen and in eval() mode.
    """

    gradient: frozenset[str]
    train_mode: frozenset[str] | None = None


class Classifier(nn.Module, ABC):
    """The model of stage 2. Its children are its parts (by convention ``encoders`` and ``head``)."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Logits of shape (n, n_classes)."""

    def phase(self, epoch: int) -> Phase:
        """What epoch ``epoch`` (from 1) trains; by default every part."""
        return Phase(frozenset(name for name, _ in self.named_children()))

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """Arrays worth keeping beside the accuracy, first axis the sample.

        Of two the record holds the mean over the test samples: ``attention`` (n, n_modalities), the modalities' weights in
        the task's order, and ``modal_distance`` (n,), see `harness.nn.distance`. ``features`` (n, n_modalities, width) are
        kept as their principal plane, ``modal_plane`` (n, n_modalities, 2).
        """
        return {}

    def unexplained(self) -> dict[str, str]:
        """Why, by its name, `explain` leaves out one of these two; the reason of one that is there is not used."""
        return {}


class Method(ABC):
    """A method plug-in: one file, one subclass.

    Stage1, Stage2: the options that change each stage; an option that changes both stands in both. In a study they are
    one flat mapping, ``options: {cosmo: {positives: 9, lambda: 0.8}}``. READINGS: named presets of these options and of
    the stages' settings, e.g. {"authors-code": {"freeze": False, "stage2": {"lr": 0.001}}}, chosen by the option
    ``reading``; the first is the default. ABLATIONS: the same, chosen by ``without``, and laid over the reading. A
    study's explicit values win over both. SETTINGS: a preset that always holds (a method's own defaults).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[str] = "1"  # raise when a change of code changes results; it is in the key
    Stage1: ClassVar[type[Options] | None] = None  # None: the method has no stage 1
    Stage2: ClassVar[type[Options]] = Options
    READINGS: ClassVar[Readings] = {"paper": {}}
    ABLATIONS: ClassVar[Readings] = {}
    SETTINGS: ClassVar[Mapping[str, Any]] = {}
    min_modalities: ClassVar[int] = 1

    @classmethod
    def presets(cls) -> dict[str, Readings]:
        """Option → the presets that it chooses among, in the order in which they are laid over each other."""
        return {
            option: presets for option, presets in (("reading", cls.READINGS), ("without", cls.ABLATIONS)) if presets
        }

    def variants(self, task: Task) -> tuple[str, ...]:
        """The models to compare as lines of their own (SingleModal: one a modality); () for a method with one."""
        return ()

    def check(self, task: Task, stage1: Any, stage2: Any) -> None:
        """Raise `InputError` if these options don't fit the task; called before anything starts.

        By default the models are built without memory, which finds what the networks themselves refuse.
        """
        with torch.device("meta"):
            if self.Stage1:
                self.build_pretrainer(task, stage1)
            else:
                self.build_classifier(task, stage2, None, next(iter(self.variants(task)), ""))

    def cautions(self, stage2: Any, epochs: int) -> list[str]:
        """What a user should know of these options before so many epochs of stage 2 are trained; nothing that is wrong."""
        return []

    def build_pretrainer(self, task: Task, options: Any) -> Pretrainer:
        """The model of stage 1, randomly initialised from torch's global generator."""
        raise TypeError(f"{self.name} has no stage 1")

    def diagnose(self, batch: Batch, task: Task, options: Any, seed: int) -> dict[str, Any]:
        """What is computed once from the unlabelled samples (normalised), as JSON; stage 2 gets it as `Pretrained`."""
        return {}

    @abstractmethod
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """The model of stage 2; its encoders start from ``pretrained`` where the method has a stage 1.

        variant: one of `variants`, or "" for a method with one.
        """


@dataclass(frozen=True)
class Progress:
    """One epoch has ended.

    loss_floor: the least value that its loss can take, where that is known and not zero. validation_accuracy: share of the
    validation samples that are right, where they were looked at. checkpoint: what is needed to go on from here in another
    process, now and then.
    """

    epoch: int
    epochs: int
    loss: float
    loss_floor: float | None = None
    validation_accuracy: float | None = None
    checkpoint: bytes | None = field(default=None, repr=False)
