"""Runtimes for a trained model: eager, torch.compile and ONNX Runtime, in fp32, bf16 or fp16 if the device has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.method import Batch, Classifier
from harness.provenance import has_native

Infer = Callable[[Batch], Tensor]
"""Maps a batch to logits of shape (n_samples, n_classes)."""

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Unavailable(Exception):
    """A runtime or precision is not available on this device; the message says why."""


def build(runtime: str, precision: str, model: Classifier, example: Batch, threads: int) -> Infer:
    """Prepare a model to run batches of the size of ``example``.

    Raises `Unavailable` if this device cannot run it with that runtime and precision.
    """
    device = next(iter(example.values())).device.type
    if precision != "fp32" and runtime == "onnx":
        raise Unavailable("exported in fp32 only")
    if precision != "fp32" and not has_precision(precision, device):
        raise Unavailable(f"the device has no {precision} arithmetic")
    model.eval()
    if runtime == "onnx":
        return _onnx(model, example, device, threads)
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
        raise Unavailable(f"torch.compile: {_first_line(error)}") from error
    return compiled


class _Positional(nn.Module):
    """A classifier that takes its modalities as positional arguments, as exporters require."""

    def __init__(self, model: Classifier, names: tuple[str, ...]):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> Tensor:
        logits: Tensor = self.model(dict(zip(self.names, tensors, strict=True)))
        return logits


def _onnx(model: Classifier, example: Batch, device: str, threads: int) -> Infer:
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable("ONNX Runtime is not installed: pip install 'cosmo-harness[onnx]'") from error
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]
    if provider not in onnxruntime.get_available_providers():
        raise Unavailable(f"this ONNX Runtime has no {provider}")
    names = tuple(example)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Positional(model, names).eval(),
                tuple(example.values()),
                input_names=list(names),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session: Any = onnxruntime.InferenceSession(
            program.model_proto.SerializeToString(), options, providers=[provider]
        )
    except Exception as error:  # torch.export or ONNX does not support some operator
        raise Unavailable(f"export to ONNX: {_first_line(error)}") from error

    def infer(batch: Mapping[str, Tensor]) -> Tensor:
        feeds = {
            name: batch[name].numpy(force=True) for name in names if name in {i.name for i in session.get_inputs()}
        }
        return torch.from_numpy(session.run(None, feeds)[0])

    return infer


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
