"""Stage 1's encoders as bytes (safetensors), to travel and to be kept; the findings travel as JSON beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetensors.torch import load, save

from harness.method import Pretrained


def pretrained_to_bytes(pretrained: Pretrained) -> bytes:
    """The encoders' parameters; the same parameters give the same bytes."""
    return save({name: tensor.contiguous() for name, tensor in pretrained.encoders.items()})


def pretrained_from_bytes(content: bytes, findings: Mapping[str, Any]) -> Pretrained:
    """The inverse. Raises safetensors' SafetensorError for bytes that are none of ours."""
    return Pretrained(load(content), findings)
