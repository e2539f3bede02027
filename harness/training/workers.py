"""Stage 1 on several workers: each encodes its part of every batch, all see the features of the whole.

torch.distributed is only touched where there are several: torch as built for some edge devices has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.method import Batch, Features, Pretrainer
from harness.options import Stage1


@dataclass(frozen=True)
class Workers:
    """Which of how many workers this process is. One worker needs no process group, and nothing here then costs anything."""

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls, count: int) -> Workers:
        """This process among ``count``. Raises RuntimeError if torch's process group is not of so many."""
        if count == 1:
            return cls()
        from torch import distributed as dist

        if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() != count:
            raise RuntimeError(f"stage 1 on {count} workers needs a process group of {count}")
        return cls(dist.get_rank(), count)

    def part(self, batch: Batch) -> dict[str, Tensor]:
        """This worker's samples of a whole batch; the parts differ by one sample at most."""
        return {name: torch.tensor_split(x, self.count)[self.rank] for name, x in batch.items()}

    def replicate(self, model: Pretrainer, settings: Stage1) -> nn.Module:
        """The model whose gradients are the mean over all workers.

        BatchNorm "local": statistics of the worker's own samples, the running ones of the first worker (as the authors'
        DataParallel); "sync": of all workers' samples.
        """
        if self.count == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        if settings.batch_norm == "sync":
            from harness.nn.norm import synced

            synced(model)
        return DistributedDataParallel(model)

    def gather(self, features: Features) -> Features:
        """Each worker's features (n_i, ...) as those of the whole batch (Σ n_i, ...), with gradient.

        Each worker then has the loss of the whole batch. Backward sums the workers' gradients of a feature, all of them the
        same, and `replicate` takes the mean over workers: together one process's gradients on the whole batch.
        """
        if self.count == 1:
            return features
        from torch import distributed as dist

        from harness.nn.collective import gather

        sizes = [torch.zeros(1, dtype=torch.int64, device=features[0].device) for _ in range(self.count)]
        dist.all_gather(sizes, sizes[0].new_tensor([len(features[0])]))
        counts = [int(size) for size in sizes]
        return tuple(gather(x, counts) for x in features)

    def collect(self, mine: Any) -> list[Any]:
        """Every worker's plain object, in the order of their ranks, on every worker."""
        if self.count == 1:
            return [mine]
        from torch import distributed as dist

        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, mine)
        return found


ALONE = Workers()


def bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict's tensors, detached and copied to the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
