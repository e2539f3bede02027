"""One local Ray for all tests of this folder, with a home directory of its own, where it keeps its token."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.execute import local_ray as starting

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for `stubs`


@pytest.fixture(scope="session")
def own_home() -> Iterator[dict[str, str]]:
    """An environment in which Ray sees nothing of the user's: own home and temporary files, and the path of the stubs."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tempfile.mkdtemp(prefix="ray-")  # Ray's sockets need a short path
        patch.setenv("HOME", folder)
        patch.setenv("RAY_TMPDIR", folder)
        for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parents[1])]))
        yield dict(os.environ)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def local_ray(own_home: dict[str, str]) -> Iterator[None]:
    pytest.importorskip("harness.execute.ray_tune")  # before ray: it turns usage statistics off
    ray = pytest.importorskip("ray")
    with starting.local_ray(ray, 2, 250.0, Mock()):  # on a busy machine it takes more than one attempt
        yield
