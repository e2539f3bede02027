"""Stage 1: pre-training on unlabelled samples."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.errors import InputError
from harness.method import Method, Pretrained, Pretrainer, Progress
from harness.nn.distance import modal_distance
from harness.options import Stage1
from harness.training.device import OwnRandomness, autocast, build_optimiser, n_parameters
from harness.training.material import Material, in_order, permuted


@dataclass(frozen=True)
class Stage1Result:
    """What stage 1 leaves.

    loss: mean over the samples of each epoch. loss_floor: the least that it can be, if known. seconds: training alone.
    findings_seconds: what the method found in the unlabelled data (Cosmo: quality). n_parameters: of the whole pretrainer.
    modal_distance: mean cosine distance between the modalities' projections of a sample, over the unlabelled samples, after
    the last epoch; None if the pretrainer has no projections by modality.
    """

    pretrained: Pretrained
    loss: tuple[float, ...]
    loss_floor: float | None
    seconds: float
    findings_seconds: float
    n_parameters: int
    modal_distance: float | None


def pretrain(
    method: Method, options: Any, settings: Stage1, material: Material, unlabelled: np.ndarray
) -> Generator[Progress, None, Stage1Result]:
    """Train a method's pretrainer on the samples ``unlabelled`` (indices); yields after each epoch, returns the result.

    Raises InputError for fewer than two samples, RuntimeError when the loss is no longer finite.
    """
    if len(unlabelled) < 2:
        raise InputError(f"{method.name}: stage 1 needs at least two unlabelled samples, not {len(unlabelled)}")
    started = perf_counter()
    with torch.no_grad():
        findings = method.findings(material.batch(unlabelled), material.task, options, material.seed("findings"))
    findings_seconds = perf_counter() - started

    randomness = OwnRandomness(material.seed("weights"), material.device)
    with randomness():
        model = method.build_pretrainer(material.task, options).to(material.device)
        torch.manual_seed(material.seed("dropout"))
    order, draws = material.rng("order"), torch.Generator().manual_seed(material.seed("method"))
    optimiser, schedule = build_optimiser(model.parameters(), settings)
    losses: list[float] = []
    seconds = 0.0
    model.train()
    for epoch in range(1, (settings.epochs if model.trains else 0) + 1):
        started = perf_counter()
        with randomness():
            losses.append(_epoch(model, optimiser, settings, material, permuted(unlabelled, settings.batch_size, order), draws, epoch))
        schedule.step()
        seconds += perf_counter() - started
        yield Progress(epoch, settings.epochs, losses[-1], model.loss_floor or None)
    encoders = {name: tensor.detach().cpu().clone() for name, tensor in model.encoders.state_dict().items()}
    return Stage1Result(
        pretrained=Pretrained(encoders, findings),
        loss=tuple(losses),
        loss_floor=model.loss_floor,
        seconds=seconds,
        findings_seconds=findings_seconds,
        n_parameters=n_parameters(model),
        modal_distance=_modal_distance(model, material, unlabelled),
    )


@torch.no_grad()
def _modal_distance(model: Pretrainer, material: Material, samples: np.ndarray) -> float | None:
    projections = getattr(model, "projections", None)
    if not isinstance(projections, nn.ModuleDict) or len(projections) < 2:
        return None
    model.eval()
    total = 0.0
    for chunk in in_order(samples):
        batch = material.batch(chunk)
        total += modal_distance([head(model.encoders[name](batch[name])) for name, head in projections.items()]).sum().item()
    return total / len(samples) if np.isfinite(total) else None


def _epoch(
    model: Pretrainer, optimiser: torch.optim.Optimizer, settings: Stage1, material: Material,
    batches: list[np.ndarray], draws: torch.Generator, epoch: int,
) -> float:  # fmt: skip
    total = 0.0
    for samples in batches:
        with autocast(material.device, settings.precision):
            features = model(model.views(material.batch(samples), draws), draws)
        loss = model.loss(tuple(f.float() for f in features), draws)
        value = loss.item()
        if not np.isfinite(value):
            raise RuntimeError(f"the loss of stage 1 is {value} in epoch {epoch}; a smaller lr or a greater temperature may help")
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        total += value * len(samples)
    return total / sum(len(samples) for samples in batches)
