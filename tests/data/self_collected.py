"""A made stand-in for the self-collected set, which is not public: its counts, its modalities' names, shapes of ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

CLASSES, SUBJECTS, SAMPLES = 14, 30, 3434
KINDS = {"imu": "series", "depth": "frames", "radar": "volume"}
SMALL = {"imu": (40, 6), "depth": (16, 8, 10), "radar": (16, 6, 6, 4)}
"""One sample's shape, time first: (time, channels), (time, height, width), (time, x, y, z). Small, so that tests are quick;
recordings of this kind come as, say, 120x6, 16x112x112 and 20x32x16x16."""


def write(
    root: Path,
    name: str = "self_collected",
    shapes: dict[str, tuple[int, ...]] = SMALL,
    samples: int = SAMPLES,
    folder: bool = False,
) -> Path:
    """Write ``NAME.npz`` and ``NAME.json`` (or the folder ``NAME/``) below ``root``, for ``arrays:NAME``. Returns ``root``.

    ``samples`` are spread evenly over 30 subjects and 14 classes. Each class has a pattern in each modality, each subject an
    offset; the rest is noise. Stored as float16 (imu) and uint8 (depth, radar: points a voxel).
    """
    rng = np.random.default_rng(0)
    row = np.arange(samples)
    subject, label = row % SUBJECTS + 1, row // SUBJECTS % CLASSES
    arrays: dict[str, np.ndarray] = {}
    for modality, shape in shapes.items():
        pattern, offset = rng.normal(size=(CLASSES, *shape)), rng.normal(size=(SUBJECTS, 1, shape[-1]))
        array = rng.normal(size=(samples, *shape)) + pattern[label]
        array += offset[subject - 1].reshape(samples, *[1] * (len(shape) - 1), shape[-1])
        arrays[modality] = (
            array.astype(np.float16) if modality == "imu" else np.clip(np.abs(array) * 40, 0, 255).astype(np.uint8)
        )
    arrays |= {"label": label, "subject": subject}
    about = {
        "modalities": {modality: {"kind": KINDS[modality]} for modality in shapes},
        "activities": [f"activity {number}" for number in range(1, CLASSES + 1)],
    }
    if folder:
        (root / name).mkdir(parents=True)
        for key, array in arrays.items():
            np.save(root / name / f"{key}.npy", array)
        (root / name / "index.json").write_text(json.dumps(about))
    else:
        np.savez(root / f"{name}.npz", **arrays)
        (root / f"{name}.json").write_text(json.dumps(about))
    return root
