"""UCI-HAPT: windows within experiments, labels from intervals, and windows without a label."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.data.cache import load
from harness.data.splits import Split, split_indices
from harness.data.uci_hapt import ACTIVITIES, HaptOptions, UciHapt
from harness.errors import DataError

HAPT = UciHapt(HaptOptions(window=10, stride=10))
FOLDER = "HAPT Data Set/RawData"


def text(array: np.ndarray) -> bytes:
    return "\n".join(" ".join(str(value) for value in row) for row in array.tolist()).encode()


@pytest.fixture
def files() -> dict[str, bytes]:
    """Two experiments of 45 samples: the first half is walking, then nothing for 10 samples, then laying."""
    made = {f"{FOLDER}/labels.txt": b"1 1 1 1 20\n1 1 6 31 45\n2 2 1 1 45\n"}
    for experiment, user in ((1, 1), (2, 2)):
        for kind in ("acc", "gyro"):
            values = np.arange(45.0)[:, None] * [1, 2, 3] + (kind == "gyro")
            made[f"{FOLDER}/{kind}_exp{experiment:02d}_user{user:02d}.txt"] = text(values)
    return made


def test_windows_and_labels(files, unpack, pack):
    recordings = load(HAPT, unpack(files))
    assert recordings.label.tolist() == [0, 0, -1, 5, 0, 0, 0, 0]
    assert recordings.arrays["acc"][1, :, 2].tolist() == [30 + 3 * step for step in range(10)]
    assert recordings.arrays["gyro"][1, 0].tolist() == [11, 21, 31]
    assert recordings.sample[3] == "e1_u1_w003"
    assert load(HAPT, pack(files, "HAPT.zip")).fingerprint == recordings.fingerprint
    labelled = UciHapt(HaptOptions(window=10, stride=10, keep_unlabelled=False))
    assert load(labelled, unpack(files)).label.tolist() == [0, 0, 5, 0, 0, 0, 0]
    pure = UciHapt(HaptOptions(window=30, stride=5, purity=1.0))
    assert load(pure, unpack(files)).label.tolist() == [-1] * 4 + [0] * 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.txt", b"1 1 13 1 20", "there is no activity 13; HAPT has 1 to 12"),
        ("labels.txt", b"1 1 1 1 99", "samples 1 to 99 of experiment 1 do not exist; it has 45"),
        ("labels.txt", b"1 1 1 1", r"labels\.txt: each line should hold 5 finite numbers"),
        ("acc_exp01_user01.txt", b"1 2 x", r"acc_exp01_user01\.txt: could not convert string 'x'"),
        ("acc_exp01_user01.txt", b"1 2 3", "acc and gyro have different numbers of samples"),
    ],
)
def test_faults_are_named(files, unpack, name, content, message):
    with pytest.raises(DataError, match=message):
        load(HAPT, unpack(files | {f"{FOLDER}/{name}": content}))


def test_missing_files_are_named(files, unpack):
    del files[f"{FOLDER}/gyro_exp02_user02.txt"]
    with pytest.raises(DataError, match="experiment 2 of user 2 lacks the file of one sensor"):
        load(HAPT, unpack(files))


@pytest.mark.data
@pytest.mark.skipif(not (Path(os.environ.get("HARNESS_DATA", "/none")) / "HAPT.zip").is_file(), reason="no HAPT.zip")
def test_the_original_files():
    dataset = UciHapt(HaptOptions())
    recordings = load(dataset, Path(os.environ["HARNESS_DATA"]))
    assert len(np.unique(recordings.subject)) == 30
    assert set(recordings.label.tolist()) == {-1, *range(len(ACTIVITIES))}
    parts = split_indices(recordings, Split(), dataset.default_split(recordings))
    assert set(np.unique(recordings.subject[parts["test"]])) == {2, 4, 9, 10, 12, 13, 18, 20, 24}
    assert (recordings.label[parts["test"]] >= 0).all()
    assert recordings.n_unlabelled > 1000
    assert 0.5 < np.linalg.norm(recordings.arrays["acc"], axis=2).mean() < 1.5  # g, with gravity
