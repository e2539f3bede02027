"""Commands import no more than they use, and what was kept in the cache is found anew when what it depends on has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.ledger import Ledger
from harness.plan import make_plan
from harness.plan.outline import OutlineMemo, outline
from harness.study import read_study

HEAVY = {"torch", "pandas", "matplotlib", "ray", "sklearn", "scipy", "seaborn"}
STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
seeds: 1
stage1: {epochs: 1}
stage2: {epochs: 2, evaluate_every: 1}
options: {fantasy-device: {series: 6, seconds: 12}, cosmo: {quality: {restarts: 1, subsets: 0}}}
"""
MODULES = """\
import json, runpy, sys
from pathlib import Path
sys.argv = ["harness", *sys.argv[1:]]
try:
    runpy.run_module("harness", run_name="__main__", alter_sys=True)
finally:
    Path("modules.json").write_text(json.dumps(list(sys.modules)))
"""
PLUGIN = '''\
from harness.method import Method


class Mine(Method):
    """{doc}"""

    name, title = "mine", "Mine"

    def check(self, task, stage1, stage2):
        {check}

    def build_classifier(self, task, options, pretrained, variant=""):
        raise NotImplementedError
'''


class Commands:
    """Runs commands in a folder, with a cache of its own and a package of plug-ins beside the harness."""

    def __init__(self, folder: Path):
        self.folder = folder
        about = folder / "mine-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[cosmo_harness.methods]\nmine = mine.method:Mine\n")
        (folder / "mine").mkdir()
        self.write_plugin("The first text.")
        (folder / "study.yaml").write_text(STUDY)

    def write_plugin(self, doc: str, check: str = "pass") -> None:
        (self.folder / "mine/method.py").write_text(PLUGIN.format(doc=doc, check=check))

    def __call__(self, *command: str, status: int = 0) -> tuple[str, set[str]]:
        """What a command printed, and the modules that it imported."""
        path = os.pathsep.join([str(self.folder), *sys.path])
        environment = {
            **os.environ,
            "COLUMNS": "200",
            "PYTHONPATH": path,
            "HARNESS_CACHE": str(self.folder / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",  # else an edit within the same second can go unseen by Python itself
        }
        environment.pop("HARNESS_DATA", None)
        done = subprocess.run(
            [sys.executable, "-c", MODULES, *command],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr, set(json.loads((self.folder / "modules.json").read_text()))


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture(scope="module")
def ledger(run_study: Callable[..., Ledger], tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return run_study(STUDY, tmp_path_factory.mktemp("done"))


def test_help_status_and_records_import_nothing_heavy(commands: Commands, ledger: Ledger) -> None:
    for command in (("--help",), ("status", str(ledger.root)), ("records", str(ledger.root))):
        assert commands(*command)[1] & HEAVY == set(), command


def test_a_second_listing_imports_no_method_until_a_plug_in_is_edited(commands: Commands) -> None:
    first, modules = commands("list", "methods")
    assert "torch" in modules
    again, modules = commands("list", "methods")
    assert (again, modules & HEAVY) == (first, set())
    assert "The first text." in again
    (commands.folder / "mine/.#method.py").symlink_to(
        "no-such-file"
    )  # as an editor leaves it beside a file that it has open
    commands.write_plugin("Another text.")
    assert "Another text." in commands("list", "methods")[0]


def test_a_plug_in_that_can_not_be_loaded_is_tried_again(commands: Commands) -> None:
    (commands.folder / "mine/method.py").write_text("import not_there_yet\n")
    assert "No module named 'not_there_yet'" in commands("list", "methods")[0]
    assert "No module named 'not_there_yet'" in commands("list", "methods")[0]
    (commands.folder / "not_there_yet.py").write_text("")
    assert "has no attribute 'Mine'" in commands("list", "methods")[0]


def test_a_second_dry_run_imports_nothing_heavy(commands: Commands, ledger: Ledger) -> None:
    command = ("run", "study.yaml", "--dry-run", "--out")
    first, modules = commands(*command, "new")
    assert "torch" in modules
    again, modules = commands(*command, "new")
    assert (again, modules & HEAVY) == (first, set())
    assert "2 trials need 3 jobs (0 saved by sharing); 0 are done, 3 to run" in again
    assert "3 are done, 0 to run" in commands(*command, str(ledger.root))[0]
    (commands.folder / "study.yaml").write_text(STUDY.replace("seeds: 1", "seeds: 2"))
    assert "4 trials need 6 jobs" in commands(*command, "new")[0]


def test_an_edited_plug_in_is_checked_again(commands: Commands) -> None:
    (commands.folder / "study.yaml").write_text(STUDY.replace("deepsense, cosmo", "mine"))
    assert "1 trials need 1 jobs" in commands("run", "study.yaml", "--dry-run")[0]
    commands.write_plugin("", check="from harness.errors import InputError; raise InputError('it does not fit')")
    assert "it does not fit" in commands("run", "study.yaml", "--dry-run", status=2)[0]


def test_a_plan_that_depends_on_other_files_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    plan = make_plan(read_study(path), None)
    OutlineMemo(path, [], None).write(plan)
    assert OutlineMemo(path, [], None).read() == outline(plan)
    (recordings,) = plan.data.values()
    train = next(iter(plan.jobs.values())).indices["train"]
    rows = [train[recordings.label[train] == label][0] for label in range(recordings.n_classes)]
    (tmp_path / "list.json").write_text(json.dumps({"10": [str(recordings.sample[row]) for row in rows]}))
    searched = "search: {space: {stage2.lr: {uniform: [0.1, 0.2]}}, trials: 2}\nsplit: {validation: [1]}"
    for more in ("label_list: list.json\nlabel_rate: 0.1", searched):
        path.write_text(f"{STUDY}{more}\n")
        OutlineMemo(path, [], None).write(make_plan(read_study(path), None))
        assert OutlineMemo(path, [], None).read() is None


def test_a_dry_run_sees_that_data_has_changed(commands: Commands) -> None:
    def write(n: int) -> None:
        label, subject = np.arange(n) % 2, np.arange(n) % 4 // 2 + 1
        np.savez(commands.folder / "recorded.npz", a=np.zeros((n, 8, 3), np.float32), label=label, subject=subject)
        about = {"modalities": {"a": {"kind": "series"}}}
        (commands.folder / "recorded.json").write_text(json.dumps(about))

    text = "study: s\ndatasets: [arrays:recorded]\nmethods: [deepsense]\nseeds: 1\nsplit: {test: [2]}\n"
    command = ("run", "study.yaml", "--dry-run", "--data", ".")
    (commands.folder / "study.yaml").write_text(text)
    write(40)
    assert "torch" in commands(*command)[1]
    assert "torch" not in commands(*command)[1]
    write(44)
    assert "torch" in commands(*command)[1]
    (commands.folder / "recorded.npz").unlink()
    assert "contains neither recorded.npz nor a folder recorded" in commands(*command, status=2)[0]
