"""The worked example of docs/plugins.md: its files are written, installed and run as the page says."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"<!-- commands -->\n```sh\n(.*?)```", re.DOTALL)
KEYS = """\
from pathlib import Path
from harness.plan import make_plan
from harness.study import read_study
for key, job in make_plan(read_study(Path("mine.yaml")), Path("data")).jobs.items():
    print(key, job.about["method"])
"""


class Example:
    """The example on disk; its commands run in its folder, its package is installed beside it and not among the tests' own."""

    def __init__(self, folder: Path):
        self.folder, self.installed = folder, folder / "installed"
        for name, content in FILE.findall(PAGE.read_text(encoding="utf-8")):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        self.output: dict[str, str] = {}

    def run(self, command: str) -> str:
        program, *arguments = shlex.split(command)
        if program == "pip":
            arguments += ["--target", str(self.installed), "--quiet", "--no-index", "--disable-pip-version-check"]
        programs = {"pip": ["-m", "pip"], "harness": ["-m", "harness"], "python": []}
        environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": os.pathsep.join([str(self.installed), *sys.path])}
        environment.pop("HARNESS_DATA", None)
        whole = [sys.executable, *programs[program], *arguments]
        done = subprocess.run(
            whole, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @cached_property
    def first_keys(self) -> dict[str, set[str]]:
        return self.keys()

    def keys(self) -> dict[str, set[str]]:
        """Method → its jobs' keys."""
        found: dict[str, set[str]] = {}
        for line in self.run(f"python -c {shlex.quote(KEYS)}").splitlines():
            key, method = line.split()
            found.setdefault(method, set()).add(key)
        return found


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example after all of the page's commands."""
    for needed in ("pip", "setuptools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    example = Example(tmp_path_factory.mktemp("plugins"))
    for command in "".join(COMMANDS.findall(PAGE.read_text(encoding="utf-8"))).splitlines():
        example.output[command] = example.run(command)
    return example


def test_the_plug_ins_are_listed(example: Example) -> None:
    assert "late-fusion" in example.output["harness list methods"]
    assert "motion-csv" in example.output["harness list datasets"]
    described = example.output["harness data info motion-csv --data data"]
    assert "acc" in described
    assert "96" in described


def test_the_plug_ins_pass_the_checks_for_authors(example: Example) -> None:
    assert "both plug-ins pass" in example.output["python check_plugins.py"]


def test_the_study_runs(example: Example) -> None:
    records = example.output["harness records runs/mine"].splitlines()
    assert len(records) == 1 + 2 * 2 * 2
    assert sum("late-fusion" in record and "done" in record for record in records) == 4
    page = (example.folder / "runs/mine/report.html").read_text()
    assert "Late fusion" in page


@pytest.mark.parametrize(
    ("plugin", "changed"), [("late_fusion", {"late-fusion"}), ("motion_csv", {"late-fusion", "deepsense"})]
)
def test_a_key_changes_with_the_version(example: Example, plugin: str, changed: set[str]) -> None:
    before = example.first_keys
    module = example.installed / f"{plugin}.py"
    text = module.read_text()
    assert 'version = "1"' in text
    module.write_text(text.replace('version = "1"', 'version = "2"'))
    after = example.keys()
    module.write_text(text)
    assert set(before) == set(after) == {"late-fusion", "deepsense"}
    for method in before:
        assert before[method].isdisjoint(after[method]) if method in changed else before[method] == after[method]


def test_a_bad_option_of_a_plug_in_is_bad_input(example: Example) -> None:
    with pytest.raises(AssertionError, match=r"late-fusion\.average"):
        example.run("harness run mine.yaml --data data --dry-run --set late-fusion.average=mean --set sweep={}")
