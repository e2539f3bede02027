from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.show.estimate import EpochTimer, Remaining, TimeLeft, estimate, left_text, rough_span, span

SECONDS = st.floats(0, 1e6)
JOBS = st.builds(Remaining, st.sampled_from("abc"), SECONDS | st.none(), st.integers(1, 50), st.booleans())


@given(st.lists(JOBS), st.integers(1, 16))
def test_an_estimate_lies_between_its_bounds(jobs: list[Remaining], at_once: int):
    found = estimate(jobs, at_once)
    timed = [one for one in jobs if one.seconds is not None]
    assert set(found.untimed) == {one.group for one in jobs if one.seconds is None}
    if jobs and not timed:
        assert found.seconds is None
        return
    assert found.seconds is not None
    in_turn = math.fsum(one.jobs * one.seconds for one in timed)
    assert max([one.seconds for one in timed], default=0) <= found.seconds * (1 + 1e-9)
    assert in_turn / at_once <= found.seconds * (1 + 1e-9)
    assert found.seconds <= in_turn * (1 + 1e-9)


@given(st.lists(JOBS), JOBS, st.integers(1, 16))
def test_more_jobs_take_longer_and_more_at_once_take_less_time(jobs: list[Remaining], more: Remaining, at_once: int):
    def seconds(jobs: list[Remaining], at_once: int) -> float:
        return estimate(jobs, at_once).seconds or 0.0

    assert seconds([*jobs, more], at_once) >= seconds(jobs, at_once) * (1 - 1e-9)
    assert seconds(jobs, at_once + 1) <= seconds(jobs, at_once) * (1 + 1e-9)
    assert seconds(jobs[::-1], at_once) == pytest.approx(seconds(jobs, at_once))


def test_examples():
    stage1, stage2 = Remaining("stage 1", 60.0, jobs=3), Remaining("stage 2", 10.0, jobs=6)
    assert estimate([], 4) == TimeLeft(0.0)
    assert estimate([stage1, stage2], 1) == TimeLeft(240.0)
    assert estimate([stage1, stage2], 2) == TimeLeft(120.0)
    assert estimate([stage1, stage2], 100) == TimeLeft(60.0)  # the longest job
    profile = Remaining("profile", 30.0, jobs=2, alone=True)
    assert estimate([stage1, stage2, profile], 2) == TimeLeft(180.0)
    assert estimate([stage1, Remaining("stage 2", None)], 1) == TimeLeft(180.0, ("stage 2",))
    assert estimate([Remaining("stage 1", None), Remaining("stage 2", None)], 1).seconds is None


@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=20), st.floats(0, 1e4), st.booleans())
def test_epochs_are_timed_without_the_start_of_the_job(epochs: list[float], start: float, resumable: bool):
    timer, now = EpochTimer(100.0, resumable), 100.0 + start
    for number, seconds in enumerate(epochs, 1):
        now += seconds
        timer.epoch_ended(number, now)
    assert timer.seconds_per_epoch == pytest.approx(sum(epochs[1:]) / (len(epochs) - 1))
    assert timer.seconds_left(3, 10.0, now + 4) == pytest.approx(26.0)
    assert timer.seconds_left(3, 10.0, now + 400) == 20.0  # the epoch now running is late, the other two remain
    assert timer.seconds_left(0, 10.0, now) == 0.0


def test_a_timer_knows_what_it_cannot_know():
    timer = EpochTimer(0.0, resumable=True)
    assert timer.seconds_per_epoch is None
    timer.epoch_ended(151, 90.0)  # resumed, or the 151st of short epochs
    assert timer.seconds_per_epoch is None
    assert timer.may_have_resumed
    timer.epoch_ended(153, 110.0)
    timer.epoch_ended(153, 120.0)  # no news
    assert timer.seconds_per_epoch == 10.0
    timer.epoch_ended(101, 500.0)  # its worker died and resumed
    assert timer.seconds_per_epoch == 10.0
    timer.epoch_ended(102, 520.0)
    assert timer.seconds_per_epoch == 20.0
    first = EpochTimer(0.0)
    first.epoch_ended(5, 10.0)
    assert first.seconds_per_epoch == 2.0


def test_estimates_as_text():
    assert str(TimeLeft(725.0)) == "about 12 min left"
    assert str(TimeLeft(725.0).after(700)) == "about 25 s left"
    assert str(TimeLeft(725.0).after(800)) == "done any moment now"
    assert str(TimeLeft(725.0, ("stage 2 of cosmo",))) == "at least 12 min left (not timed yet: stage 2 of cosmo)"
    assert str(TimeLeft(0.0, ("a", "b"))) == "time left not known (not timed yet: a, b)"
    assert str(TimeLeft(None, ("a", "b", "c", "d")).after(5)) == "time left not known (not timed yet: a, b and 2 more)"
    assert left_text(0.4) == "done any moment now"


def test_durations():
    cases = {0.42: "0.4 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min 00 s", 185: "3 min 05 s", 7800: "2 h 10 min"}
    assert [span(seconds) for seconds in cases] == list(cases.values())
    cases = {0.6: "1 s", 59.6: "1 min 00 s", 186: "3 min 10 s", 725: "12 min", 3569: "59 min", 3571: "1 h 00 min"}
    assert [rough_span(seconds) for seconds in cases] == list(cases.values())


@given(SECONDS)
def test_durations_are_whole_clock_times(seconds: float):
    for text in (span(seconds), rough_span(seconds)):
        assert "60 s" not in text
        assert "60 min" not in text
