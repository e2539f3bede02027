"""The product as its user uses it: real commands, on small runs of the built-in data set, in real processes where it matters."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness import registry
from tests.cli.in_process import harness

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
sweep: {label_rate: [0.1, 0.3]}
seeds: 2
stage1: {epochs: 1}
stage2: {epochs: 2, evaluate_every: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
  cosmo: {quality: {restarts: 1, subsets: 0}}
"""


def in_its_own_process(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", **variables}
    environment.pop("HARNESS_DATA", None)
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study, run inline."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.yaml").write_text(STUDY)
    done = harness("run", "small.yaml", "--inline", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "fantasy-device" in done.stdout
    return folder


def records(run: Path) -> dict[str, dict[str, Any]]:
    """The records of a run without what differs from run to run: times, places, attempts."""
    found = {}
    for path in sorted((run / "records").iterdir()):
        record = json.loads(path.read_text())
        assert record["status"] == "done"
        result = {name: value for name, value in record["result"].items() if not name.endswith("seconds")}
        artefacts = {name: entry["sha256"] for name, entry in record["artefacts"].items()}
        found[record["key"]] = {"result": result, "artefacts": artefacts, "content": record["content"]}
    return found


def test_the_records_hold_every_trial(folder: Path) -> None:
    done = harness("records", "runs/small", cwd=folder)
    assert done.returncode == 0
    (folder / "trials.csv").write_text(done.stdout)
    table = pd.read_csv(folder / "trials.csv")
    assert len(table) == 2 * 2 * 2
    wanted = [
        "key",
        "status",
        "dataset",
        "method",
        "seed",
        "label_rate",
        "accuracy",
        "macro_f1",
        "stage1_key",
        "stage1_seconds",
        "stage2_seconds",
        "error",
    ]
    assert set(wanted) <= set(table.columns)
    assert (table["status"] == "done").all()
    assert table["accuracy"].between(0, 1).all()
    assert table.loc[table["method"] == "cosmo", "stage1_key"].nunique() == 2
    lines = harness("records", "runs/small", "--format", "jsonl", cwd=folder).stdout.splitlines()
    assert [json.loads(line)["key"] for line in lines] == table["key"].tolist()


def test_a_second_run_does_nothing_and_says_so(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs/small/records").iterdir()}
    done = harness("run", "small.yaml", "--inline", cwd=folder)
    assert done.returncode == 0
    assert "all 10 jobs are done already: nothing to run" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "runs/small/records").iterdir()}


def test_more_seeds_run_only_what_is_new(folder: Path) -> None:
    done = harness("run", "small.yaml", "--inline", "--set", "seeds=3", "--dry-run", cwd=folder)
    assert "12 trials need 15 jobs (3 saved by sharing); 10 are done, 5 to run" in done.stdout


def test_status_and_report(folder: Path) -> None:
    done = harness("status", "runs/small", cwd=folder)
    assert done.returncode == 0
    assert "trials (8)" in done.stdout
    done = harness("report", "runs/small", cwd=folder)
    assert done.returncode == 0
    page = (folder / "runs/small/report.html").read_text()
    assert "<svg" in page
    assert "Cosmo" in page


def test_a_killed_run_goes_on_where_it_was(folder: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "small.yaml", "--inline", "--out", "killed"]
    found = folder / "killed/records"
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(found.glob("*.json"))) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in found.glob("*.json")}
    assert 3 <= len(before) < 10
    assert f"stopped: process {process.pid} on " in harness("status", "killed", cwd=folder).stdout
    done = harness("run", "small.yaml", "--inline", "--out", "killed", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert records(folder / "killed") == records(folder / "runs/small")


def test_a_scheduler_ends_a_run_as_ctrl_c_does(folder: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "small.yaml", "--inline", "--out", "terminated"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list((folder / "terminated/records").glob("*.json")):
        time.sleep(0.01)
    process.terminate()
    said, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "go on with: harness" in said
    assert not errors


def test_inline_needs_no_ray(folder: Path) -> None:
    program = (
        "import sys; sys.modules['ray'] = None; sys.argv = ['harness', 'run', 'small.yaml', '--inline', '--out', 'no_ray', "
        "'--set', 'seeds=1', '--set', 'methods=[deepsense]']; from harness.cli import entry; entry()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_failed_job_is_named_and_the_others_go_on(folder: Path) -> None:
    plugin = folder / "plugin"
    plugin.mkdir()
    (plugin / "failing.py").write_text(
        "from baselines.deepsense import DeepSense\n"
        "class Failing(DeepSense):\n"
        "    name = 'failing'\n"
        "    def build_classifier(self, task, options, pretrained, variant=''):\n"
        "        if options is not None and __import__('torch').empty(0).device.type == 'cpu':\n"
        "            raise ValueError('this one is <broken>')\n"
        "        return super().build_classifier(task, options, pretrained, variant)\n"
    )
    info = plugin / "failing-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[cosmo_harness.methods]\nfailing = failing:Failing\n")
    arguments = (
        "run",
        "small.yaml",
        "--inline",
        "--out",
        "failed",
        "--set",
        "methods=[failing, deepsense]",
        "--set",
        "seeds=1",
    )
    done = in_its_own_process(*arguments, cwd=folder, PYTHONPATH=os.pathsep.join([str(plugin), *sys.path]))
    assert done.returncode == 1, done.stderr
    assert "this one is <broken>" in done.stdout
    assert "Traceback" not in done.stderr
    statuses = [json.loads(path.read_text())["status"] for path in (folder / "failed/records").iterdir()]
    assert sorted(statuses) == ["done", "done", "failed", "failed"]
    assert "&lt;broken&gt;" in (folder / "failed/report.html").read_text()

    module = plugin / "failing.py"
    module.write_text(module.read_text().replace("== 'cpu'", "== 'meta'"))  # where models are checked before the start
    done = in_its_own_process(*arguments, cwd=folder, PYTHONPATH=os.pathsep.join([str(plugin), *sys.path]))
    assert done.returncode == 1
    assert f"This error is in a plug-in, at {module}:6" in done.stderr
    assert "Please report it" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nothing.yaml"), "there is no study nothing.yaml"),
        (("run", "small.yaml", "--set", "cosmo.lamda=1"), "--set cosmo.lamda=1: cosmo.lamda: there is no such option"),
        (("run", "small.yaml", "--set", "datasets=[utd-mhad]"), "HARNESS_DATA"),
        (("run", "small.yaml", "--data", "no/where"), "the data folder no/where does not exist"),
        (("run", "small.yaml", "--inline", "--address", "x:1"), "give one of them"),
        (
            ("run", "small.yaml", "--inline", "--wait-for-nodes", "5"),
            "there are no nodes for --wait-for-nodes to wait for",
        ),
        (("run", "small.yaml", "--inline", "--start-timeout", "5"), "there is no Ray to which --start-timeout applies"),
        (("run", "small.yaml", "--ship-code"), "give the cluster's --address"),
        (("run", "small.yaml", "--start-timeout", "-3"), "start-timeout: -3 is too short; it should be at least 1"),
        (("run", "small.yaml", "--dry-run", "--log", "mlflw:x"), "there is no tracker 'mlflw': did you mean 'mlflow'"),
        (("run", "small.yaml", "--inlin"), "see harness run --help"),
        (("run", "small.yaml", "--set", "gpus_per_trial=1.5"), "a whole number of GPUs, such as 0.5 or 1"),
        (
            ("run", "small.yaml", "--set", "stage1.workers=2", "--set", "stage1.gpus_per_worker=0.5"),
            "which NCCL does not allow: give 1",
        ),
        (("status", "no/run"), "no/run holds no run"),
        (("records", "."), "holds no run"),
        (("data", "info", "utd-mhat"), "did you mean 'utd-mhad'"),
        (("data", "check", "arrays"), "arrays needs a name"),
        (("data", "check", "utd-mhad:mine"), "utd-mhad takes no name: leave out :mine"),
        (("list", "method"), "Invalid value"),
        (
            ("describe", "cosmoo"),
            "there is no method, data set, meter, tracker, study or setting 'cosmoo': did you mean 'cosmo'",
        ),
        (("describe", "cosmoo", "--format", "json"), "did you mean 'cosmo'"),
        (("describe", "stage3"), "did you mean 'stage2'"),
        (("init", "small.yaml"), "small.yaml exists already"),
        (("init", "small.txt"), "a name that ends in .yaml"),
        (("init", "other.yaml", "--method", "cosmoo"), "there is no method 'cosmoo': did you mean 'cosmo'"),
        (("init", "other.yaml", "--dataset", "arrays"), "arrays needs a name"),
        (("run", "small.yaml", "--options"), "use it with --dry-run"),
    ],
)
def test_bad_input_is_one_message_and_status_2(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = harness(*arguments, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error:")
    assert "Traceback" not in done.stderr + done.stdout


def test_a_bug_is_a_traceback_and_a_way_to_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "paths", lambda kind: 1 / 0)
    done = harness("list", "methods")
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr
    assert "Please report it" in done.stderr


def test_options_explain_themselves(folder: Path) -> None:
    shown = harness("describe", "cosmo", cwd=folder)
    assert shown.returncode == 0
    assert "number in [0, 1]" in shown.stdout
    schema = json.loads(harness("study", "schema", cwd=folder).stdout)
    assert "seeds" in schema["properties"]
    planned = harness("run", "small.yaml", "--dry-run", "--options", "--set", "cosmo.lambda=0.5", cwd=folder)
    assert planned.returncode == 0
    assert "--set cosmo.lambda=0.5" in planned.stdout
    assert "small.yaml:7" in planned.stdout


def test_lists_and_help(folder: Path) -> None:
    for kind, name in (("methods", "attnsense"), ("datasets", "usc-had"), ("studies", "quickstart")):
        done = harness("list", kind, cwd=folder)
        assert done.returncode == 0
        assert name in done.stdout
        done = harness("list", kind, "--format", "json", cwd=folder)
        assert done.returncode == 0
        assert name in [one["name"] for one in json.loads(done.stdout)]
    for command in (
        (),
        ("run",),
        ("status",),
        ("records",),
        ("report",),
        ("list",),
        ("study", "schema"),
        ("data", "check"),
        ("data", "info"),
        ("data", "prepare"),
    ):
        done = harness(*command, "--help", cwd=folder)
        assert done.returncode == 0
        assert "xample" in done.stdout or "Begin with" in done.stdout


@pytest.mark.data
def test_real_data_is_described(folder: Path, raw_data: Path) -> None:
    done = harness("data", "info", "utd-mhad", "--data", str(raw_data), cwd=folder)
    assert done.returncode == 0
    assert "861" in done.stdout
    assert "skeleton" in done.stdout


@pytest.mark.parametrize("name", ["baselines", "reports"])
def test_a_folder_that_hides_one_of_our_packages_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    done = in_its_own_process("list", "methods", cwd=tmp_path)  # `python -m` puts the current folder first on the path
    assert done.returncode == 2
    assert str(tmp_path / name) in done.stderr
    assert "Traceback" not in done.stderr
