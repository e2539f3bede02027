"""USC-HAD: windows within trials, labels from paths."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from harness.data.cache import load
from harness.data.splits import Split, draw_labelled, split_indices
from harness.data.usc_had import UscHad, UscOptions
from harness.errors import DataError

USC = UscHad(UscOptions())


def test_windows_never_cross_trials(unpack, mat):
    files = {
        f"USC-HAD/Subject1/a1t{t}.mat": mat(sensor_readings=np.full((n, 6), float(t)))
        for t, n in ((1, 450), (2, 650), (3, 199))
    }
    recordings = load(USC, unpack(files))
    assert list(recordings.sample) == [
        "s1_a1_t1_w000",
        "s1_a1_t1_w001",
        "s1_a1_t2_w000",
        "s1_a1_t2_w001",
        "s1_a1_t2_w002",
    ]
    assert recordings.arrays["acc"][:, 0, 0].tolist() == [1, 1, 2, 2, 2]
    assert (recordings.arrays["acc"] == recordings.arrays["acc"][:, :1]).all()
    assert recordings.notes["trials_shorter_than_a_window"] == ["s1_a1_t3"]


def test_labels_come_from_the_path_not_from_inside(usc_files, pack, unpack):
    files = usc_files()
    recordings = load(USC, pack(files, "USC-HAD.zip"))
    assert recordings.fingerprint == load(USC, unpack(files)).fingerprint
    assert recordings.label[:4].tolist() == [0, 0, 1, 1]
    assert recordings.subject[-1] == 14
    parts = split_indices(recordings, Split(), USC.default_split(recordings))
    assert [len(part) for part in parts.values()] == [240, 48, 48]
    assert USC.label_pool(recordings) == 20_000


def test_window_and_stride_are_options(unpack, mat):
    signal = np.arange(1000.0)[:, None] * np.ones(6)
    root = unpack({"USC-HAD/Subject1/a1t1.mat": mat(sensor_readings=signal)})
    recordings = load(UscHad(UscOptions(window=100, stride=50)), root)
    assert recordings.arrays["gyro"].shape == (19, 100, 3)
    np.testing.assert_array_equal(recordings.arrays["gyro"][:, 0, 0], np.arange(19) * 50)
    with pytest.raises(DataError, match="all trials are shorter than a window of 2000"):
        load(UscHad(UscOptions(window=2000)), root)
    with pytest.raises(ValidationError):
        UscOptions(stride=0)


def test_an_activity_that_does_not_exist(unpack, mat):
    with pytest.raises(DataError, match=r"a13t1.mat: there is no activity 13"):
        load(USC, unpack({"USC-HAD/Subject1/a13t1.mat": mat(sensor_readings=np.ones((300, 6)))}))


@pytest.mark.parametrize("stride", [50, 100, 200])
def test_the_number_of_labels_does_not_depend_on_the_stride(unpack, mat, stride: int):
    rng = np.random.default_rng(0)
    files = {
        f"USC-HAD/Subject{s}/a{a}t1.mat": mat(sensor_readings=rng.normal(size=(4000, 6)))
        for s in (1, 2)
        for a in range(1, 13)
    }
    usc = UscHad(UscOptions(stride=stride))
    recordings = load(usc, unpack(files))
    pool, n = np.arange(recordings.n_samples), recordings.n_classes
    rows = draw_labelled(recordings.label, pool, n, 0.01, usc.label_pool(recordings), "usc-had", 0)
    assert len(rows) == 200
    assert len(draw_labelled(recordings.label, pool, n, 0.05, None, "usc-had", 0, labels=200)) == 200


@pytest.mark.data
def test_real_data(raw_data: Path):
    recordings = load(USC, raw_data)
    assert recordings.n_samples == 13864
    assert recordings.notes["trials"] == 840
    start = time.perf_counter()
    again = load(USC, raw_data)
    assert time.perf_counter() - start < 2
    assert again.fingerprint == recordings.fingerprint
    parts = split_indices(recordings, Split(), USC.default_split(recordings))
    assert set(np.unique(recordings.label[parts["test"]])) == set(range(12))
    published = raw_data.parent / "usc_had_small.npz"
    if published.is_file():
        with np.load(published) as small:
            rows = {window.tobytes() for window in np.asarray(recordings.arrays["acc"])}
            first = [window for window in small["acc"][::3] if window.tobytes() in rows]
        assert len(first) == 840  # each trial's first window
