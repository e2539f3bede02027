"""SingleModal: one modality alone; each is a variant of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths


class SingleModal(Method):
    """One modality's encoder and the recurrent classifier on its features alone. Source: the authors of Cosmo's code for UTD."""

    name = "single-modal"
    title = "SingleModal"
    READINGS: ClassVar[Readings] = {"paper": {}, "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}}}

    @override
    def variants(self, task: Task) -> tuple[str, ...]:
        return tuple(m.name for m in task.modalities)

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """Raises ValueError if ``variant`` is none of the task's modalities."""
        if variant not in self.variants(task):
            raise ValueError(f"single-modal needs a variant, one of {', '.join(self.variants(task))}; not {variant!r}")
        encoders = start_encoders(task.only((variant,)))
        return FusionClassifier(encoders, FusionHead(widths(encoders), task.n_classes))
