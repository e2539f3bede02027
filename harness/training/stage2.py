"""Stage 2: supervised training on few labels, with evaluations on held-out samples."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import InputError
from harness.jobs import Progress
from harness.method import ENCODERS, Classifier, Method, Phase, Pretrained
from harness.nn.distance import modal_plane
from harness.options import Stage2
from harness.training.batch_norm import batch_norms, estimated_statistics, passes
from harness.training.cost import inference_flops
from harness.training.device import OwnRandomness, autocast, build_optimiser, n_parameters, to_device
from harness.training.features import FrozenFeatures
from harness.training.training_data import TrainingData, in_order, permuted

IN_PLANE = 300  # samples whose features are drawn at most


@dataclass(frozen=True)
class Stage2Result:
    """The result of stage 2. The epoch that is reported is chosen later, from the record.

    Attributes:
        loss: The mean over the samples, for each epoch.
        epochs_evaluated: The epochs after which the model was evaluated, in order; (0,) if it was not trained.
        predictions: Name → the predicted classes of each evaluation, (n_evaluations, n), uint16.
        seconds: The time of training, without evaluations.
        evaluation_seconds: The time of all evaluations.
        n_parameters: The number of parameters of the classifier.
        explained: `Classifier.explain` of the test samples after the last epoch; the first axis is the sample.
        plane_variance: The fraction of the variance that ``explained["modal_plane"]`` explains, if there is one.
        unexplained: The reasons why entries of ``explained`` are missing, by their name.
        flops: The floating-point operations of one inference, see `inference_flops`.
        model: The classifier of the last evaluation, on the CPU and in eval() mode.
    """

    loss: tuple[float, ...]
    epochs_evaluated: tuple[int, ...]
    predictions: Mapping[str, np.ndarray]
    seconds: float
    evaluation_seconds: float
    n_parameters: int
    explained: Mapping[str, np.ndarray]
    plane_variance: float | None
    unexplained: Mapping[str, str]
    flops: int
    model: Classifier


def train(
    method: Method, options: Any, settings: Stage2, data: TrainingData, label: np.ndarray, labelled: np.ndarray,
    evaluated: Mapping[str, np.ndarray], pretrained: Pretrained | None, variant: str = "",
) -> Generator[Progress, None, Stage2Result]:  # fmt: skip
    """Train a method's classifier and evaluate it. Yields after each epoch, and returns the result.

    Args:
        method: The method.
        options: The method's options of stage 2.
        settings: Epochs, batch size, optimiser, the interval of evaluations and so on.
        data: The training data of the job.
        label: (n_samples,), the labels of all samples.
        labelled: The indices of the samples to train on.
        evaluated: Name → the indices of the samples to evaluate.
        pretrained: The result of stage 1, for a method that has one.
        variant: One of the method's variants, or "".

    Raises:
        InputError: There are fewer than two labelled samples.
        RuntimeError: The loss is no longer finite.
    """
    training = Training(method, options, settings, data, label, labelled, pretrained, variant)
    model = training.model
    evaluations = Evaluations(training, data, evaluated)
    losses: list[float] = []
    seconds = 0.0
    for epoch in range(1, settings.epochs + 1):
        started = perf_counter()
        losses.append(training.epoch(epoch))
        seconds += perf_counter() - started
        seen = None
        if epoch % settings.evaluate_every == 0 or epoch == settings.epochs:
            evaluations.evaluate(epoch)
            seen = evaluations.accuracy("validation", label)
        yield Progress(epoch, settings.epochs, losses[-1], validation_accuracy=seen)
    if not settings.epochs:
        evaluations.evaluate(0)
    explained = evaluations.explain(evaluated["test"]) if "test" in evaluated else {}
    plane_variance = _in_a_plane(explained)
    return Stage2Result(
        loss=tuple(losses),
        epochs_evaluated=tuple(evaluations.epochs),
        predictions=evaluations.stacked(),
        seconds=seconds,
        evaluation_seconds=evaluations.seconds,
        n_parameters=n_parameters(model),
        explained=explained,
        plane_variance=plane_variance,
        unexplained=model.unexplained(),
        flops=inference_flops(model, data.batch(labelled[:1])),  # last, since it moves the model to the CPU
        model=model,
    )


def _in_a_plane(explained: dict[str, np.ndarray]) -> float | None:
    """Replace ``features`` by ``modal_plane`` where possible. Returns the fraction of the variance that it explains."""
    features = explained.pop("features", np.empty(0))
    if features.ndim != 3 or len(features) < 2 or not np.isfinite(features).all():
        return None
    explained["modal_plane"], variance = modal_plane(features)
    return variance


def _parameters(model: Classifier, settings: Stage2) -> list[dict[str, Any]]:
    """The optimiser's parameter groups: a single one, or the encoders and the rest if they have different rates."""
    if settings.encoders_lr is None:
        return [{"params": list(model.parameters())}]
    encoders = [p for name, p in model.named_parameters() if name.startswith("encoders.")]
    others = [p for name, p in model.named_parameters() if not name.startswith("encoders.")]
    return [{"params": encoders, "lr": settings.encoders_lr}, {"params": others}]


class Training:
    """Stage 2 in progress: a model, and what is needed to train it. The arguments and errors are those of `train`."""

    def __init__(
        self, method: Method, options: Any, settings: Stage2, data: TrainingData, label: np.ndarray,
        labelled: np.ndarray, pretrained: Pretrained | None, variant: str = "",
    ):  # fmt: skip
        if len(labelled) < 2:
            raise InputError(f"{method.name}: stage 2 needs at least two labelled samples, not {len(labelled)}")
        self._randomness = OwnRandomness(data.seed("weights"), data.device)
        with self._randomness():
            model = to_device(method.build_classifier(data.task, options, pretrained, variant), data.device)
            torch.manual_seed(data.seed("dropout"))
        self.model = model
        self._settings, self._data, self._labelled = settings, data, labelled
        self._label = torch.from_numpy(label.astype(np.int64)).to(data.device)
        self._order = data.rng("order")
        self._fits = method.fitted
        if not self._fits:
            self._optimiser, self._schedule = build_optimiser(_parameters(model, settings), settings)
        self.features = FrozenFeatures(model, settings, data)

    def epoch(self, epoch: int) -> float:
        """Train one epoch, counted from 1, or fit the classifier. Returns the mean loss over the samples."""
        phase = self.model.phase(epoch)
        if self._parts_without_statistics(phase):
            self._estimate_statistics()
        apply_phase(self.model, phase)
        self.features.begin(phase, self._labelled)
        loss = self._fit() if self._fits else self._descend()
        if not np.isfinite(loss):
            raise RuntimeError(f"the loss of stage 2 is {loss} in epoch {epoch}; a smaller lr may help")
        return loss

    def ready_for_evaluation(self) -> Classifier:
        """The model in eval() mode, with the BatchNorm statistics that the settings ask for.

        This does not affect training: with re-estimated statistics, training never uses the running ones.
        """
        self._estimate_statistics()
        return self.model.eval()

    def _estimate_statistics(self) -> None:
        """Estimate the BatchNorm statistics on the labelled samples, unless the settings ask for the running ones."""
        if self._settings.batch_norm == "running":
            return
        parts = dict(self.model.named_children())
        if self.features.holds(self._labelled):  # the statistics of the encoders are those of the features
            del parts[ENCODERS]
        if layers := batch_norms(parts.values()):
            with estimated_statistics(self.model, layers):
                for samples in passes(self._labelled, self._data.rng("batch norm")):
                    self.features.logits_for_statistics(samples)

    def _parts_without_statistics(self, phase: Phase) -> set[str]:
        """The parts that a phase puts in eval() mode and whose statistics belong to earlier parameters."""
        frozen = {name for name, _ in self.model.named_children()} - _in_training(phase)
        return frozen - {ENCODERS} if self.features.holds(self._labelled) else frozen

    @torch.no_grad()
    def _fit(self) -> float:
        """Fit the classifier to all labelled samples. Returns its mean loss on them."""
        label = self._label[self._data.indices([self._labelled])[0]]
        with self._randomness():
            self.model.fit(self.features.of(self._labelled), label)
        logits = torch.cat(list(self.features.evaluation_logits(self._labelled)))
        return F.cross_entropy(logits.float(), label).item()

    def _descend(self) -> float:
        """Train on all labelled samples in random order. Returns the mean loss."""
        batches = self._data.indices(permuted(self._labelled, self._settings.batch_size, self._order))
        total = torch.zeros((), dtype=torch.float64, device=self._data.device)
        with self._randomness():
            for samples in batches:
                total += self._step(samples).double() * len(samples)
        self._schedule.step()
        return total.item() / len(self._labelled)

    def _step(self, samples: Tensor) -> Tensor:
        """Train on one batch. Returns its mean loss, without waiting for a GPU to compute it."""
        with autocast(self._data.device, self._settings.precision):
            logits = self.features.training_logits(samples)
        loss = F.cross_entropy(logits.float(), self._label[samples])
        self._optimiser.zero_grad()  # sets gradients to None, so that momentum and weight decay skip frozen parts
        torch.autograd.backward(loss)
        self._optimiser.step()
        return loss.detach()


def apply_phase(model: Classifier, phase: Phase) -> None:
    """Enable gradients and train() mode for the parts that the phase names, and for no other ones.

    Raises KeyError if the classifier has no such part.
    """
    parts = dict(model.named_children())
    in_training = _in_training(phase)
    if unknown := (phase.gradient | in_training) - set(parts):
        raise KeyError(f"a phase names {', '.join(sorted(unknown))}; the classifier's parts are {', '.join(parts)}")
    model.training = True  # not of the parts, each of which has a mode of its own
    for name, part in parts.items():
        part.requires_grad_(name in phase.gradient)
        part.train(name in in_training)
    for module in model.modules():
        if isinstance(module, nn.RNNBase) and not module.dropout:  # its mode only matters to cuDNN, which computes
            module.train()  # gradients in train() mode alone, also those of inputs that pass through a frozen part


def _in_training(phase: Phase) -> frozenset[str]:
    """The parts that are in train() mode."""
    return phase.gradient if phase.train_mode is None else phase.train_mode


class Evaluations:
    """The predictions for the evaluated samples, one array per evaluation."""

    def __init__(self, training: Training, data: TrainingData, evaluated: Mapping[str, np.ndarray]):
        self.training, self.data, self.evaluated = training, data, evaluated
        self.epochs: list[int] = []
        self.predictions: dict[str, list[np.ndarray]] = {name: [] for name in evaluated}
        self.seconds = 0.0

    @torch.no_grad()
    def evaluate(self, epoch: int) -> None:
        """Predict all evaluated samples, with the model in eval() mode."""
        started = perf_counter()
        self.training.ready_for_evaluation()
        self.epochs.append(epoch)
        for name, samples in self.evaluated.items():
            parts = [logits.argmax(1) for logits in self.training.features.evaluation_logits(samples)]
            predicted = torch.cat(parts) if parts else torch.empty(0)
            self.predictions[name].append(predicted.numpy(force=True).astype(np.uint16))
        self.seconds += perf_counter() - started

    def accuracy(self, name: str, label: np.ndarray) -> float | None:
        """The accuracy on the samples ``name`` at the last evaluation, or None if they are not evaluated."""
        if name not in self.evaluated:
            return None
        return float(np.mean(self.predictions[name][-1] == label[self.evaluated[name]]))

    @torch.no_grad()
    def explain(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """The explanations of these samples by the model of the last evaluation, float32.

        ``features`` are large and only drawn, so they are of at most `IN_PLANE` samples, evenly spread.
        """
        parts: dict[str, list[np.ndarray]] = {}
        with_features = samples[:: -(-len(samples) // IN_PLANE) or 1]
        for chunk in in_order(samples):
            for name, tensor in self.training.model.explain(self.data.batch(chunk)).items():
                array = tensor.float().numpy(force=True)
                kept = array[np.isin(chunk, with_features)] if name == "features" else array
                parts.setdefault(name, []).append(kept)
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def stacked(self) -> dict[str, np.ndarray]:
        """Name → the predictions of all evaluations, (n_evaluations, n)."""
        return {name: np.stack(evaluations) for name, evaluations in self.predictions.items()}
