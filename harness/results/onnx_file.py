"""A kept model as an ONNX file, for programs without PyTorch and without this package."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from harness.edge.latency import agreement, refuse
from harness.edge.onnx_runtimes import export
from harness.errors import InputError, first_line
from harness.method import Batch, Classifier
from harness.training.trained_model import TrainedModel

EXAMPLES = 3  # samples that the model is traced with


class _OfRecordings(Classifier):
    """The probabilities of the classes, from recordings that are not normalised."""

    def __init__(self, model: TrainedModel):
        super().__init__()
        self.classifier, self.used = model.classifier.eval(), model.about.used
        normaliser = model.about.normaliser
        for number, name in enumerate(self.used):
            self.register_buffer(f"mean_{number}", torch.tensor(normaliser.mean[name], dtype=torch.float32))
            self.register_buffer(f"std_{number}", torch.tensor(normaliser.std[name], dtype=torch.float32))

    def forward(self, batch: Batch) -> Tensor:
        buffers = dict(self.named_buffers(recurse=False))
        normalised = {
            name: (batch[name] - buffers[f"mean_{number}"]) / buffers[f"std_{number}"]
            for number, name in enumerate(self.used)
        }
        logits: Tensor = self.classifier(normalised)
        return logits.softmax(1)


def model_to_onnx(model: TrainedModel, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The model as ONNX: recordings (n_samples, *shape) by modality → probabilities (n_samples, n_classes), fp32.

    arrays: recordings for which ONNX Runtime has to predict the same classes as the model. The names of the classes are
    in the metadata of the file, under "classes". Raises `InputError` if the model can't be exported, or doesn't agree.
    """
    method, samples = model.about.method, {name: arrays[name].astype(np.float32) for name in model.about.used}
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch.onnx needs it, and names it only when it exports
    except ImportError as error:
        raise InputError("ONNX needs more packages: pip install 'cosmo-harness[onnx]'") from error
    whole = _OfRecordings(model)
    example = {name: torch.from_numpy(np.resize(x, (EXAMPLES, *x.shape[1:]))) for name, x in samples.items()}
    try:
        proto = export(whole, example, any_size=True)
        proto.metadata_props.add(key="classes", value=json.dumps(model.about.classes))
        content: bytes = proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, samples)
    except Exception as error:  # torch.export or ONNX Runtime does not support some operator
        raise InputError(f"{method} can't be exported to ONNX: {first_line(error)}") from error
    with torch.inference_mode():
        expected = whole({name: torch.from_numpy(x) for name, x in samples.items()}).numpy()
    agreed = agreement(found.argmax(1), expected.argmax(1))
    if reason := refuse(agreed, len(found), 1.0):
        raise InputError(f"{method} can't be exported to ONNX: {reason}")
    return content
