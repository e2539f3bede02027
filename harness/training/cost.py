"""The cost of a model that can be counted without measuring it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def inference_flops(model: nn.Module, batch: Mapping[str, Tensor]) -> int:
    """The floating-point operations of one inference on ``batch``, which holds one sample of each modality.

    Convolutions and matrix products are counted, and with them linear layers and GRUs; a multiply-add counts as two
    operations. Biases, normalisation, activations, pooling and Fourier transforms are not counted. The model is left on
    the CPU in eval() mode: it has to run there, because the counter can't see into the recurrent layers of cuDNN.
    """
    model.to("cpu").eval()
    with FlopCounterMode(display=False) as counter:
        model({name: x.cpu() for name, x in batch.items()})
    return counter.get_total_flops()
