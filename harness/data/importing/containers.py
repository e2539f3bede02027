"""The arrays inside .mat and .npz files, also inside structs, as columns of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.npy import read_npz
from harness.errors import DataError, did_you_mean

CONTAINERS = (".mat", ".npz")


def arrays_in(path: Path) -> dict[str, np.ndarray]:
    """The arrays of numbers or text with at most two axes, by name; those in structs as STRUCT.FIELD.

    Vectors are (n,), others (n, columns). Raises `DataError`, which names the file.
    """
    if path.suffix.lower() == ".npz":
        content: dict[str, Any] = read_npz(path, str(path))
    else:
        from scipy.io import loadmat

        try:
            content = loadmat(str(path), chars_as_strings=True)
        except NotImplementedError:
            raise DataError(f"{path}: MATLAB 7.3 files can't be read; save it with save(…, '-v7')") from None
    return {
        name: array for name, one in content.items() if not name.startswith("__") for name, array in _leaves(name, one)
    }


def _leaves(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    array = np.asarray(value)
    if array.dtype.names:
        if array.size == 1:  # a struct
            for field in array.dtype.names:
                yield from _leaves(f"{name}.{field}", array.reshape(-1)[0][field])
        elif array.ndim == 1:  # a table
            yield from ((f"{name}.{field}", array[field]) for field in array.dtype.names)
    elif array.dtype == object:
        if array.size == 1:
            yield from _leaves(name, array.reshape(-1)[0])
        elif array.size and all(np.asarray(one).dtype.kind == "U" for one in array.reshape(-1)):  # a cell of texts
            yield name, np.array(["".join(np.asarray(one).reshape(-1)) for one in array.reshape(-1)], dtype=object)
    elif array.ndim <= 2:
        yield name, array.reshape(-1) if min(array.shape, default=1) <= 1 else array


def columns_in(path: Path, variable: str | None) -> dict[str, np.ndarray]:
    """The columns of a file, each (n,). Those of an array are called 0, 1, …; those of a struct FIELD or FIELD.0.

    variable: the array or the struct; it may be left out if there is only one array. Raises `DataError`.
    """
    arrays = arrays_in(path)
    if variable is None and len(arrays) == 1:
        variable = next(iter(arrays))
    if variable in arrays:
        array = arrays[variable]
        return {str(number): column for number, column in enumerate(np.atleast_2d(array.T))}
    inside = {name: one for name, one in arrays.items() if variable is None or name.startswith(f"{variable}.")}
    if not inside:
        raise DataError(f"{path}: there is no array or struct {variable!r}: {did_you_mean(str(variable), arrays)}")
    start = len(variable) + 1 if variable else 0
    found: dict[str, np.ndarray] = {}
    for name, array in inside.items():
        if array.ndim == 1:
            found[name[start:]] = array
        else:
            found |= {f"{name[start:]}.{number}": array[:, number] for number in range(array.shape[1])}
    return found
