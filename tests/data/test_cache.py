"""The cache saves time and nothing else: damaged, read-only or racing, the recordings are the same."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from harness.data import cache, files
from harness.data.base import DataOptions, Dataset, DefaultSplit, Modality, Recordings
from harness.data.cache import cache_folder, load
from harness.errors import DataError


class Counted(Dataset):
    """Reads one file of bytes; counts how often."""

    name, title = "counted", "counted"
    parsed = 0

    def sources(self, root: Path | None) -> tuple[Path, ...]:
        assert root is not None
        return (root / "numbers",)

    def load(self, sources: tuple[Path, ...]) -> Recordings:
        type(self).parsed += 1
        numbers = np.frombuffer(sources[0].read_bytes(), dtype=np.uint8).astype(np.float32)
        n = len(numbers)
        return Recordings(
            (Modality("x", "series", (1, 1)),),
            {"x": numbers.reshape(n, 1, 1)},
            np.zeros(n, dtype=np.int64),
            np.arange(n),
            np.array([f"s{i}" for i in range(n)]),
            ("only", "other"),
            notes={"n": n},
        )

    @override
    def default_split(self, recordings: Recordings) -> DefaultSplit:
        return DefaultSplit(test=(0,))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "numbers").write_bytes(bytes(range(200)))
    Counted.parsed = 0
    return tmp_path / "data"


COUNTED = Counted(DataOptions())


def entry() -> Path:
    (only,) = (cache_folder() / "datasets").iterdir()
    return only


def test_the_second_load_parses_nothing(root):
    first, second = load(COUNTED, root), load(COUNTED, root)
    assert Counted.parsed == 1
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 20
    np.testing.assert_array_equal(first.arrays["x"], second.arrays["x"])
    assert (second.classes, second.modalities, second.notes) == (first.classes, first.modalities, first.notes)
    for recordings in (first, second):
        for array in (recordings.arrays["x"], recordings.label, recordings.subject, recordings.sample):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[1]


def test_new_content_or_version_is_parsed_anew(root, monkeypatch):
    before = load(COUNTED, root).fingerprint
    (root / "numbers").write_bytes(bytes(range(1, 201)))
    assert load(COUNTED, root).fingerprint != before
    monkeypatch.setattr(Counted, "version", "2")
    load(COUNTED, root)
    assert Counted.parsed == 3


@pytest.mark.parametrize("name", ["0.npy", "about.json", "label.npy", "sample.npy"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone", "rubbish"])
def test_a_damaged_entry_is_built_anew(root, name, damage):
    good = load(COUNTED, root)
    file = entry() / name
    content = bytearray(file.read_bytes())
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        at = content.find(b"only") if name == "about.json" else len(content) - 8
        content[at] ^= 1
        file.write_bytes(content)
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"[]")
    again = load(COUNTED, root)
    assert Counted.parsed == 2
    assert again.fingerprint == good.fingerprint
    np.testing.assert_array_equal(again.arrays["x"], good.arrays["x"])
    assert load(COUNTED, root).fingerprint == good.fingerprint
    assert Counted.parsed == 2


def test_a_cache_that_cannot_be_written_is_done_without(root, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cache can't be written"):
        assert load(COUNTED, root).n_samples == 200


def test_a_full_disk_leaves_nothing_behind(root, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert load(COUNTED, root).n_samples == 200
    assert not list((cache_folder() / "datasets").iterdir())


def test_many_at_once(root):
    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("error")
        prints = {recordings.fingerprint for recordings in pool.map(lambda _: load(COUNTED, root), range(24))}
    assert len(prints) == 1
    assert entry().is_dir()  # and no temporary folder beside it


def test_large_sources_are_hashed_once(root, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "MEMO_FROM_BYTES", 1)
    key = files.source_key(root, tmp_path / "memo")
    monkeypatch.setattr(files, "_sha256", None)  # would fail if it were called
    assert files.source_key(root, tmp_path / "memo") == key
    next((tmp_path / "memo").iterdir()).write_text("rubbish")
    with pytest.raises(TypeError):
        files.source_key(root, tmp_path / "memo")


def test_the_memo_does_not_change_the_key(root, tmp_path):
    assert files.source_key(root) == files.source_key(root, tmp_path / "memo")
    assert files.source_key(root / "numbers") != files.source_key(root)


def recordings(**changes: object) -> Recordings:
    fields: dict[str, object] = {
        "modalities": (Modality("x", "series", (2, 1)),),
        "arrays": {"x": np.zeros((3, 2, 1))},
        "label": np.array([0, 1, 0]),
        "subject": np.array([1, 1, 2]),
        "sample": np.array(["a", "b", "c"]),
        "classes": ("p", "q"),
    }
    return Recordings(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrays": {"x": np.array([0, 0, np.nan, 0, 0, 0]).reshape(3, 2, 1)}}, "made: x of sample b contains NaN"),
        ({"arrays": {"x": np.zeros((3, 2, 2))}}, r"x has shape \(3, 2, 2\); it should be \(3, 2, 1\)"),
        ({"arrays": {"y": np.zeros((3, 2, 1))}}, "do not match the arrays"),
        ({"arrays": {"x": np.zeros((3, 2, 1), dtype=complex)}}, "must hold real numbers"),
        ({"label": np.array([0, 2, 0])}, "label of sample b is 2, not in 0 to 1"),
        ({"label": np.array([0.0, 1, 0])}, "label has dtype float64; it should hold int64"),
        ({"sample": np.array(["a", "b", "b"])}, "'b' occurs twice"),
        ({"sample": np.array(["a", "b", "c"], dtype=object)}, "sample has dtype object; it should hold text"),
        ({"subject": np.array([1, 1])}, "subject has shape"),
        ({"modalities": (), "arrays": {}}, "there are no modalities"),
        ({"label": np.array([], dtype=np.int64)}, "there are no samples"),
    ],
)
def test_every_recording_is_checked(changes, message):
    cache.check(recordings(), "made")
    with pytest.raises(DataError, match=message):
        cache.check(recordings(**changes), "made")


def test_the_fingerprint_sees_everything():
    base = recordings()
    changed = [
        recordings(label=np.array([1, 1, 0])),
        recordings(subject=np.array([1, 2, 2])),
        recordings(sample=np.array(["a", "b", "d"])),
        recordings(classes=("p", "r")),
        recordings(modalities=(Modality("x", "frames", (2, 1)),)),
        recordings(arrays={"x": np.ones((3, 2, 1))}),
    ]
    assert len({cache.fingerprint(r) for r in [base, *changed]}) == 7
    assert cache.fingerprint(recordings(notes={"n": 1})) == cache.fingerprint(base)


def test_data_needs_neither_ray_nor_torch():
    code = "import sys, harness.data.cache, harness.data.splits, harness.data.normalise, harness.data.fantasy_device; "
    code += "sys.exit(bool({'ray', 'torch'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
