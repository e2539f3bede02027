"""The work of a trial in its straightforward form, which the other benchmarks compare the harness with.

Samples are a list that a DataLoader collates. Skeletons go through Conv3d. The contrastive loss is computed from all
mixtures and all their similarities. Encoders run in every epoch, frozen or not. Every trial trains its own stage 1. The
networks, options, batches, epochs and evaluations are those of the harness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from harness.cosmo.method import CosmoPretrainer
from harness.cosmo.positives import draw_weights, mix
from harness.method import Classifier, Method, Pretrained, Pretrainer, Task
from harness.nn import encoders
from harness.options import Optimiser, Stage1, Stage2
from harness.training.stage2 import apply_phase

Sample = tuple[dict[str, Tensor], int]


class PlainSkeletonEncoder(encoders.SkeletonEncoder):
    """The authors' skeleton network as they wrote it: Conv3d on (n, channels, time, joints, axes)."""

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        convolutions: list[nn.Module] = []
        inputs, size = 1, shape
        for width, wanted in zip(encoders.WIDTHS, self.KERNELS, strict=True):
            kernel = tuple(min(k, s) for k, s in zip(wanted, size, strict=True))
            convolutions.append(nn.Conv3d(inputs, width, kernel))  # type: ignore[arg-type]
            inputs, size = width, tuple(s - k + 1 for s, k in zip(size, kernel, strict=True))
        return encoders._stack(convolutions, nn.BatchNorm3d)

    def map(self, x: Tensor) -> Tensor:
        return self.features(x.unsqueeze(1))


def plain_contrastive_loss(views: Tensor, temperature: float) -> Tensor:
    """The loss of Cosmo and CMC for views (n, p, d), from the similarities of all n·p views."""
    n, p, d = views.shape
    flat = views.reshape(n * p, d)
    similarity = flat @ flat.T / temperature
    itself = torch.eye(n * p, dtype=torch.bool, device=views.device)
    sample = torch.arange(n * p, device=views.device) // p
    positive = (sample[:, None] == sample) & ~itself
    log_share = similarity - similarity.masked_fill(itself, -math.inf).logsumexp(1, keepdim=True)
    return -(log_share * positive).sum(1).div(p - 1).mean()


def _plain_cosmo_loss(self: CosmoPretrainer, features: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
    o = self.options
    weights = draw_weights(
        o.weights, len(features[0]), o.positives, len(features), rng, *o.weights_range, o.weights_per
    )
    views = mix(features, weights)
    return plain_contrastive_loss(F.normalize(views, dim=2) if o.renormalise else views, o.temperature)


@contextmanager
def plain_networks() -> Iterator[None]:
    """Methods build their networks from torch's own layers, and with the plain loss."""
    with (
        patch.dict(encoders.BY_KIND, {"skeleton": PlainSkeletonEncoder}),
        patch.object(encoders, "Dropout", nn.Dropout),
        patch.object(CosmoPretrainer, "loss", _plain_cosmo_loss),
        patch("baselines.cmc.same_sample_loss", plain_contrastive_loss),
    ):
        yield


def as_list(arrays: Mapping[str, np.ndarray], label: np.ndarray, samples: Sequence[int]) -> list[Sample]:
    """The samples as (modality → tensor, label)."""
    return [({name: torch.tensor(x[i]) for name, x in arrays.items()}, int(label[i])) for i in samples]


def _optimiser(model: nn.Module, settings: Optimiser) -> tuple[torch.optim.Optimizer, Any]:
    optimiser = torch.optim.SGD(model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay)
    return optimiser, torch.optim.lr_scheduler.MultiStepLR(optimiser, settings.lr_milestones, settings.lr_decay)


def _batches(
    samples: list[Sample], size: int, device: str, shuffle: bool
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    for batch, label in DataLoader(samples, size, shuffle=shuffle, drop_last=shuffle and len(samples) % size == 1):
        yield {name: x.to(device) for name, x in batch.items()}, label.to(device)


def plain_stage1(model: Pretrainer, settings: Stage1, samples: list[Sample], device: str = "cpu") -> list[float]:
    """Train a pretrainer. Returns the mean loss of each epoch."""
    optimiser, schedule = _optimiser(model, settings)
    rng, losses = torch.Generator(), []
    for _ in range(settings.epochs):
        model.train()
        total = 0.0
        for batch, _label in _batches(samples, settings.batch_size, device, shuffle=True):
            loss = model.loss(model(model.views(batch, rng), rng), rng)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            total += loss.item() * len(_label)
        schedule.step()
        losses.append(total / len(samples))
    return losses


@dataclass(frozen=True)
class PlainResult:
    loss: list[float]
    accuracy: list[float]


def plain_stage2(
    model: Classifier, settings: Stage2, samples: list[Sample], test: list[Sample], device: str = "cpu"
) -> PlainResult:
    """Train a classifier, and evaluate it after the same epochs as the harness does."""
    optimiser, schedule = _optimiser(model, settings)
    losses, accuracies = [], []
    for epoch in range(1, settings.epochs + 1):
        apply_phase(model, model.phase(epoch))
        total = 0.0
        for batch, label in _batches(samples, settings.batch_size, device, shuffle=True):
            loss = F.cross_entropy(model(batch), label)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            total += loss.item() * len(label)
        schedule.step()
        losses.append(total / len(samples))
        if epoch % settings.evaluate_every == 0 or epoch == settings.epochs:
            accuracies.append(_accuracy(model, test, settings.batch_size, device))
    return PlainResult(losses, accuracies)


@torch.no_grad()
def _accuracy(model: Classifier, test: list[Sample], batch_size: int, device: str) -> float:
    model.eval()
    right = 0
    for batch, label in _batches(test, batch_size, device, shuffle=False):
        right += int((model(batch).argmax(1) == label).sum().item())
    return right / len(test)


def plain_trial(
    method: Method, task: Task, samples: list[Sample], labelled: list[Sample], test: list[Sample],
    stage1: Stage1, stage2: Stage2, options: Mapping[str, Any], variant: str = "",
) -> PlainResult:  # fmt: skip
    """A whole trial: stage 1, if the method has one, and stage 2."""
    with plain_networks():
        pretrained = None
        if method.Stage1 is not None:
            known = {name: value for name, value in options.items() if _has(method.Stage1, name)}
            first = method.Stage1.from_plain(known)
            model = method.build_pretrainer(task, first)
            plain_stage1(model, stage1, samples)
            everything = {name: torch.stack([sample[0][name] for sample in samples]) for name in samples[0][0]}
            found = method.diagnose(model.eval(), everything, task, first, 0)
            pretrained = Pretrained(model.encoders.state_dict(), found)
        second = method.Stage2.from_plain({n: v for n, v in options.items() if _has(method.Stage2, n)})
        classifier = method.build_classifier(task, second, pretrained, variant)
        return plain_stage2(classifier, stage2, labelled, test)


def _has(options: Any, name: str) -> bool:
    return any(name in (field, info.alias) for field, info in options.model_fields.items())
