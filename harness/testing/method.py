"""The checks of a method."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch

from harness import registry
from harness.data.base import Modality
from harness.method import ENCODERS, Classifier, Method, Pretrained, Task
from harness.options import Options, Stage1, Stage2
from harness.results.records import Findings
from harness.testing.contract import check_identity, check_options, check_round_trip, fail, stating
from harness.training import Stage1Result, Stage2Result, TrainingData, pretrain, train
from harness.training.stage2 import Training

SAMPLES, CLASSES, STEPS = 24, 3, 24
EPOCHS = 2
Result = TypeVar("Result")


def check_method(method: str | type[Method], options: Mapping[str, Any] | None = None) -> None:
    """Check a method, given by its name or class, on synthetic recordings with two and with three modalities.

    Models must build, logits must have the right shape, stage 1 must train with a finite loss, stage 2 as well or the
    classifier must be fitted if the method says so, the same seed must give the same bits, frozen parts must not
    change, and options must reject unknown names.

    Args:
        method: The name of a registered method, or its class.
        options: Options of the method, as in a study. Those that are left out have their defaults.

    Raises:
        AssertionError: The method breaks its contract.
    """
    cls = registry.get("methods", method) if isinstance(method, str) else method
    check_identity(cls, Method)
    given = _method_options(cls, options or {})
    for modalities in sorted({max(2, cls.min_modalities), max(3, cls.min_modalities)}):
        _MethodOnTask(cls(), given, _synthetic_task(modalities)).check()


def _method_options(cls: type[Method], flat: Mapping[str, Any]) -> tuple[Any, Any]:
    """Divide the options between the two stages. Each gets the names that it knows, and None if it does not exist."""
    stages: list[Options | None] = []
    known: set[str] = set()
    for stage in (cls.Stage1, cls.Stage2):
        if stage is None:
            stages.append(None)
            continue
        check_options(cls.name, stage)
        names = set(stage.model_fields) | {field.alias for field in stage.model_fields.values() if field.alias}
        known |= names
        made = stage.from_plain({name: value for name, value in flat.items() if name in names})
        check_round_trip(cls.name, made)
        stages.append(made)
    if unknown := sorted(set(flat) - known):
        fail(f"{cls.name} has no option {', '.join(unknown)}", f"its options are {', '.join(sorted(known)) or 'none'}")
    return stages[0], stages[1]


def _synthetic_task(modalities: int) -> Task:
    return Task(tuple(Modality(f"sensor.{i}", "series", (STEPS, 2)) for i in range(1, modalities + 1)), CLASSES)


class _MethodOnTask:
    """A method with its options, and the synthetic recordings on which it is checked."""

    def __init__(self, method: Method, options: tuple[Any, Any], task: Task):
        self.method, self.task = method, task
        self.stage1, self.stage2 = options
        self.label = np.arange(SAMPLES) % CLASSES
        rng = np.random.default_rng(0)
        shift = self.label.reshape(-1, 1, 1)
        arrays = {m.name: rng.normal(size=(SAMPLES, *m.shape)) + shift for m in task.modalities}
        self.data = TrainingData(task, arrays, lambda _, x: x.astype(np.float32), seeds=("testing", 0))
        self.samples = np.arange(SAMPLES)

    def check(self) -> None:
        name, count = self.method.name, len(self.task.modalities)
        with stating(
            f"{name}: check() rejects {count} series", "it should accept them, or min_modalities should be higher"
        ):
            self.method.check(self.task, self.stage1, self.stage2)
        pretrained = self._check_stage1() if self.method.Stage1 else None
        for variant in self._variants() or ("",):
            start = self._stage1_of(variant, pretrained)
            self._check_logits(start, variant)
            self._check_frozen(start, variant)
            self._check_stage2(start, variant)

    def _stage1_of(self, variant: str, own: Pretrained | None) -> Pretrained | None:
        """The stage 1 that a variant starts from, which may be that of another method."""
        name = self.method.stage1_of(variant)
        if name is None:
            return own
        other = registry.get("methods", name)()
        return _MethodOnTask(other, (other.Stage1(), other.Stage2()), self.task)._pretrain().pretrained

    def _variants(self) -> tuple[str, ...]:
        variants = self.method.variants(self.task, self.stage2)
        names = isinstance(variants, tuple) and all(isinstance(variant, str) and variant for variant in variants)
        if not names or len(set(variants)) < len(variants) or variants != self.method.variants(self.task, self.stage2):
            fail(
                f"{self.method.name}: variants() returns {variants!r}",
                "it should return a tuple of different names, and the same one each time",
            )
        return variants

    def _pretrain(self) -> Stage1Result:
        settings = Stage1(epochs=EPOCHS, batch_size=8)
        with stating(f"{self.method.name}: stage 1 fails", "it should train with a finite loss in each epoch"):
            return _finish(pretrain(self.method, self.stage1, settings, self.data, self.samples))

    def _check_static(self) -> None:
        """What is static draws nothing, since a CUDA graph would repeat the draw in every step."""
        model, rng = self.method.build_pretrainer(self.task, self.stage1), torch.Generator()
        if not model.static:
            return
        views = model.views(self.data.batch(self.samples), rng)
        before = rng.get_state()
        model.loss(model(views, rng), rng)
        if not torch.equal(before, rng.get_state()):
            fail(
                f"{self.method.name}: the pretrainer is static, but forward() or loss() draws from rng",
                "it should draw in views(), or not be static",
            )

    def _check_stage1(self) -> Pretrained:
        self._check_static()
        one, other = self._pretrain(), self._pretrain()
        first, second = one.pretrained, other.pretrained
        same = one.loss == other.loss and set(first.encoders) == set(second.encoders)
        if not same or not all(torch.equal(t, second.encoders[n]) for n, t in first.encoders.items()):
            self._fail_seed("stage 1")
        with stating(f"{self.method.name}: diagnose() can't be stored", "it should return JSON content"):
            texts = [json.dumps(found.diagnostics, sort_keys=True) for found in (first, second)]
        if texts[0] != texts[1]:
            self._fail_seed("diagnose()")
        with stating(f"{self.method.name}: diagnose() can't be read again", "`quality` should be as Cosmo's"):
            Findings.model_validate_json(texts[0])
        return first

    def _check_logits(self, pretrained: Pretrained | None, variant: str) -> None:
        with (
            stating(f"{self.method.name}: the classifier fails", "forward() should return logits"),
            torch.no_grad(),
        ):
            model = self.method.build_classifier(self.task, self.stage2, pretrained, variant).eval()
            shapes = {n: tuple(model(self.data.batch(self.samples[:n])).shape) for n in (1, 5)}
            self._check_encode(model)
        if self.method.fitted != (type(model).fit is not Classifier.fit):
            fail(
                f"{self.method.name}: fitted is {self.method.fitted}, which does not go with the classifier",
                "it should be True if the classifier defines fit(), and only then",
            )
        for n, shape in shapes.items():
            if shape != (n, CLASSES):
                fail(
                    f"{self.method.name}: the logits of {n} samples have shape {shape}", f"it should be {(n, CLASSES)}"
                )

    def _check_encode(self, model: Classifier) -> None:
        """Features are kept while the encoders are frozen, so other parts may not change them."""
        if type(model).encode is Classifier.encode:
            return
        batch = self.data.batch(self.samples)
        before = model.encode(batch)
        for name, parameter in model.named_parameters():
            if not name.startswith(f"{ENCODERS}."):
                parameter.add_(1)
        if not all(map(torch.equal, before, model.encode(batch))):
            fail(
                f"{self.method.name}: encode() depends on other parts than {ENCODERS}",
                "it should not, since its features are kept while these are frozen",
            )

    def _check_frozen(self, pretrained: Pretrained | None, variant: str) -> None:
        settings = Stage2(epochs=EPOCHS, batch_size=8)
        with stating(f"{self.method.name}: stage 2 fails", "phase() should name children of the classifier"):
            training = Training(
                self.method, self.stage2, settings, self.data, self.label, self.samples, pretrained, variant
            )
            for epoch in range(1, EPOCHS + 1):
                trained = training.model.phase(epoch).gradient
                frozen = {
                    n: p for n, p in training.model.named_parameters() if "." in n and n.split(".")[0] not in trained
                }
                before = {n: p.detach().clone() for n, p in frozen.items()}
                training.epoch(epoch)
                for name, parameter in frozen.items():
                    if parameter.grad is not None or not torch.equal(parameter, before[name]):
                        fail(
                            f"{self.method.name}: {name} changes in epoch {epoch}",
                            "it should not, since phase() freezes it",
                        )

    def _train(self, pretrained: Pretrained | None, variant: str) -> Stage2Result:
        settings, evaluated = Stage2(epochs=EPOCHS, batch_size=8, evaluate_every=1), {"test": self.samples}
        loop = train(
            self.method, self.stage2, settings, self.data, self.label, self.samples, evaluated, pretrained, variant
        )
        with stating(f"{self.method.name}: stage 2 fails", "it should train with a finite loss in each epoch"):
            return _finish(loop)

    def _check_stage2(self, pretrained: Pretrained | None, variant: str) -> None:
        one, other = self._train(pretrained, variant), self._train(pretrained, variant)
        if one.loss != other.loss or not np.array_equal(one.predictions["test"], other.predictions["test"]):
            self._fail_seed("stage 2")
        for name, array in one.explained.items():
            if len(array) != SAMPLES:
                fail(
                    f"{self.method.name}: explain() returns {name} of shape {array.shape}",
                    "its first axis should be the sample",
                )

    def _fail_seed(self, what: str) -> NoReturn:
        fail(
            f"{self.method.name}: {what} differs between two runs with the same seed",
            "it should draw from the given generator, or from torch's global one",
        )


def _finish(loop: Generator[Any, None, Result]) -> Result:
    while True:
        try:
            next(loop)
        except StopIteration as stop:
            result: Result = stop.value
            return result
