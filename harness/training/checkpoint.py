"""Stage 1 as bytes: the encoders of a finished one (safetensors), the whole state of one to resume."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save

from harness.method import Pretrained


def pretrained_to_bytes(pretrained: Pretrained) -> bytes:
    """The encoders' parameters; the same parameters give the same bytes."""
    return save({name: tensor.contiguous() for name, tensor in pretrained.encoders.items()})


def pretrained_from_bytes(content: bytes, diagnostics: Mapping[str, Any]) -> Pretrained:
    """The inverse. Raises safetensors' SafetensorError for anything else."""
    return Pretrained(load(content), diagnostics)


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """Serialise tensors and plain values, nested in any way."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """The inverse, on the CPU; ``weights_only``, so that no code in the bytes is run."""
    found: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return found
