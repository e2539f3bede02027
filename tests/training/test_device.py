from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys

import pytest
import torch
from torch import nn

from harness.training.device import keep_freed_memory, to_device

SPINS = "import harness, os; print(os.environ['GOMP_SPINCOUNT'])"


@pytest.mark.parametrize(("given", "kept"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_spin_briefly_unless_the_user_says_otherwise(given: dict[str, str], kept: str) -> None:
    others = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", SPINS], capture_output=True, text=True, env=others | given, check=True)
    assert done.stdout.strip() == kept


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    keep_freed_memory()


def test_memory_that_is_freed_is_used_again() -> None:
    """The system clears a page of memory at its first use; arrays that follow each other need few new pages."""
    keep_freed_memory()
    arrays, pages = 40, 2**23 // resource.getpagesize()  # of an array of 8 MiB

    def fill() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(arrays):
            torch.ones(2**21)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    fill()
    assert fill() < arrays * pages / 4


def test_a_model_keeps_its_values_on_the_device() -> None:
    model = nn.Conv2d(2, 3, 2)
    before = model.weight.detach().clone()
    assert to_device(model, "cpu") is model
    assert torch.equal(model.weight, before)
