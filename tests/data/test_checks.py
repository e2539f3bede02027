"""What ``harness data check`` warns of: each fault with its numbers, and nothing where there is none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.data.arrays import Arrays, ArraysOptions
from harness.data.base import DefaultSplit, Modality, Recordings
from harness.data.cache import load
from harness.data.checks import warnings_about
from harness.registry import get

N = 60


class Plain:
    """A data set whose test subject is 3."""

    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(test=(3,))

    def label_pool(self, recordings: Recordings) -> None:
        return None


def recordings(**arrays: np.ndarray) -> Recordings:
    """Two sensors that see the same bursts, 20 samples of each of three subjects."""
    rng = np.random.default_rng(0)
    when, time = rng.uniform(20, 80, (N, 1, 1)), np.arange(100).reshape(1, -1, 1)
    burst = np.exp(-(((time - when) / 4) ** 2)) * np.sin(time)
    made = {"acc": burst * [[[1, 2, 3]]], "gyro": burst * [[[3, 1]]]} | arrays
    made = {name: (array + rng.normal(0, 0.02, array.shape)).astype(np.float32) for name, array in made.items()}
    modalities = tuple(Modality(name, "series", array.shape[1:]) for name, array in made.items())
    sample = np.array([f"r{row}" for row in range(N)])
    return Recordings(modalities, made, np.arange(N) % 2, np.repeat([1, 2, 3], 20), sample, ("rest", "walk"))


def found(made: Recordings) -> list[str]:
    return warnings_about(Plain(), made, 0.2)


def test_good_data_have_no_warnings():
    assert found(recordings()) == []
    kind = get("datasets", "fantasy-device")
    dataset = kind(kind.Options(series=6, seconds=30))
    assert [one for one in warnings_about(dataset, load(dataset), 0.1) if "single" in one or "channel" in one] == []


def test_copies_of_samples():
    made = recordings()
    for array in made.arrays.values():
        array[50], array[4] = array[2], array[1]
    (text,) = found(made)
    where = "in different parts of the default split: 1; with different labels: 1"
    assert text == f"2 samples are copies of others, such as r4 of r1 ({where})"


def test_overlapping_windows_in_two_parts():
    made = recordings()
    for name in made.arrays:
        made.arrays[name][40, :50] = made.arrays[name][39, 50:]
        made.arrays[name][11, :50] = made.arrays[name][10, 50:]
    assert found(made) == [
        "1 of 2 pairs of overlapping windows are in different parts of the default split, such as r39 and r40"
    ]


def test_channels():
    made = recordings()
    acc = made.arrays["acc"]
    acc[..., 0] = 7
    acc[:30, :, 1] = acc[:30, :1, 1]
    np.clip(acc[..., 2], -0.1, 0.1, out=acc[..., 2])
    one, two, three = found(made)
    assert one == "channel 0 of acc is 7 in all samples"
    assert two == "channel 1 of acc does not change in 50% of the samples"
    assert three.startswith("channel 2 of acc has ")
    assert "of its values at an end of its range, -0.1 to 0.1" in three


@pytest.mark.parametrize(("shift", "side"), [(12, "behind"), (-12, "ahead of")])
def test_a_modality_out_of_step(shift, side):
    made = recordings()
    made.arrays["gyro"][:] = np.roll(made.arrays["gyro"], shift, axis=1)
    (text,) = found(made)
    assert text.startswith(f"gyro is {side} acc by about 12% of a sample's length: their changes correlate with 0.")


def test_rare_and_absent_classes():
    made = recordings()
    label = np.zeros(N, dtype=np.int64)
    label[[0, 45]] = 1
    assert found(replace(made, label=label)) == [
        "label_rate 0.2 labels 8 training samples, but only one each of: walk 1 of 1"
    ]
    label[0] = 0
    assert found(replace(made, label=label)) == ["no labelled sample in the default split's train part: walk"]


def test_recordings_in_two_groups(tmp_path):
    made = recordings()
    recording = np.array(["x"] * 25 + ["y"] * 35)
    np.savez(tmp_path / "own.npz", label=made.label, subject=made.subject, recording=recording, **made.arrays)
    (tmp_path / "own.json").write_text(json.dumps({"modalities": ["acc", "gyro"]}))
    dataset = Arrays(ArraysOptions(), "own")
    texts = warnings_about(dataset, load(dataset, tmp_path), 0.2)
    assert [text[:74] for text in texts] == [
        "2 recordings have windows in several groups, such as x; a split by these g"
    ]
