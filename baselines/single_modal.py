"""SingleModal: one modality alone, with a variant for each modality."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.classifier import concatenation_classifier


class SingleModal(Method):
    """The encoder of one modality and the recurrent classifier. Source: the code of Cosmo's authors for UTD."""

    name = "single-modal"
    title = "SingleModal"
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {"stage2": {"epochs": 300, "lr": 0.001, "batch_norm": "running"}},
    }

    @override
    def variants(self, task: Task, options: Any) -> tuple[str, ...]:
        return tuple(m.name for m in task.modalities)

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """Raises ValueError if ``variant`` is not a modality of the task."""
        names = self.variants(task, options)
        if variant not in names:
            raise ValueError(f"single-modal needs a variant, one of {', '.join(names)}; not {variant!r}")
        return concatenation_classifier(task.only((variant,)))
