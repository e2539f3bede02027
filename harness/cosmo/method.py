"""Cosmo: contrastive fusion learning on unlabelled data, then quality-guided fusion learning on few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from harness.cosmo.fusion import DotAttention, EqualAttention, GuidedAttention, Scale
from harness.cosmo.positives import MixtureKind, Per, draw_weights, mix
from harness.cosmo.quality import MIN_SAMPLES, QualitySettings, measure
from harness.errors import InputError
from harness.method import Batch, Classifier, Features, Method, Pretrained, Pretrainer, Readings, Task
from harness.nn.attention import JointAttention
from harness.nn.classifier import Fusion, FusionClassifier, FusionHead, Iterative, start_encoders, widths
from harness.nn.contrast import mixture_loss, same_sample_floor
from harness.nn.encoders import build_encoders
from harness.nn.pretrainer import ProjectingPretrainer
from harness.options import Fraction, Options

ENCODED_AT_ONCE = 256  # samples, for the features that the quality is computed from
SMALLEST_NORM = 1e-12  # as in torch.nn.functional.normalize


class CosmoStage1(Options):
    """Stage 1 of Cosmo: contrastive fusion learning."""

    positives: int = Field(
        default=9, ge=2, description="P, the number of mixtures of each sample, which are positives of each other"
    )
    temperature: float = Field(default=0.07, gt=0, description="τ, the temperature of the contrastive loss")
    weights: MixtureKind = Field(
        default="grid",
        description="weights of the modalities in a mixture: a fixed grid, or drawn from this distribution",
    )
    weights_range: tuple[Fraction, Fraction] = Field(
        default=(0.0, 1.0), description="lowest and highest weight of grid and uniform weights"
    )
    weights_per: Per = Field(default="batch", description="draw the weights once for each batch, or for each sample")
    renormalise: bool = Field(
        default=False,
        description="normalise each mixture before the loss (authors' code), not only the mixed features (slides)",
    )
    contrastive: bool = Field(default=True, description="train the encoders; if false, they stay random")
    quality: QualitySettings = Field(
        default=QualitySettings(), description="how the quality of the modalities is computed"
    )

    @model_validator(mode="after")
    def _range_fits_the_weights(self) -> CosmoStage1:
        low, high = self.weights_range
        if low >= high:
            raise ValueError(f"weights_range must be increasing, not {[low, high]}")
        if self.weights == "dirichlet" and self.weights_range != (0.0, 1.0):
            raise ValueError("weights_range is for weights 'grid' and 'uniform'; a Dirichlet draw has no range")
        return self

    @override
    def content(self) -> dict[str, Any]:
        """The quality of features of encoders has a version of its own: that of a constant modality was another."""
        found = super().content()
        if self.quality.features == "encoders":
            found["quality"]["version"] = "2"
        return found


class CosmoStage2(Iterative):
    """Stage 2 of Cosmo: iterative fusion learning, with attention guided by the quality of the modalities.

    The attention of the paper is `DotAttention`, that of the authors' code is `JointAttention`.
    """

    lambda_: Fraction = Field(
        default=0.8, alias="lambda", description="λ, the weight of the guide: 0 is attention alone, 1 the guide alone"
    )
    attention: Literal["paper", "authors-code", "none"] = Field(
        default="paper",
        description="attention over the modalities: that of the paper or of the authors' code, or equal weights",
    )
    attention_scale: Scale = Field(
        default="sqrt",
        description="scale of the paper's attention: divide scores by the square root of the width, or not at all",
    )
    guide: Literal["quality", "fixed", "none"] = Field(
        default="quality",
        description="guide of the attention: the quality of the modalities from stage 1, guide_weights, or none",
    )
    guide_weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(0.3, 0.7),
        description="weights of the modalities with guide: fixed; the default is the authors' (inertial, skeleton)",
    )
    fusion: Literal["auto", "sum", "concat"] = Field(
        default="auto",
        description="how features are fused: auto is sum if all modalities have the same kind and shape, else concat",
    )

    @override
    def without_effect(self) -> set[str]:
        found = super().without_effect()
        found |= {"lambda_"} if self.guide == "none" else set()
        found |= {"guide_weights"} if self.guide != "fixed" else set()
        return found | ({"attention_scale"} if self.attention != "paper" else set())


class CosmoPretrainer(ProjectingPretrainer):
    """The views in the loss are P mixtures of the projections of a sample."""

    def __init__(self, task: Task, options: CosmoStage1):
        super().__init__(task)
        self.options = options
        self.trains = options.contrastive
        self.loss_floor = same_sample_floor(options.positives)
        self.static = options.weights == "grid"
        with torch.device("cpu"):  # even if the model is only built to check its options
            fixed = self._draw(1, len(task.modalities), torch.Generator()) if self.static else None
        self.register_buffer(
            "fixed_weights", fixed if fixed is None else fixed.view(options.positives, -1), persistent=False
        )

    fixed_weights: Tensor | None

    def _draw(self, samples: int, modalities: int, rng: torch.Generator) -> Tensor:
        o = self.options
        return draw_weights(o.weights, samples, o.positives, modalities, rng, *o.weights_range, o.weights_per)

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        o = self.options
        weights = self.fixed_weights
        if weights is None:
            weights = self._draw(len(features[0]), len(features), rng)
        if o.renormalise:
            weights = weights / mix(features, weights).norm(dim=2, keepdim=True).clamp_min(SMALLEST_NORM)
        return mixture_loss(torch.stack(features, dim=1), weights, o.temperature)


class Cosmo(Method):
    """Cosmo for any number of modalities, with a reading for each source: the paper's slides and the authors' UTD code.

    Source: Ouyang et al., "Cosmo: Contrastive Fusion Learning with Small Data for Multimodal Human Activity
    Recognition", MobiCom 2022. Where slides and code differ, each difference is an option.

    The third reading, ``recommended``, is not from any source. Of six combinations of options it had the highest mean
    accuracy over three seeds on the validation subjects 5 and 6 of UTD-MHAD, with one labelled sample per class and
    training on subjects 1 to 4. Those are 215 validation labels beside the 27 that it trained with, and no other method
    was given the same choice. A search can offer its settings to every method; see ``studies/tuned.yaml``.
    """

    name = "cosmo"
    title = "Cosmo"
    version = "2"
    Stage1 = CosmoStage1
    Stage2 = CosmoStage2
    min_modalities = 2
    min_unlabelled = MIN_SAMPLES
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {
            "renormalise": True,
            "freeze": False,
            "first_phase": "short",
            "attention": "authors-code",
            "guide": "fixed",
            "fusion": "concat",
            "stage1": {"epochs": 300, "batch_size": 32, "lr_milestones": [100, 200, 300]},
            "stage2": {"epochs": 500, "lr": 0.001, "lr_milestones": [350, 400, 450], "batch_norm": "running"},
        },
        "recommended": {
            "iterative": False,
            "guide": "none",
            "stage1": {"augmentations": {"failure": 0.3, "noise": 0.3, "down_sampling": 4}},
            "stage2": {"encoders_lr": 0.001},
        },
    }

    ABLATIONS: ClassVar[Readings] = {
        "nothing": {},
        "contrastive": {"contrastive": False},
        "guide": {"guide": "none"},
        "attention": {"attention": "none"},
        "iterative": {"iterative": False},
        "fine-tuning": {"freeze_encoders": True},
    }

    @override
    def cautions(self, stage2: CosmoStage2, epochs: int) -> list[str]:
        return stage2.cautions(epochs)

    @override
    def build_pretrainer(self, task: Task, options: CosmoStage1) -> Pretrainer:
        return CosmoPretrainer(task, options)

    @override
    def diagnose(
        self, pretrainer: Pretrainer, batch: Batch, task: Task, options: CosmoStage1, seed: int
    ) -> dict[str, Any]:
        """``quality``: modality → `Quality`, from all unlabelled samples."""
        names = [m.name for m in task.modalities]
        features = dict(batch)
        if options.quality.features == "encoders":
            for name, encoder in pretrainer.encoders.items():
                features[name] = torch.cat([encoder(part) for part in torch.split(batch[name], ENCODED_AT_ONCE)])
        found = measure([features[name].numpy(force=True) for name in names], task.n_classes, options.quality, seed)
        return {"quality": {name: quality.to_json() for name, quality in zip(names, found, strict=True)}}

    @override
    def check(self, task: Task, stage1: CosmoStage1, stage2: CosmoStage2) -> None:
        super().check(task, stage1, stage2)
        with torch.device("meta"):
            any_quality = {"quality": {m.name: {"weight": 1.0} for m in task.modalities}}
            _head(task, widths(build_encoders(task.modalities)), stage2, any_quality)

    @override
    def build_classifier(
        self, task: Task, options: CosmoStage2, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """Raises InputError if the options don't fit the modalities, or need a quality that stage 1 did not compute."""
        encoders = start_encoders(task, pretrained)
        head = _head(task, widths(encoders), options, pretrained.diagnostics if pretrained else {})
        return FusionClassifier(encoders, head, options)


def _head(task: Task, widths: tuple[int, ...], options: CosmoStage2, diagnostics: Mapping[str, Any]) -> FusionHead:
    alike = len({(m.kind, m.shape) for m in task.modalities}) == 1
    fusion: Fusion = ("sum" if alike else "concat") if options.fusion == "auto" else options.fusion
    if fusion == "sum" and len(set(widths)) > 1:
        raise InputError(f"cosmo: fusion 'sum' needs modalities with features of equal width, not {widths}")
    attention: nn.Module = EqualAttention()
    if options.attention != "none":
        attention = (
            DotAttention(widths, options.attention_scale) if options.attention == "paper" else JointAttention(widths)
        )
    if options.guide != "none":
        attention = GuidedAttention(attention, _guide(task, options, diagnostics), options.lambda_)
    return FusionHead(widths, task.n_classes, attention, fusion)


def _guide(task: Task, options: CosmoStage2, diagnostics: Mapping[str, Any]) -> list[float]:
    """The weights β(QoM), one per modality."""
    names = [m.name for m in task.modalities]
    if options.guide == "quality":
        if "quality" not in diagnostics:
            raise InputError(
                "cosmo: guide 'quality' needs stage 1's diagnostics; without stage 1 use guide 'fixed' or 'none'"
            )
        return [diagnostics["quality"][name]["weight"] for name in names]
    if len(options.guide_weights) != len(names) or not sum(options.guide_weights):
        given = list(options.guide_weights)
        raise InputError(
            f"cosmo: guide_weights {given} must be {len(names)} numbers that are not all zero, for {', '.join(names)}"
        )
    return list(options.guide_weights)
