"""The Python interface: the same checks and folders as the command, and results as DataFrames and arrays."""

from __future__ import annotations

import doctest
import io
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import harness
from harness.errors import InputError, StudyError
from harness.execute import perform_job
from harness.show import console as consoles
from harness.show.progress import PlainProgress, RichProgress, progress_for
from harness.show.run_progress import RunProgress

STUDY = """\
study: tiny
title: <b>Tiny</b> & small
datasets: [fantasy-device]
methods: [deepsense]
seeds: 1
keep_models: true
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and its run, as the examples of the docstrings have it."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "tiny.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        harness.run("tiny.yaml", overrides={"seeds": 2}, inline=True, quiet=True)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> harness.Run:
    monkeypatch.chdir(folder)
    return harness.open_run("runs/tiny")


def test_the_examples_of_the_docstrings(run: harness.Run) -> None:
    api = import_module("harness.api")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    examples = [test for test in finder.find(api, globs={"run": run, "harness": harness}) if test.examples]
    assert len(examples) >= 10
    for test in examples:
        runner.run(test)
    assert runner.summarize().failed == 0


def test_every_public_method_has_examples_and_says_what_it_raises() -> None:
    api = import_module("harness.api")
    for name in ("run", "open_run"):
        assert all(part in getattr(api, name).__doc__ for part in ("Args:", "Returns:", "Raises:", "Examples:"))
    for name, member in vars(harness.Run).items():
        if callable(member) and not name.startswith("_"):
            assert all(part in (member.__doc__ or "") for part in ("Args:", "Returns:", "Raises:", "Examples:")), name


def test_importing_the_package_stays_cheap() -> None:
    program = (
        "import sys, harness; harness.__version__; dir(harness); print({'pandas', 'torch', 'rich'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = harness.nothing  # type: ignore[attr-defined]
    assert {"run", "open_run", "Run"} <= set(dir(harness))


# -- run ----------------------------------------------------------------------------------------------------------


def test_overrides_are_checked_and_recorded_as_set_is(folder: Path, run: harness.Run) -> None:
    study = json.loads((run.folder / "study.json").read_text())
    assert study["overrides"] == ["seeds=2"]
    assert study["command"] == "harness.run('tiny.yaml', overrides={'seeds': 2}, inline=True)"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), b"bytes"])
def test_a_value_that_no_study_can_have_is_bad_input(value: Any) -> None:
    with pytest.raises(InputError, match=r"overrides\['stage2.lr'\]: .* cannot be a value of a study"):
        harness.run("quickstart", overrides={"stage2.lr": value}, inline=True, quiet=True)


def test_bad_input_raises_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(StudyError, match=r"stage2\.epoch"):
        harness.run("tiny.yaml", overrides={"stage2.epoch": 3}, out="wrong", inline=True, quiet=True)
    with pytest.raises(InputError, match="there is no study nothing"):
        harness.run("nothing", out="wrong")
    with pytest.raises(InputError, match="the data folder nowhere does not exist"):
        harness.run("tiny.yaml", data="nowhere", out="wrong")
    with pytest.raises(InputError, match="give one of them"):
        harness.run("tiny.yaml", inline=True, address="auto", out="wrong", quiet=True)
    with pytest.raises(InputError, match="start-timeout: 0 is too short"):
        harness.run("tiny.yaml", start_timeout=0, out="wrong", quiet=True)
    with pytest.raises(InputError, match="sends the code to the nodes of a Ray cluster"):
        harness.run("tiny.yaml", ship_code=True, out="wrong", quiet=True)
    with pytest.raises(InputError, match="holds no run"):
        harness.open_run("wrong")
    assert not Path("wrong").exists()


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    train, calls = perform_job._train, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(perform_job, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        harness.run("tiny.yaml", out="stopped", overrides={"seeds": 2}, inline=True)
    assert "go on with: harness.run('tiny.yaml', out='stopped', overrides={'seeds': 2}" in capsys.readouterr().out
    assert harness.open_run("stopped").status == {"done": 1, "pending": 1}
    assert harness.run("tiny.yaml", out="stopped", overrides={"seeds": 2}, inline=True).status == {"done": 2}
    assert len(calls) == 3  # the finished job did not run again


def test_a_failed_job_does_not_raise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)

    def broken(*_: Any) -> Any:
        print("<just before>")
        raise ValueError("no <such> luck")

    monkeypatch.setattr(perform_job, "_train", broken)
    run = harness.run("tiny.yaml", out="failed", inline=True, quiet=True)
    assert run.status == {"failed": 1}
    assert run.failed[["type", "message"]].to_numpy().tolist() == [["ValueError", "no <such> luck"]]
    assert run.log(run.failed["key"][0]).startswith("<just before>\nTraceback")
    page = run._repr_html_()
    assert "no &lt;such&gt; luck" in page
    with pytest.raises(InputError, match="is no finished train job"):
        run.confusion(run.trials["key"][0])


def test_quiet_prints_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    harness.run("tiny.yaml", overrides={"seeds": 2}, inline=True, quiet=True)
    assert capsys.readouterr() == ("", "")
    harness.run("tiny.yaml", overrides={"seeds": 2}, inline=True)
    assert "nothing to run" in capsys.readouterr().out


# -- what a run holds ---------------------------------------------------------------------------------------------


def test_confusion_is_labelled_and_agrees_with_the_table(run: harness.Run) -> None:
    trial = run.trials.iloc[0]
    matrix = run.confusion(trial["key"][:8])
    assert matrix.index.name == "true"
    assert matrix.columns.name == "predicted"
    assert list(matrix.index) == list(matrix.columns)
    assert np.trace(matrix.to_numpy()) / matrix.to_numpy().sum() == trial["accuracy"]
    y_true, y_pred = run.predictions(trial["key"])
    counts = pd.crosstab(y_true, y_pred).to_numpy().sum()
    assert counts == matrix.to_numpy().sum() == trial["n_test"]
    with pytest.raises(InputError, match="has no validation samples"):
        run.predictions(trial["key"], part="validation")


def test_an_unknown_key_is_bad_input(run: harness.Run) -> None:
    for ask in (run.confusion, run.predictions, run.log):
        with pytest.raises(InputError, match="'zzzz' is not a job"):
            ask("zzzz")


def test_reports_are_written_where_they_are_asked_for(run: harness.Run, tmp_path: Path) -> None:
    paths = run.report("html", "csv", folder=tmp_path)
    assert [path.suffix for path in paths] == [".html", ".csv"]
    assert all(path.is_file() and tmp_path in path.parents for path in paths)
    with pytest.raises(InputError, match="docx"):
        run.report("docx")


def test_a_comparison_prints_and_reports(run: harness.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter's kernel sets it
    comparison = run.compare(run)
    text = str(comparison)
    assert "\x1b" not in text
    assert "Code, versions and machines are the same" in text
    assert str(run.compare(str(run.folder))) == text
    (page,) = comparison.report(folder=tmp_path)
    assert page.name == "comparison.html"


def test_a_notebook_shows_a_run_as_escaped_html(run: harness.Run) -> None:
    page = run._repr_html_()
    assert "&lt;b&gt;Tiny&lt;/b&gt; &amp; small" in page
    assert "<b>Tiny" not in page
    assert run.trials["key"][0] in page
    assert "2 trials, 2 done" in page
    assert "nan" not in page.lower()


# -- consoles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widgets", "kind"),
    [(True, RichProgress), (False, PlainProgress)],
)
def test_a_notebook_shows_progress_in_place_if_it_can(
    widgets: bool, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter's kernel sets it
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(consoles, "find_spec", lambda name: object() if widgets else None)
    console = consoles.make_console()
    assert console.is_jupyter is widgets
    assert isinstance(progress_for(console, RunProgress([], 0, 0)), kind)


def test_a_quiet_console_has_no_moving_parts() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, quiet=True)
    assert isinstance(progress_for(console, RunProgress([], 0, 0)), PlainProgress)


def test_a_run_in_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(STUDY)
    folds = {"folds": {"subjects_per_fold": 2}, "fantasy-device.seconds": 16}
    run = harness.run("tiny.yaml", overrides=folds, inline=True, quiet=True)
    assert run.trials[["fold", "seed", "status"]].values.tolist() == [[n, 0, "done"] for n in (1, 2, 3)]
    report = (tmp_path / "runs/tiny/report.html").read_text()
    assert "over 3 folds, each the mean of 1 seed" in report
    records = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs/tiny/records").iterdir()}
    harness.run("tiny.yaml", overrides={**folds, "seeds": 2}, inline=True, quiet=True)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs/tiny/records").iterdir()}
    assert len(after) == 6
    assert records.items() <= after.items()
