"""Runtimes for a trained model: eager, torch.compile, ONNX Runtime and TensorRT, in the precisions of a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harness.edge.onnx_runtimes import Unavailable, build_onnx
from harness.errors import first_line
from harness.method import Batch, Classifier
from harness.provenance import has_native

Infer = Callable[[Batch], Tensor]
"""Maps a batch to logits of shape (n_samples, n_classes)."""

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def build(
    runtime: str, precision: str, model: Classifier, example: Batch, threads: int, calibration: Sequence[Batch] = ()
) -> Infer:
    """Prepare a model to run batches of the size of ``example``.

    calibration: batches of that size, from which int8 takes the ranges of activations. Raises `Unavailable` if this
    device cannot run it with that runtime and precision.
    """
    device = next(iter(example.values())).device.type
    model.eval()
    if runtime in ("onnx", "tensorrt"):
        return build_onnx(runtime, precision, model, example, threads, calibration)
    if precision == "int8":
        raise Unavailable("int8 is run by onnx and tensorrt only")
    if precision != "fp32" and not has_precision(precision, device):
        raise Unavailable(f"the device has no {precision} arithmetic")
    run: Callable[[Batch], Tensor] = model
    if runtime == "compile":
        run = _compiled(model, example, precision, device)
    return _eager(run, precision, device)


def has_precision(precision: str, device: str) -> bool:
    """Whether the device computes in bf16 or fp16 natively, not by emulation."""
    if device == "cuda":
        return precision == "fp16" or torch.cuda.is_bf16_supported(including_emulation=False)
    return has_native(precision)


def _eager(run: Callable[[Batch], Tensor], precision: str, device: str) -> Infer:
    @torch.inference_mode()
    def infer(batch: Batch) -> Tensor:
        with torch.autocast(device, dtype=TYPES.get(precision, torch.bfloat16), enabled=precision != "fp32"):
            return run(batch)

    return infer


def _compiled(model: Classifier, example: Batch, precision: str, device: str) -> Callable[[Batch], Tensor]:
    torch.compiler.reset()
    compiled: Callable[[Batch], Tensor] = torch.compile(model, dynamic=False)
    try:
        _eager(compiled, precision, device)(example)
    except Exception as error:  # no compiler, or an unsupported operator
        raise Unavailable(f"torch.compile: {first_line(error)}") from error
    return compiled
