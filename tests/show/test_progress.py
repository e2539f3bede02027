from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from harness.jobs import Job, Progress
from harness.show.estimate import TimeLeft
from harness.show.progress import (
    EVENT_LINES,
    PlainProgress,
    RichProgress,
    progress_for,
    running_text,
    state,
    update_lines,
    update_pause,
)
from harness.show.run_progress import Running, RunProgress

DONE = {"status": "done"}
FAILED = {"status": "failed", "error": {"type": "ValueError", "message": "no [bold]such[/] luck\nsecond line"}}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make_job(name: str, kind: str = "train", method: str = "m", epochs: int = 20, **content: Any) -> Job:
    about = {"method": method, "dataset": "made", "seed": 0, "point": {"label_rate": 0.05}}
    about |= {"device": {"name": "jetson", "way": "here"}} if kind == "profile" else {}
    content = {"threads": 1, "settings": {"epochs": epochs}, **content}
    return Job(key=f"{name:0<20}", kind=kind, content=content, about=about, data="", indices={"train": np.arange(2)})


A, B, C, D = make_job("a"), make_job("b"), make_job("c"), make_job("d", "pretrain", epochs=60)
UNTIMED = "time left not known (not timed yet: "


def console(width: int = 80, height: int = 24, terminal: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, height=height, force_terminal=terminal), out


def test_the_watch_fits_the_console():
    assert isinstance(progress_for(console(terminal=True)[0], RunProgress([A])), RichProgress)
    assert isinstance(progress_for(console()[0], RunProgress([A])), PlainProgress)


def test_the_time_left_needs_a_timed_job_of_each_kind():
    clock = Clock()
    run_progress = RunProgress([A, B, C, D], clock=clock)
    assert run_progress.time_left == TimeLeft(None, ("stage 2 of m", "stage 1 of m"))
    run_progress.started(D, "local")
    clock.now += 60
    run_progress.finished(D, DONE)
    assert run_progress.time_left.untimed == ("stage 2 of m",)
    assert run_progress.summary.endswith(f"1 min 00 s so far · {UNTIMED}stage 2 of m)")
    run_progress.started(A, "local")
    clock.now += 10
    run_progress.finished(A, FAILED)
    assert run_progress.time_left.untimed == ("stage 2 of m",)  # a failed job does not count
    run_progress.started(B, "local")
    clock.now += 20
    run_progress.finished(B, DONE)
    assert run_progress.time_left == TimeLeft(20.0)
    run_progress.started(C, "local")
    run_progress.progressed(C, Progress(14, 20, 1.0))
    clock.now += 0.5
    assert run_progress.time_left.seconds == 0.0  # its own epochs count, and they took no time
    clock.now += 0.5
    assert "2 of 4 jobs done · 1 failed · 1 running · 1 min 31 s so far · done any moment now" in run_progress.summary
    run_progress.finished(C, DONE)
    assert run_progress.summary == "3 of 4 jobs done · 1 failed · 1 min 31 s so far"


@pytest.mark.parametrize("observer", [PlainProgress, RichProgress])
def test_a_run_that_cannot_begin_has_no_summary(observer: type[PlainProgress | RichProgress]):
    for jobs, expected in (([A, B], ""), ([], "0 of 0 jobs done · 5 done before · in 0.0 s")):
        console = Console(file=io.StringIO(), width=100)
        with observer(console, RunProgress(jobs, already_done=5, clock=Clock())):
            pass
        assert console.file.getvalue().strip().endswith(expected)
        assert ("jobs done" in console.file.getvalue()) == bool(expected)


def test_after_an_interruption_no_time_is_left():
    clock = Clock()
    run_progress = RunProgress([A, B], clock=clock, before=[(A, 20.0)])
    run_progress.started(A, "local")
    clock.now += 5
    assert run_progress.time_left == TimeLeft(39.0)  # its first epoch is late
    run_progress.end()
    assert run_progress.time_left == TimeLeft(40.0)  # what a run that goes on would take
    assert run_progress.summary == "0 of 2 jobs done · in 5.0 s"


def test_the_first_epoch_of_each_stage_is_enough():
    clock = Clock()
    profile = make_job("p", "profile")
    run_progress = RunProgress([D, A, B, profile], clock=clock)
    run_progress.started(D, "local")
    clock.now += 5
    run_progress.progressed(D, Progress(1, 60, 3.0, 2.0))
    assert run_progress.time_left == TimeLeft(59 * 5.0, ("stage 2 of m", "the profile of m on jetson"))
    clock.now += 59 * 5
    run_progress.finished(D, DONE)
    run_progress.started(A, "local")
    clock.now += 2
    run_progress.progressed(A, Progress(1, 20, 1.0))
    assert run_progress.time_left == TimeLeft((19 + 20) * 2.0, ("the profile of m on jetson",))
    clock.now += 18
    run_progress.progressed(A, Progress(10, 20, 1.0))
    assert run_progress.time_left == TimeLeft((10 + 20) * 2.0, ("the profile of m on jetson",))


def test_a_profile_job_is_timed_as_a_whole_since_inference_has_no_epochs():
    clock = Clock()
    first, second = make_job("p", "profile"), make_job("q", "profile", method="n")
    run_progress = RunProgress([first, second], clock=clock)
    run_progress.started(first, "local")
    for epoch in (1, 2, 3, 1, 2, 3):  # repeated
        clock.now += 3
        run_progress.progressed(first, Progress(epoch, 3, 1.0))
    run_progress.progressed(first, Progress(20, 20, float("nan")))
    assert run_progress.time_left.seconds is None
    clock.now += 82
    run_progress.finished(first, DONE)
    assert run_progress.time_left == TimeLeft(100.0)  # another method on the same device
    run_progress.started(second, "local")
    run_progress.progressed(second, Progress(1, 3, 1.0))
    clock.now += 70
    assert run_progress.time_left == TimeLeft(30.0)


def test_methods_and_points_of_the_sweep_have_their_own_times():
    clock = Clock()
    other = make_job("other", method="n")
    denser = replace(make_job("denser"), about={**A.about, "point": {"label_rate": 0.5}})
    run_progress = RunProgress([A, B, other, denser], clock=clock, before=[(A, 40.0)])
    assert run_progress.time_left == TimeLeft(3 * 40.0, ("stage 2 of n",))  # all points of a method count as one
    run_progress.started(denser, "local")
    clock.now += 400
    run_progress.finished(denser, DONE)
    assert run_progress.time_left == TimeLeft(2 * 40.0, ("stage 2 of n",))


def test_until_a_job_is_timed_earlier_runs_say_how_long_it_takes():
    clock = Clock()
    other = make_job("other", method="n")
    run_progress = RunProgress(
        [A, B, other], clock=clock, expected=lambda job: 100.0 if job.about["method"] == "m" else None
    )
    assert run_progress.time_left == TimeLeft(200.0, ("stage 2 of n",))
    run_progress.started(A, "local")
    clock.now += 10
    assert run_progress.time_left == TimeLeft(195.0, ("stage 2 of n",))  # the first of twenty epochs is late
    run_progress.progressed(A, Progress(1, 20, 1.0))
    assert run_progress.time_left == TimeLeft(19 * 10.0 + 20 * 10.0, ("stage 2 of n",))


def test_a_resumed_job_is_timed_from_its_second_report():
    clock = Clock()
    run_progress = RunProgress([D], clock=clock)
    run_progress.started(D, "node7")
    clock.now += 10
    run_progress.progressed(D, Progress(51, 60, 3.0))
    assert run_progress.time_left.seconds is None
    clock.now += 10
    run_progress.progressed(D, Progress(52, 60, 3.0))
    assert run_progress.time_left == TimeLeft(80.0)
    run_progress.started(D, "node8")  # its worker died
    assert run_progress.time_left.seconds is None


def test_the_time_left_with_jobs_side_by_side():
    clock = Clock()
    run_progress = RunProgress([A, B, C, D], clock=clock)
    for job in (A, D):
        run_progress.started(job, "local")
    clock.now += 10
    for job in (A, D):
        run_progress.finished(job, DONE)
    assert run_progress.time_left == TimeLeft(10.0)  # two jobs of ten seconds, two at a time


def test_plain_lines():
    out_console, out = console(width=40)
    clock = Clock()
    jobs = a, b, c = [make_job(name, epochs=3) for name in "abc"]
    with PlainProgress(out_console, RunProgress(jobs, already_done=4, shared=7, clock=clock)) as observer:
        observer.started(a, "local")
        clock.now += 12
        observer.progressed(a, Progress(1, 3, 0.5))
        observer.finished(a, DONE)
        observer.started(b, "node7")
        clock.now += 18
        observer.progressed(b, Progress(1, 3, 0.5))
        observer.update()
        observer.progressed(b, Progress(2, 3, 0.5))
        observer.update()
        observer.finished(b, FAILED)
        observer.finished(c, FAILED)  # never started
    assert out.getvalue().splitlines() == [
        "started  train m · made · seed 0 · label_rate 0.05",
        "done     train m · made · seed 0 · label_rate 0.05 in 12 s",
        "started  train m · made · seed 0 · label_rate 0.05 on node7",
        "running  train m · made · seed 0 · label_rate 0.05: epoch 1 of 3 · loss 0.5 · 18 s so far · about 36 s left",
        "1 of 3 jobs done · 1 running · 4 done before · 7 shared · 30 s so far · about 1 min 10 s left",
        "failed   train m · made · seed 0 · label_rate 0.05: ValueError: no [bold]such[/] luck",
        "failed   train m · made · seed 0 · label_rate 0.05: ValueError: no [bold]such[/] luck",
        "1 of 3 jobs done · 2 failed · 4 done before · 7 shared · in 30 s",
    ]


def test_a_log_grows_during_a_long_epoch_and_soon_tells_the_first_one():
    out_console, out = console()
    clock = Clock()
    observer = PlainProgress(out_console, RunProgress([D], clock=clock))
    observer.started(D, "local")

    def printed_after(seconds: int) -> list[str]:
        before = len(out.getvalue())
        for _ in range(seconds):
            clock.now += 1
            observer.update()
        return out.getvalue()[before:].splitlines()

    title = "running  pretrain m · made · seed 0 · label_rate 0.05: "
    assert printed_after(29) == []
    waiting = f"{title}no epoch done yet · 30 s so far · time left not known (nothing like it timed yet)"
    assert printed_after(1) == [waiting, f"0 of 1 jobs done · 1 running · 30 s so far · {UNTIMED}stage 1 of m)"]
    assert printed_after(2) == []
    observer.progressed(D, Progress(1, 60, 3.5, 2.0794))
    lines = printed_after(3)
    assert lines[0] == f"{title}epoch 1 of 60 · loss 3.5 (floor 2.079) · 35 s so far · about 31 min left"
    assert lines[1] == "0 of 1 jobs done · 1 running · 35 s so far · about 31 min left"
    assert printed_after(29) == []
    assert len(printed_after(1)) == 2
    assert len(printed_after(3600)) in range(2 * 25, 2 * 40)


def test_the_time_between_updates():
    assert [update_pause(seconds) for seconds in (0, 300, 600, 3000, 10**6)] == [30, 30, 60, 300, 300]


def test_jobs_that_end_by_the_hundred_are_counted():
    out_console, out = console()
    jobs = [make_job(f"job-{number}-") for number in range(EVENT_LINES + 7)]
    clock = Clock()
    observer = PlainProgress(out_console, RunProgress(jobs, clock=clock))
    for job in jobs:
        observer.started(job, "local")
        observer.finished(job, DONE if job is not jobs[-1] else FAILED)
    clock.now += 30
    observer.update()
    lines = out.getvalue().splitlines()
    assert [sum(line.startswith(word) for line in lines) for word in ("started", "done", "failed")] == [51, 51, 1]
    assert lines[-3:-1] == ["started  7 more jobs", "done     6 more jobs"]
    assert lines[-1].startswith("56 of 57 jobs done · 1 failed · 30 s so far")
    observer.finished(jobs[0], DONE)
    assert out.getvalue().splitlines()[-1].startswith("done     train m")  # a line for each again


def test_many_running_jobs_are_counted():
    run_progress = RunProgress(jobs := [make_job(f"job-{number}-") for number in range(30)])
    for job in jobs:
        run_progress.started(job, "local")
    lines = update_lines(run_progress)
    assert len(lines) == 22
    assert lines[-2] == "running  10 more jobs"


def test_the_lines_do_not_reach_the_log_of_a_job(capsys: pytest.CaptureFixture[str]):
    observer = PlainProgress(Console(), RunProgress([A], clock=(clock := Clock())))
    observer.started(A, "local")
    clock.now += 30
    with redirect_stdout(io.StringIO()) as log:
        observer.update()
    assert log.getvalue() == ""
    assert "running  train" in capsys.readouterr().out


@pytest.mark.parametrize(("width", "height"), [(20, 4), (40, 24), (120, 24), (1, 1)])
def test_the_live_view_fits_its_terminal(width: int, height: int):
    out_console, out = console(width, height, terminal=True)
    jobs = [make_job(f"method-{i}") for i in range(10, 40)]
    observer = RichProgress(out_console, RunProgress(jobs))
    with observer:
        for job in jobs:
            observer.started(job, "node7")
        observer.progressed(jobs[0], Progress(3, 300, 0.43218765))
        observer.finished(jobs[-1], FAILED)
        observer.note("connected")
        view = out_console.render_lines(observer._view(), out_console.options)
    assert max(sum(len(segment.text) for segment in line) for line in view) <= width
    if width == 120:
        lines = ["".join(segment.text for segment in line) for line in view]
        assert lines[0].startswith("0 of 30 jobs done · 1 failed · 29 running")
        assert "3/300 · loss 0.4322 · node7" in lines[2]
        assert "and 10 more" in lines[-1]
        assert len(lines) <= height
        assert "no [bold]such[/] luck" in out.getvalue()
        assert "connected" in out.getvalue()


def test_small_words():
    assert state(Running(A, "node7", 0.0), None) == "starting"
    assert state(Running(A, "node7", 0.0), 90.0) == "starting · 1 min 30 s left"
    running = Running(A, "local", 0.0, Progress(3, 300, 2.5, 2.0794))
    assert state(running, 725.0, width=49) == "3/300"
    assert state(running, 725.0, width=59) == "3/300 · 12 min left"
    assert state(running, 725.0, width=80) == "3/300 · loss 2.5 (floor 2.079) · 12 min left"
    measuring = Running(make_job("p", "profile"), "local", 0.0, Progress(20, 20, float("nan")))
    assert state(measuring, None) == "measuring inference"
    assert running_text(Progress(20, 20, float("nan")), 65, None).startswith("measuring inference · 1 min 05 s so far")
