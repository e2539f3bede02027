"""Augmentations do what they say at every sensor's rate."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.augment import add_noise, down_sample, sensor_failure
from harness.data.fantasy_device import SENSORS, sense


@pytest.fixture(params=SENSORS, ids=lambda sensor: f"{sensor.rate_hz}Hz")
def series(request) -> np.ndarray:
    sensor = request.param
    return sense(np.ones(2 * sensor.rate_hz), sensor, np.random.default_rng(0))


def real(series: np.ndarray) -> np.ndarray:
    return np.flatnonzero(series[:, 1] == 0)


def test_a_failure_loses_a_block_of_5_to_30_real_samples(series):
    before, lengths = series.copy(), set()
    for seed in range(300):
        failed = sensor_failure(series, np.random.default_rng(seed))
        lost = np.flatnonzero(~np.isin(real(series), real(failed)))
        assert 5 <= len(lost) <= 30
        assert (np.diff(lost) == 1).all()
        assert (failed[real(series)[lost]] == (0, 1)).all()
        np.testing.assert_array_equal(failed[real(failed)], series[real(failed)])
        lengths.add(len(lost))
    assert lengths == set(range(5, 31))
    np.testing.assert_array_equal(series, before)


def test_a_failure_never_takes_all():
    short = np.array([[1, 0], [0, 1], [2, 0], [3, 0]], dtype=np.float32)
    assert len(real(sensor_failure(short, np.random.default_rng(0)))) == 1
    nothing = np.array([[0, 1], [0, 1]], dtype=np.float32)
    np.testing.assert_array_equal(sensor_failure(nothing, np.random.default_rng(0)), nothing)


def test_noise_moves_real_samples_only(series):
    means, stds = [], []
    for seed in range(300):
        noisy = add_noise(series, np.random.default_rng(seed))
        assert noisy.dtype == series.dtype
        np.testing.assert_array_equal(noisy[:, 1], series[:, 1])
        missing = series[:, 1] == 1
        np.testing.assert_array_equal(noisy[missing], series[missing])
        change = (noisy - series)[real(series), 0]
        assert (change != 0).all()
        means.append(change.mean())
        stds.append(change.std())
    assert np.mean(means) == pytest.approx(0, abs=0.02)
    assert np.mean(stds) == pytest.approx(0.15, rel=0.1)


def test_down_sampling_keeps_one_in_k(series):
    kept = set()
    for seed in range(50):
        thinned = down_sample(series, np.random.default_rng(seed))
        places = np.flatnonzero(np.isin(real(series), real(thinned)))
        (k,) = set(np.diff(places))
        assert places[0] < k
        assert len(places) in (len(real(series)) // k, -(-len(real(series)) // k))
        assert (thinned[thinned[:, 1] == 1, 0] == 0).all()
        np.testing.assert_array_equal(thinned[real(thinned)], series[real(thinned)])
        kept.add(int(k))
    assert kept == {2, 3, 4}


def test_other_shapes_are_refused():
    for augment in (sensor_failure, add_noise, down_sample):
        with pytest.raises(ValueError, match=r"\(time, 2\), not \(5, 3\)"):
            augment(np.zeros((5, 3)), np.random.default_rng(0))
