"""Normalisation: from the training rows only, per channel, no division by nothing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.base import Modality
from harness.data.normalise import Normaliser

MODALITIES = (
    Modality("imu", "series", (50, 6)),
    Modality("pose", "skeleton", (9, 4, 3)),
    Modality("depth", "frames", (5, 6, 7)),
)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    scale = np.array([1, 2, 3, 100, 200, 300.0])
    return {
        "imu": (rng.normal(size=(30, 50, 6)) * scale + scale).astype(np.float32),
        "pose": rng.normal(size=(30, 9, 4, 3)).astype(np.float32) * [1, 5, 9],
        "depth": rng.integers(0, 4000, (30, 5, 6, 7)).astype(np.uint16),
    }


def test_training_rows_get_mean_0_and_std_1(arrays):
    rows = np.arange(5, 25)
    normaliser = Normaliser.fit(arrays, rows, MODALITIES)
    assert [len(normaliser.mean[m.name]) for m in MODALITIES] == [6, 3, 1]
    for modality, axes in zip(MODALITIES, [(0, 1), (0, 1, 2), (0, 1, 2, 3)], strict=True):
        normal = normaliser.apply(modality.name, arrays[modality.name][rows])
        assert normal.dtype == np.float32
        assert normal.shape == (20, *modality.shape)
        np.testing.assert_allclose(normal.mean(axis=axes, dtype=np.float64), 0, atol=1e-5)
        np.testing.assert_allclose(normal.std(axis=axes, dtype=np.float64), 1, atol=1e-5)


def test_other_rows_leave_no_trace(arrays):
    rows = np.arange(10)
    before = Normaliser.fit(arrays, rows, MODALITIES)
    arrays["imu"][10:] = 1e9
    assert Normaliser.fit(arrays, rows, MODALITIES) == before


def test_a_constant_channel_becomes_0(arrays):
    arrays["imu"][:, :, 2], arrays["imu"][:, :, 3] = 9.81, 0
    normaliser = Normaliser.fit(arrays, np.arange(30), MODALITIES)
    assert normaliser.std["imu"][2:4] == (1.0, 1.0)
    np.testing.assert_allclose(normaliser.apply("imu", arrays["imu"])[:, :, 2:4], 0, atol=1e-5)


def test_no_rows(arrays):
    with pytest.raises(ValueError, match="no rows"):
        Normaliser.fit(arrays, np.array([], dtype=np.int64), MODALITIES)
