"""Every test has a cache and a home of its own: nothing of the user's is read or written."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache kept for the session, and a HOME for Ray's authentication token."""
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["OMP_NUM_THREADS"] = "1"  # in the processes that tests start: cores are shared
    os.environ["MPLCONFIGDIR"] = str(tmp_path_factory.mktemp("matplotlib"))


@pytest.fixture(scope="session")
def raw_data() -> Path:
    """The folder of real recordings; tests that need it are skipped where HARNESS_DATA names none."""
    folder = os.environ.get("HARNESS_DATA")
    if not folder:
        pytest.skip("HARNESS_DATA is not set: the real recordings are not here")
    return Path(folder)
