"""Reading npy and npz content, whose headers are checked against the size before memory is taken."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Collection
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from harness.errors import DataError

MAX_RATIO = 1100  # deflate can't make anything smaller than a 1030th
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, IndexError, OverflowError, MemoryError,
    RecursionError, NotImplementedError, RuntimeError, SyntaxError, TokenError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip
"""What NumPy and zipfile raise for damaged content."""


def read_npy(file: BinaryIO, n_bytes: int, where: str) -> np.ndarray:
    """The array of an npy file of ``n_bytes``. Raises `DataError`, which begins with ``where``, if it is damaged."""
    try:
        _check_header(file, n_bytes)
        file.seek(0)
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise DataError(f"{where} can't be read: {error or type(error).__name__}") from None
    return array


def _check_header(file: BinaryIO, n_bytes: int) -> None:
    """Raise `ValueError` if an npy file of ``n_bytes`` can't hold what its header claims."""
    version = npy.read_magic(file)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    claimed, left = prod(map(int, shape)) * dtype.itemsize, n_bytes - file.tell()
    if dtype.hasobject or min(shape, default=0) < 0 or claimed != left:
        raise ValueError(f"its header claims {claimed} bytes of {dtype}, but {left} follow")


def map_npy(path: Path) -> np.ndarray:
    """The array of an npy file, memory-mapped and read-only. Raises `DataError`, which names the file."""
    try:
        with path.open("rb") as file:
            n_bytes = path.stat().st_size
            _check_header(file, n_bytes)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        raise DataError(f"{path} can't be read: {error or type(error).__name__}") from None


def read_npz(file: Path | BinaryIO, where: str, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an npz file, or some of them. Raises as `read_npy` does."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {
                name: read_member(archive, info) for name, info in members.items() if names is None or name in names
            }
    except UNREADABLE as error:
        raise DataError(f"{where} can't be read: {error or type(error).__name__}") from None
    return {name: read_npy(io.BytesIO(data), len(data), f"{where}: array {name!r}") for name, data in wanted.items()}


def read_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of one member of a zip file.

    Raises `ValueError` if its size can't be that of its compressed bytes, and otherwise what zipfile raises.
    """
    if info.file_size > max(info.compress_size, 1) * MAX_RATIO:
        raise ValueError(f"{info.filename} claims {info.file_size} bytes, made of {info.compress_size}")
    with file.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise ValueError(f"{info.filename} has another size than the {info.file_size} bytes that it claims")
    return content
