from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from harness.jobs import Job
from harness.method import Progress
from harness.show.progress import PlainProgress, RichProgress, Running, RunProgress, progress_for, span, state

DONE = {"status": "done"}
FAILED = {"status": "failed", "error": {"type": "ValueError", "message": "no [bold]such[/] luck\nsecond line"}}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make_job(name: str, kind: str = "train") -> Job:
    about = {"method": name, "dataset": "made", "seed": 0, "point": {"label_rate": 0.05}}
    return Job(
        key=f"{name:0<20}", kind=kind, content={"threads": 1}, about=about, data="", indices={"train": np.arange(2)}
    )


A, B, C, D = make_job("a"), make_job("b"), make_job("c"), make_job("d", "pretrain")


def console(width: int = 80, height: int = 24, terminal: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, height=height, force_terminal=terminal), out


def test_the_watch_fits_the_console():
    assert isinstance(progress_for(console(terminal=True)[0], RunProgress([A])), RichProgress)
    assert isinstance(progress_for(console()[0], RunProgress([A])), PlainProgress)


def test_time_left_is_told_only_from_jobs_of_the_same_kind():
    clock = Clock()
    run_progress = RunProgress([A, B, C, D], clock=clock)
    assert run_progress.time_left is None
    run_progress.started(D, "local")
    clock.now += 60
    run_progress.finished(D, DONE)
    assert run_progress.time_left is None  # how long a train job takes is not known
    run_progress.started(A, "local")
    clock.now += 10
    run_progress.finished(A, FAILED)
    assert run_progress.time_left is None  # a failed one does not say it
    run_progress.started(B, "local")
    clock.now += 20
    run_progress.finished(B, DONE)
    assert run_progress.time_left == 20
    run_progress.started(C, "local")
    clock.now += 15
    assert run_progress.time_left == 5
    clock.now += 15
    assert run_progress.time_left == 0
    assert "2 of 4 jobs done · 1 failed · 1 running · 2 min 00 s · done any moment now" in run_progress.summary
    run_progress.finished(C, DONE)
    assert "left" not in run_progress.summary


def test_time_left_is_estimated_from_an_earlier_run_and_from_the_epochs_of_the_first_job():
    clock = Clock()
    assert RunProgress([A, B], clock=clock, before={A.kind: [10, 30]}).time_left == 40
    run_progress = RunProgress([A, B], clock=clock)
    run_progress.started(A, "local")
    clock.now += 10
    assert run_progress.time_left is None
    run_progress.progressed(A, Progress(5, 20, 1.0))
    assert run_progress.time_left == 70  # forty seconds for each of two, ten of them spent


def test_time_left_with_jobs_side_by_side():
    clock = Clock()
    run_progress = RunProgress([A, B, C, D], clock=clock)
    for job in (A, D):
        run_progress.started(job, "local")
    clock.now += 10
    for job in (A, D):
        run_progress.finished(job, DONE)
    assert run_progress.time_left == 10  # two jobs of ten seconds, two at a time


def test_plain_lines():
    out_console, out = console(width=40)
    clock = Clock()
    with PlainProgress(out_console, RunProgress([A, B, C], already_done=4, shared=7, clock=clock)) as observer:
        observer.started(A, "local")
        clock.now += 12
        observer.progressed(A, Progress(1, 3, 0.5))
        observer.finished(A, DONE)
        observer.started(B, "node7")
        clock.now += 18
        observer.progressed(B, Progress(1, 3, 0.5))
        observer.progressed(B, Progress(2, 3, 0.5))
        observer.finished(B, FAILED)
        observer.finished(C, FAILED)  # never started
    assert out.getvalue().splitlines() == [
        "started  train a · made · seed 0 · label_rate 0.05",
        "done     train a · made · seed 0 · label_rate 0.05 in 12 s",
        "started  train b · made · seed 0 · label_rate 0.05 on node7",
        "1 of 3 jobs done · 1 running · 4 done before · 7 shared · 30 s · about 12 s left",
        "failed   train b · made · seed 0 · label_rate 0.05: ValueError: no [bold]such[/] luck",
        "failed   train c · made · seed 0 · label_rate 0.05: ValueError: no [bold]such[/] luck",
        "1 of 3 jobs done · 2 failed · 4 done before · 7 shared · 30 s",
    ]


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
    assert state(Running(A, "node7", 0.0)) == "starting"
    assert state(Running(A, "node7", 0.0, Progress(3, 300, 0.5)), width=59) == "3/300"
    assert state(Running(A, "local", 0.0, Progress(3, 300, 2.5, 2.0794)), width=80) == "3/300 · loss 2.5 (floor 2.079)"
    assert [span(s) for s in (0.42, 9.96, 59.4, 59.6, 185, 7800)] == [
        "0.4 s",
        "10 s",
        "59 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 10 min",
    ]
