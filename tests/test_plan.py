"""Keys are content: what two trials share is one job, and what can change a result changes its key."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import StudyError
from harness.plan import Plan, make_plan
from harness.study import read_study

STUDY = """\
study: small
datasets:
  - fantasy-device
methods: [deepsense, cosmo, cmc]
sweep: {label_rate: [0.1, 0.2]}
seeds: 2
options:
  fantasy-device: {series: 6, seconds: 20}
"""


def plan(tmp_path: Path, *overrides: str, text: str = STUDY, data: Path | None = None) -> Plan:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return make_plan(read_study(path, overrides), data)


def jobs(planned: Plan, kind: str, method: str = "cosmo") -> set[str]:
    return {key for key, job in planned.jobs.items() if job.kind == kind and job.about["method"] == method}


def test_label_rates_share_stage_1(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert len(planned.trials) == 3 * 2 * 2
    assert len(jobs(planned, "pretrain")) == 2
    assert len(jobs(planned, "train")) == 4
    assert planned.shared == 12 + 8 - len(planned.jobs) == 4


def test_the_published_way_of_unlabelled_data_does_not_share(tmp_path: Path) -> None:
    assert len(jobs(plan(tmp_path, "unlabeled=rest"), "pretrain")) == 4


def test_a_sweep_of_lambda_shares_stage_1_and_leaves_other_methods_alone(tmp_path: Path) -> None:
    planned = plan(tmp_path, "sweep={cosmo.lambda: [0, 0.5, 1]}")
    assert len(planned.trials) == 3 * 3 * 2
    assert len(jobs(planned, "pretrain")) == 2
    assert len(jobs(planned, "train")) == 6
    assert len(jobs(planned, "train", "deepsense")) == 2


def test_six_lambdas_and_three_seeds_are_three_stage_1_jobs(tmp_path: Path) -> None:
    planned = plan(tmp_path, "methods=[cosmo]", "sweep={cosmo.lambda: [0, 0.2, 0.4, 0.6, 0.8, 1]}", "seeds=3")
    assert (len(jobs(planned, "pretrain")), len(jobs(planned, "train"))) == (3, 18)
    for key in jobs(planned, "pretrain"):  # each is what the six trials of its seed wait for, and nothing else
        waiting = [job for job in planned.jobs.values() if key in job.needs]
        assert len(waiting) == 6
        assert all(job.needs == (key,) for job in waiting)


@pytest.mark.parametrize(
    ("overrides", "of_stage1", "of_stage2"),
    [
        (["gpus_per_trial=0.25"], 0, 0),
        (["device=cuda"], 1, 1),
        (["device=cuda", "gpus_per_trial=0.25"], 0.25, 0.25),
        (["device=cuda", "gpus_per_trial=0.25", "stage1.gpus_per_worker=0.5"], 0.5, 0.25),
        (["device=cuda", "gpus_per_trial=0.25", "stage1.workers=2"], 1, 0.25),
        (["device=cuda", "stage1.workers=2", "stage1.gpus_per_worker=2"], 2, 1),
    ],
)
def test_jobs_reserve_the_gpus_that_the_study_says(
    tmp_path: Path, overrides: list[str], of_stage1: float, of_stage2: float
) -> None:
    found = {(job.kind, job.gpus) for job in plan(tmp_path, *overrides).jobs.values()}
    assert found == {("pretrain", of_stage1), ("train", of_stage2)}


@pytest.mark.parametrize(
    ("option", "values", "effect"),
    [
        ("cosmo.lambda", "[0.1, 0.2]", True),
        ("stage1.epochs", "[1, 2]", True),
        ("stage1.checkpoint_every", "[1, 2]", False),
        ("focal.temperature", "[0.1, 0.2]", False),
        ("usc-had.stride", "[100, 200]", False),
    ],
)
def test_a_swept_option_that_changes_no_job_is_told(tmp_path: Path, option: str, values: str, effect: bool) -> None:
    text = f"fantasy-device: {option} has no effect here, so its values give the same trials"
    found = plan(tmp_path, "seeds=1", f"sweep={{{option}: {values}, label_rate: [0.1, 0.2]}}").cautions
    assert found == ([] if effect else [text])


def test_jobs_come_after_what_they_need(tmp_path: Path) -> None:
    seen: set[str] = set()
    for key, job in plan(tmp_path).jobs.items():
        assert set(job.needs) <= seen
        seen.add(key)


@pytest.mark.parametrize(
    ("override", "stage1_changes", "stage2_changes"),
    [
        ("title=other", False, False),
        ("select=oracle", False, False),
        ("stage1.gpus_per_worker=1", False, False),
        ("gpus_per_trial=0.25", False, False),
        ("max_concurrent=2", False, False),
        ("retries=5", False, False),
        ("cosmo.lambda=0.1", False, True),
        ("stage2.lr=0.5", False, True),
        ("stage2.lr_decay=0.5", False, False),
        ("cosmo.stage2.epochs=3", False, True),
        ("cosmo.temperature=0.5", True, True),
        ("stage1.epochs=3", True, True),
        ("threads=2", True, True),
        ("unlabeled=50", True, True),
        ("split.test=[1]", True, True),
        ("fantasy-device.seed=1", True, True),
    ],
)
def test_only_what_can_change_a_result_changes_its_key(
    tmp_path: Path, override: str, stage1_changes: bool, stage2_changes: bool
) -> None:
    before, after = plan(tmp_path), plan(tmp_path, override)
    assert (jobs(before, "pretrain") == jobs(after, "pretrain")) is not stage1_changes
    assert (jobs(before, "train") == jobs(after, "train")) is not stage2_changes


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ("stage2.optimizer=adam", "stage2.momentum=0.5"),
        ("cosmo.guide=none", "cosmo.lambda=0.1"),
        ("cosmo.attention=none", "cosmo.attention_scale=none"),
        ("cosmo.iterative=false", "cosmo.iterative_epochs=7"),
        ("cosmo.freeze_encoders=true", "cosmo.first_phase=short"),
    ],
)
def test_what_has_no_effect_beside_another_option_changes_no_key(tmp_path: Path, given: str, changed: str) -> None:
    assert set(plan(tmp_path).jobs) != set(plan(tmp_path, changed).jobs)
    assert set(plan(tmp_path, given).jobs) == set(plan(tmp_path, given, changed).jobs)


def test_a_new_version_of_a_method_has_new_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.cosmo.method import Cosmo

    before = plan(tmp_path)
    monkeypatch.setattr(Cosmo, "version", "new")
    after = plan(tmp_path)
    assert not jobs(before, "pretrain") & jobs(after, "pretrain")
    assert jobs(before, "train", "deepsense") == jobs(after, "train", "deepsense")


def test_all_methods_see_the_same_labelled_samples(tmp_path: Path) -> None:
    planned = plan(tmp_path, "methods=[single-modal, deepsense, attnsense, cpc, cmc, cosmo]")
    for seed in (0, 1):
        for rate in (0.1, 0.2):
            seen = {
                tuple(job.indices["labelled"])
                for job in planned.jobs.values()
                if job.kind == "train" and job.about["seed"] == seed and job.about["point"]["label_rate"] == rate
            }
            assert len(seen) == 1
    other_seed = {tuple(job.indices["labelled"]) for job in planned.jobs.values() if job.kind == "train"}
    assert len(other_seed) == 4


def test_no_subject_is_in_two_parts_and_no_label_leaks(tmp_path: Path) -> None:
    planned = plan(tmp_path, "split={test: [5, 6], validation: [4]}")
    (recordings,) = planned.data.values()
    for job in planned.jobs.values():
        subjects = {part: set(recordings.subject[rows].tolist()) for part, rows in job.indices.items()}
        assert subjects["train"] == {1, 2, 3}
        if job.kind == "train":
            assert subjects["test"] == {5, 6}
            assert subjects["validation"] == {4}
            assert set(job.indices["labelled"]) <= set(job.indices["train"])
            assert set(np.unique(recordings.label[job.indices["labelled"]])) == set(range(recordings.n_classes))
        else:
            assert set(job.indices) == {"train", "unlabelled"}
            assert set(job.indices["unlabelled"]) <= set(job.indices["train"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("split.test=[99]", "there is no subject 99"),
        ("split={train: [1, 2], test: [2]}", "subject 2 is in both train and test"),
        ("unlabeled=100000", "100000 samples can't be drawn"),
        (
            "select=validation",
            "select: validation needs validation subjects, and fantasy-device has none; set split.validation",
        ),
        ("fantasy-device.pairing=unpaired", "needs 2 modalities, fantasy-device has only signal"),
        ("label_list=nowhere.json", "nowhere.json can't be read"),
    ],
)
def test_what_does_not_fit_the_data_is_said_with_its_place(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        plan(tmp_path, override, "sweep={}")
    text = str(caught.value)
    assert "study.yaml:3: datasets.0: " in text
    assert message in text


def test_a_head_that_is_never_trained_is_said(tmp_path: Path) -> None:
    in_turns = "cmc.iterative=true"
    assert plan(tmp_path, "stage2.epochs=6", in_turns).cautions == []
    text = "the classifier is never trained, because stage 2 has 5 epochs and iterative_epochs is 5"
    assert plan(tmp_path, "stage2.epochs=5", in_turns).cautions == [
        f"{name} on fantasy-device: {text}" for name in ("cosmo", "cmc")
    ]
    assert plan(tmp_path, "stage2.epochs=5", in_turns, "cosmo.freeze=false", "cmc.iterative_epochs=2").cautions == []


def test_missing_data_is_said_for_every_data_set_at_once(tmp_path: Path) -> None:
    text = STUDY.replace("  - fantasy-device\n", "  - utd-mhad\n  - usc-had\n").replace(
        "options:\n  fantasy-device: {series: 6, seconds: 20}\n", ""
    )
    with pytest.raises(StudyError) as caught:
        plan(tmp_path, text=text, data=tmp_path)
    first, second = (str(problem) for problem in caught.value.problems)
    assert "study.yaml:3: datasets.0: utd-mhad" in first
    assert "UTD-MHAD.zip" in first
    assert str(tmp_path) in first
    assert "study.yaml:4: datasets.1: usc-had" in second


def test_the_same_number_of_labels_is_the_same_jobs(tmp_path: Path) -> None:
    by_rate = plan(tmp_path, "sweep={}", "label_rate=0.1")
    (number,) = {trial.counts["labelled"] for trial in by_rate.trials}
    assert number > 4
    assert plan(tmp_path, "sweep={}", f"labels={number}").jobs.keys() == by_rate.jobs.keys()
    swept = plan(tmp_path, f"sweep={{labels: [8, {number}]}}")
    assert by_rate.jobs.keys() < swept.jobs.keys()
    assert {(t.point["labels"], t.counts["labelled"]) for t in swept.trials} == {(8, 8), (number, number)}
    per_class = plan(tmp_path, "sweep={labels_per_class: [1, 3]}")
    assert {(t.point["labels_per_class"], t.counts["labelled"]) for t in per_class.trials} == {(1, 4), (3, 12)}


def test_a_label_list_is_followed(tmp_path: Path) -> None:
    import json

    free = plan(tmp_path, "sweep={}")
    (recordings,) = free.data.values()
    train = next(iter(free.jobs.values())).indices["train"]
    names = [str(recordings.sample[train[recordings.label[train] == c][0]]) for c in range(recordings.n_classes)]
    (tmp_path / "list.json").write_text(json.dumps({"10": names}))
    planned = plan(tmp_path, "sweep={}", "label_list=list.json", "label_rate=0.1")
    for job in planned.jobs.values():
        if job.kind == "train":
            assert sorted(recordings.sample[job.indices["labelled"]]) == sorted(names)
    with pytest.raises(StudyError, match="has no list for 20 %; it has 10"):
        plan(tmp_path, "sweep={}", "label_list=list.json", "label_rate=0.2")


@pytest.mark.data
def test_real_utd_mhad_at_5_per_cent_has_one_label_a_class(tmp_path: Path, raw_data: Path) -> None:
    text = "study: utd\ndatasets: [utd-mhad]\nmethods: [deepsense]\nsweep: {label_rate: [0.05, 0.10]}\nseeds: 1\n"
    planned = plan(tmp_path, text=text, data=raw_data)
    (recordings,) = planned.data.values()
    assert [trial.counts["labelled"] for trial in planned.trials] == [27, 54]
    assert [trial.counts["test"] for trial in planned.trials] == [215, 215]
    assert set(recordings.subject[next(iter(planned.jobs.values())).indices["test"]]) == {7, 8}
