"""Differentiable collectives, for a loss that every worker computes from the values of all workers.

The backward pass sums the gradients of all workers for each value. The mean over the workers is then equal to the
gradient of a single process.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch import distributed as dist
from typing_extensions import override


def gather(x: Tensor, counts: list[int]) -> Tensor:
    """Concatenate the rows of all workers, (counts[rank], ...) each, in the order of their ranks."""
    found: Tensor = _Gather.apply(x, counts)  # type: ignore[no-untyped-call]
    return found


def total(x: Tensor) -> Tensor:
    """The sum over all workers."""
    found: Tensor = _Total.apply(x)  # type: ignore[no-untyped-call]
    return found


class _Gather(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        padding = (0, 0) * (x.dim() - 1) + (0, max(counts) - len(x))
        padded = F.pad(x, padding).contiguous()  # all_gather needs equal shapes
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        return torch.split(summed, ctx.counts)[dist.get_rank()], None


class _Total(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.contiguous().clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        return summed
