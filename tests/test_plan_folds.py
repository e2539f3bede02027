"""A study with folds plans each trial once in every fold, as studies with those splits would."""

from pathlib import Path

import pytest

from harness.errors import StudyError
from harness.plan import Plan, make_plan
from harness.results.records import TrainRecord
from harness.search import Tuning
from harness.study import read_study

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
seeds: 2
folds: {subjects_per_fold: 2, validation: 1}
options:
  fantasy-device: {series: 6, seconds: 20}
"""
SEARCH = "search={trials: 2, space: {stage2.lr: {uniform: [0.01, 0.1]}}}"


def plan(tmp_path: Path, *overrides: str, text: str = STUDY, record=lambda key: None) -> Plan:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return make_plan(read_study(path, overrides), None, record)


def test_each_fold_is_a_split(tmp_path: Path) -> None:
    folded = plan(tmp_path)
    splits = [f"split={{test: [{a}, {b}], validation: [{v}]}}" for a, b, v in ((1, 2, 3), (3, 4, 5), (5, 6, 1))]
    alone = [plan(tmp_path, "folds=null", split) for split in splits]
    assert folded.jobs.keys() == {key for one in alone for key in one.jobs}
    for number, one in enumerate(alone, start=1):
        mine = [(trial.method, trial.seed, trial.key) for trial in folded.trials if trial.fold == number]
        assert mine == [(trial.method, trial.seed, trial.key) for trial in one.trials]
        assert folded.about_data["fantasy-device"]["folds"][number - 1] == one.about_data["fantasy-device"]["subjects"]
    assert len(folded.trials) == 2 * 2 * 3
    assert {job.about["fold"] for job in folded.jobs.values()} == {1, 2, 3}
    assert any(" · fold 2 · seed 1" in job.title for job in folded.jobs.values())


def test_the_search_of_a_fold_sees_only_its_own_subjects(tmp_path: Path) -> None:
    planned = plan(tmp_path, SEARCH)
    (recordings,) = planned.data.values()
    assert [(tuning.method, tuning.fold) for tuning in planned.tunings] == [
        (method, fold) for method in ("deepsense", "cosmo") for fold in (1, 2, 3)
    ]
    for tuning in planned.tunings:
        fold = planned.about_data["fantasy-device"]["folds"][tuning.fold - 1]
        for candidate in tuning.candidates:
            indices = planned.jobs[candidate.trials[0].key].indices
            assert {part: sorted(set(recordings.subject[indices[part]].tolist())) for part in fold} == fold
            assert set(recordings.subject[indices["labelled"]].tolist()) <= set(fold["train"])


def test_each_fold_trains_with_its_own_choice(tmp_path: Path) -> None:
    first = plan(tmp_path, SEARCH, "methods=[deepsense]")

    def winner(tuning: Tuning) -> int:
        return 1 if tuning.fold == 2 else 2

    accuracy = {c.trials[0].key: 0.9 if c.number == winner(t) else 0.1 for t in first.tunings for c in t.candidates}

    def record(key: str) -> TrainRecord:
        curves = {part: {"accuracy": [accuracy[key]], "macro_f1": [0.5]} for part in ("validation", "test")}
        job = first.jobs[key]
        return TrainRecord.model_validate(
            {
                "schema": 1, "status": "done", "key": key, "kind": "train", "content": job.content, "about": job.about,
                "environment": {}, "started_at": "2031-01-01T00:00:00Z", "seconds": 1.0, "artefacts": {},
                "result": {"epochs_evaluated": [1], "curves": curves, "train_seconds": 1.0},
            }
        )  # fmt: skip

    second = plan(tmp_path, SEARCH, "methods=[deepsense]", record=lambda key: record(key) if key in accuracy else None)
    chosen = {tuning.fold: tuning.chosen for tuning in second.tunings}
    assert {fold: candidate.number for fold, candidate in chosen.items()} == {1: 2, 2: 1, 3: 2}
    for trial in second.trials:
        assert trial.chosen == chosen[trial.fold].values


def test_a_data_set_overrides_the_folds_of_the_study(tmp_path: Path) -> None:
    for entry, folds in (
        ("{name: fantasy-device, split: {test: [1]}}", []),
        ("{name: fantasy-device, folds: {subjects_per_fold: 3}}", [[1, 2, 3], [4, 5, 6]]),
    ):
        planned = plan(tmp_path, text=STUDY.replace("[fantasy-device]", f"[{entry}]"))
        assert [fold["test"] for fold in planned.about_data["fantasy-device"]["folds"]] == folds
        assert len(planned.trials) == 2 * 2 * max(1, len(folds))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("split.test=[1]", "study.yaml:5: folds: folds and split both say which subjects are tested"),
        ("sweep={split.test: [[1]]}", "sweep.split.test: folds and split both say which subjects are tested"),
        ("folds={}", "folds: {} should have either subjects_per_fold"),
        ("folds.subject=3", "folds.subject: there is no such option"),
        ("folds.subjects_per_fold=6", "datasets.0: folds: 6 test subjects and 1 for validation leave none of the 6"),
        ("unlabeled=3", "datasets.0: unlabeled: cosmo needs at least 4 samples for stage 1, not 3"),
        ("labels=10000", "datasets.0: fold 1: labels: 10000 samples can't be labelled"),
    ],
)
def test_folds_that_cannot_be_run(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        plan(tmp_path, override)
    assert message in str(caught.value)


def test_selection_and_search_need_validation_subjects(tmp_path: Path) -> None:
    for override, hint in (("select=validation", "set folds.validation"), (SEARCH, "folds: {validation: 1}")):
        with pytest.raises(StudyError, match=hint):
            plan(tmp_path, override, "folds.validation=0")


def test_only_the_first_fold_is_measured_on_devices(tmp_path: Path) -> None:
    planned = plan(tmp_path, "edge={devices: [cpu]}")
    assert {trial.fold for trial in planned.trials if trial.profile_keys} == {1}
