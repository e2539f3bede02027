"""What ``harness data info`` shows is JSON, for each built-in data set."""

from __future__ import annotations

import json

import numpy as np

from harness.data.arrays import Arrays, ArraysOptions
from harness.data.cache import load
from harness.data.describe import describe
from harness.registry import BUILT_IN, get


def test_made_data():
    dataset = get("datasets", "fantasy-device")
    dataset = dataset(dataset.Options())
    shown = json.loads(json.dumps(describe(dataset, load(dataset))))
    assert (
        shown["samples"] == sum(c["samples"] for c in shown["classes"]) == sum(s["samples"] for s in shown["subjects"])
    )
    assert shown["default_split"] == {"test": [9, 10, 11, 12], "validation": [], "train": []}
    assert shown["modalities"][0] == {"name": "sensor_1", "kind": "series", "shape": [200, 2], "dtype": "float32"}


def test_data_that_can_not_be_split_are_still_shown(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.ones((4, 3)), label=np.arange(4) % 2, subject=np.full(4, -1))
    (tmp_path / "own.json").write_text('{"modalities": ["x"]}')
    dataset = Arrays(ArraysOptions(), "own")
    shown = describe(dataset, load(dataset, tmp_path))
    assert shown["name"] == "arrays:own"
    assert "group" in shown["default_split"]["error"]


def test_every_built_in_data_set_is_found_under_its_own_name():
    for name in BUILT_IN["datasets"]:
        assert get("datasets", name).name == name
