"""Small data sets in the original layouts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

Layout = dict[str, bytes]  # path below the root → content


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def _mat(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()


def _utd_files(activities: int = 3, subjects: int = 8, depth: bool = False) -> Layout:
    rng = np.random.default_rng(0)
    files: Layout = {"UTD-MHAD/Skeleton/Skeleton_joint_order.txt": b"1. head"}
    for a in range(1, activities + 1):
        for s in range(1, subjects + 1):
            name = f"a{a}_s{s}_t1"
            files[f"UTD-MHAD/Inertial/{name}_inertial.mat"] = _mat(d_iner=rng.normal(size=(130 + a, 6)))
            files[f"UTD-MHAD/Skeleton/{name}_skeleton.mat"] = _mat(d_skel=rng.normal(size=(20, 3, 50 + s)))
            if depth and a <= 2:
                files[f"UTD-MHAD/Depth/{name}_depth.mat"] = _mat(
                    d_depth=np.full((240, 320, 22), 1000 + s, dtype=np.uint16)
                )
    return files


def _usc_files(subjects: int = 14, samples: int = 450) -> Layout:
    rng = np.random.default_rng(0)
    return {
        f"USC-HAD/Subject{s}/a{a}t1.mat": _mat(
            sensor_readings=rng.normal(size=(samples, 6)), activity_number="99", comments="x"
        )
        for s in range(1, subjects + 1)
        for a in range(1, 13)
    }


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[Layout], Path]:
    def write(files: Layout) -> Path:
        for name, content in files.items():
            path = tmp_path / "unpacked" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "unpacked"

    return write


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[Layout, str], Path]:
    def write(files: Layout, name: str) -> Path:
        root = tmp_path / "zipped"
        root.mkdir(exist_ok=True)
        with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in files.items():
                archive.writestr(member, content)
            archive.writestr("__MACOSX/" + next(iter(files)), b"rubbish")
        return root

    return write


@pytest.fixture
def mat() -> Callable[..., bytes]:
    """Arrays by name → the bytes of a MATLAB file."""
    return _mat


@pytest.fixture
def utd_files() -> Callable[..., Layout]:
    return _utd_files


@pytest.fixture
def usc_files() -> Callable[..., Layout]:
    return _usc_files
