"""Stage 1 on several workers: each encodes a part of every batch, and all compute the loss of the whole batch.

torch.distributed is only imported if there are several workers, since some builds of torch for edge devices lack it.
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
    """The rank of this process and the number of workers. A single worker needs no process group."""

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls, count: int) -> Workers:
        """This process among ``count`` workers. Raises RuntimeError if torch's process group has another size."""
        if count == 1:
            return cls()
        from torch import distributed as dist

        if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() != count:
            raise RuntimeError(f"stage 1 on {count} workers needs a process group of {count}")
        return cls(dist.get_rank(), count)

    def part(self, batch: Batch) -> dict[str, Tensor]:
        """This worker's part of a batch. The sizes of the parts differ by at most one sample."""
        return {name: torch.tensor_split(x, self.count)[self.rank] for name, x in batch.items()}

    def replicate(self, model: Pretrainer, settings: Stage1) -> nn.Module:
        """Wrap the model so that its gradients are the mean over all workers.

        With ``batch_norm: local`` BatchNorm uses the statistics of each worker's samples, and the running statistics
        are those of the first worker, as in the authors' DataParallel. With ``sync`` the statistics are those of the
        whole batch.
        """
        if self.count == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        if settings.batch_norm == "sync":
            from harness.nn.norm import synced

            synced(model)
        return DistributedDataParallel(model)

    def gather(self, features: Features) -> Features:
        """Concatenate the workers' features (n_i, ...) to those of the whole batch (Σ n_i, ...), with gradient.

        Every worker then computes the loss of the whole batch. The backward pass sums the workers' gradients of each
        feature, which are all the same, and `replicate` takes the mean over the workers. The result is the gradient of
        a single process on the whole batch.
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
        """The objects of all workers, in the order of their ranks. Every worker gets the whole list."""
        if self.count == 1:
            return [mine]
        from torch import distributed as dist

        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, mine)
        return found


ALONE = Workers()


def bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state dict, detached and copied to the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
