"""What is said of a run before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.plan import make_plan, timings
from harness.plan.outline import outline
from harness.plan.timings import known_timings, remember, sample_passes, timing_key
from harness.provenance import processor
from harness.show.outlook import outlook, repeats_text, time_expected
from harness.study import read_study
from reports.statistics import blocks_for_power, detectable_difference

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
seeds: 2
stage1: {epochs: 3}
stage2: {epochs: 10, evaluate_every: 5}
options:
  fantasy-device: {series: 6, seconds: 20}
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_time_is_expected_from_earlier_runs(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    plan = make_plan(read_study(path, []), None)
    made = outline(plan)
    assert next(outlook(made, made.jobs)) == "time: not known, since no such job has run on this machine yet"

    here, other = {"processor": processor()}, {"processor": "another"}
    train = [job for job in plan.jobs.values() if job.kind == "train"]
    remember([(job, 7.0, here) for job in train])
    assert set(known_timings()) == {timing_key(job) for job in train}
    left = time_expected(made, made.jobs, known_timings(), at_once=2)
    assert left.seconds == pytest.approx(4 * 7.0 / 2)
    assert left.untimed == ("pretrain cosmo",)

    pretrain = [job for job in plan.jobs.values() if job.kind == "pretrain"]
    remember([(job, 30.0, other) for job in pretrain])
    assert len(known_timings()) == 2
    remember([(job, 30.0, here) for job in pretrain])
    assert time_expected(made, made.jobs, known_timings(), at_once=1).seconds == pytest.approx(4 * 7.0 + 2 * 30.0)
    assert time_expected(made, [], known_timings(), at_once=1).seconds == 0
    assert "with one job at a time" in next(outlook(made, made.jobs, inline=True))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0}, raising=False)
    assert "with one job at a time" in next(outlook(made, made.jobs))  # on the only core that the process may use

    def full(*paths: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    remember([(job, 9.0, here) for job in train])
    assert len(list((cache / "timings").iterdir())) == 1  # the file of before, and no unfinished one
    assert "with one job at a time" in next(outlook(replace(made, max_concurrent=1), made.jobs))
    folds = {"fantasy-device": [{"test": [1], "train": [2]}] * 2}
    drawn = replace(made, repeats={"fantasy-device": {"methods": 2, "seeds": 2, "folds": 2}}, folds=folds)
    assert list(outlook(drawn, [])) == [
        "fantasy-device: 2 folds of 2 seeds each: no p values, because the folds share test subjects"
    ]
    more = outline(make_plan(read_study(path, ["stage1.epochs=6"]), None))
    assert time_expected(more, more.jobs, known_timings(), at_once=1).seconds == pytest.approx(4 * 7.0 + 2 * 60.0)


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "{", "[" * 100_000])
def test_timings_that_cannot_be_read_are_not_known(cache: Path, content: str) -> None:
    timings._path().parent.mkdir(parents=True)
    timings._path().write_text(content)
    assert known_timings() == {}


def test_passes_count_training_and_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    jobs = make_plan(read_study(path, []), None).jobs.values()
    for job in jobs:
        n = {part: len(rows) for part, rows in job.indices.items()}
        expected = 3 * n["unlabelled"] if job.kind == "pretrain" else 10 * n["labelled"] + 2 * n["test"] / 3
        assert sample_passes(job) == pytest.approx(expected)


def test_what_repeats_can_show() -> None:
    text = repeats_text(methods=9, seeds=5, folds=0)
    assert text == (
        "5 seeds on one split: no p value below 0.05 is possible for the 8 comparisons with the reference (at least 9 "
        "seeds); differences below 1.7 standard deviations of a paired difference may well be missed (8 points if that "
        "is 5)"
    )
    assert repeats_text(methods=2, seeds=3, folds=8).startswith("8 folds of 3 seeds each: differences below 1.2 ")
    assert repeats_text(methods=2, seeds=3, folds=5, overlap=0.25) == (
        "5 folds of 3 seeds each: no p values, because the folds share test subjects"
    )
    assert repeats_text(methods=2, seeds=1, folds=0) == (
        "one seed on one split: no p value below 0.05 is possible for the comparison with the reference (at least 6 "
        "seeds); there are no intervals (at least 3 seeds)"
    )


@settings(deadline=None)
@given(st.integers(3, 200))
def test_a_detectable_difference_is_found_with_these_blocks(blocks: int) -> None:
    least = detectable_difference(blocks)
    assert blocks_for_power(1.0, least * 1.001) <= blocks  # type: ignore[operator]
    assert blocks_for_power(1.0, least * 0.97) > blocks or np.isclose(least, detectable_difference(blocks + 1), 0.03)  # type: ignore[operator]
