"""The checks of a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import registry
from harness.data import cache
from harness.data.base import Dataset, Recordings
from harness.data.splits import Split, resolve_split
from harness.errors import InputError
from harness.testing.contract import check_identity, check_options, fail, stating


def check_dataset(
    dataset: str | type[Dataset], root: Path | None, options: Mapping[str, Any] | None = None, argument: str = ""
) -> None:
    """Check a data set, given by its name or class, on its files. The cache is neither read nor written.

    Two loads must agree, arrays, labels and subjects must fit each other, no subject may be in two parts of the default
    split, and an empty folder must be reported as an error.

    Args:
        dataset: The name of a registered data set, as in a study (``arrays:my_recordings``), or its class.
        root: The folder that contains the files; None for a data set that has none.
        options: Options of the data set, as in a study.
        argument: The text after the colon of its name, if ``dataset`` is a class.

    Raises:
        AssertionError: The data set breaks its contract.
    """
    if isinstance(dataset, str):
        name, _, behind = dataset.partition(":")
        cls, argument = registry.get("datasets", name), argument or behind
    else:
        cls = dataset
    check_identity(cls, Dataset)
    check_options(cls.name, cls.Options)
    made = cls(cls.Options.from_plain(dict(options or {})), argument)
    with stating(f"{cls.name} can't be loaded", "load() should return Recordings of what sources() found"):
        sources = made.sources(root)
        one, other = made.load(sources), made.load(sources)
    _check_recordings(cls.name, one)
    if cache.fingerprint(one) != cache.fingerprint(other):
        fail(f"{cls.name}: two loads of the same files differ", "load() should depend only on the files and options")
    with stating(f"{cls.name}: the default split is invalid", "each subject should be in one part at most"):
        resolve_split(one, Split(), made.default_split(one))
    if sources:
        _check_empty_folder(made)


def _check_recordings(name: str, recordings: Recordings) -> None:
    n = len(recordings.label)
    lengths = {"subject": len(recordings.subject), "sample": len(recordings.sample)}
    lengths |= {f"arrays[{modality!r}]": len(array) for modality, array in recordings.arrays.items()}
    for what, length in lengths.items():
        if length != n:
            fail(f"{name}: {what} has {length} samples, but label has {n}", "both should have the same length")
    labels, classes = set(recordings.label[recordings.has_label].tolist()), set(range(recordings.n_classes))
    if unknown := labels - classes:
        fail(f"{name}: label {min(unknown)} has no class", f"labels should be from 0 to {recordings.n_classes - 1}")
    if absent := sorted(classes - labels):
        fail(f"{name}: class {recordings.classes[absent[0]]!r} has no sample", "classes should name those that occur")
    with stating(f"{name}: the recordings are invalid", "see Recordings in harness/data/base.py"):
        cache.check(recordings, name)


def _check_empty_folder(dataset: Dataset) -> None:
    right = "sources() or load() should raise DataError that names the folder"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with stating(f"{dataset.name}: an empty folder does not raise InputError", right, InputError):
                dataset.load(dataset.sources(Path(folder)))
        except InputError as error:
            if folder not in str(error):
                fail(f"{dataset.name}: the error about an empty folder does not name it: {error}", right)
            return
    fail(f"{dataset.name}: an empty folder is accepted as data", right)
