"""The features of a classifier's frozen encoders, which are computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.method import ENCODERS, Classifier, Features, Phase
from harness.options import Stage2
from harness.training.device import autocast
from harness.training.training_data import TrainingData, in_order

MOST_BYTES = 2**30  # features that take more memory than this are not kept


class FrozenFeatures:
    """Computes a classifier's logits, from features that are kept as long as the encoders don't change.

    Encoders are frozen in an epoch that neither gives them gradients nor puts them in train() mode. A sample then has
    the same features in every epoch and evaluation. Nothing is kept for a classifier without such epochs, or without
    `Classifier.encode`, or with a `forward` of its own.
    """

    def __init__(self, model: Classifier, settings: Stage2, data: TrainingData):
        self._model, self._settings, self._data = model, settings, data
        self._useful = _encodes(type(model)) and any(
            _frozen(model.phase(epoch)) for epoch in range(1, settings.epochs + 1)
        )
        self._from_features = False
        self._forget()

    def begin(self, phase: Phase, samples: np.ndarray) -> None:
        """Begin an epoch of this phase, which trains on these samples. The parts are in the modes of the phase."""
        frozen = _frozen(phase)
        if not frozen:
            self._forget()
        self._from_features = frozen and self._keep(samples)

    def holds(self, samples: np.ndarray) -> bool:
        """Whether the features of all these samples are kept."""
        return bool((self._row[samples] >= 0).all())

    def training_logits(self, samples: Tensor) -> Tensor:
        """The logits (n, n_classes) of samples of the epoch that has begun, with gradient."""
        return self._classify(samples) if self._from_features else self._model(self._data.batch(samples))

    def logits_for_statistics(self, samples: np.ndarray) -> Tensor:
        """The logits (n, n_classes) of samples whose features are all kept, or which are encoded without keeping any.

        Their passage through BatchNorm layers in train() mode is what counts.
        """
        index = self._data.indices([samples])[0]
        with autocast(self._data.device, self._settings.precision):
            return self._classify(index) if self.holds(samples) else self._model(self._data.batch(index))

    @torch.no_grad()
    def of(self, samples: np.ndarray) -> Features:
        """The features of any samples. The encoders are in eval() mode."""
        if self._keep(samples):
            return self._kept_of(self._data.indices([samples])[0])
        return _joined([self._encode(chunk) for chunk in self._data.indices(in_order(samples))])

    @torch.no_grad()
    def evaluation_logits(self, samples: np.ndarray) -> Iterator[Tensor]:
        """The logits of any samples, a part at a time. The model is in eval() mode."""
        kept = self._keep(samples)
        for chunk in self._data.indices(in_order(samples)):
            with autocast(self._data.device, self._settings.precision):
                yield self._classify(chunk) if kept else self._model(self._data.batch(chunk))

    def _forget(self) -> None:
        self._kept: Features = ()
        self._row = np.full(self._data.n_samples, -1)
        self._row_on_device = torch.empty(0)

    def _kept_of(self, samples: Tensor) -> Features:
        rows = self._row_on_device[samples]
        return tuple(x.index_select(0, rows) for x in self._kept)

    def _classify(self, samples: Tensor) -> Tensor:
        return self._model.classify(self._kept_of(samples))

    def _encode(self, samples: Tensor) -> Features:
        with autocast(self._data.device, self._settings.precision):
            return self._model.encode(self._data.batch(samples))

    @torch.no_grad()
    def _keep(self, samples: np.ndarray) -> bool:
        """Compute the features that are missing of these samples. Returns whether those of all are kept."""
        missing = samples[self._row[samples] < 0]
        if not self._useful or not missing.size:
            return self._useful
        parts = [self._kept] if self._kept else []
        for chunk in self._data.indices(in_order(missing)):
            parts.append(self._encode(chunk))
            bytes_of_one = sum(x[0].numel() * x.element_size() for x in parts[-1])
            if bytes_of_one * (self._row.max() + 1 + len(missing)) > MOST_BYTES:
                return False
        self._row[missing] = np.arange(len(missing)) + self._row.max() + 1
        self._row_on_device = torch.from_numpy(self._row).to(self._data.device)
        self._kept = _joined(parts)
        return True


def _joined(parts: Sequence[Features]) -> Features:
    return tuple(torch.cat(of_one_modality) for of_one_modality in zip(*parts, strict=True))


def _encodes(classifier: type[Classifier]) -> bool:
    return classifier.encode is not Classifier.encode and classifier.forward is Classifier.forward


def _frozen(phase: Phase) -> bool:
    return ENCODERS not in phase.gradient | (phase.train_mode or frozenset())
