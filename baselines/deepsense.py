"""DeepSense: one encoder per modality, their features side by side, a recurrent classifier."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths


class DeepSense(Method):
    """DeepSense in the comparison's form: the encoders and head that all methods here share, concatenated, no attention.

    Source: the authors of Cosmo's code for UTD. It departs from Yao et al. 2017, whose input is the spectrum of time
    intervals, with merging convolutions, the GRU's mean over time, and Adam.
    """

    name = "deepsense"
    title = "DeepSense"
    READINGS: ClassVar[Readings] = {"paper": {}, "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}}}

    @override
    def build_classifier(self, task: Task, options: Any, pretrained: Pretrained | None, row: str = "") -> Classifier:
        encoders = start_encoders(task)
        return FusionClassifier(encoders, FusionHead(widths(encoders), task.n_classes))
