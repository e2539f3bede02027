"""Loading a data set: parsed and checked once, then cached as memory-mapped arrays.

The cache only saves time. If it is damaged or can't be written (read-only folder, full disk), the data set is parsed
again.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry
from harness.data.base import UNKNOWN_SUBJECTS, UNLABELLED, Dataset, Modality, Recordings
from harness.data.files import source_key
from harness.errors import DataError, InputError
from harness.keys import KEY_LENGTH, array_key, content_key
from harness.memo import cache_folder

CODES = ("label", "subject", "sample")


def dataset_named(name: str, options: Mapping[str, Any] | None = None) -> Dataset:
    """The data set with a name such as ``usc-had`` or ``arrays:my_recordings``. options: those that are not defaults.

    Raises `InputError` if there is no such data set.
    """
    plugin, _, argument = name.partition(":")
    kind = registry.get("datasets", plugin)
    if kind.takes_argument and not argument:
        raise InputError(f"{plugin} needs a name: for example {plugin}:my_recordings")
    if argument and not kind.takes_argument:
        raise InputError(f"{plugin} takes no name: leave out :{argument}")
    made: Dataset = kind(kind.Options.from_plain(options or {}), argument)
    return made


def load(dataset: Dataset, root: Path | None = None) -> Recordings:
    """Load the recordings of a data set, check them and compute their fingerprint. The arrays are read-only.

    ``root`` is the folder that contains the data set's files. Raises `DataError` for missing or invalid data, and if no
    sample has a label.
    """
    recordings = load_any(dataset, root)
    _check_labels(recordings, _name(dataset))
    return recordings


def load_any(dataset: Dataset, root: Path | None = None) -> Recordings:
    """Like `load`, also for recordings of which none has a label or a subject, which a model can be applied to."""
    sources = dataset.sources(Path(root) if root is not None else None)
    if not sources:
        return _sealed(dataset, dataset.load(()))
    folder = cache_folder()
    entry = folder / "datasets" / entry_key(dataset, sources, folder)
    cached = _read(entry)
    if cached is not None:
        return cached
    recordings = _sealed(dataset, dataset.load(sources))
    _write(entry, recordings)
    return recordings


def entry_key(dataset: Dataset, sources: tuple[Path, ...], folder: Path) -> str:
    """The key of what the arrays depend on: the data set, its version and options, and the content of its files."""
    known = {path: source_key(path, folder / "source_keys") for path in set(sources)}
    options = dataset.options.model_dump(mode="json")
    return content_key([dataset.name, dataset.version, options, dataset.argument, [known[path] for path in sources]])


def fingerprint(recordings: Recordings) -> str:
    """The key of the samples themselves, independent of the files that they were read from."""
    modalities = [modality.to_json() for modality in recordings.modalities]
    arrays = [recordings.arrays[modality.name] for modality in recordings.modalities]
    codes = [recordings.label, recordings.subject, recordings.sample]
    names = [list(recordings.subject_names)] if recordings.subject_names else []
    return content_key([modalities, list(recordings.classes), array_key(*arrays, *codes), *names])


def check(recordings: Recordings, what: str) -> None:
    """Raise `DataError`, which names modality and sample, if the recordings are not those that a study needs."""
    _check_samples(recordings, what)
    _check_labels(recordings, what)


def _check_labels(recordings: Recordings, what: str) -> None:
    if not recordings.has_label.any():
        n = recordings.n_samples
        raise DataError(f"{what}: none of the {n} samples has a label; stage 2 and the test need labelled samples")
    if recordings.n_classes < 2:
        raise DataError(f"{what}: {recordings.classes[0]!r} is the only class; there is nothing to tell apart")
    if UNKNOWN_SUBJECTS in recordings.notes:
        group = recordings.notes[UNKNOWN_SUBJECTS]
        raise DataError(f"{what}: there is no array {group!r}; a study splits the samples by it")


def _check_samples(recordings: Recordings, what: str) -> None:
    """Raise `DataError` if the recordings are not what `Recordings` promises."""
    n = recordings.n_samples
    if n == 0 or not recordings.modalities:
        raise DataError(
            f"{what}: there are no samples" if recordings.modalities else f"{what}: there are no modalities"
        )
    for name in CODES:
        codes = getattr(recordings, name)
        if codes.shape != (n,):
            raise DataError(f"{what}: {name} has shape {codes.shape}; it should be ({n},)")
        if codes.dtype.kind != "U" if name == "sample" else codes.dtype != np.int64:
            right = "text" if name == "sample" else "int64"
            raise DataError(f"{what}: {name} has dtype {codes.dtype}; it should hold {right}")
    values, counts = np.unique(recordings.sample, return_counts=True)
    if len(values) < n:
        raise DataError(f"{what}: the sample name {str(values[counts > 1][0])!r} occurs twice")
    wrong = np.flatnonzero((recordings.label < UNLABELLED) | (recordings.label >= recordings.n_classes))
    if len(wrong):
        sample, label = str(recordings.sample[wrong[0]]), int(recordings.label[wrong[0]])
        raise DataError(f"{what}: the label of sample {sample} is {label}, not in 0 to {recordings.n_classes - 1}")
    names = [modality.name for modality in recordings.modalities]
    if set(names) != set(recordings.arrays) or len(set(names)) < len(names):
        raise DataError(f"{what}: the modalities {names} do not match the arrays {sorted(recordings.arrays)}")
    for modality in recordings.modalities:
        _check_modality(recordings, modality, what)


def _check_modality(recordings: Recordings, modality: Modality, what: str) -> None:
    array = recordings.arrays[modality.name]
    if array.shape != (recordings.n_samples, *modality.shape):
        raise DataError(
            f"{what}: {modality.name} has shape {array.shape}; it should be {(recordings.n_samples, *modality.shape)}"
        )
    if array.dtype.kind not in "fiub" or 0 in array.shape:
        raise DataError(f"{what}: {modality.name} must hold real numbers, not {array.dtype} of shape {array.shape}")
    for start in range(0, len(array), 4096):  # in chunks, since a mask of the whole array could fill the memory
        finite = np.isfinite(array[start : start + 4096]).reshape(min(4096, len(array) - start), -1).all(axis=1)
        if not finite.all():
            sample = recordings.sample[start + int(np.argmin(finite))]
            raise DataError(f"{what}: {modality.name} of sample {sample} contains NaN or infinite values")


def _name(dataset: Dataset) -> str:
    return f"{dataset.name}:{dataset.argument}" if dataset.argument else dataset.name


def _sealed(dataset: Dataset, recordings: Recordings) -> Recordings:
    """The recordings, checked and made read-only, with their fingerprint."""
    _check_samples(recordings, _name(dataset))
    for array in (*recordings.arrays.values(), recordings.label, recordings.subject, recordings.sample):
        array.flags.writeable = False
    return replace(recordings, fingerprint=fingerprint(recordings))


def _read(entry: Path) -> Recordings | None:
    """Read a cache entry; None if it does not exist or its content does not match its fingerprint."""
    try:
        about: dict[str, Any] = json.loads((entry / "about.json").read_text(encoding="utf-8"))
        modalities = tuple(Modality(m["name"], m["kind"], tuple(m["shape"])) for m in about["modalities"])
        files = [np.load(entry / f"{i}.npy", mmap_mode="r", allow_pickle=False) for i in range(len(modalities))]
        codes = {name: np.load(entry / f"{name}.npy", allow_pickle=False) for name in CODES}
        for array in codes.values():
            array.flags.writeable = False
        arrays = {modality.name: array for modality, array in zip(modalities, files, strict=True)}
        who = tuple(about.get("subject_names", ()))
        recordings = Recordings(
            modalities, arrays, **codes, classes=tuple(about["classes"]), subject_names=who, notes=about["notes"]
        )
        known = about["fingerprint"]
        if len(known) == KEY_LENGTH and fingerprint(recordings) == known:
            return replace(recordings, fingerprint=known)
    except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError):
        pass
    return None


def _install(new: Path, entry: Path, aside: Path) -> None:
    """Move a new entry into place, over a damaged one or one that another process is writing at the same time."""
    for attempt in range(10):
        try:
            if entry.exists():
                entry.rename(aside / f"old-{attempt}")
            new.rename(entry)
            return
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
    # another process keeps winning the race; its entry has the same content


def _write(entry: Path, recordings: Recordings) -> None:
    """Write an entry atomically, since another process may be writing the same one."""
    temporary: Path | None = None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
        new = temporary / "new"
        new.mkdir()
        for number, modality in enumerate(recordings.modalities):  # numbered, so that a name never becomes a path
            np.save(new / f"{number}.npy", recordings.arrays[modality.name], allow_pickle=False)
        for name in CODES:
            np.save(new / f"{name}.npy", getattr(recordings, name), allow_pickle=False)
        about = {
            "fingerprint": recordings.fingerprint,
            "modalities": [modality.to_json() for modality in recordings.modalities],
            "classes": list(recordings.classes),
            "subject_names": list(recordings.subject_names),
            "notes": dict(recordings.notes),
        }
        (new / "about.json").write_text(json.dumps(about), encoding="utf-8")
        _install(new, entry, temporary)
    except (OSError, TypeError, ValueError) as error:  # TypeError and ValueError: notes that are not JSON
        if not (entry / "about.json").exists():
            warnings.warn(f"the data cache can't be written ({error}); continuing without it", stacklevel=3)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
