"""AttnSense: DeepSense with attention over the modalities."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.attention import JointAttention
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths


class AttnSense(Method):
    """AttnSense in the comparison's form: DeepSense's network with `JointAttention` before the features are concatenated.

    Source: the authors of Cosmo's code for UTD. It departs from Ma et al. 2019, who feed spectra through DeepSense's
    convolutions, score each sensor alone (softmax(tanh(w·x + b))) and add attention over time.
    """

    name = "attnsense"
    title = "AttnSense"
    min_modalities = 2
    READINGS: ClassVar[Readings] = {"paper": {}, "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}}}

    @override
    def build_classifier(self, task: Task, options: Any, pretrained: Pretrained | None, row: str = "") -> Classifier:
        encoders = start_encoders(task)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head)
