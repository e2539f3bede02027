"""A trained classifier as a file: safetensors whose header holds all that is needed to use it on recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from harness import registry
from harness.data.base import Modality, ModalityKind
from harness.data.normalise import Normaliser
from harness.errors import InputError, first_line
from harness.method import Batch, Classifier, Method, Pretrained, Task
from harness.options import Options
from harness.reading import parse_json
from harness.training.device import autocast, to_device
from harness.training.training_data import TrainingData, in_order

ABOUT = "model"  # the entry of the file's header that holds the description
RTOL, ATOL = 1e-4, 1e-4  # on a GPU, the trained model has another memory layout than one that is read back


class NotKept(Exception):
    """A trained model can't be kept; the message says why."""


class InputDescription(Options):
    """A modality that the classifier uses, with the constants that normalise it."""

    name: str
    kind: ModalityKind
    shape: tuple[int, ...]
    used: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ModelDescription(Options):
    """What the parameters of a trained classifier belong to.

    options: those of stage 2. encoders: the shapes of the encoders of stage 1, and diagnostics: its diagnostics; both
    are None for a method without a stage 1. device, threads and precision: what the classifier was trained with.
    """

    method: str
    version: str
    variant: str
    options: dict[str, Any]
    inputs: tuple[InputDescription, ...]
    classes: tuple[str, ...]
    encoders: dict[str, tuple[int, ...]] | None
    diagnostics: dict[str, Any] | None
    device: str
    threads: int
    precision: str

    @property
    def task(self) -> Task:
        """The task that the classifier was built for."""
        return Task(tuple(Modality(one.name, one.kind, one.shape) for one in self.inputs), len(self.classes))

    @property
    def used(self) -> tuple[str, ...]:
        """The modalities that the classifier needs."""
        return tuple(one.name for one in self.inputs if one.used)

    @property
    def normaliser(self) -> Normaliser:
        return Normaliser({one.name: one.mean for one in self.inputs}, {one.name: one.std for one in self.inputs})


@dataclass(frozen=True)
class TrainedModel:
    """A classifier with the statistics of its last evaluation, and what it belongs to."""

    classifier: Classifier
    about: ModelDescription

    def logits(self, arrays: Mapping[str, np.ndarray], device: str = "cpu") -> np.ndarray:
        """(n_samples, n_classes), float32, from recordings (n_samples, *shape) by modality, as they were recorded.

        Normalisation, precision and the size of the chunks are those of an evaluation in training, so the samples of
        an evaluation have the same bits, on the same kind of processor.
        """
        normaliser, task = self.about.normaliser, self.about.task.only(self.about.used)
        data = TrainingData(task, arrays, normaliser.apply, device)
        model = to_device(self.classifier, device).eval()
        parts = []
        with torch.inference_mode():
            for samples in in_order(np.arange(data.n_samples)):
                with autocast(device, self.about.precision):
                    parts.append(model(data.batch(samples)).float().numpy(force=True))
        return np.concatenate(parts) if parts else np.empty((0, len(self.about.classes)), dtype=np.float32)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits (n, n_classes), in float64, so that each row sums to 1."""
    return torch.from_numpy(logits).double().softmax(1).numpy()


def model_to_bytes(classifier: Classifier, about: ModelDescription, batch: Batch) -> bytes:
    """The file of a trained classifier on the CPU. The same parameters and description give the same bytes.

    batch: some normalised samples, for which the classifier that is read back has to give the same logits. Raises
    `NotKept` if it doesn't, or if its state is not tensors alone.
    """
    recorded = _Recorded(batch)
    try:
        with torch.inference_mode():
            expected = classifier.eval()(recorded)
        inputs = tuple(one.model_copy(update={"used": one.name in recorded.used}) for one in about.inputs)
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in classifier.state_dict().items()}
        header = json.dumps(about.model_copy(update={"inputs": inputs}).to_json(), sort_keys=True, allow_nan=False)
        content = save(state, {ABOUT: header})
        with torch.inference_mode():
            found = model_from_bytes(content, "the model").classifier.eval()(batch)
    except Exception as error:  # whatever a plug-in raises
        raise NotKept(f"it can't be built again from its parameters and buffers: {first_line(error)}") from error
    if not torch.allclose(found, expected, RTOL, ATOL, equal_nan=True):
        raise NotKept("built again from its parameters and buffers, it gives other logits")
    return content


def model_from_bytes(content: bytes, where: str) -> TrainedModel:
    """The inverse of `model_to_bytes`, on the CPU. Runs no code from the content.

    Raises `InputError`, which begins with ``where``, for other content, or if the method is not installed or is of
    another version now.
    """
    try:
        state = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = ModelDescription.from_plain(parse_json(header["__metadata__"][ABOUT]))
    except (SafetensorError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where} is not the file of a trained model: {first_line(error)}") from None
    method: Method = registry.get("methods", about.method)()
    if method.version != about.version:
        raise InputError(
            f"{where} was trained with version {about.version} of {about.method}, and this is version "
            f"{method.version}: run the study again"
        )
    try:
        classifier = _build(method, about)
        classifier.load_state_dict(state)
    except (RuntimeError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where} does not fit {about.method}: {first_line(error)}") from None
    return TrainedModel(classifier, about)


def _build(method: Method, about: ModelDescription) -> Classifier:
    """The classifier, untrained. Its stage 1 is zeros that take no memory, since the file has all parameters."""
    pretrained = None
    if about.encoders is not None:
        zeros = {name: torch.zeros(()).expand(shape) for name, shape in about.encoders.items()}
        pretrained = Pretrained(zeros, about.diagnostics or {})
    with torch.random.fork_rng(devices=[]):
        return method.build_classifier(about.task, method.Stage2.from_plain(about.options), pretrained, about.variant)


class _Recorded(Mapping[str, Tensor]):
    """A batch that records which modalities are used."""

    def __init__(self, batch: Batch):
        self._batch = batch
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.used.add(name)
        return self._batch[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch)

    def __len__(self) -> int:
        return len(self._batch)
