"""Stage 1 as bytes: the encoders when it is finished (safetensors), and its whole state in a checkpoint."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from harness.errors import DataError
from harness.method import Pretrained

DTYPES = (torch.float32, torch.float64, torch.int64)  # of parameters, and of the counters of batch normalisation


def pretrained_to_bytes(pretrained: Pretrained) -> bytes:
    """Serialise the parameters of the encoders. The same parameters give the same bytes."""
    return save({name: tensor.contiguous() for name, tensor in pretrained.encoders.items()})


def pretrained_from_bytes(content: bytes, diagnostics: Mapping[str, Any]) -> Pretrained:
    """The inverse of `pretrained_to_bytes`. Raises `DataError` for other content, before its memory is taken."""
    try:
        encoders = load(content)  # compares header, offsets and shapes with the size of the content
    except (SafetensorError, KeyError) as error:  # KeyError: a type of numbers that PyTorch does not have
        raise DataError(f"the encoders of stage 1 can't be read: {error}") from None
    for name, tensor in encoders.items():
        if tensor.dtype not in DTYPES:
            raise DataError(f"the encoders of stage 1 can't be read: {name} holds {tensor.dtype}")
    return Pretrained(encoders, diagnostics)


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """Serialise a mapping of tensors and plain values, which may be nested."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """The inverse of `to_bytes`, on the CPU. With ``weights_only`` torch runs no code from the content."""
    found: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return found
