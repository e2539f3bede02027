"""The documentation: links, commands, the navigation, the generated pages, the site as a whole, and the notebook."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest
from typer.testing import CliRunner

import harness
from harness import registry
from harness.cli import app
from harness.study.model import StudyFile

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
}
BLOCK = re.compile(r"^```\w*\n.*?^```", re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    {
        re.split(" #| > | -- ", line)[0].partition("harness ")[2].strip()
        for text in PAGES.values()
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("harness ")
    }
)


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """The pages that docs/reference.py writes, by name."""
    specification = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert specification is not None
    assert specification.loader is not None
    module: ModuleType = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str, generated: dict[str, str]) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", BLOCK.sub("", PAGES[page])):
        if "://" in target:
            continue
        path = (ROOT / page).parent / target
        assert path.exists() or (path.parent.name == "reference" and path.stem in generated), target


def test_every_page_is_in_the_navigation_once(generated: dict[str, str]) -> None:
    named = [
        line
        for block in re.findall(r"```\{toctree\}\n(.*?)```", PAGES["docs/index.md"], re.DOTALL)
        for line in block.splitlines()
        if not line.startswith(":")
    ]
    pages = [path.stem for path in DOCS.glob("*.md") if path.stem != "index"]
    assert sorted(named) == sorted([*pages, *(f"reference/{name}" for name in generated)])


def test_the_search_finds_commands() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_take_these_options(command: str) -> None:
    """A command or an option that doesn't exist is a usage error, also with --help."""
    result = CliRunner().invoke(app, [*shlex.split(command), "--help"])
    assert result.exit_code == 0, result.output


def test_the_reference_has_every_key_method_data_set_and_command(generated: dict[str, str]) -> None:
    for key in StudyFile.model_fields:
        if key not in ("stage1", "stage2", "split"):
            assert f"| `{key}` |" in generated["options"], key
    for option in ("stage1.epochs", "stage2.lr", "search.trials", "folds.subjects_per_fold", "edge.devices.name"):
        assert f"| `{option}` |" in generated["options"], option
    for kind in ("methods", "datasets"):
        for name in registry.BUILT_IN[kind]:
            assert f"## {name}\n" in generated[kind]
    for command in ("harness run", "harness init", "harness data check", "harness edge serve"):
        assert f"## {command}\n" in generated["commands"]


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    for needed in ("sphinx", "myst_parser", "furo", "sphinxcontrib.mermaid"):
        if importlib.util.find_spec(needed.partition(".")[0]) is None:
            pytest.skip(f"{needed} is not installed")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        tmp_path / "trees",
        DOCS,
        tmp_path / "site",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "api.html").read_text(encoding="utf-8")
    assert 'id="harness.run"' in page
    assert 'id="harness.method.Method"' in page


@pytest.mark.slow
def test_the_notebook_runs_and_draws_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "run", quiet(harness.run))
    notebook = json.loads((ROOT / "examples" / "own_arrays.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    with mpl.rc_context({"backend": "agg"}):
        for cell in notebook["cells"]:
            assert not cell.get("outputs")
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["run"].status == {"done": 2 * 2 * 3}
    assert (tmp_path / "wearables.png").stat().st_size > 5000
    assert (tmp_path / "runs" / "wearables" / "report.html").is_file()


def quiet(run: Any) -> Any:
    """harness.run without its output."""
    return lambda *arguments, **named: run(*arguments, **{**named, "quiet": True})


def test_the_session_and_the_picture_are_of_the_present_quickstart() -> None:
    """If this fails, the quickstart's results may have changed: run docs/pictures.py."""
    specification = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert specification is not None
    assert specification.loader is not None
    module: ModuleType = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert f"<!-- session of {module.trials_key()} -->" in PAGES["docs/start.md"]
    assert 10_000 < (DOCS / "pictures" / "report.png").stat().st_size < 200_000
