"""The files in locks/ are complete, have hashes, name no index, and agree with constraints.txt and pyproject.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
LOCKS = {"ray": ("ray",), "dev": ("ray", "dev", "docs")}  # name of the file → the extras that it is for
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def applies(requirement: Requirement, python: str) -> bool:
    on_linux = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    version = {"python_version": python, "python_full_version": f"{python}.9"}
    return requirement.marker is None or requirement.marker.evaluate({**on_linux, **version, "extra": ""})


def pins(lines: list[str], python: str) -> dict[str, str]:
    """Package → version of those that apply. A package that applies twice is an error."""
    found: dict[str, str] = {}
    for requirement in map(Requirement, lines):
        if applies(requirement, python):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"two lines for {name} apply to Python {python}"
            found[name] = str(requirement.specifier).removeprefix("==")
    return found


def entries(lock: str) -> Iterator[list[str]]:
    """The lines of each package: the requirement, then its hashes."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    for entry in re.split(r"(?<!\\)\n", text):
        if entry:
            yield [line.strip() for line in entry.split("\\\n")]


def direct(extras: tuple[str, ...]) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    return [one for one in map(Requirement, lines) if canonicalize_name(one.name) != "cosmo-harness"]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_has_hashes_and_nothing_else(lock):
    for requirement, *hashes in entries(lock):
        assert re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; .*)?", requirement)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("python", PYTHONS)
def test_locks_agree_with_their_sources(python):
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    chosen = pins([line for line in constraints if not line.startswith("#")], python)
    locked = {lock: pins([requirement for requirement, *_ in entries(lock)], python) for lock in LOCKS}
    for lock, extras in LOCKS.items():
        for requirement in direct(extras):
            name = canonicalize_name(requirement.name)
            assert name in chosen, f"constraints.txt has no version of {name} for Python {python}"
            assert requirement.specifier.contains(locked[lock][name], prereleases=True), "run .ci/lock"
        assert {name: version for name, version in locked[lock].items() if chosen.get(name, version) != version} == {}
    assert locked["ray"].items() <= locked["dev"].items()
