"""A user's own arrays, in both forms, and what can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.data.arrays import Arrays, ArraysOptions
from harness.data.cache import load
from harness.data.splits import Split, split_indices
from harness.errors import DataError

N = 24


@pytest.fixture
def own() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "imu": rng.normal(size=(N, 60, 6)),
        "depth": rng.integers(0, 4000, (N, 8, 10, 12)).astype(np.uint16),
        "radar": rng.normal(size=(N, 5, 4, 6, 3)).astype(np.float32),
        "label": np.arange(N) % 3,
        "subject": np.arange(N) // 4 + 1,
        "session": np.arange(N) % 2,
    }


def write(root: Path, arrays: dict[str, np.ndarray], about: object = None, name: str = "own") -> Path:
    np.savez(root / f"{name}.npz", **arrays)
    about = {"modalities": ["imu", "depth", "radar"], "activities": ["a", "b", "c"]} if about is None else about
    (root / f"{name}.json").write_text(json.dumps(about))
    return root


def arrays(argument: str = "own", **options: object) -> Arrays:
    return Arrays(ArraysOptions.from_plain(options), argument)


def test_three_modalities_of_any_shape(tmp_path, own):
    recordings = load(arrays(), write(tmp_path, own))
    assert [(m.name, m.kind, m.shape) for m in recordings.modalities] == [
        ("imu", "series", (60, 6)),
        ("depth", "frames", (8, 10, 12)),
        ("radar", "volume", (5, 4, 6, 3)),
    ]
    assert {array.dtype for array in recordings.arrays.values()} == {np.dtype(np.float32)}
    assert recordings.classes == ("a", "b", "c")
    parts = split_indices(recordings, Split(), arrays().default_split(recordings))
    assert set(recordings.subject[parts["test"]]) == {5, 6}


def test_a_folder_is_the_same_as_an_npz(tmp_path, own):
    (tmp_path / "as_folder" / "own").mkdir(parents=True)
    for name, array in own.items():
        np.save(tmp_path / "as_folder" / "own" / f"{name}.npy", array)
    (tmp_path / "as_folder" / "own" / "index.json").write_text(
        json.dumps({"modalities": {"imu": {"unit": "g"}, "depth": {}, "radar": None}, "activities": ["a", "b", "c"]})
    )
    assert load(arrays(), tmp_path / "as_folder").fingerprint == load(arrays(), write(tmp_path, own)).fingerprint


def test_options_choose_reshape_and_group(tmp_path, own):
    own["skeleton"] = np.zeros((N, 40, 60))
    own["skeleton"][:, 1, 3:6] = [1, 2, 3]
    own["beat"] = np.arange(N * 7.0).reshape(N, 7)
    own["pulse"] = np.arange(N * 1.0)
    root = write(
        tmp_path, own, {"modalities": {"imu": {}, "skeleton": {}, "beat": {}, "pulse": {}, "depth": {"kind": "series"}}}
    )
    dataset = arrays(modalities=["skeleton", "beat", "pulse"], shapes={"skeleton": [40, 20, 3]}, group="session")
    recordings = load(dataset, root)
    assert [(m.kind, m.shape) for m in recordings.modalities] == [
        ("skeleton", (40, 20, 3)),
        ("series", (7, 1)),
        ("series", (1, 1)),
    ]
    assert recordings.arrays["skeleton"][0, 1, 1].tolist() == [1, 2, 3]
    assert dataset.default_split(recordings).test == (1,)
    assert recordings.classes == ("class 0", "class 1", "class 2")


def test_the_test_subjects_that_the_json_names(tmp_path, own):
    about = {"modalities": ["imu"], "official_split": {"test_subjects": [2, 4]}}
    assert arrays().default_split(load(arrays(), write(tmp_path, own, about))).test == (2, 4)


def test_one_subject_can_be_looked_at_but_not_split(tmp_path, own):
    own["subject"][:] = -1
    recordings = load(arrays(), write(tmp_path, own))
    with pytest.raises(DataError, match=r"'subject' is -1 for all samples.*group: NAME.*session"):
        arrays().default_split(recordings)


@pytest.mark.parametrize("name", ["", "../own", "a/b", ".hidden", "a b", "/etc/passwd", "..", "own\0"])
def test_names_never_become_other_paths(tmp_path, name):
    with pytest.raises(DataError, match="give a name of letters"):
        load(arrays(name), tmp_path)


@pytest.mark.parametrize("name", ["../secret", "a/b", 3])
def test_nor_do_names_of_modalities(tmp_path, own, name):
    with pytest.raises(DataError, match="may not be called"):
        load(arrays(), write(tmp_path, own, {"modalities": [name]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"label": np.arange(N) % 4},
            "label 3 of sample r000003 is not among the activities: .* names for 0, 1, 2, and",
        ),
        ({"label": np.arange(N) % 3 - 2}, "label -2 of sample r000000 is not among the activities"),
        ({"label": np.full(N, -1)}, "none of the 24 samples has a label"),
        ({"label": np.ones((N, 3, 2))}, "label must hold one number or text per sample, or one-hot rows, not float64"),
        ({"labelled": np.ones(N)}, "labelled must hold true or false for each of the 24 samples, not float64"),
        ({"label": np.arange(N - 1) % 3}, r"subject has shape \(24,\); it should be \(23,\)"),
        ({"subject": np.ones((N, 2), dtype=int)}, "subject must hold one number or text per sample"),
        ({"subject": np.where(np.arange(N) == 3, np.nan, 1.0)}, "subject nan of sample r000003 is not a whole number"),
        ({"imu": np.full((N, 3, 3), np.inf)}, "imu of sample r000000 contains NaN or infinite"),
        ({"imu": np.where(np.arange(N * 2).reshape(N, 2) == 11, np.nan, 0)}, "imu of sample r000005 contains NaN"),
        ({"imu": np.full((N, 3), 1e300)}, "imu of sample r000000 contains NaN or infinite"),
        ({"imu": np.ones((N - 1, 3, 3))}, r"imu has shape \(23, 3, 3\); it should be \(24, 3, 3\)"),
        ({"imu": np.array(["x"] * N)}, "own.npz: imu: must hold real numbers"),
        ({"imu": np.ones((N, 0, 3))}, "imu: must hold real numbers"),
        ({"imu": np.ones((N, 2, 2, 2, 2, 2))}, "at most 5 axes"),
        ({"imu": np.array([None] * N)}, "array 'imu' can't be read"),  # would need pickle
        ({"sample": np.array(["same"] * N)}, "sample name 'same' occurs twice"),
        ({"sample": np.arange(N)}, "sample has dtype int64; it should hold text"),
    ],
)
def test_unfit_arrays_are_named(tmp_path, own, change, message):
    with pytest.raises(DataError, match=message):
        load(arrays(), write(tmp_path, own | change))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({}, "no modalities are listed; it needs at least"),
        ([], "no modalities are listed"),
        ({"modalities": ["acc"]}, "there is no array 'acc'; available: depth"),
        ({"modalities": {"imu": {"kind": "video"}}}, "kind of imu is 'video', none of series"),
        ({"modalities": ["imu"], "activities": {"0": "a"}}, "label 1 of sample r000001 is not among the activities"),
        ({"modalities": ["imu"], "activities": ["a"]}, "label 1 of sample r000001 is not among the activities"),
        ({"modalities": ["imu"], "activities": "walk"}, "activities should be a list of names, or a mapping"),
        ({"modalities": ["imu"], "activities": ["a", "b", "a"]}, "two classes are called 'a'"),
        ({"modalities": ["imu"], "activities": ["a", " ", "c"]}, "the name of a class is empty"),
        ({"modalities": ["imu", "label"]}, "'label' can't be a modality; it holds labels"),
        ({"modalities": ["subject"]}, "'subject' can't be a modality"),
        ({"modalities": ["imu", "imu"]}, "the modality 'imu' is listed twice"),
        ({"modalities": {"imu": {"kind": "frames"}}}, r"imu: the shape is \(24, 60, 6\), but kind frames needs"),
        ({"modalities": {"depth": {"kind": "series"}}}, r"but kind series needs \(samples, time, channels\)"),
        (
            {"modalities": ["imu"], "official_split": {"test_subjects": [2, 99]}},
            "there is no subject 99; available: 1, 2",
        ),
        ({"modalities": ["imu"], "official_split": {"test_subjects": [1, 2, 3, 4, 5, 6]}}, "these are all subjects"),
        (
            {"modalities": ["imu"], "official_split": {"test_subjects": ["1"]}},
            "there is no subject '1'; available: 1, 2",
        ),
        ({"modalities": ["imu"], "official_split": {"test_subjects": 3}}, "official_split should be"),
        ({"modalities": ["imu"], "official_split": {"test_subjects": None}}, "official_split should be"),
        ({"modalities": ["imu"], "official_split": {"test": [1]}}, "official_split should be"),
        ({"modalities": ["imu"], "official_split": []}, "official_split should be"),
        ({"modalities": ["imu"], "official_split": {"test_subjects": [1, 2, 1]}}, "1 is listed twice"),
        ({"modalities": {"imu": "series"}}, "modality imu is 'series'; write"),
        ({"modalities": ["imu"], "activities": ["a", "b", "a\u200b "]}, "two classes are called 'a'"),
        ({"modalities": ["imu"], "activities": ["a", "\u00e9", "e\u0301"]}, "two classes are called 'é'"),
    ],
)
def test_unfit_json(tmp_path, own, about, message):
    with pytest.raises(DataError, match=message):
        load(arrays(), write(tmp_path, own, about))


def test_what_is_missing_or_broken(tmp_path, own):
    write(tmp_path, own, name="own")
    with pytest.raises(DataError, match="did you mean 'own'"):
        load(arrays("owm"), tmp_path)
    with pytest.raises(DataError, match="there is no modality 'imus': did you mean 'imu'"):
        load(arrays(modalities=["imus"]), tmp_path)
    with pytest.raises(DataError, match="can't be reshaped to \\(7, 7\\) per sample"):
        load(arrays(shapes={"imu": [7, 7]}), tmp_path)
    with pytest.raises(DataError, match="there is no array 'house'"):
        load(arrays(group="house"), tmp_path)
    with pytest.raises(DataError, match="no data folder is given"):
        load(arrays(), None)
    with pytest.raises(DataError, match="'imu' is named twice"):
        load(arrays(modalities=["imu", "imu"]), tmp_path)
    with pytest.raises(DataError, match="'session' can't be a modality"):
        load(arrays(group="session"), write(tmp_path, own, {"modalities": ["imu", "session"]}))
    with pytest.raises(DataError, match="'class 0' is the only class"):
        load(arrays("one"), write(tmp_path, own | {"label": np.zeros(N, dtype=int)}, {"modalities": ["imu"]}, "one"))
    (tmp_path / "own.json").write_text('{"modalities": {"imu": {}, "imu": {}}}')
    with pytest.raises(DataError, match=r"own\.json: not readable JSON \('imu' appears twice\)"):
        load(arrays(), tmp_path)
    (tmp_path / "own.json").write_text("{not json")
    with pytest.raises(DataError, match=r"own\.json: not readable JSON"):
        load(arrays(), tmp_path)
    (tmp_path / "own.json").unlink()
    with pytest.raises(DataError, match=r"there is no own\.json beside it"):
        load(arrays(), tmp_path)
    (tmp_path / "own.json").write_text('{"modalities": ["imu"]}')
    (tmp_path / "own.npz").write_bytes((tmp_path / "own.npz").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"own.npz: not a readable .npz"):
        load(arrays(), tmp_path)
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"neither bare.json nor index.json"):
        load(arrays("bare"), tmp_path)
