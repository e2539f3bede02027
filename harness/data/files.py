"""Reading a data set's original files from a folder or, without unpacking it, from a zip file, and hashing them."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

import numpy as np

from harness.errors import DataError
from harness.keys import content_key

MEMO_FROM_BYTES = 256 * 2**20  # smaller sources are hashed again each time, which takes well under a second
MAX_DIGITS = 9  # of a number in a file's name
BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, KeyError)
Indices = tuple[int, ...]


def locate(root: Path | None, names: Sequence[str], what: str) -> Path:
    """The first of ``names`` (folders, or files that end in .zip) that exists below ``root``.

    Raises `DataError`, which lists all names and the folder that was searched, if there is none.
    """
    if root is None:
        raise DataError(
            f"{what}: no data folder is given; set --data DIR or HARNESS_DATA to a folder with {' or '.join(names)}"
        )
    if not root.is_dir():
        raise DataError(f"{what}: the data folder {root} does not exist or is not a folder")
    for name in names:
        path = root / name
        if path.is_file() if name.endswith(".zip") else path.is_dir():
            return path
    raise DataError(f"{what}: {root} contains none of {', '.join(names)}")


class Source:
    """A folder or a zip file, read in the same way. Members are named by their relative path, with ``/``."""

    def __init__(self, path: Path, file: IO[bytes] | None = None):
        self.path = path
        self._file = file  # the content of a zip file inside another one
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Source:
        if self._file is not None or self.path.is_file():
            with _as_data_error(f"{self.path}: not a readable zip file; it may be truncated"):
                self._zip = zipfile.ZipFile(self._file or self.path)
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def members(self) -> list[str]:
        """The names of all files, sorted, without hidden files and those of macOS (``._x``, ``__MACOSX``)."""
        if self._zip is not None:
            names = [info.filename for info in self._zip.infolist() if not info.is_dir()]
        else:
            names = [path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()]
        return sorted(
            name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
        )

    def read(self, member: str) -> bytes:
        """The content of one member. Raises `DataError`, which names it, if it can't be read."""
        with _as_data_error(self.where(member)):
            return self._zip.read(member) if self._zip is not None else (self.path / member).read_bytes()

    def open(self, member: str) -> BinaryIO:
        """Open one member to read it piece by piece. Raises `DataError`, which names it, if it can't be opened."""
        with _as_data_error(self.where(member)):
            return cast(BinaryIO, self._zip.open(member)) if self._zip is not None else (self.path / member).open("rb")

    @contextmanager
    def inner(self, member: str) -> Iterator[Source]:
        """A zip file inside this source, as a source. One inside a zip file is copied to a temporary file."""
        with tempfile.TemporaryFile() as copy:
            if self._zip is not None:
                with _as_data_error(self.where(member)), self.open(member) as stream:
                    shutil.copyfileobj(stream, copy, 2**20)
            with Source(self.path / member, copy if self._zip is not None else None) as source:
                yield source

    @contextmanager
    def within(self, name: str) -> Iterator[Source]:
        """The zip file called ``name`` inside this source, as repositories wrap them; the source itself without one."""
        member = next((one for one in self.members() if PurePosixPath(one).name == name), None)
        if member is None:
            yield self
        else:
            with self.inner(member) as source:
                yield source

    def where(self, member: str) -> str:
        """A member's path as messages show it."""
        return f"{self.path}/{member}"

    def find(self, pattern: str) -> dict[Indices, str]:
        """Find the members whose name ends in a match of ``pattern``.

        Returns a mapping of the integers that the pattern's groups matched to the member, sorted by the integers.
        Raises `DataError` if two members have the same integers or if none matches.
        """
        found: dict[Indices, str] = {}
        for member in self.members():
            match = re.search(rf"(?:^|/){pattern}$", member)
            if match is None:
                continue
            if any(len(group) > MAX_DIGITS for group in match.groups()):
                raise DataError(f"{self.path}: the name {member} holds a number of more than {MAX_DIGITS} digits")
            indices = tuple(int(group) for group in match.groups())
            if indices in found:
                raise DataError(f"{self.path}: {found[indices]} and {member} are copies of the same recording")
            found[indices] = member
        if not found:
            raise DataError(f"{self.path}: no file name matches {pattern!r}")
        return dict(sorted(found.items()))

    def read_mat(self, member: str, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Read the array ``key`` of a MATLAB file, which must hold finite real numbers.

        ``shape`` is the expected shape, with None for an axis of any length above 0. Raises `DataError`, which names
        the member and the key.
        """
        from scipy.io import loadmat

        where = self.where(member)
        try:
            file: Any = io.BytesIO(self.read(member))
            content: dict[str, Any] = loadmat(file, variable_names=[key])
        except DataError:
            raise
        except Exception as error:  # SciPy raises almost any exception for a damaged file
            raise DataError(f"{where}: not a readable MATLAB file ({type(error).__name__}: {error})") from error
        if key not in content:
            raise DataError(f"{where}: there is no array {key!r}")
        array = np.asarray(content[key])
        if array.dtype.kind not in "fiu":
            raise DataError(f"{where}: {key} has dtype {array.dtype}; it should hold real numbers")
        fits = array.ndim == len(shape) and all(
            want in (None, is_) for want, is_ in zip(shape, array.shape, strict=True)
        )
        if not fits or not array.size:
            right = tuple("any" if n is None else n for n in shape)
            raise DataError(f"{where}: {key} has shape {array.shape}; it should be {right}")
        if not np.isfinite(array).all():
            raise DataError(f"{where}: {key} contains NaN or infinite values")
        return array


@contextmanager
def _as_data_error(where: str) -> Iterator[None]:
    """Turn errors of zipfile and of the file system into a `DataError` that begins with ``where``."""
    try:
        yield
    except BAD_ZIP as error:
        raise DataError(f"{where}: {error or type(error).__name__}") from error


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files of a folder, sorted."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def source_key(path: Path, memo: Path | None = None) -> str:
    """The key of a source's content, computed from the relative path and SHA-256 of each file.

    The keys of large sources are stored in the folder ``memo``, by each file's path, size and modification time.
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
            pass  # the next call is slower, and that is all
    return key


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with _as_data_error(str(file)), file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
