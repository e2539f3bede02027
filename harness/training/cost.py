"""What a model costs before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def inference_flops(model: nn.Module, batch: Mapping[str, Tensor]) -> int:
    """Floating-point operations of one inference on ``batch`` (one sample each modality); leaves the model in eval() mode, on the CPU.

    Counted are convolutions and matrix products (so also linear layers and GRUs), a multiply-add as two; not biases,
    normalisation, activations, pooling and Fourier transforms. Run on the CPU because
    cuDNN's recurrent layers are one opaque operation to the counter.
    """
    model.to("cpu").eval()
    with FlopCounterMode(display=False) as counter:
        model({name: x.cpu() for name, x in batch.items()})
    return counter.get_total_flops()
