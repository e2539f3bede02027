"""Admission counts what fits on each node, not over the sum of the cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stubs import make_job

from harness.execute.preflight import Node, has_room
from harness.jobs import Job


def with_gpus(job: Job, gpus: float) -> Job:
    return replace(job, about={**job.about, "gpus": gpus})


TWO = make_job("two", threads=2)
ONE = make_job("one")
CPUS = {"a": Node("a", {"CPU": 3}), "b": Node("b", {"CPU": 3})}
GPUS = {"a": Node("a", {"CPU": 99, "GPU": 2})}
SMALL, LARGE, WHOLE = (with_gpus(ONE, gpus) for gpus in (0.25, 0.6, 1))


@pytest.mark.parametrize(
    ("job", "nodes", "running", "fits"),
    [
        (TWO, CPUS, [(TWO, "a")], True),
        (TWO, CPUS, [(TWO, "a"), (TWO, "b")], False),
        (TWO, CPUS, [(TWO, None), (TWO, None)], False),
        (ONE, CPUS, [(TWO, "a"), (TWO, None)], True),
        (TWO, CPUS, [(TWO, "a"), (TWO, "gone")], True),
        (TWO, {}, [], False),
        (make_job("shared", threads=2, settings={"epochs": 1, "workers": 2}), CPUS, [], True),
        (make_job("shared", threads=2, settings={"epochs": 1, "workers": 2}), CPUS, [(TWO, "b")], False),
        (SMALL, GPUS, [(SMALL, "a")] * 7, True),
        (SMALL, GPUS, [(SMALL, "a")] * 8, False),
        (LARGE, GPUS, [(LARGE, "a")], True),
        (LARGE, GPUS, [(LARGE, "a")] * 2, False),
        (WHOLE, GPUS, [(SMALL, "a")] * 4, True),
        (WHOLE, GPUS, [(SMALL, "a"), (WHOLE, "a")], False),
        (with_gpus(ONE, 2), {"a": Node("a", {"CPU": 9, "GPU": 1}), "b": Node("b", {"CPU": 9, "GPU": 1})}, [], False),
    ],
)
def test_room(job: Job, nodes: dict[str, Node], running: list[tuple[Job, str | None]], fits: bool):
    assert has_room(job, nodes, running) == fits
