"""Keys and seeds. Both are hashes of content, so they are the same on every machine.

A job's *key* is the hash of everything that can change its result. A *seed* is the hash of the names that describe a
random draw, so a new draw in one part of the code never changes the numbers of another.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

KEY_LENGTH = 20  # hexadecimal digits; at 80 bits collisions are out of the question for any number of jobs


def canonical(content: Any) -> str:
    """The canonical JSON text of some content: sorted keys, no spaces. Raises ValueError for NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def content_key(content: Any) -> str:
    """The key of some JSON content."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:KEY_LENGTH]


def array_key(*arrays: np.ndarray) -> str:
    """The key of some arrays, computed from their dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()[:KEY_LENGTH]


def seed_of(*names: Any) -> int:
    """The seed in [0, 2**63) of the draw that these names describe, e.g. ``seed_of("labels", "utd-mhad", 0)``."""
    return int.from_bytes(hashlib.sha256(canonical(names).encode()).digest()[:8], "big") >> 1


def rng_of(*names: Any) -> np.random.Generator:
    """The NumPy generator of the draw that these names describe."""
    return np.random.default_rng(seed_of(*names))
