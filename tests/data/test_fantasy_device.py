"""The fantasy device: its signals, its sensors, its windows; and none of the demo's faults."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from harness.data.cache import load
from harness.data.fantasy_device import (
    MODES,
    SENSORS,
    FantasyDevice,
    FantasyOptions,
    Segment,
    draw_segments,
    make_signal,
    peaks,
    sense,
    sine,
    spikes,
    square,
)
from harness.data.normalise import Normaliser
from harness.data.splits import Split, split_indices
from harness.data.windows import windows


def device(**options: object) -> FantasyDevice:
    return FantasyDevice(FantasyOptions.from_plain(options))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_paired_is_four_modalities_of_each_sample():
    recordings = load(device())
    assert [(m.name, m.kind, m.shape) for m in recordings.modalities] == [
        (f"sensor_{s}", "series", (200, 2)) for s in (1, 2, 3, 4)
    ]
    assert recordings.n_samples == 792
    assert recordings.classes == tuple(MODES)
    assert np.bincount(recordings.label, minlength=4).min() > 50
    parts = split_indices(recordings, Split(), device().default_split(recordings))
    assert set(recordings.subject[parts["test"]]) == {9, 10, 11, 12}
    for part in ("train", "test"):
        assert set(recordings.label[parts[part]]) == {0, 1, 2, 3}


def test_unpaired_is_one_sensor_a_series():
    recordings = load(device(pairing="unpaired"))
    assert [m.name for m in recordings.modalities] == ["signal"]
    for series in range(1, 13):
        real = (recordings.arrays["signal"][recordings.subject == series, :, 1] == 0).mean() * 100
        assert real == pytest.approx(SENSORS[(series - 1) % 4].rate_hz)


def test_all_sensors_sense_the_same():
    arrays = load(device()).arrays
    both = (arrays["sensor_1"][..., 1] == 0) & (arrays["sensor_4"][..., 1] == 0)
    first, fourth = (arrays[name][..., 0][both] for name in ("sensor_1", "sensor_4"))
    assert both.mean() == pytest.approx(0.2)
    assert (first - fourth).std() == pytest.approx(np.hypot(0.2, 0.1), rel=0.05)


def test_the_same_seed_is_the_same_device():
    assert load(device()).fingerprint == load(device()).fingerprint
    assert load(device()).fingerprint != load(device(seed=1)).fingerprint
    more = load(device(series=13))
    np.testing.assert_array_equal(more.arrays["sensor_1"][:792], load(device()).arrays["sensor_1"])


def test_each_window_has_its_own_label_not_its_series():
    recordings = load(device())
    assert all(len(set(recordings.label[recordings.subject == s])) > 1 for s in range(1, 13))


def test_the_label_is_the_mode_of_most_of_the_window(monkeypatch):
    monkeypatch.setattr("harness.data.fantasy_device.draw_segments", lambda *_: [(3, 2), (1, 4), (0, 4)])
    recordings = load(device(series=2, seconds=10, window=200, stride=50))
    assert recordings.label[:7].tolist() == [
        3,
        3,
        1,
        1,
        1,
        1,
        1,
    ]  # the third window is half and half: the earlier class


def test_labels_are_at_the_common_rate_whatever_the_sensors(monkeypatch):
    monkeypatch.setattr("harness.data.fantasy_device.draw_segments", lambda *_: [(3, 2), (1, 4), (0, 4)])
    recordings = load(device(series=4, seconds=10, window=200, stride=200, pairing="unpaired"))
    for series in (1, 2, 3, 4):  # 40, 80, 80 and 20 Hz
        windows = recordings.arrays["signal"][recordings.subject == series]
        assert recordings.label[recordings.subject == series].tolist() == [3, 1, 1, 0, 0]
        means = [np.abs(window[window[:, 1] == 0, 0]).mean() for window in windows]
        assert means[0] < 0.35  # peaks: mostly nothing but noise
        assert min(means[1:3]) > 0.9  # square
        assert min(means[3:]) > 0.5  # sine: 2/π
        assert max(means[3:]) < 0.8


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_time_and_channel_are_not_mixed(pairing):
    recordings = load(device(pairing=pairing, window=200, stride=150))
    normalised = Normaliser.fit(recordings.arrays, np.arange(recordings.n_samples), recordings.modalities)
    for name, array in recordings.arrays.items():
        assert set(np.unique(array[..., 1])) == {0, 1}
        assert (array[..., 0][array[..., 1] == 1] == 0).all()
        for series in (1, 2, 3, 4):
            one = array[recordings.subject == series]
            np.testing.assert_array_equal(one[:-1, 150:], one[1:, :50])  # windows overlap by rows
            flags = [tuple(window[:100, 1]) for window in one[::2]]  # 300 samples apart: whole seconds
            assert len(set(flags)) == 1
        assert len(np.unique(normalised.apply(name, array)[..., 1])) == 2


def test_segments_change_mode_and_last_two_seconds_times_a_geometric_number():
    plan = draw_segments(20_000, rng())
    modes, lengths = (np.array(column) for column in zip(*plan, strict=True))
    assert (np.diff(modes) != 0).all()
    assert (lengths % 2 == 0).all()
    assert lengths.mean() == pytest.approx(4, rel=0.05)  # 2 s / ½
    assert np.bincount(modes, minlength=4).min() > len(plan) / 5


@pytest.mark.parametrize("rate", [20, 40, 80])
def test_modes(rate):
    n = 60 * rate
    np.testing.assert_allclose(sine(Segment(7, n, rate, rng())), np.sin(2 * np.pi * 0.5 * (7 + np.arange(n)) / rate))
    flips = np.flatnonzero(np.diff(square(Segment(0, n, rate, rng()))))
    assert square(Segment(0, n, rate, rng()))[0] == 1
    assert set(square(Segment(0, n, rate, rng()))) == {-1, 1}
    assert np.diff(flips).min() >= rate
    assert np.diff(flips).max() <= rate + 10
    triangle = spikes(Segment(0, n, rate, rng()))
    assert (triangle.min(), triangle.max(), triangle[0]) == (-1, 1, -1)
    assert np.abs(np.diff(triangle)).max() <= 2 / (rate - 1) + 1e-9  # no jumps: up, then down
    points = peaks(Segment(0, n, rate, rng()))
    at = np.flatnonzero(points)
    assert len(at) == 60
    assert (points[at[::2]] == 1).all()
    assert (points[at[1::2]] == -1).all()
    assert (at // rate).tolist() == list(range(60))


@pytest.mark.parametrize("sensor", SENSORS)
def test_the_common_representation(sensor):
    n = 50 * sensor.rate_hz
    common = sense(np.full(n, 0.5), sensor, rng())
    assert common.shape == (5000, 2)
    real = np.flatnonzero(common[:, 1] == 0)
    assert real.tolist() == [int(i * 100 / sensor.rate_hz) for i in range(n)]
    assert (common[common[:, 1] == 1, 0] == 0).all()
    assert common[real, 0].mean() == pytest.approx(0.5 + sensor.noise_mean, abs=0.03)
    assert common[real, 0].std() == pytest.approx(sensor.noise_std, rel=0.1)


def test_noise_scales_the_standard_deviation_alone():
    quiet, default, loud = (device(noise=noise).load(()).arrays["sensor_3"] for noise in (0.0, 1.0, 3.0))
    real = quiet[..., 1] == 0
    noise = default[real, 0] - quiet[real, 0]
    assert noise.std() == pytest.approx(SENSORS[2].noise_std, rel=0.05)
    np.testing.assert_allclose(loud[real, 0] - quiet[real, 0], 3 * noise, atol=1e-5)


def test_each_sensor_sees_the_shared_peaks():
    signal = make_signal([(3, 20)], 20, 80, rng(), peak=4)
    for sensor in SENSORS:
        assert len(np.unique(np.flatnonzero(signal[:: 80 // sensor.rate_hz]) // sensor.rate_hz)) == 20


@pytest.mark.parametrize(
    "wrong", [{"window": 10_001}, {"series": 1}, {"stride": 0}, {"pairing": "both"}, {"seconds": "9"}]
)
def test_options_are_checked(wrong):
    with pytest.raises(ValidationError):
        device(**wrong)


def test_windows():
    assert windows(np.zeros((5, 2)), 6, 1).shape == (0, 6, 2)
    np.testing.assert_array_equal(windows(np.arange(10), 4, 3), [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    with pytest.raises(ValueError, match="at least 1"):
        windows(np.zeros(5), 2, 0)
