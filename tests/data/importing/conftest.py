"""Recordings of two sensors as CSV files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERTZ = {"rest": 0.0, "walk": 1.5, "run": 3.0}
SECONDS = 60
LABELLED_SECONDS = 40


def write_two_sensors(folder: Path, people: tuple[str, ...] = ("anna", "bob", "cem", "dora"), seed: int = 0) -> Path:
    """For each person an accelerometer at 50 Hz, with labels in the first 40 of 60 s, and a gyroscope at 100 Hz."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    labels, hertz = np.repeat(list(HERTZ) * 2, 10), np.repeat(list(HERTZ.values()) * 2, 10)
    for person in people:
        for sensor, rate, unit in (("acc", 50, 1000), ("gyro", 100, 1)):
            time = np.arange(SECONDS * rate) / rate
            now = time.astype(int)
            wave = np.sin(2 * np.pi * hertz[now] * time)[:, None] * [1.0, 0.5, 0.2] + rng.normal(0, 0.1, (len(time), 3))
            frame = pd.DataFrame(wave.round(4), columns=[f"{sensor[0]}{axis}" for axis in "xyz"])
            frame.insert(0, "time", (time * unit).round(3))
            if sensor == "acc":
                frame["activity"] = np.where(time < LABELLED_SECONDS, labels[now], "")
            frame.to_csv(folder / f"{person}_{sensor}.csv", index=False)
    return folder


@pytest.fixture
def two_sensors(tmp_path: Path) -> Path:
    return write_two_sensors(tmp_path / "recordings")


@pytest.fixture
def write_sensors() -> Callable[..., Path]:
    return write_two_sensors


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
