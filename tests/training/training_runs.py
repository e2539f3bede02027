"""Tiny runs of both stages, shared by the tests of the training loops."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np
import torch

from baselines.deepsense import DeepSense
from harness.cosmo.method import Cosmo
from harness.data.base import Modality
from harness.jobs import Progress
from harness.method import Method, Pretrained, Task
from harness.options import Stage1, Stage2
from harness.training import Stage1Result, Stage2Result, TrainingData, pretrain, train

torch.set_num_threads(1)  # on tiny data more threads only wait for each other
Result = TypeVar("Result")
N, CLASSES = 40, 3
LABEL = np.arange(N) % CLASSES
TASK = Task((Modality("a", "series", (12, 3)), Modality("b", "series", (10, 2))), CLASSES)
LABELLED, TEST = np.arange(0, 17), np.arange(30, 40)
UNLABELLED = np.arange(0, 30)
FEW = {"quality": {"restarts": 1, "subsets": 0}}


def training_data(**changes: Any) -> TrainingData:
    rng = np.random.default_rng(0)
    arrays = {}
    for m in TASK.modalities:
        array = (rng.normal(size=(N, *m.shape)) + LABEL[:, None, None] * 2).astype(np.float32)
        array.flags.writeable = False
        arrays[m.name] = array
    return TrainingData(TASK, arrays, lambda _, x: (x - 2) / 2, **{"seeds": ("test", 0), **changes})


def finish(generator: Generator[Progress, None, Result]) -> Result:
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def first_stage(
    method: Method | None = None, options: dict[str, Any] = FEW, checkpoint: bytes | None = None, **settings: Any
) -> Generator[Progress, None, Stage1Result]:
    method = method or Cosmo()
    assert method.Stage1
    given = Stage1(**{"epochs": 2, "batch_size": 8, **settings})
    return pretrain(
        method, method.Stage1.from_plain(options), given, training_data(), UNLABELLED, checkpoint=checkpoint
    )


def second_stage(
    method: Method | None = None,
    options: dict[str, Any] | None = None,
    pretrained: Pretrained | None = None,
    **settings: Any,
) -> Generator[Progress, None, Stage2Result]:
    method = method or DeepSense()
    given = Stage2(**{"epochs": 3, "batch_size": 8, "evaluate_every": 2, **settings})
    return train(
        method,
        method.Stage2.from_plain(options or {}),
        given,
        training_data(),
        LABEL,
        LABELLED,
        {"test": TEST},
        pretrained,
    )
