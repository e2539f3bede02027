"""Answers of plug-ins that take long to get, kept in the cache folder, each under the hash of all that it depends on.

Methods import torch, which takes a second. With its answers kept, a command that only describes methods, or plans with
them, starts without it. A memo saves time and nothing else: what can't be read is found anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from harness import registry
from harness.keys import content_key

PACKAGES = ("torch", "pydantic", "numpy")  # what plug-ins answer can change with their versions


def cache_folder() -> Path:
    """``HARNESS_CACHE`` if it is set, else the user's cache folder."""
    return Path(os.environ.get("HARNESS_CACHE") or user_cache_dir("cosmo-harness", appauthor=False))


class Memo:
    """One kept answer. kind: what was asked, the name of a folder. depends_on: JSON content that the answer depends on.

    The code of the harness and of all plug-ins is always part of it, so an edited plug-in is asked again.
    """

    def __init__(self, kind: str, depends_on: Any):
        self._path = cache_folder() / kind / f"{content_key([code_key(), depends_on])}.json"

    def read(self) -> Any:
        """The answer, as JSON; None if there is none."""
        try:
            return json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, answer: Any) -> None:
        """Keep an answer, atomically. A folder that can't be written to is no error."""
        keep(self._path, answer)


def keep(path: Path, content: Any) -> None:
    """Write JSON to a file of the cache folder, atomically. A folder that can't be written to is no error."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@cache
def code_key() -> str:
    """The hash of the code that answers: the harness, its baselines, and the packages of other plug-ins."""
    plugins = {kind: dict(registry.paths(kind)) for kind in registry.BUILT_IN}
    packages = {target.partition(":")[0].partition(".")[0] for paths in plugins.values() for target in paths.values()}
    files = [file for package in sorted(packages) for file in _files(package)]
    hashes = [[str(file), hashlib.sha256(file.read_bytes()).hexdigest()] for file in files]
    return content_key([plugins, [_version(name) for name in PACKAGES], hashes])


def _files(package: str) -> list[Path]:
    """The Python files of an importable package or module, sorted; none if it can't be found."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not folders:
        return [Path(spec.origin)] if spec.has_location and spec.origin else []
    return sorted(file for folder in folders for file in folder.rglob("*.py") if file.is_file())  # editors leave links


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
