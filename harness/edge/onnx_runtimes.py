"""ONNX Runtime and, through it, TensorRT: export, conversion to fp16 or int8, and sessions whose input and output stay
on the device (I/O binding).

int8 is static quantisation (QDQ): the ranges of activations are the extremes on calibration samples. fp16 and TensorRT
need an NVIDIA GPU and ONNX Runtime's package for it.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import first_line
from harness.method import Batch, Classifier

ELEMENT_TYPES = {torch.float32: np.float32, torch.float16: np.float16, torch.int64: np.int64}
PROVIDERS = {
    ("onnx", "cpu"): "CPUExecutionProvider",
    ("onnx", "cuda"): "CUDAExecutionProvider",
    ("tensorrt", "cuda"): "TensorrtExecutionProvider",
}


class Unavailable(Exception):
    """A runtime or precision is not available on this device; the message says why."""


class _Positional(nn.Module):
    """A classifier that takes its modalities as positional arguments, as exporters require."""

    def __init__(self, model: Classifier, names: tuple[str, ...]):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> Tensor:
        logits: Tensor = self.model(dict(zip(self.names, tensors, strict=True)))
        return logits


def build_onnx(
    runtime: str, precision: str, model: Classifier, example: Batch, threads: int, calibration: Sequence[Batch]
) -> Callable[[Batch], Tensor]:
    """Prepare a model for ONNX Runtime ("onnx") or TensorRT ("tensorrt"), for batches of the size of ``example``.

    calibration: batches of that size, for int8. Raises `Unavailable` if this device cannot run it.
    """
    device = next(iter(example.values())).device
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable("ONNX Runtime is not installed: pip install 'cosmo-harness[onnx]'") from error
    provider = PROVIDERS.get((runtime, device.type))
    if provider is None:
        raise Unavailable(f"{runtime} needs an NVIDIA GPU")
    if reason := _unsupported(runtime, precision, device.type, bool(calibration)):
        raise Unavailable(reason)
    if provider not in onnxruntime.get_available_providers():
        raise Unavailable(f"this ONNX Runtime has no {provider}")
    try:
        content = converted(export(model, example), precision, calibration)
        session = _session(content, provider, precision, device, threads)
    except Exception as error:  # torch.export, ONNX or the provider does not support some operator
        raise Unavailable(f"export to ONNX: {first_line(error)}") from error
    if session.get_providers()[0] != provider:  # ONNX Runtime falls back to the CPU and says so in its log alone
        raise Unavailable(f"{provider} could not be loaded: is the version of CUDA, cuDNN or TensorRT right?")
    return bound(session, device)


def _unsupported(runtime: str, precision: str, device: str, calibrated: bool) -> str | None:
    """Why a precision is not run; None if it is."""
    if precision == "bf16":
        return f"{runtime} is run in fp32, fp16 and int8, not in bf16"
    if precision == "fp16" and device == "cpu":
        return "ONNX Runtime has no fp16 arithmetic on a processor: it converts to fp32 and back"
    if precision == "int8" and (runtime, device) == ("onnx", "cuda"):
        return "ONNX Runtime has no int8 arithmetic for most operators on a GPU: use tensorrt"
    if precision == "int8" and not calibrated:
        return "int8 needs calibration samples"
    return None


def export(model: Classifier, example: Batch, any_size: bool = False) -> Any:
    """The model as an ONNX `ModelProto`, for batches of the size of ``example``, or of any size."""
    names = tuple(example)
    module, tensors = _Positional(model, names).eval(), tuple(example.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _export_by_program(module, tensors, names, any_size)
        except Exception as error:  # as PyTorch 2.4 and 2.5 do, NVIDIA's of JetPack 6 among them
            try:
                return _export_by_tracing(module, tensors, names, any_size)
            except Exception:
                raise error from None


def _export_by_program(module: nn.Module, tensors: tuple[Tensor, ...], names: tuple[str, ...], any_size: bool) -> Any:
    sizes = {"tensors": tuple({0: torch.export.Dim("n_samples", min=1)} for _ in names)} if any_size else None
    program = torch.onnx.export(
        module, tensors, input_names=list(names), dynamic_shapes=sizes, dynamo=True, verbose=False
    )
    assert program is not None
    return program.model_proto


def _export_by_tracing(module: nn.Module, tensors: tuple[Tensor, ...], names: tuple[str, ...], any_size: bool) -> Any:
    import onnx

    axes = {name: {0: "n_samples"} for name in (*names, "logits")} if any_size else None
    with tempfile.TemporaryDirectory(prefix="harness-onnx-") as folder:
        path = Path(folder, "model.onnx")
        torch.onnx.export(
            module,
            tensors,
            path,
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        return onnx.load(path)


def converted(proto: Any, precision: str, calibration: Sequence[Batch]) -> bytes:
    """The model in a precision. Its inputs and outputs stay in fp32."""
    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        proto = convert_float_to_float16(proto, keep_io_types=True)
    if precision != "int8":
        content: bytes = proto.SerializeToString()
        return content
    from onnxruntime.quantization import quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    names = [entry.name for entry in proto.graph.input]
    with tempfile.TemporaryDirectory(prefix="harness-int8-") as folder:
        exported, prepared, quantised = (Path(folder, f"{name}.onnx") for name in ("exported", "prepared", "int8"))
        exported.write_bytes(proto.SerializeToString())
        quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)
        quantize_static(str(prepared), str(quantised), _Calibration(names, calibration), per_channel=True)
        return quantised.read_bytes()


class _Calibration:
    """Yields the calibration batches in the form that ONNX Runtime's quantisation asks for."""

    def __init__(self, names: Sequence[str], batches: Sequence[Batch]):
        self._left = iter([{name: batch[name].numpy(force=True) for name in names} for batch in batches])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)

    def __iter__(self) -> _Calibration:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        return next(self._left)


def _session(content: bytes, provider: str, precision: str, device: torch.device, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    settings: dict[str, Any] = {} if device.type == "cpu" else {"device_id": device.index or 0}
    if provider == "TensorrtExecutionProvider":
        settings |= {"trt_fp16_enable": precision == "fp16", "trt_int8_enable": precision == "int8"}
    return onnxruntime.InferenceSession(content, options, providers=[(provider, settings)])


def bound(session: Any, device: torch.device) -> Callable[[Batch], Tensor]:
    """A function that runs a session on tensors of ``device``, without copies between the device and the processor."""
    inputs = [entry.name for entry in session.get_inputs()]
    (output,) = session.get_outputs()
    index = device.index or 0

    def infer(batch: Mapping[str, Tensor]) -> Tensor:
        binding, kept = session.io_binding(), []
        for name in inputs:
            tensor = batch[name].contiguous()
            kept.append(tensor)  # alive until the session has run
            element = ELEMENT_TYPES[tensor.dtype]
            binding.bind_input(name, device.type, index, element, tuple(tensor.shape), tensor.data_ptr())
        logits = torch.empty(output.shape, dtype=torch.float32, device=device)
        binding.bind_output(output.name, device.type, index, np.float32, output.shape, logits.data_ptr())
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()  # ONNX Runtime uses a stream of its own
        session.run_with_iobinding(binding)
        return logits

    return infer
