"""BatchNorm statistics for evaluation, estimated anew with dropout off.

In the shared networks dropout comes before BatchNorm. In training, the activations carry the noise of dropout, and so
does the running variance of BatchNorm. At evaluation dropout is off, the variance is smaller, and every layer scales
its input wrongly ("variance shift", Li et al., CVPR 2019). Also, the running statistics lag behind parameters that
change quickly. Statistics that are computed again from the training samples, with dropout off, have neither fault
("precise BatchNorm", Wu & Johnson 2021). ``torch.optim.swa_utils.update_bn`` does the same, but with dropout on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

MOST_PER_PASS = 256  # samples


def batch_norms(parts: Iterable[nn.Module]) -> list[_BatchNorm]:
    """The BatchNorm layers of these modules that keep statistics."""
    modules = (module for part in parts for module in part.modules())
    return [module for module in modules if isinstance(module, _BatchNorm) and module.track_running_stats]


@contextmanager
def estimated_statistics(model: nn.Module, layers: Iterable[_BatchNorm]) -> Iterator[None]:
    """Replace the statistics of ``layers`` by the mean over all batches that pass through them within the context.

    Within it, dropout is off and gradients are not computed. The model is in eval() mode afterwards.
    """
    model.eval()
    momenta = [(layer, layer.momentum) for layer in layers]
    for layer, _ in momenta:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average, in which every batch has the same weight
        layer.train()
    with torch.no_grad():
        yield
    for layer, momentum in momenta:
        layer.momentum = momentum
        layer.eval()


def passes(samples: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide samples at random into as few passes of about equal size as possible, so that each is a fair sample."""
    return np.array_split(rng.permutation(samples), -(-len(samples) // MOST_PER_PASS))
