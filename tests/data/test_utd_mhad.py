"""UTD-MHAD: made files in its layout, and the real ones against their published preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.data.cache import load
from harness.data.splits import Split, draw_labelled, labelled_from_list, split_indices
from harness.data.utd_mhad import UtdMhad, UtdOptions, resample
from harness.errors import DataError

UTD = UtdMhad(UtdOptions())
WITH_DEPTH = UtdMhad(UtdOptions(depth=True))


def test_zip_and_folder_hold_the_same(utd_files, pack, unpack):
    files = utd_files()
    zipped, unpacked = load(UTD, pack(files, "UTD-MHAD.zip")), load(UTD, unpack(files))
    assert zipped.fingerprint == unpacked.fingerprint
    assert zipped.arrays["inertial"].shape == (24, 120, 6)
    assert zipped.arrays["skeleton"].shape == (24, 40, 20, 3)
    assert list(zipped.sample[:2]) == ["a1_s1_t1", "a1_s2_t1"]
    assert zipped.classes == ("swipe left", "swipe right", "wave")
    assert "a1_s1_t2" in zipped.notes["missing_trials"]


def test_values_are_the_files_own_ends_and_order(utd_files, unpack, mat):
    files = utd_files()
    skeleton = np.arange(20 * 3 * 40, dtype=float).reshape(20, 3, 40)
    inertial = np.arange(120 * 6, dtype=float).reshape(120, 6)
    files["UTD-MHAD/Skeleton/a1_s1_t1_skeleton.mat"] = mat(d_skel=skeleton)
    files["UTD-MHAD/Inertial/a1_s1_t1_inertial.mat"] = mat(d_iner=inertial)
    recordings = load(UTD, unpack(files))
    np.testing.assert_array_equal(recordings.arrays["inertial"][0], inertial.astype(np.float32))
    np.testing.assert_array_equal(recordings.arrays["skeleton"][0], skeleton.transpose(2, 0, 1).astype(np.float32))


def test_depth_keeps_only_the_trials_that_have_all_three(utd_files, pack, unpack):
    files = utd_files(depth=True)
    recordings = load(WITH_DEPTH, unpack(files))
    assert recordings.arrays["depth"].shape == (16, 20, 30, 40)
    assert recordings.classes == ("swipe left", "swipe right")
    assert recordings.arrays["depth"][2].min() == recordings.arrays["depth"][2].max() == 1003
    pack({n: c for n, c in files.items() if "Depth" in n}, "UTD-MHAD-Depth-subset.zip")
    root = pack({n: c for n, c in files.items() if "Depth" not in n}, "UTD-MHAD.zip")
    assert load(WITH_DEPTH, root).fingerprint == recordings.fingerprint


def test_resample_is_linear_and_keeps_the_ends():
    line = np.linspace(3, 5, 77)[:, None] * [1, -2]
    np.testing.assert_allclose(resample(line, 40), np.linspace(3, 5, 40)[:, None] * [1, -2], rtol=1e-6)
    np.testing.assert_array_equal(resample(np.array([[2.0]]), 3), [[2], [2], [2]])


@pytest.mark.parametrize(
    ("member", "arrays", "message"),
    [
        ("Inertial/a1_s1_t1_inertial.mat", None, "a1_s1_t1_inertial.mat: not a readable MATLAB file"),
        (
            "Inertial/a1_s1_t1_inertial.mat",
            {"other": np.ones((9, 6))},
            "a1_s1_t1_inertial.mat: there is no array 'd_iner'",
        ),
        ("Inertial/a1_s1_t1_inertial.mat", {"d_iner": np.ones((9, 5))}, r"shape \(9, 5\); it should be \('any', 6\)"),
        (
            "Inertial/a1_s1_t1_inertial.mat",
            {"d_iner": np.full((9, 6), np.nan)},
            "a1_s1_t1_inertial.mat: d_iner contains NaN",
        ),
        ("Skeleton/a2_s1_t1_skeleton.mat", {"d_skel": "text"}, "should hold real numbers"),
        (
            "Skeleton/a2_s1_t4_skeleton.mat",
            {"d_skel": np.ones((20, 3, 4))},
            "1 trials have skeleton data but no inertial file: a2_s1_t4",
        ),
        ("Inertial/again/a1_s1_t1_inertial.mat", {"d_iner": np.ones((9, 6))}, "are copies of the same recording"),
    ],
)
def test_bad_files_are_named(utd_files, unpack, mat, member, arrays, message):
    content = b"MATLAB 5.0 MAT-file, but not really" if arrays is None else mat(**arrays)
    with pytest.raises(DataError, match=message):
        load(UTD, unpack(utd_files(activities=2, subjects=1) | {f"UTD-MHAD/{member}": content}))


def test_an_activity_that_does_not_exist(unpack, mat):
    files = {f"UTD-MHAD/{p.title()}/a28_s1_t1_{p}.mat": mat(**a) for p, a in
             {"inertial": {"d_iner": np.ones((9, 6))}, "skeleton": {"d_skel": np.ones((20, 3, 9))}}.items()}  # fmt: skip
    with pytest.raises(DataError, match=r"a28_s1_t1: there is no activity 28"):
        load(UTD, unpack(files))


def test_truncated_zip(utd_files, pack):
    root = pack(utd_files(), "UTD-MHAD.zip")
    whole = (root / "UTD-MHAD.zip").read_bytes()
    (root / "UTD-MHAD.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"UTD-MHAD.zip: not a readable zip"):
        load(UTD, root)


def test_a_flipped_bit_inside_a_zip(utd_files, pack):
    root = pack(utd_files(), "UTD-MHAD.zip")
    content = bytearray((root / "UTD-MHAD.zip").read_bytes())
    at = content.find(b"a1_s2_t1_inertial.mat") + 400
    content[at : at + 8] = b"\0" * 8
    (root / "UTD-MHAD.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a1_s2_t1_inertial\.mat"):
        load(UTD, root)


def test_missing_data_names_the_files_and_the_folder(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path} contains none of UTD-MHAD/Inertial, .*UTD-MHAD.zip"):
        load(UTD, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        load(UTD, tmp_path / "nowhere")
    with pytest.raises(DataError, match="HARNESS_DATA"):
        load(UTD, None)
    (tmp_path / "UTD-MHAD" / "Inertial").mkdir(parents=True)
    (tmp_path / "UTD-MHAD" / "Skeleton").mkdir()
    with pytest.raises(DataError, match="no file name matches"):
        load(UTD, tmp_path)


@pytest.mark.data
def test_real_data_equal_the_published_preprocessing(raw_data: Path):
    recordings = load(UTD, raw_data)
    assert recordings.n_samples == 861
    assert recordings.n_classes == 27
    assert recordings.notes["missing_trials"] == ["a8_s1_t4", "a23_s6_t4", "a27_s8_t4"]
    published = raw_data.parent / "utd_mhad.npz"
    if not published.is_file():
        pytest.skip(f"no {published.name} beside the raw data")
    with np.load(published) as arrays:
        np.testing.assert_array_equal(recordings.label, arrays["label"])
        np.testing.assert_array_equal(recordings.subject, arrays["subject"])
        both = np.concatenate([arrays["acc"], arrays["gyro"]], axis=2)
        np.testing.assert_allclose(recordings.arrays["inertial"], both, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(
            recordings.arrays["skeleton"].reshape(861, 40, 60), arrays["skeleton"], rtol=1e-5, atol=1e-5
        )


@pytest.mark.data
def test_real_depth_equals_the_published_preprocessing(raw_data: Path):
    published = raw_data.parent / "utd_mhad_depth.npz"
    if not published.is_file():
        pytest.skip(f"no {published.name} beside the raw data")
    recordings = load(WITH_DEPTH, raw_data)
    assert recordings.n_samples == 64
    assert recordings.n_classes == 4
    assert WITH_DEPTH.label_pool(recordings) == 80
    with np.load(published) as arrays:
        names = [
            f"a{a + 1}_s{s}_t{t}" for a, s, t in zip(arrays["label"], arrays["subject"], arrays["trial"], strict=True)
        ]
        rows = [names.index(name) for name in recordings.sample]
        np.testing.assert_array_equal(recordings.arrays["depth"], arrays["depth"][rows])


@pytest.mark.data
def test_real_label_counts_are_the_papers(raw_data: Path):
    recordings = load(UTD, raw_data)
    parts = split_indices(recordings, Split(), UTD.default_split(recordings))
    assert (len(parts["train"]), len(parts["validation"]), len(parts["test"])) == (646, 0, 215)
    assert UTD.label_pool(recordings) == 540
    for rate, per_class in ((0.05, 1), (0.10, 2), (0.15, 3), (0.20, 4), (0.30, 6), (0.40, 8)):
        rows = draw_labelled(recordings.label, parts["train"], 27, rate, 540, "utd-mhad", {}, 0)
        assert np.bincount(recordings.label[rows]).tolist() == [per_class] * 27
    rows = labelled_from_list(recordings, recordings.sample[parts["train"][::9]], parts["train"])
    np.testing.assert_array_equal(rows, parts["train"][::9])
