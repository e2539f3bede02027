"""Original files of a data set, read from a folder or from a zip without unpacking it; their content's hash."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from scipy.io import loadmat

from harness.errors import DataError
from harness.keys import content_key

MEMO_FROM_BYTES = 256 * 2**20  # smaller sources are hashed anew each time: well under a second
BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, KeyError)
Indices = tuple[int, ...]


def locate(root: Path | None, names: Sequence[str], what: str) -> Path:
    """The first of ``names`` (folders, or files ending in .zip) that is there under ``root``.

    Raises `DataError` that lists all the names and the folder that was searched.
    """
    if root is None:
        raise DataError(
            f"{what}: no data folder is given (--data DIR, or HARNESS_DATA); looked for: {', '.join(names)}"
        )
    if not root.is_dir():
        raise DataError(f"{what}: the data folder {root} does not exist or is not a folder")
    for name in names:
        path = root / name
        if path.is_file() if name.endswith(".zip") else path.is_dir():
            return path
    raise DataError(f"{what}: none of {', '.join(names)} is in {root}")


class Source:
    """A folder or a zip, read alike: names of members (with ``/``) and their bytes."""

    def __init__(self, path: Path):
        self.path = path
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Source:
        if self.path.is_file():
            with _as_data_error(f"{self.path}: not a readable zip, perhaps truncated"):
                self._zip = zipfile.ZipFile(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def members(self) -> list[str]:
        """Names of all files, sorted; those that packers and editors leave behind (``._x``, ``__MACOSX``) are skipped."""
        if self._zip is not None:
            names = [info.filename for info in self._zip.infolist() if not info.is_dir()]
        else:
            names = [path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()]
        return sorted(
            name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
        )

    def read(self, member: str) -> bytes:
        """Bytes of one member. Raises `DataError` naming it."""
        with _as_data_error(self.where(member)):
            return self._zip.read(member) if self._zip is not None else (self.path / member).read_bytes()

    def where(self, member: str) -> str:
        """How messages name a member."""
        return f"{self.path}/{member}"

    def find(self, pattern: str) -> dict[Indices, str]:
        """Members whose name ends in a match of ``pattern``: the integers of its groups → member, sorted by the integers.

        Raises `DataError` if two members carry the same integers, or none matches.
        """
        found: dict[Indices, str] = {}
        for member in self.members():
            match = re.search(rf"(?:^|/){pattern}$", member)
            if match is None:
                continue
            indices = tuple(int(group) for group in match.groups())
            if indices in found:
                raise DataError(f"{self.path}: {found[indices]} and {member} are the same recording twice")
            found[indices] = member
        if not found:
            raise DataError(f"{self.path}: holds no file named like {pattern!r}")
        return dict(sorted(found.items()))

    def read_mat(self, member: str, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """The array ``key`` of a MATLAB file, real numbers, none of them NaN or infinite.

        ``shape``: what is expected, None for any length above 0. Raises `DataError` naming the member and the key.
        """
        where = self.where(member)
        try:
            content: dict[str, Any] = loadmat(io.BytesIO(self.read(member)), variable_names=[key])  # type: ignore[arg-type]
        except DataError:
            raise
        except Exception as error:  # SciPy raises nearly anything on a damaged file
            raise DataError(f"{where}: not a readable MATLAB file ({type(error).__name__}: {error})") from error
        if key not in content:
            raise DataError(f"{where}: has no array {key!r}")
        array = np.asarray(content[key])
        if array.dtype.kind not in "fiu":
            raise DataError(f"{where}: {key} holds {array.dtype}, not real numbers")
        fits = array.ndim == len(shape) and all(
            want in (None, is_) for want, is_ in zip(shape, array.shape, strict=True)
        )
        if not fits or not array.size:
            raise DataError(
                f"{where}: {key} has shape {array.shape}, not {tuple('any' if n is None else n for n in shape)}"
            )
        if not np.isfinite(array).all():
            raise DataError(f"{where}: {key} holds NaN or infinite values")
        return array


@contextmanager
def _as_data_error(where: str) -> Iterator[None]:
    """Turn what zipfile and the file system raise into a `DataError` that says where."""
    try:
        yield
    except BAD_ZIP as error:
        raise DataError(f"{where}: {error or type(error).__name__}") from error


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files of a folder, sorted."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def source_key(path: Path, memo: Path | None = None) -> str:
    """Key of a source's content: its files' names below it and their SHA-256.

    Large sources are remembered in the folder ``memo`` by path, size and time of change of each file.
    """
    files = files_of(path)
    stats = [(file, file.stat()) for file in files]
    remember = memo is not None and sum(stat.st_size for _, stat in stats) >= MEMO_FROM_BYTES
    note = None
    if memo is not None and remember:
        note = memo / content_key([[str(file.resolve()), stat.st_size, stat.st_mtime_ns] for file, stat in stats])
        try:
            known = note.read_text(encoding="ascii")
            if re.fullmatch("[0-9a-f]{20}", known):
                return known
        except (OSError, UnicodeDecodeError):
            pass
    key = content_key([[file.relative_to(path).as_posix() if file != path else "", _sha256(file)] for file in files])
    if note is not None:
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(key, encoding="ascii")
        except OSError:
            pass  # only slower the next time
    return key


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with _as_data_error(str(file)), file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
