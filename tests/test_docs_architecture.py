"""docs/architecture.md names only what exists, and the layers as the import contracts have them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGE)))
LAYERS = re.compile(r"<!-- layers -->\n```text\n(.*?)```", re.DOTALL)
PATHS = [name for name in QUOTED if "/" in name or Path(name).suffix in {".py", ".toml", ".yaml", ".md"}]
MODULES = [name for name in QUOTED if name not in PATHS and re.fullmatch(r"(harness|baselines|reports)(\.\w+)+", name)]


def in_contract() -> list[list[list[str]]]:
    """The layers of each contract, top first, each the modules on its line. There is no tomllib in Python 3.10."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    _, found, section = text.partition("\n[tool.importlinter]\n")
    assert found, "pyproject.toml has no section [tool.importlinter]"
    contracts = re.findall(r"^layers = \[\n(.*?)^\]", section, re.DOTALL | re.MULTILINE)
    return [[line.split(" | ") for line in re.findall(r'"([^"]+)"', contract)] for contract in contracts]


def resolve(name: str) -> object:
    """The module of this name, or what stands under it in the longest module that there is."""
    module, _, attribute = name.rpartition(".")
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return getattr(import_module(module), attribute)


def test_the_page_names_paths_and_modules() -> None:
    assert len(PATHS) > 20
    assert len(MODULES) > 5


@pytest.mark.parametrize("path", PATHS)
def test_paths_exist(path: str) -> None:
    found = ROOT / path
    assert found.is_dir() if path.endswith("/") else found.is_file()


@pytest.mark.parametrize("name", MODULES)
def test_modules_exist(name: str) -> None:
    assert resolve(name) is not None


def test_the_layers_are_those_of_the_contracts() -> None:
    on_page = [[line.split(" | ") for line in block.splitlines()] for block in LAYERS.findall(PAGE)]
    assert in_contract()
    assert on_page == in_contract()


def test_every_layer_exists() -> None:
    for name in (name for contract in in_contract() for layer in contract for name in layer):
        path = ROOT.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_every_room_of_the_harness_is_on_the_page() -> None:
    rooms = {path.parent.relative_to(ROOT).as_posix() + "/" for path in (ROOT / "harness").glob("*/__init__.py")}
    assert rooms <= set(PATHS)
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "harness").glob("[a-z]*.py")} <= set(PATHS)
