"""The contrastive loss in which the views of a sample are its positives."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SIMILARITIES_AT_ONCE = {"cpu": 2**20, "cuda": 2**26}  # a block of them fits the CPU's cache, and fills the GPU


def same_sample_loss(views: Tensor, temperature: float) -> Tensor:
    """The "out" form of SupCon with the sample as label, which is the contrastive fusion loss of Cosmo and of CMC.

    ``views`` has shape (n, p, d): p ≥ 2 views of each of n samples. The loss is the mean over all n·p anchors s of
    −1/(p−1) Σ_q log[exp(v_s·v_q/τ) / Σ_{a≠s} exp(v_s·v_a/τ)], where q runs over the other views of the same sample.
    Views are not normalised here. The loss is computed by log-sum-exp in at least float32, so that it does not overflow
    for a small τ. It is never below `same_sample_floor`. Raises ValueError for fewer than two views.

    Source: Cosmo, contrastive fusion learning. The mean is that of the authors' code (the slides have a sum), without
    the code's factor τ/0.07.
    """
    return mixture_loss(views, torch.eye(views.shape[1], device=views.device), temperature)


def mixture_loss(features: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """`same_sample_loss` of mixtures of features, without computing the mixtures.

    The views of a sample are v_p = Σ_m w_pm f_m. ``features`` has shape (n, m, d); ``weights`` has shape (p, m), or
    (n, p, m) if each sample has its own. The similarities of the n·p views follow from those of the n·m features, so
    neither time nor memory depends on n·p · n·p · d; a block of similarities at a time is computed, and its gradient
    with it. The loss can be differentiated once, with respect to the features and to weights for each sample. Raises
    ValueError for fewer than two views.
    """
    if weights.shape[-2] < 2:
        raise ValueError(f"a contrastive loss needs at least two views of each sample, not {weights.shape[-2]}")
    with torch.autocast(features.device.type, enabled=False):
        features = features.float() if features.dtype in (torch.bfloat16, torch.float16) else features
        loss: Tensor = _MixtureLoss.apply(features, weights.to(features), temperature)  # type: ignore[no-untyped-call]
        return loss


def same_sample_floor(views: int) -> float:
    """The lower bound of `same_sample_loss`, log(views − 1).

    The loss approaches it when the views of each sample agree and other samples are far away.
    """
    return math.log(views - 1)


class _MixtureLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass, while each block of similarities is at hand."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor, temperature: float) -> Tensor:
        similarities = _Similarities(features, weights, temperature)
        n, p = similarities.n, similarities.p
        total, zero = features.new_zeros(()), features.new_zeros(())
        minus_infinity = features.new_full((), -math.inf)
        size = max(1, SIMILARITIES_AT_ONCE.get(features.device.type, 2**20) // (n * p * p))
        wanted = any(ctx.needs_input_grad)
        for first in range(0, n, size):
            block = similarities.block(first, min(first + size, n))
            anchors = torch.arange(len(block), device=block.device)
            own, itself = (anchors, first + anchors // p), (anchors, first + anchors // p, anchors % p)
            block.index_put_(itself, minus_infinity)
            log_share = block.flatten(1).log_softmax(1).view_as(block)
            log_share.index_put_(itself, zero)
            total -= log_share[own].sum() / (p - 1)
            if wanted:
                gradient = log_share.exp_()
                gradient.index_put_(own, gradient[own] - 1 / (p - 1))
                gradient.index_put_(itself, zero)
                similarities.backward(first, gradient)
        ctx.gradients = [gradient / (n * p) for gradient in similarities.gradients] if wanted else None
        return total / (n * p)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weights = (
            gradient * of if needed else None for of, needed in zip(ctx.gradients, ctx.needs_input_grad, strict=False)
        )
        return features, weights, None


class _Similarities:
    """The similarities v_s·v_a/τ of all views, and the gradients of the features and weights that they are made of."""

    def __init__(self, features: Tensor, weights: Tensor, temperature: float):
        self.n, self.m, d = features.shape
        self.p = weights.shape[-2]
        self.weights, self.temperature = weights, temperature
        self.flat = features.reshape(self.n * self.m, d)
        self.of_features, self.of_weights = torch.zeros_like(self.flat), torch.zeros_like(weights)

    @property
    def gradients(self) -> tuple[Tensor, Tensor]:
        return self.of_features.view(self.n, self.m, -1), self.of_weights

    def block(self, first: int, end: int) -> Tensor:
        """The similarities of the views of samples first … end − 1 to all, ((end − first)·p, n, p)."""
        rows = self.flat[first * self.m : end * self.m]
        self.gram = (rows @ self.flat.T).view(end - first, self.m, self.n * self.m)
        self.anchors = (self.weights if self.weights.dim() == 2 else self.weights[first:end]) / self.temperature
        self.half = (self.anchors @ self.gram).view(-1, self.n, self.m)  # similarities of views to features
        if self.weights.dim() == 2:
            return self.half @ self.weights.T
        return torch.einsum("anm,npm->anp", self.half, self.weights).contiguous()

    def backward(self, first: int, gradient: Tensor) -> None:
        """Add the gradients of the last `block`, whose own is ``gradient``."""
        size = len(gradient) // self.p
        of_half = (
            gradient @ self.weights if self.weights.dim() == 2 else torch.einsum("anp,npm->anm", gradient, self.weights)
        )
        of_half = of_half.reshape(size, self.p, self.n * self.m)
        if self.weights.dim() == 3:
            self.of_weights[first : first + size] += of_half @ self.gram.transpose(1, 2) / self.temperature
            self.of_weights += torch.einsum("anp,anm->npm", gradient, self.half)
        of_gram = (self.anchors.transpose(-1, -2) @ of_half).view(size * self.m, self.n * self.m)
        rows = slice(first * self.m, (first + size) * self.m)
        self.of_features[rows] += of_gram @ self.flat
        self.of_features.addmm_(of_gram.T, self.flat[rows])
