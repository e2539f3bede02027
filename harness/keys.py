"""Keys and seeds: both are hashes of content, so that they mean the same on every machine.

A *key* names a job by everything that can change its result. A *seed* names one random draw by what it is for, so that
adding a draw in one place never shifts the numbers of another.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

KEY_LENGTH = 20  # hexadecimal digits, 80 bits: a clash is out of reach for any number of jobs


def canonical(content: Any) -> str:
    """JSON text that is the same for equal content: sorted keys, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def content_key(content: Any) -> str:
    """The key of some JSON content."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:KEY_LENGTH]


def array_key(*arrays: np.ndarray) -> str:
    """The key of some arrays: their types, shapes and bytes (strings count as Unicode)."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()[:KEY_LENGTH]


def seed_of(*names: Any) -> int:
    """A seed in [0, 2**63) for the draw that these names describe, e.g. ``seed_of("labels", "utd-mhad", 0)``."""
    return int.from_bytes(hashlib.sha256(canonical(names).encode()).digest()[:8], "big") >> 1


def rng_of(*names: Any) -> np.random.Generator:
    """A NumPy generator for the draw that these names describe."""
    return np.random.default_rng(seed_of(*names))
