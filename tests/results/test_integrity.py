"""Damaged files of a run are noticed before anything starts, told in a line, and made anew."""

import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness.cli import app
from harness.driver import Driver, Execution, dry_run
from harness.errors import Damaged
from harness.ledger import Ledger
from harness.results.integrity import repair, verify
from harness.results.run import RunResults

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
label_rate: 0.3
seeds: 1
stage1: {epochs: 1}
stage2: {epochs: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
  cosmo: {quality: {restarts: 1, subsets: 0}}
"""


def run(study: Path, folder: Path) -> tuple[str, Driver]:
    """Run a study in this process. Returns what it printed."""
    shown = io.StringIO()
    driver = Driver.from_file(study, folder, None, [], "harness run", Console(file=shown, width=400))
    assert driver.run(Execution(inline=True)) == 0
    return shown.getvalue(), driver


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "study.yaml").write_text(STUDY)
    run(folder / "study.yaml", folder / "run")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, with its study beside it."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def planned(folder: Path) -> str:
    """How many jobs are done and how many are to run, as a dry run says."""
    shown = io.StringIO()
    dry_run(folder / "study.yaml", folder / "run", None, [], Console(file=shown, width=400), False)
    return re.search(r"\d+ are done, \d+ to run", shown.getvalue()).group()


def attempts(run_folder: Path) -> dict[str, int]:
    """Kind and method of each job → how often it was run."""
    return {f"{one['kind']} {one['about']['method']}": one["attempts"] for one in Ledger(run_folder).records()}


def artefact(run_folder: Path, job: str, name: str) -> Path:
    (key,) = (one["key"] for one in Ledger(run_folder).records() if f"{one['kind']} {one['about']['method']}" == job)
    return run_folder / "artefacts" / key / name


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


ONCE = {"pretrain cosmo": 1, "train cosmo": 1, "train deepsense": 1}
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped": (flip, "has other content than its record says"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:10]), "has 10 bytes, not "),
    "missing": (Path.unlink, "is missing"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), " bytes, not "),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_artefact_is_made_anew_and_nothing_else(folder: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    path = artefact(folder / "run", "pretrain cosmo", "encoders.safetensors")
    before = path.read_bytes()
    damage(path)
    shown, _ = run(folder / "study.yaml", folder / "run")
    assert f"note: 1 job runs again: artefacts/{path.parent.name}/encoders.safetensors" in shown
    assert message in shown
    assert path.read_bytes() == before
    assert attempts(folder / "run") == {**ONCE, "pretrain cosmo": 2}  # the bytes are the same, so its trial stands
    assert not list(verify(folder / "run"))
    assert "all 3 jobs are done already" in run(folder / "study.yaml", folder / "run")[0]


def test_what_needed_other_bytes_runs_again(folder: Path) -> None:
    """As if stage 1 had been made anew on another machine, whose last digits differ."""
    path = artefact(folder / "run", "train cosmo", "predictions.npz")
    record = folder / "run" / "records" / f"{path.parent.name}.json"
    content = json.loads(record.read_text())
    ((need, _),) = content["inputs"].items()
    record.write_text(json.dumps({**content, "inputs": {need: "0" * 20}}))
    assert [planned(folder) for _ in range(2)] == ["2 are done, 1 to run"] * 2
    shown, _ = run(folder / "study.yaml", folder / "run")
    assert f"the artefacts of {need}, which {path.parent.name} was made from, have changed" in shown
    assert attempts(folder / "run") == {**ONCE, "train cosmo": 2}


def test_damage_that_keeps_size_and_time_is_found_by_reading(folder: Path) -> None:
    path = artefact(folder / "run", "train deepsense", "predictions.npz")
    about = path.stat()
    flip(path)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(Damaged, match=r"predictions.npz is damaged or missing: `harness doctor .*"):
        run(folder / "study.yaml", folder / "run")
    shown = CliRunner().invoke(app, ["status", str(folder / "run"), "--verify"])
    assert shown.exit_code == 1
    assert (
        f"damaged: artefacts/{path.parent.name}/predictions.npz has other content than its record says" in shown.output
    )
    (fault,) = repair(folder / "run")
    assert fault.path == path
    assert (folder / "run" / "damaged" / "artefacts" / path.parent.name / path.name).is_file()
    run(folder / "study.yaml", folder / "run")
    assert attempts(folder / "run") == {**ONCE, "train deepsense": 2}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 1}', "[" * 100_000, '{"schema": 1, "status": "done"}']
)
def test_a_damaged_record_counts_as_absent(folder: Path, content: str) -> None:
    path = next((folder / "run" / "records").iterdir())
    path.write_text(content)
    assert planned(folder) == "2 are done, 1 to run"
    shown_run, _ = run(folder / "study.yaml", folder / "run")
    assert "1 job runs again: " in shown_run
    assert path.name in shown_run
    assert not list(verify(folder / "run"))


IN_ITS_PLACE: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "no number": lambda path: None,
}


@pytest.mark.parametrize("name", IN_ITS_PLACE)
def test_what_is_no_record_is_told_and_set_aside(folder: Path, name: str) -> None:
    path = folder / "run" / "records" / f"{artefact(folder / 'run', 'train cosmo', 'x').parent.name}.json"
    content = path.read_text()
    path.unlink()
    IN_ITS_PLACE[name](path)
    if name == "no number":
        path.write_text(content.replace('"train_seconds": ', '"train_seconds": NaN, "was": '))
    shown = CliRunner().invoke(app, ["status", str(folder / "run"), "--verify"])
    assert shown.exit_code in (1, 2), shown.output
    (fault,) = repair(folder / "run")
    assert fault.path == path
    assert not os.path.lexists(path)
    run(folder / "study.yaml", folder / "run")
    assert not list(verify(folder / "run"))


def test_the_doctor_checks_and_repairs(folder: Path) -> None:
    flip(artefact(folder / "run", "train cosmo", "predictions.npz"))
    record = folder / "run" / "records" / f"{artefact(folder / 'run', 'train deepsense', 'x').parent.name}.json"
    record.write_text("{")
    (folder / "run" / ".writing-abc").touch()
    checked = CliRunner().invoke(app, ["doctor", str(folder / "run"), "--check"])
    assert (checked.exit_code, checked.output.count("damaged: ")) == (1, 2)
    assert "2 files are damaged" in checked.output
    assert record.exists()
    assert CliRunner().invoke(app, ["doctor", str(folder / "run")]).exit_code == 1
    assert not record.exists()
    assert not (folder / "run" / ".writing-abc").exists()
    run(folder / "study.yaml", folder / "run")
    again = CliRunner().invoke(app, ["doctor", str(folder / "run")])
    assert (again.exit_code, again.output) == (0, "no file is damaged\n")


def test_the_doctor_accepts_a_plan_that_it_has_set_aside(folder: Path) -> None:
    (folder / "run" / "plan.json").write_text("{")
    first, *later = (CliRunner().invoke(app, ["doctor", str(folder / "run"), *flag]) for flag in ([], [], ["--check"]))
    assert first.exit_code == 1
    assert "1 file is damaged; it is in" in first.output
    assert "to make it anew" in first.output
    assert [(again.exit_code, again.output) for again in later] == [(0, "no file is damaged\n")] * 2


def test_a_dry_run_counts_jobs_that_run_again(folder: Path) -> None:
    flip(artefact(folder / "run", "train cosmo", "predictions.npz"))
    for _ in range(2):  # planned, and from the memo
        shown = io.StringIO()
        dry_run(folder / "study.yaml", folder / "run", None, [], Console(file=shown, width=400), False)
        assert "note: 1 job runs again: artefacts/" in shown.getvalue()
        assert "2 are done, 1 to run" in shown.getvalue()


def test_a_driver_takes_in_what_another_process_has_done_since_it_planned(folder: Path, tmp_path: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=400)
    driver = Driver.from_file(folder / "study.yaml", tmp_path / "late", None, [], "harness run", console)
    assert len(driver.todo) == 3
    shutil.copytree(folder / "run", tmp_path / "late")
    assert driver.run(Execution(inline=True)) == 0
    assert "all 3 jobs are done already: nothing to run" in shown.getvalue()


def test_jobs_of_an_offline_device_are_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.execute.inline.InlineExecutor.run", interrupted)
    (tmp_path / "study.yaml").write_text(STUDY + "edge: {devices: [{name: nano, offline: true}]}\n")
    shown = io.StringIO()
    console = Console(file=shown, width=400)
    driver = Driver.from_file(tmp_path / "study.yaml", tmp_path / "run", None, [], "harness run", console)
    with pytest.raises(KeyboardInterrupt):
        driver.run(Execution(inline=True))
    assert "interrupted: 0 jobs are done and kept, 3 are left" in shown.getvalue()


def test_a_copy_of_a_run_is_whole(made: Path, tmp_path: Path) -> None:
    for copy in (shutil.copy, shutil.copy2):
        target = tmp_path / copy.__name__
        shutil.copytree(made / "run", target, copy_function=copy)
        results = RunResults.open(target)
        assert not [results.fault(key) for key in results.plan.jobs if results.fault(key)]


def test_a_damaged_checkpoint_is_not_resumed_from(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.keep_checkpoint("0123456789", b"state")
    assert ledger.checkpoint("0123456789") == b"state"
    flip(tmp_path / "checkpoints" / "0123456789")
    assert ledger.checkpoint("0123456789") is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("live.json", lambda live: {name: value for name, value in live.items() if name != "pid"}),
        ("live.json", lambda live: {**live, "written_at": "yesterday"}),
        ("plan.json", lambda plan: {**plan, "data": {}}),
        ("plan.json", lambda plan: {**plan, "trials": None}),
        ("plan.json", lambda plan: {**plan, "data": {n: {**d, "modalities": [{}]} for n, d in plan["data"].items()}}),
        ("study.json", lambda study: {**study, "in_force": {"a": {"b": {"c": 1}}}}),
    ],
)
def test_a_file_of_another_shape_is_a_clear_error(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = folder / "run" / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    results = RunResults.open(folder / "run")
    with pytest.raises(Damaged, match=f"{name} is damaged"):
        getattr(results, name.removesuffix(".json"))


def test_a_record_has_a_score_of_each_evaluation(folder: Path) -> None:
    path = folder / "run" / "records" / f"{artefact(folder / 'run', 'train cosmo', 'x').parent.name}.json"
    record = json.loads(path.read_text())
    record["result"]["curves"]["test"]["accuracy"] = []
    path.write_text(json.dumps(record))
    with pytest.raises(Damaged, match=r"curves\.test has other lengths than epochs_evaluated"):
        RunResults.open(folder / "run").trained(path.stem)
