"""BatchNorm with statistics over the samples of all workers."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override

from harness.nn.collective import total

M = TypeVar("M", bound=nn.Module)


class SyncedBatchNorm(_BatchNorm):
    """BatchNorm, of any number of axes, that takes its training statistics from the whole batch across workers.

    Parameters and buffers are those of torch's BatchNorm; torch's own SyncBatchNorm only runs on GPUs. Statistics are
    computed in at least float32. The variance is taken about the common mean, which needs a second all-reduce.
    """

    @override
    def _check_input_dim(self, input: Tensor) -> None:
        pass  # accept every input that the replaced layer accepts

    @override
    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input if input.dtype == torch.float64 else input.float()
        axes = [0, *range(2, x.dim())]
        summed = total(torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])]))
        mean, n = summed[:-1] / summed[-1], summed[-1].detach()
        shape = [1, -1] + [1] * (x.dim() - 2)
        centred = x - mean.view(shape)
        variance = total(centred.square().sum(axes)) / n
        self._keep(mean.detach(), variance.detach() * n / (n - 1))
        scaled = centred * (self.weight / (variance + self.eps).sqrt()).view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


def synced(module: M) -> M:
    """Replace every BatchNorm within ``module`` by a `SyncedBatchNorm` with the same parameters, in place."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            replacement = SyncedBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            replacement.__dict__["_parameters"] = child._parameters
            replacement.__dict__["_buffers"] = child._buffers
            setattr(module, name, replacement.train(child.training))
        else:
            synced(child)
    return module
