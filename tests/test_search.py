"""A search chooses by validation samples alone, from records alone; then the study's own trials run with the choice."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.driver import Driver, Execution, dry_run
from harness.errors import InputError, StudyError
from harness.ledger import Ledger
from harness.plan import Plan, make_plan
from harness.plan.outline import outline
from harness.results.gather import write_reports
from harness.results.records import RECORD, Record, TrainRecord
from harness.results.run import RunResults
from harness.results.table import trial_table
from harness.search import Candidate, SearchTrial, Tuning
from harness.show.status import show_status
from harness.show.tables import show_plan
from harness.study import read_study

pytest.importorskip("ray")

STUDY = """\
study: tuned
datasets: [fantasy-device]
methods: [deepsense, cosmo]
label_rate: 0.3
split: {validation: [4]}
seeds: 2
stage1: {epochs: 1}
stage2: {epochs: 2, evaluate_every: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
  cosmo: {iterative_epochs: 1, quality: {restarts: 1, subsets: 0}}
search:
  trials: 3
  space:
    stage2.lr: {loguniform: [0.001, 0.1]}
    cosmo.lambda: {uniform: [0, 1]}
"""


# -- the choice --------------------------------------------------------------------------------------------------------------


def record(status: str, curve: list[float]) -> Record:
    curves = {"epochs_evaluated": list(range(1, len(curve) + 1)), "curves": {"validation": {"accuracy": curve}}}
    what = {
        "done": {"result": {**curves, "train_seconds": 1.0}},
        "stopped": {"result": curves},
        "failed": {"error": {"type": "RuntimeError", "message": "the loss is nan"}},
    }[status]
    name = {"name": "name", "version": "1"}
    content = {"method": name, "dataset": name, "data": "f", "samples": {}, "seeds": [], "threads": 1, "device": "cpu"}
    about = {"dataset": "data", "method": "method", "seed": 0}
    return RECORD.validate_python(
        {"schema": 1, "key": "1", "kind": "train", "status": status, "content": content, "about": about, **what}
    )


def tuning(records: list[Record | None], select: str = "last") -> Tuning:
    return tuning_with_seeds([[one] for one in records], select)


def tuning_with_seeds(records: Sequence[Sequence[Record | None]], select: str = "last") -> Tuning:
    candidates = []
    for number, of_seeds in enumerate(records, 1):
        trials = [SearchTrial(seed, f"{number}{seed:07x}").judged(one, select) for seed, one in enumerate(of_seeds)]
        candidates.append(Candidate(number, {"x": number}, tuple(trials)))
    return Tuning("data", "method", {}, tuple(candidates), validation_labels=9)


CURVES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=4)
RECORDS = st.builds(record, st.sampled_from(["done", "stopped", "failed"]), CURVES)


@given(st.lists(RECORDS, min_size=1, max_size=8), st.sampled_from(["last", "validation"]))
def test_the_first_of_the_most_accurate_that_were_trained_to_their_end(records: list[Record], select: str) -> None:
    made = tuning(list(records), select)
    accuracy = {number: (max if select == "validation" else lambda curve: curve[-1])(one.result.curves["validation"].accuracy)
                for number, one in enumerate(records, 1) if isinstance(one, TrainRecord)}  # fmt: skip
    if not accuracy:
        assert made.chosen is None
        assert (
            made.error
            == f"the search has nothing to choose from: none of its {len(records)} trials was trained to its end"
        )
        return
    assert made.chosen is not None
    assert made.error is None
    assert made.chosen.accuracy == max(accuracy.values())
    assert made.chosen.number == min(number for number, value in accuracy.items() if value == made.chosen.accuracy)


@given(st.lists(RECORDS, max_size=4), st.lists(RECORDS, max_size=4))
def test_nothing_is_chosen_before_all_are_settled(before: list[Record], after: list[Record]) -> None:
    made = tuning([*before, None, *after])
    assert (made.chosen, made.settled, made.error) == (None, False, None)


@given(st.lists(st.tuples(RECORDS, RECORDS, RECORDS), min_size=1, max_size=6))
def test_with_several_seeds_the_mean_counts_of_those_done_with_all(records: list[tuple[Record, ...]]) -> None:
    made = tuning_with_seeds(records)
    means = {
        number: sum(one.result.curves["validation"].accuracy[-1] for one in of_seeds) / 3
        for number, of_seeds in enumerate(records, 1)
        if all(isinstance(one, TrainRecord) for one in of_seeds)
    }
    if not means:
        assert made.chosen is None
        assert made.error
        assert made.error.endswith("trials was trained to its end with every seed")
        return
    assert made.chosen is not None
    assert made.chosen.accuracy == pytest.approx(max(means.values()))
    shown = made.to_json()
    assert shown["chosen"] == made.chosen.number
    assert [len(one["trials"]) for one in shown["candidates"]] == [3] * len(records)


def test_a_draw_is_pending_until_all_its_seeds_are_settled() -> None:
    made = tuning_with_seeds([[record("done", [0.5]), None], [record("failed", []), None]])
    assert [candidate.status for candidate in made.candidates] == ["pending", "pending"]
    assert [candidate.accuracy for candidate in made.candidates] == [None, None]


# -- the plan ----------------------------------------------------------------------------------------------------------------


def plan(tmp_path: Path, *overrides: str) -> Plan:
    (tmp_path / "study.yaml").write_text(STUDY)
    return make_plan(read_study(tmp_path / "study.yaml", overrides), None)


def test_first_the_searchs_jobs_alone(tmp_path: Path) -> None:
    planned = plan(tmp_path, "sweep={label_rate: [0.2, 0.3]}")
    assert planned.searching
    assert [job.kind for job in planned.jobs.values()] == ["pretrain"] + ["train"] * 12  # λ and lr share stage 1
    assert [trial.key for trial in planned.trials] == [None] * 8
    assert {len(made.candidates) for made in planned.tunings} == {3}  # the equal budget: each method, each point
    lr = {tuple(candidate.values["stage2.lr"] for candidate in made.candidates) for made in planned.tunings}
    assert len(lr) == 1  # all get the same draws
    assert [list(made.candidates[0].values) for made in planned.tunings[::2]] == [
        ["stage2.lr"],
        ["stage2.lr", "cosmo.lambda"],
    ]


def test_a_longer_search_holds_a_shorter_one_and_another_seed_is_another_search(tmp_path: Path) -> None:
    short, long, other = plan(tmp_path), plan(tmp_path, "search.trials=5"), plan(tmp_path, "search.seed=7")
    assert set(short.jobs) < set(long.jobs)
    assert not set(short.jobs) & set(other.jobs)


def test_each_draw_is_trained_with_each_seed_of_the_search(tmp_path: Path) -> None:
    planned = plan(tmp_path, "search.seeds=[3, 1]", "search.trials=2")
    assert {tuple(trial.seed for trial in one.trials) for made in planned.tunings for one in made.candidates} == {
        (3, 1)
    }
    assert [job.kind for job in planned.jobs.values()] == ["pretrain"] * 2 + ["train"] * 8
    values = [one.values for one in planned.tunings[0].candidates]
    assert values == [one.values for one in plan(tmp_path, "search.trials=2").tunings[0].candidates]
    assert plan(tmp_path, "search.seeds=2", "search.seed=4").study.file.search_seeds == [4, 5]


def test_groups_of_options_and_null_can_be_drawn(tmp_path: Path) -> None:
    space = "{stage1.augmentations: {choice: [null, {noise: 0.1}]}, stage2.encoders_lr: {choice: [null, 0.001]}}"
    planned = plan(tmp_path, f"search.space={space}", "search.trials=12")
    settings = [
        (job.content["settings"].get("augmentations", {}).get("noise"), planned.tunings[1].method)
        for job in planned.jobs.values()
        if job.kind == "pretrain"
    ]
    assert {noise for noise, _ in settings} == {None, 0.1}
    assert {job.content["settings"].get("encoders_lr") for job in planned.jobs.values()} == {None, 0.001}
    assert any("search 1: stage1.augmentations" in job.title for job in planned.jobs.values())
    assert any("stage2.encoders_lr null" in job.title for job in planned.jobs.values())


def test_validation_labels_limit_what_the_search_and_its_trials_evaluate(tmp_path: Path) -> None:
    def planned(*overrides: str) -> Plan:
        return plan(tmp_path, "fantasy-device.seconds=60", *overrides)

    def validation(planned: Plan) -> set[tuple[int, ...]]:
        return {tuple(job.indices["validation"]) for job in planned.jobs.values() if job.kind == "train"}

    all_of_them, limited = planned(), planned("validation_labels=8")
    (everything,), (few,) = validation(all_of_them), validation(limited)
    assert set(few) < set(everything)
    (recordings,) = limited.data.values()
    assert np.bincount(recordings.label[list(few)]).tolist() == [2] * 4
    one = planned("validation_labels=8", "search.space={cosmo.lambda: {uniform: [0, 1]}}")
    assert {trial.method: trial.validation_labels for trial in one.trials} == {"deepsense": 0, "cosmo": 8}
    assert [made.validation_labels for made in one.tunings] == [8]
    swept = planned("sweep={validation_labels: [4, 8]}")
    assert {trial.point["validation_labels"]: trial.validation_labels for trial in swept.trials} == {4: 4, 8: 8}
    message = r"validation_labels: 1000 samples can't be drawn; the validation subjects have"
    with pytest.raises(StudyError, match=message):
        planned("validation_labels=1000")


def test_a_search_trial_is_an_ordinary_job(tmp_path: Path) -> None:
    searched = plan(tmp_path)
    first = searched.tunings[1].candidates[0]
    asked = [f"{option}={value!r}" for option, value in first.values.items()]
    assert first.trials[0].key in plan(tmp_path, "search=null", *asked).jobs


def test_a_method_without_anything_to_search_is_said(tmp_path: Path) -> None:
    planned = plan(tmp_path, "search.space={cosmo.lambda: {uniform: [0, 1]}}", "search.refit=true")
    assert len({trial.counts["labelled"] for trial in planned.trials}) == 1  # with those of validation, for all alike
    assert planned.cautions == ["deepsense on fantasy-device is not tuned: none of its options is in search.space"]
    assert [trial.key is None for trial in planned.trials] == [False, False, True, True]
    shown = io.StringIO()
    show_plan(outline(planned), planned.jobs, Console(file=shown, width=200))
    assert "the search needs 4 jobs, and the trials that do not wait for it 2 (" in shown.getvalue()


def test_without_validation_subjects_it_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        plan(tmp_path, "split={}")
    assert "search needs validation subjects, and fantasy-device has none; take some of the training subjects" in str(
        caught.value
    )
    assert "split: {validation: [" in str(caught.value)


# -- the run -----------------------------------------------------------------------------------------------------------------


def run(
    folder: Path, *overrides: str, text: str = STUDY, data: Path | None = None, out: str = "run"
) -> tuple[Ledger, int]:
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(text)
    console = Console(file=(folder / "out.txt").open("w"), width=200)
    driver = Driver.from_file(
        folder / "study.yaml", folder / out, data, list(overrides), "harness run study.yaml", console
    )
    return driver.ledger, driver.run(Execution(inline=True))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger, status = run(tmp_path_factory.mktemp("tuned") / "here")
    assert status == 0
    return ledger


def test_the_choice_is_kept_and_the_trials_run_with_it(ledger: Ledger) -> None:
    search = RunResults(ledger.root).plan.search
    assert (search["trials"], search["seed"], search["scheduler"], search["sampler"]) == (3, 0, "none", "random")
    table = trial_table(RunResults(ledger.root))
    assert len(table) == 4
    assert (table["status"] == "done").all()
    for made in search["tunings"]:
        chosen = made["candidates"][made["chosen"] - 1]
        best = max(
            ledger.record(one["trials"][0]["key"])["result"]["curves"]["validation"]["accuracy"][-1]
            for one in made["candidates"]
        )
        assert chosen["accuracy"] == best
        rows = table[table["method"] == made["method"]]
        for option, value in chosen["values"].items():
            assert (rows[option] == value).all()
        for key in rows["key"]:
            content = ledger.record(key)["content"]
            assert content["settings"]["lr"] == chosen["values"]["stage2.lr"]
            assert content["options"].get("lambda") == chosen["values"].get("cosmo.lambda")
        assert rows["key"].iloc[0] == chosen["trials"][0]["key"]  # seed 0 was trained by the search
    assert table.loc[table["method"] == "deepsense", "cosmo.lambda"].isna().all()


def test_the_search_is_told_and_its_trials_are_no_results(ledger: Ledger) -> None:
    said, page = (ledger.root.parent / "out.txt").read_text(), (ledger.root / "report.html").read_text()
    assert "What the search chose" in said
    assert "Search of hyper-parameters" in page
    assert "3 configurations drawn at random and trained once each, with seed 0" in page
    assert "test samples were not used" in page
    assert "loguniform" in page
    assert "over 2 seeds" in page
    labels = int(trial_table(RunResults(ledger.root))["n_validation"].iloc[0])
    text = f"Tuned on {labels} validation labels, in addition to the labelled training samples."
    assert said.count(text) == 2 + 1  # both main tables and the answer
    assert text in page


def test_with_refit_the_trials_also_train_on_the_validation_labels(tmp_path: Path) -> None:
    ledger, status = run(
        tmp_path, "search.refit=true", "search.seeds=2", "validation_labels=4", "seeds=[0]", "methods=[cosmo]"
    )
    assert status == 0
    (row,) = trial_table(RunResults(ledger.root)).to_dict("records")
    (made,) = RunResults(ledger.root).plan.search["tunings"]
    searched = [ledger.record(trial["key"]) for one in made["candidates"] for trial in one["trials"]]
    assert {trial["seed"] for one in made["candidates"] for trial in one["trials"]} == {0, 1}
    assert row["n_labelled"] == searched[0]["result"]["n_labelled"] + 4
    assert (row["n_validation"], row["n_validation_labels"]) == (0, 4)
    trial = ledger.record(row["key"])
    assert trial["key"] not in {one["key"] for one in searched}
    assert set(trial["result"]["curves"]) == {"test"}
    said = (tmp_path / "out.txt").read_text()
    assert "Tuned on 4 validation labels, with which the trials were then trained as well." in said
    assert "labelled validation samples, mean over 2 seeds" in said


def test_a_second_run_does_nothing_and_a_longer_search_runs_what_is_new(ledger: Ledger) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ledger.root / "records").iterdir()}
    console = Console(file=(ledger.root / "again.txt").open("w"), width=200)
    driver = Driver.from_file(ledger.root.parent / "study.yaml", ledger.root, None, [], "", console)
    assert driver.run(Execution(inline=True)) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (ledger.root / "records").iterdir()}
    longer = Driver.from_file(ledger.root.parent / "study.yaml", ledger.root, None, ["search.trials=4"], "", console)
    assert [job.about["search"]["number"] for job in longer.todo] == [4, 4]
    assert longer.plan.searching


def test_a_search_that_failed_altogether_fails_its_trials_alone(tmp_path: Path) -> None:
    ledger, status = run(tmp_path, "search.space={cosmo.stage2.lr: {choice: [1e30]}}", "seeds=1", "search.trials=1")
    assert status == 1
    table = trial_table(RunResults(ledger.root)).set_index("method")
    assert table["status"].to_dict() == {"deepsense": "done", "cosmo": "failed"}
    assert table.loc["cosmo", "error"].startswith("the search has nothing to choose from")
    assert "a smaller lr may help" in (tmp_path / "out.txt").read_text()


def test_test_labels_have_no_part_in_the_choice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label, subject = np.tile(np.arange(3), 40), np.repeat(np.arange(6), 20)
    signal = np.sin(np.arange(30)[None, :, None] * (0.3 + 0.3 * label[:, None, None])) + rng.normal(size=(120, 30, 3))
    text = STUDY.replace("fantasy-device]", "'arrays:own']").replace(
        "{validation: [4]}", "{validation: [4], test: [5]}"
    )
    text = text.replace("  fantasy-device: {series: 6, seconds: 12}\n", "").replace("cosmo]", "attnsense]")
    text = (
        text.replace("    cosmo.lambda: {uniform: [0, 1]}\n", "")
        .replace("evaluate_every: 1", "evaluate_every: 2")
        .replace("trials: 3", "trials: 6")
    )
    told = []
    for name, shown in (("as-it-is", label), ("permuted", np.where(subject == 5, (label + 1) % 3, label))):
        folder = tmp_path / name
        folder.mkdir()
        np.savez(folder / "own.npz", imu=signal, gyro=signal[:, :, ::-1] * 0.5, label=shown, subject=subject)
        (folder / "own.json").write_text(json.dumps({"modalities": ["imu", "gyro"], "activities": ["a", "b", "c"]}))
        ledger, status = run(folder, text=text, data=folder)
        assert status == 0
        accuracy = trial_table(RunResults(ledger.root))["accuracy"].tolist()
        tunings = RunResults(ledger.root).plan.search["tunings"]
        told.append(
            ([(one["method"], one["chosen"], [c["accuracy"] for c in one["candidates"]]) for one in tunings], accuracy)
        )
    (choices, accuracy), (permuted_choices, permuted_accuracy) = told
    assert choices == permuted_choices
    assert len({value for _, _, values in choices for value in values}) > 1  # there was something to choose by
    assert accuracy != permuted_accuracy


def test_a_search_killed_in_the_middle_goes_on_where_it_was(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-m", "harness", "run", "study.yaml", "--inline", "--out", "killed"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    records = tmp_path / "killed/records"
    while process.poll() is None and len(list(records.glob("*.json"))) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    killed = Ledger(tmp_path / "killed")
    before = {path: path.stat().st_mtime_ns for path in records.glob("*.json")}
    assert 3 <= len(before) < 7
    assert (
        trial_table(RunResults(killed.root))["status"].tolist() == ["pending"] * 4
    )  # `harness status` and `records` work meanwhile
    assert trial_table(RunResults(killed.root))["key"].isna().all()
    show_status(RunResults(killed.root), Console(file=(tmp_path / "status.txt").open("w"), width=200))
    write_reports([RunResults(killed.root)])
    assert run(tmp_path, out="killed")[1] == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert (
        RunResults(killed.root).plan.search == RunResults(ledger.root).plan.search
    )  # the same bits, so the same choice
    assert {one["key"] for one in killed.records()} == {one["key"] for one in ledger.records()}


def test_asha_is_not_had_inline(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"stops trials while others run, which --inline can't.*--set search\.scheduler=none"
    ):
        run(tmp_path, "search.scheduler=asha")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_refuses_what_inline_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    for override, message in (("search.scheduler=asha", "stops trials while"), ("stage1.workers=2", "needs Ray")):
        without = [override] if "search" in override else [override, "search=null"]
        for _ in range(2):  # planned, and from the memo
            with pytest.raises(InputError, match=message):
                dry_run(tmp_path / "study.yaml", None, None, without, Console(file=io.StringIO()), False, inline=True)
