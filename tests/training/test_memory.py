"""A process that does many jobs keeps the model of none."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from torch import nn

from harness import registry
from harness.method import Method
from tests.training.training_runs import FEW, finish, first_stage, second_stage


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Without the collector only what nothing refers to is freed. It runs too rarely for models of 100 MB."""
    finish(first_stage(epochs=1))  # the first job of a process leaves frames of torch's imports that hold its model
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parameters() -> int:
    return sum(type(one) is nn.Parameter for one in gc.get_objects())


def methods() -> list[str]:
    return [name for name in registry.paths("methods") if registry.get("methods", name).Stage1 is not None]


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("name", methods())
def test_models_are_freed_when_their_job_ends(name: str) -> None:
    method: Method = registry.get("methods", name)()
    before = parameters()
    stage1 = finish(first_stage(method, FEW if name == "cosmo" else {}, epochs=1))
    assert parameters() == before
    finish(second_stage(method, {}, stage1.pretrained, epochs=1))
    assert parameters() == before
