"""The files of a run are read once, as types; a file of the wrong shape is named; their page of the docs is current."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.errors import InputError
from harness.jobs import Failure
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.results.artefacts import confusion
from harness.results.gather import gather, write_reports
from harness.results.records import FailedRecord, PretrainRecord, TrainRecord, read_head, read_record
from harness.results.reference import page
from harness.results.run import RunResults
from harness.results.table import csv_cells, trial_table, write_csv
from harness.show.console import CleanConsole
from harness.show.status import show_status
from harness.study import read_study

DOCS = Path(__file__).parents[2] / "docs"
STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cmc]
seeds: 2
stage1: {epochs: 1}
stage2: {epochs: 2, evaluate_every: 1}
options: {fantasy-device: {series: 6, seconds: 12}}
"""
READS = """\
import collections, pathlib, runpy, sys
reads = collections.Counter()
def count(event, args):
    if event == "open" and str(args[0]).endswith(".json") and "r" in (args[1] or ""):
        reads[str(pathlib.Path(args[0]).resolve())] += 1
sys.addaudithook(count)
sys.argv = ["harness", *sys.argv[1:]]
try:
    runpy.run_module("harness", run_name="__main__")
finally:
    pathlib.Path("reads").write_text("".join(f"{n} {path}\\n" for path, n in reads.items()))
"""


@pytest.fixture(scope="module")
def ledger(run_study: Callable[..., Ledger], tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return run_study(STUDY, tmp_path_factory.mktemp("small"))


def reads(folder: Path, *command: str) -> Counter[str]:
    """File name → how often the command read it, of the records, the plan and the study."""
    subprocess.run([sys.executable, "-c", READS, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    lines = (line.split(" ", 1) for line in (folder / "reads").read_text().splitlines())
    found = {path: int(n) for n, path in lines if str(folder.resolve()) in path}
    return Counter({Path(path).name: n for path, n in found.items() if "live" not in path and "holder" not in path})


@pytest.mark.parametrize(
    "command",
    [("status", "run"), ("records", "run"), ("report", "run"), ("run", "study.yaml", "--out", "run", "--inline")],
)
def test_a_command_reads_each_file_once(ledger: Ledger, command: tuple[str, ...]) -> None:
    found = reads(ledger.root.parent, *command)
    assert set(found.values()) == {1}
    assert {f"{key}.json" for key in RunResults(ledger.root).plan.jobs} | {"plan.json"} <= set(found)


def test_a_new_run_reads_what_it_wrote_once(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    found = reads(tmp_path, "run", "study.yaml", "--out", "run", "--inline")
    assert set(found.values()) == {1}


def test_records_are_types(ledger: Ledger) -> None:
    results = RunResults.open(ledger.root)
    trial = next(trial for trial in results.plan.trials if trial.method == "cmc")
    trained, pretrained = results.record(trial.key), results.record(trial.stage1_key)
    assert isinstance(trained, TrainRecord)
    assert isinstance(pretrained, PretrainRecord)
    assert trained.content.stage1 == pretrained.key
    assert len(trained.result.curves["test"].accuracy) == len(trained.result.epochs_evaluated) == 2
    assert len(pretrained.result.loss) == 1
    table = trial_table(results).set_index("key")
    assert table.loc[trial.key, "accuracy"] == trained.result.curves["test"].accuracy[-1]


def test_newer_results_hold_what_came_since(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "run"
    (folder / "records").mkdir(parents=True)
    (folder / "plan.json").write_bytes((ledger.root / "plan.json").read_bytes())
    first, second = sorted((ledger.root / "records").iterdir())[:2]
    (folder / "records" / first.name).write_bytes(first.read_bytes())
    results = RunResults.open(folder)
    assert results.record(first.stem)
    assert results.record(second.stem) is None
    (folder / "records" / second.name).write_bytes(second.read_bytes())
    assert results.record(second.stem) is None  # a snapshot
    newer = results.newer()
    assert newer.record(second.stem)
    assert newer.record(first.stem) is results.record(first.stem)  # not read again


def quality(**change: Any) -> dict[str, Any]:
    one = {"hopkins": 0.5, "k_opt": 3, "score": 0.1, "weight": 1.0}
    return {"train_seconds": 1, "findings": {"quality": {"acc": {**one, **change}}}}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"status": "finished"}, "unable to extract tag|does not match any of the expected tags"),
        ({"status": None}, "tag"),
        ({"result": None}, "result"),
        ({"result": {"epochs_evaluated": "all", "curves": {}, "train_seconds": 1}}, "result.epochs_evaluated"),
        ({"result": {"epochs_evaluated": [1], "train_seconds": 1}}, "result.curves: Field required"),
        ({"content": []}, "content"),
        ({"about": {"seed": "first"}}, "about"),
        ({"artefacts": {"a": "b"}}, "artefacts.a"),
        ({"kind": "pretrain", "result": quality(hopkins="high")}, "findings.quality.acc.hopkins"),
        ({"kind": "pretrain", "result": quality(k_opt_interval=[1])}, "findings.quality.acc.k_opt_interval"),
        ({"kind": "pretrain", "result": quality(k_opt_interval=["a", 2])}, "findings.quality.acc.k_opt_interval"),
        ({"kind": "pretrain", "result": {"train_seconds": 1, "findings": {"quality": [1]}}}, "findings.quality"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(
    tmp_path: Path, ledger: Ledger, change: dict[str, Any], where: str
) -> None:
    record = next(record for record in ledger.records() if record["kind"] == "train")
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**record, **change}))
    with pytest.raises(InputError, match=rf"record\.json is damaged \(.*({where}).*\); delete it and run again"):
        read_record(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "1", '{"schema": 1', "\x00", "[" * 2000])
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"record\.json is damaged"):
        read_record(path)


def test_a_file_of_another_schema_is_named(tmp_path: Path, ledger: Ledger) -> None:
    record = next(ledger.records())
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**record, "schema": 2}))
    with pytest.raises(InputError, match=r"record\.json has schema 2, this version reads 1"):
        read_record(path)


def test_a_failed_job_keeps_what_was_measured(tmp_path: Path, ledger: Ledger) -> None:
    record = next(record for record in ledger.records() if record["kind"] == "train")
    error = {"type": "RuntimeError", "message": "the meter failed", "traceback": ""}
    failed = {name: record[name] for name in ("schema", "key", "content", "about", "needs")}
    failed |= {"kind": "profile", "status": "failed", "error": error, "partial": {"meter": "rapl"}}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(failed))
    found = read_record(path)
    assert isinstance(found, FailedRecord)
    assert str(found.error) == "RuntimeError: the meter failed"
    assert found.partial.meter == "rapl"


def test_the_page_of_the_docs_is_current() -> None:
    assert (DOCS / "records.md").read_text(encoding="utf-8") == page(), (
        "write it anew: python -m harness.results.reference > docs/records.md"
    )


def test_the_code_of_the_page_runs(ledger: Ledger) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("runs/label_rate", str(ledger.root)), {})
    assert len(printed.getvalue().splitlines()) == 4


@pytest.mark.parametrize("column", [
    [1, 2, 3], [1, 2.5, 3], [0.1 + 0.2, 1e-300, None], [None, None], ["a,b", 'c"d', None], [True, False],
    [True, None], [[0.5, 0.9], None], ["1", 2], [float("nan"), 1.0], [float("inf"), 1], [True, 1], ["", "x\ny"],
])  # fmt: skip
def test_a_column_is_written_as_pandas_writes_it(column: list[Any]) -> None:
    frame = pd.DataFrame([{"key": "k", "value": value} for value in column], columns=["key", "value"])
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([("key", "value"), *(("k", c) for c in csv_cells(column))])
    assert written.getvalue() == frame.to_csv(index=False)


def test_integers_are_written_as_integers_also_if_one_is_missing() -> None:
    assert csv_cells([1, None, 10**17]) == [1, None, 10**17]


def test_the_table_is_written_as_pandas_writes_it(ledger: Ledger) -> None:
    written = io.StringIO()
    write_csv(RunResults(ledger.root), written)
    assert written.getvalue() == trial_table(RunResults(ledger.root)).to_csv(index=False)


def test_no_cell_of_the_table_is_a_formula_or_controls_a_terminal(tmp_path: Path, ledger: Ledger) -> None:
    copy = Ledger(shutil.copytree(ledger.root, tmp_path / "run"))
    plan = make_plan(read_study(ledger.root.parent / "study.yaml"), None)
    for key in plan.jobs:
        copy.write_failed(plan.jobs[key], Failure("=cmd|'/c calc'!A1", "\x1b[31mred\x1b]0;x\x07\u202e", ""))
    written = io.StringIO()
    write_csv(RunResults(copy.root), written)
    assert "\x1b" not in written.getvalue()
    errors = {row["error"] for row in csv.DictReader(io.StringIO(written.getvalue()))}
    assert errors == {"'=cmd|'/c calc'!A1: red"}


def test_a_status_is_that_of_the_whole_record(tmp_path: Path, ledger: Ledger) -> None:
    whole, heads = RunResults(ledger.root), RunResults(ledger.root)
    records = {key: whole.record(key) for key in whole.plan.jobs}
    assert {key: heads.status(key) for key in records} == {
        key: record and record.status for key, record in records.items()
    }
    assert heads.status("0" * 20) is None
    damaged = tmp_path / "damaged.json"
    for content, where in (
        ('{"schema": 1, "status": "done"', "EOF"),
        ('{"schema": 2, "status": "done"}', "schema 2"),
        ('{"schema": 1}', "status"),
    ):
        damaged.write_text(content)
        with pytest.raises(InputError, match=where):
            read_head(damaged)


def test_records_of_a_data_set_that_has_another_name_now_are_read(tmp_path: Path, ledger: Ledger) -> None:
    folder = shutil.copytree(ledger.root, tmp_path / "run")
    (folder / "plan.json").write_text((folder / "plan.json").read_text().replace("fantasy-device", "arrays:renamed"))
    results = RunResults.open(folder)
    show_status(results, CleanConsole(file=io.StringIO()))
    assert write_reports([results], ["csv"])
    run = gather(results)
    assert all(one["confusion"].sum() for one in run.details.values())
    assert {one["dataset"] for one in run.pretrained.values()} == {"arrays:renamed"}
    assert confusion(results, run.trials["key"][0]).sum()


@pytest.mark.parametrize(("change", "what"), [
    ({"data": {}}, "data lacks"), ({"methods": []}, "methods lacks"), ({"jobs": {}}, "jobs lacks"),
])  # fmt: skip
def test_a_plan_that_lacks_what_its_trials_name_is_named(
    tmp_path: Path, ledger: Ledger, change: dict[str, Any], what: str
) -> None:
    plan = json.loads((ledger.root / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**plan, **change}))
    with pytest.raises(InputError, match=rf"plan\.json .*{what}"):
        _ = RunResults.open(tmp_path).plan
