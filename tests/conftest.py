"""Every test has a cache and a home of its own: nothing of the user's is read or written."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from harness.execute.inline import InlineExecutor
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.study import read_study


@lru_cache
def starts_ray(file: Path) -> bool:
    return "mark.ray" in file.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests start Ray come first: together they take longest, see below."""
    items.sort(key=lambda item: not starts_ray(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadfile``, one worker runs all files whose tests start Ray: two Rays at a time are slow to start."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class RayInOneWorker(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "the files whose tests start Ray" if starts_ray(config.rootpath / file) else file

    return RayInOneWorker(config, log)


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache kept for the session, and a HOME for Ray's authentication token."""
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["OMP_NUM_THREADS"] = "1"  # in the processes that tests start: cores are shared
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # at Ray's own 15, workers hardly run beside other tests
    os.environ["MPLCONFIGDIR"] = str(tmp_path_factory.mktemp("matplotlib"))


@pytest.fixture(scope="session")
def run_study() -> Callable[..., Ledger]:
    """(a study's text, a folder for it and its run, the data's folder) → the ledger of the run, in this process; no job may fail."""

    def run(text: str, folder: Path, data: Path | None = None) -> Ledger:
        (folder / "study.yaml").write_text(text)
        plan = make_plan(read_study(folder / "study.yaml"), data)
        ledger = Ledger(folder / "run")
        ledger.write_plan(plan.study_json(), plan.to_json())
        InlineExecutor().run(list(plan.jobs.values()), plan.data, ledger, Mock())
        errors = [record["error"]["traceback"] for record in ledger.records() if record["status"] != "done"]
        assert not errors, errors[0]
        return ledger

    return run


@pytest.fixture(scope="session")
def raw_data() -> Path:
    """The folder of real recordings; tests that need it are skipped where HARNESS_DATA names none."""
    folder = os.environ.get("HARNESS_DATA")
    if not folder:
        pytest.skip("HARNESS_DATA is not set: the real recordings are not here")
    return Path(folder)
