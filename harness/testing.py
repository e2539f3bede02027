"""Checks for authors of plug-ins: whether a method, a data set or a meter keeps the contract of the harness.

Each check runs the plug-in on small input. It returns if the plug-in passes; otherwise it raises AssertionError, which
says what is wrong and what would be right. The checks need no test framework and can be called from a plug-in's tests.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from pydantic import ValidationError

from harness import registry
from harness.data import cache
from harness.data.base import Dataset, Modality, Recordings
from harness.data.splits import Split, resolve_split
from harness.edge.power.meter import Channel, Meter, MeterError
from harness.errors import InputError
from harness.method import Method, Pretrained, Task
from harness.options import Options, Stage1, Stage2
from harness.training import Stage1Result, Stage2Result, TrainingData, pretrain, train
from harness.training.stage2 import Training

SAMPLES, CLASSES, STEPS = 24, 3, 24
EPOCHS = 2
UNKNOWN = "no_such_option"
Result = TypeVar("Result")


def check_method(method: str | type[Method], options: Mapping[str, Any] | None = None) -> None:
    """Check a method, given by its name or class, on synthetic recordings with two and with three modalities.

    Models must build, logits must have the right shape, both stages must train with a finite loss, the same seed must
    give the same bits, frozen parts must not change, and options must reject unknown names.

    Args:
        method: The name of a registered method, or its class.
        options: Options of the method, as in a study. Those that are left out have their defaults.

    Raises:
        AssertionError: The method breaks its contract.
    """
    cls = registry.get("methods", method) if isinstance(method, str) else method
    _check_identity(cls, Method)
    given = _method_options(cls, options or {})
    for modalities in sorted({max(2, cls.min_modalities), max(3, cls.min_modalities)}):
        _MethodOnTask(cls(), given, _synthetic_task(modalities)).check()


def check_dataset(
    dataset: str | type[Dataset], root: Path | None, options: Mapping[str, Any] | None = None, argument: str = ""
) -> None:
    """Check a data set, given by its name or class, on its files. The cache is neither read nor written.

    Two loads must agree, arrays, labels and subjects must fit each other, no subject may be in two parts of the default
    split, and an empty folder must be reported as an error.

    Args:
        dataset: The name of a registered data set, as in a study (``arrays:my_recordings``), or its class.
        root: The folder that contains the files; None for a data set that has none.
        options: Options of the data set, as in a study.
        argument: The text after the colon of its name, if ``dataset`` is a class.

    Raises:
        AssertionError: The data set breaks its contract.
    """
    if isinstance(dataset, str):
        name, _, behind = dataset.partition(":")
        cls, argument = registry.get("datasets", name), argument or behind
    else:
        cls = dataset
    _check_identity(cls, Dataset)
    _check_options(cls.name, cls.Options)
    made = cls(cls.Options.from_plain(dict(options or {})), argument)
    with _stating(f"{cls.name} can't be loaded", "load() should return Recordings of what sources() found"):
        sources = made.sources(root)
        one, other = made.load(sources), made.load(sources)
    _check_recordings(cls.name, one)
    if cache.fingerprint(one) != cache.fingerprint(other):
        _fail(f"{cls.name}: two loads of the same files differ", "load() should depend only on the files and options")
    with _stating(f"{cls.name}: the default split is invalid", "each subject should be in one part at most"):
        resolve_split(one, Split(), made.default_split(one))
    if sources:
        _check_empty_folder(made)


def check_meter(meter: str | type[Meter], argument: str = "") -> str | None:
    """Check a meter, given by its name or class, by reading it twice.

    Args:
        meter: The name of a registered meter, as in a study (``nvml:0,1``), or its class.
        argument: The text after the colon of its name, if ``meter`` is a class.

    Returns:
        The reason why the meter can't be read on this machine, or None if it was read.

    Raises:
        AssertionError: The meter breaks its contract.
    """
    if isinstance(meter, str):
        name, _, behind = meter.partition(":")
        cls, argument = registry.get("meters", name), argument or behind
    else:
        cls = meter
    _check_identity(cls, Meter)
    made = cls(argument)
    try:
        with _stating(f"{cls.name}: open() fails", "it should raise MeterError with the reason", MeterError):
            channels = made.open()
    except MeterError as error:
        if not str(error).strip():
            _fail(f"{cls.name}: open() raises MeterError without a message", "it should give the reason")
        return str(error)
    try:
        _check_channels(cls.name, channels)
        _check_readings(made, channels)
    finally:
        with _stating(f"{cls.name}: close() fails", "it should release what open() acquired"):
            made.close()
    return None


def _fail(wrong: str, right: str) -> NoReturn:
    raise AssertionError(f"{wrong}; {right}")


@contextmanager
def _stating(wrong: str, right: str, *allowed: type[Exception]) -> Iterator[None]:
    """Turn any exception inside the block into an AssertionError, except those of the types ``allowed``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (AssertionError, *allowed)):
            raise
        raise AssertionError(f"{wrong} ({type(error).__name__}: {error}); {right}") from error


def _check_identity(cls: Any, base: type) -> None:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        _fail(f"{cls!r} is not a plug-in of this kind", f"it should be a subclass of {base.__name__}")
    for attribute in ("name", "title", "version"):
        value = getattr(cls, attribute, None)
        if not isinstance(value, str) or not value:
            _fail(f"{cls.__name__}.{attribute} is {value!r}", "it should be a non-empty string")


def _check_options(name: str, options: type[Options]) -> None:
    if not (isinstance(options, type) and issubclass(options, Options)):
        _fail(f"{name}: Options is {options!r}", "it should be a subclass of harness.options.Options")
    try:
        options.from_plain({UNKNOWN: 1})
    except ValidationError:
        return
    _fail(f"{name}: {options.__name__} accepts an unknown name", 'its model_config should keep extra="forbid"')


def _check_round_trip(name: str, options: Options) -> None:
    with _stating(
        f"{name}: {type(options).__name__} can't be read back from JSON", "from_plain(to_json()) should work"
    ):
        back = type(options).from_plain(json.loads(json.dumps(options.to_json())))
    if back != options:
        _fail(f"{name}: {type(options).__name__} is not equal after a round trip through JSON", "it should be")


def _method_options(cls: type[Method], flat: Mapping[str, Any]) -> tuple[Any, Any]:
    """Divide the options between the two stages. Each gets the names that it knows, and None if it does not exist."""
    stages: list[Options | None] = []
    known: set[str] = set()
    for stage in (cls.Stage1, cls.Stage2):
        if stage is None:
            stages.append(None)
            continue
        _check_options(cls.name, stage)
        names = set(stage.model_fields) | {field.alias for field in stage.model_fields.values() if field.alias}
        known |= names
        made = stage.from_plain({name: value for name, value in flat.items() if name in names})
        _check_round_trip(cls.name, made)
        stages.append(made)
    if unknown := sorted(set(flat) - known):
        _fail(f"{cls.name} has no option {', '.join(unknown)}", f"its options are {', '.join(sorted(known)) or 'none'}")
    return stages[0], stages[1]


def _synthetic_task(modalities: int) -> Task:
    return Task(tuple(Modality(f"sensor_{i}", "series", (STEPS, 2)) for i in range(1, modalities + 1)), CLASSES)


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
        with _stating(
            f"{name}: check() rejects {count} series", "it should accept them, or min_modalities should be higher"
        ):
            self.method.check(self.task, self.stage1, self.stage2)
        pretrained = self._check_stage1() if self.method.Stage1 else None
        for variant in self._variants() or ("",):
            self._check_logits(pretrained, variant)
            self._check_frozen(pretrained, variant)
            self._check_stage2(pretrained, variant)

    def _variants(self) -> tuple[str, ...]:
        variants = self.method.variants(self.task)
        names = isinstance(variants, tuple) and all(isinstance(variant, str) and variant for variant in variants)
        if not names or len(set(variants)) < len(variants) or variants != self.method.variants(self.task):
            _fail(
                f"{self.method.name}: variants() returns {variants!r}",
                "it should return a tuple of different names, and the same one each time",
            )
        return variants

    def _pretrain(self) -> Stage1Result:
        settings = Stage1(epochs=EPOCHS, batch_size=8)
        with _stating(f"{self.method.name}: stage 1 fails", "it should train with a finite loss in each epoch"):
            return _finish(pretrain(self.method, self.stage1, settings, self.data, self.samples))

    def _check_stage1(self) -> Pretrained:
        one, other = self._pretrain(), self._pretrain()
        first, second = one.pretrained, other.pretrained
        same = one.loss == other.loss and set(first.encoders) == set(second.encoders)
        if not same or not all(torch.equal(t, second.encoders[n]) for n, t in first.encoders.items()):
            self._fail_seed("stage 1")
        with _stating(f"{self.method.name}: diagnose() can't be stored", "it should return JSON content"):
            texts = [json.dumps(found.diagnostics, sort_keys=True) for found in (first, second)]
        if texts[0] != texts[1]:
            self._fail_seed("diagnose()")
        return first

    def _check_logits(self, pretrained: Pretrained | None, variant: str) -> None:
        with (
            _stating(f"{self.method.name}: the classifier fails", "forward() should return logits"),
            torch.no_grad(),
        ):
            model = self.method.build_classifier(self.task, self.stage2, pretrained, variant).eval()
            shapes = {n: tuple(model(self.data.batch(self.samples[:n])).shape) for n in (1, 5)}
        for n, shape in shapes.items():
            if shape != (n, CLASSES):
                _fail(
                    f"{self.method.name}: the logits of {n} samples have shape {shape}", f"it should be {(n, CLASSES)}"
                )

    def _check_frozen(self, pretrained: Pretrained | None, variant: str) -> None:
        settings = Stage2(epochs=EPOCHS, batch_size=8)
        with _stating(f"{self.method.name}: stage 2 fails", "phase() should name children of the classifier"):
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
                        _fail(
                            f"{self.method.name}: {name} changes in epoch {epoch}",
                            "it should not, since phase() freezes it",
                        )

    def _train(self, pretrained: Pretrained | None, variant: str) -> Stage2Result:
        settings, evaluated = Stage2(epochs=EPOCHS, batch_size=8, evaluate_every=1), {"test": self.samples}
        loop = train(
            self.method, self.stage2, settings, self.data, self.label, self.samples, evaluated, pretrained, variant
        )
        with _stating(f"{self.method.name}: stage 2 fails", "it should train with a finite loss in each epoch"):
            return _finish(loop)

    def _check_stage2(self, pretrained: Pretrained | None, variant: str) -> None:
        one, other = self._train(pretrained, variant), self._train(pretrained, variant)
        if one.loss != other.loss or not np.array_equal(one.predictions["test"], other.predictions["test"]):
            self._fail_seed("stage 2")
        for name, array in one.explained.items():
            if len(array) != SAMPLES:
                _fail(
                    f"{self.method.name}: explain() returns {name} of shape {array.shape}",
                    "its first axis should be the sample",
                )

    def _fail_seed(self, what: str) -> NoReturn:
        _fail(
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


def _check_recordings(name: str, recordings: Recordings) -> None:
    n = len(recordings.label)
    lengths = {"subject": len(recordings.subject), "sample": len(recordings.sample)}
    lengths |= {f"arrays[{modality!r}]": len(array) for modality, array in recordings.arrays.items()}
    for what, length in lengths.items():
        if length != n:
            _fail(f"{name}: {what} has {length} samples, but label has {n}", "both should have the same length")
    labels, classes = set(recordings.label.tolist()), set(range(recordings.n_classes))
    if unknown := labels - classes:
        _fail(f"{name}: label {min(unknown)} has no class", f"labels should be from 0 to {recordings.n_classes - 1}")
    if absent := sorted(classes - labels):
        _fail(f"{name}: class {recordings.classes[absent[0]]!r} has no sample", "classes should name those that occur")
    with _stating(f"{name}: the recordings are invalid", "see Recordings in harness/data/base.py"):
        cache.check(recordings, name)


def _check_empty_folder(dataset: Dataset) -> None:
    right = "sources() or load() should raise DataError that names the folder"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _stating(f"{dataset.name}: an empty folder does not raise InputError", right, InputError):
                dataset.load(dataset.sources(Path(folder)))
        except InputError as error:
            if folder not in str(error):
                _fail(f"{dataset.name}: the error about an empty folder does not name it: {error}", right)
            return
    _fail(f"{dataset.name}: an empty folder is accepted as data", right)


def _check_channels(name: str, channels: Any) -> None:
    if not isinstance(channels, tuple) or not channels or not all(isinstance(c, Channel) for c in channels):
        _fail(f"{name}: open() returns {channels!r}", "it should return a tuple of at least one Channel")
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names) or not all(names):
        _fail(f"{name}: the channels are called {names}", "each should have a different name")
    for channel in channels:
        if channel.kind not in ("power", "counter"):
            _fail(f"{name}: channel {channel.name} has kind {channel.kind!r}", 'it should be "power" or "counter"')
        if not channel.covers:
            _fail(f"{name}: channel {channel.name} does not say what it covers", "it should, in words")
        if channel.wraps_at is not None and (channel.kind != "counter" or channel.wraps_at <= 0):
            _fail(
                f"{name}: channel {channel.name} has wraps_at {channel.wraps_at}",
                "it should be above 0, and only a counter should have it",
            )


def _check_readings(meter: Meter, channels: tuple[Channel, ...]) -> None:
    with _stating(f"{meter.name}: read() fails", "it should return one value per channel"):
        readings = [list(meter.read()) for _ in range(2)]
    for reading in readings:
        if len(reading) != len(channels):
            _fail(
                f"{meter.name}: a reading has {len(reading)} values", f"it should have {len(channels)}, one per channel"
            )
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in reading):
            _fail(f"{meter.name}: a reading is {reading}", "its values should be finite numbers")
    for channel, before, after in zip(channels, *readings, strict=True):
        if channel.kind == "counter" and channel.wraps_at is None and after < before:
            _fail(
                f"{meter.name}: counter {channel.name} falls from {before} to {after}",
                "it should never fall unless it has wraps_at",
            )
