"""The checks for authors of plug-ins: built-in plug-ins pass, and broken ones fail with a message that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ConfigDict
from torch import Tensor

from baselines.cmc import CMC
from baselines.deepsense import DeepSense
from baselines.nearest_neighbour import NearestNeighbour
from harness import registry
from harness.cosmo.method import Cosmo, CosmoPretrainer
from harness.data.base import DefaultSplit, Recordings
from harness.data.fantasy_device import FantasyDevice
from harness.edge.power.meter import Channel, Meter, MeterError
from harness.method import Batch, Classifier, Features, Phase, Task
from harness.options import Options
from harness.testing import check_dataset, check_meter, check_method

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
QUICK: dict[str, dict[str, Any]] = {"cosmo": {"quality": {"restarts": 1, "subsets": 0}}}
SMALL = {"series": 4, "seconds": 40}


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["methods"]))
def test_built_in_methods_keep_the_contract(name: str) -> None:
    check_method(name, QUICK.get(name))


def test_a_variant_is_checked_with_the_stage_1_that_it_starts_from() -> None:
    starts = []

    class Recording(NearestNeighbour):
        def build_classifier(self, task: Task, options: Any, pretrained: Any, variant: str = "") -> Classifier:
            starts.append((variant, pretrained is not None))
            return super().build_classifier(task, options, pretrained, variant)

    check_method(Recording, {"features": ["ntxent", "statistics"]})
    assert ("ntxent", True) in starts
    assert ("statistics", True) not in starts


def test_a_built_in_data_set_keeps_the_contract() -> None:
    check_dataset("fantasy-device", None, SMALL)


def test_a_replayed_trace_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("seconds,VDD_IN_watts,used_joules\n0,4,1\n0.5,12,2\n1,4,3\n")
    assert check_meter(f"replay:{tmp_path}/trace.csv") is None
    assert "replay:FILE.csv" in str(check_meter("replay"))


def broken_classifier(change: type) -> type[DeepSense]:
    """DeepSense whose classifier has the methods of ``change``."""

    class Broken(DeepSense):
        def build_classifier(self, *arguments: Any, **named: Any) -> Classifier:
            model = super().build_classifier(*arguments, **named)
            model.__class__ = type("BrokenClassifier", (change, model.__class__), {})
            return model

    return Broken


class WideLogits:
    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = super().forward(batch)  # type: ignore[misc]
        return torch.cat([logits, logits], 1)


class UnknownPart:
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({"decoder"}))


class NotFrozen:
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({"encoders"}))

    def forward(self, batch: Batch) -> Tensor:
        if self.training:  # type: ignore[attr-defined]
            with torch.no_grad():
                next(self.head.parameters()).add_(1)  # type: ignore[attr-defined]
        logits: Tensor = super().forward(batch)  # type: ignore[misc]
        return logits


class OwnDraws:
    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = super().forward(batch)  # type: ignore[misc]
        return logits * float(np.random.default_rng().uniform(0.5, 1))


class NotFinite:
    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = super().forward(batch)  # type: ignore[misc]
        return logits * float("nan")


class EncodesWithTheHead:
    def encode(self, batch: Batch) -> Features:
        features: Features = super().encode(batch)  # type: ignore[misc]
        return tuple(z * next(self.head.parameters()).sum() for z in features)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (EncodesWithTheHead, r"encode\(\) depends on other parts than encoders; it should not"),
        (WideLogits, r"logits of 1 samples have shape \(1, 6\); it should be \(1, 3\)"),
        (UnknownPart, r"decoder.*phase\(\) should name children of the classifier"),
        (NotFrozen, r"head\..* changes in epoch 1; it should not, since phase\(\) freezes it"),
        (OwnDraws, "stage 2 differs between two runs with the same seed"),
        (NotFinite, "loss of stage 2 is nan"),
    ],
)
def test_a_broken_classifier_fails_with_the_reason(change: type, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_method(broken_classifier(change))


def test_a_static_pretrainer_that_draws_is_found() -> None:
    class Drawing(CosmoPretrainer):
        def __init__(self, task: Task, options: Any):
            super().__init__(task, options)
            self.static = True

    class DrawingCosmo(Cosmo):
        def build_pretrainer(self, task: Task, options: Any) -> Drawing:
            return Drawing(task, options)

    with pytest.raises(AssertionError, match=r"is static, but forward\(\) or loss\(\) draws from rng"):
        check_method(DrawingCosmo, {"weights": "uniform", "quality": {"restarts": 1, "subsets": 0}})


def test_diagnostics_that_no_report_could_read_are_found() -> None:
    class Graded(CMC):
        def diagnose(self, *arguments: Any) -> dict[str, Any]:
            return {"quality": {"acc": "good"}}

    with pytest.raises(AssertionError, match=r"diagnose\(\) can't be read again (.|\n)*quality.acc"):
        check_method(Graded)


def test_a_broken_method_fails_with_the_reason() -> None:
    class Lax(Options):
        model_config = ConfigDict(extra="ignore")

    lax = type("LaxMethod", (DeepSense,), {"Stage2": Lax})
    numbered = type("Numbered", (DeepSense,), {"version": 2})
    twice = type("Twice", (DeepSense,), {"variants": lambda self, task, options: ("a", "a")})
    for method, message in ((lax, "accepts an unknown name"), (numbered, "version is 2"), (twice, "different names")):
        with pytest.raises(AssertionError, match=message):
            check_method(method)
    with pytest.raises(AssertionError, match="has no option depth"):
        check_method("deepsense", {"depth": 3})


class Unstable(FantasyDevice):
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        found = super().load(sources)
        shift = float(np.random.default_rng().normal())
        return replace(found, arrays={name: array + shift for name, array in found.arrays.items()})


class Uneven(FantasyDevice):
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        found = super().load(sources)
        return replace(found, subject=found.subject[1:])


class Overlapping(FantasyDevice):
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(test=(1, 2), validation=(2,))


class Unnamed(FantasyDevice):
    def load(self, sources: tuple[Path, ...]) -> Recordings:
        found = super().load(sources)
        return replace(found, classes=found.classes[:-1])


class TakesAnything(FantasyDevice):
    def sources(self, root: Path | None) -> tuple[Path, ...]:
        return (root or Path(),)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Unstable, "two loads of the same files differ"),
        (Uneven, "subject has .* samples"),
        (Overlapping, "each subject should be in one part"),
        (Unnamed, "label 3 has no class"),
        (TakesAnything, "an empty folder is accepted as data"),
    ],
)
def test_a_broken_data_set_fails_with_the_reason(dataset: type[FantasyDevice], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_dataset(dataset, None, SMALL)


class OneWatt(Meter):
    """One channel that reads 1 W."""

    name, title = "one-watt", "always one watt"

    def open(self) -> tuple[Channel, ...]:
        return (Channel("all", "power", "everything"),)

    def read(self) -> Sequence[float]:
        return [1.0]


def refuse(error: Exception) -> Any:
    def method(self: Meter) -> Any:
        raise error

    return method


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"read": lambda self: [1.0, 2.0]}, "a reading has 2 values; it should have 1"),
        ({"read": lambda self: [float("nan")]}, "finite"),
        ({"open": lambda self: (Channel("a", "power", "x"), Channel("a", "power", "y"))}, "different name"),
        ({"open": refuse(ImportError("no library"))}, "should raise MeterError"),
        ({"open": refuse(MeterError())}, "should give the reason"),
        ({"close": refuse(OSError("busy"))}, r"close\(\) fails"),
    ],
)
def test_a_broken_meter_fails_with_the_reason(changes: dict[str, Any], message: str) -> None:
    assert check_meter(OneWatt) is None
    with pytest.raises(AssertionError, match=message):
        check_meter(type("Broken", (OneWatt,), changes))
