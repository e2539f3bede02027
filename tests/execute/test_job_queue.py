"""When jobs can start: no job waits for more than the jobs it needs."""

from __future__ import annotations

from pathlib import Path

from stubs import RecordingObserver, make_job, outcome

from harness.execute.job_queue import JobQueue
from harness.ledger import Ledger


def test_a_trial_can_begin_as_soon_as_its_own_stage_1_is_done(tmp_path: Path) -> None:
    roots = [make_job("root", i=i) for i in range(3)]
    leaves = {root.key: [make_job("leaf", root, i=i) for i in range(6)] for root in roots}
    queue = JobQueue(
        [*roots, *(leaf for group in leaves.values() for leaf in group)], Ledger(tmp_path), RecordingObserver()
    )
    assert [queue.next_ready()[0].key for _ in roots] == [root.key for root in roots]
    assert queue.next_ready() is None
    queue.done(roots[1], outcome({}))
    assert [queue.next_ready()[0].key for _ in range(6)] == [leaf.key for leaf in leaves[roots[1].key]]
    assert queue.next_ready() is None  # the other leaves wait for the two roots that still run


def test_who_needs_a_job_that_was_stopped_early_fails_and_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    root = make_job("root")
    leaf = make_job("leaf", root)
    queue = JobQueue([root, leaf], ledger, RecordingObserver())
    queue.next_ready()
    queue.stopped(root, [(5, 0.25), (10, 0.5)])
    assert queue.is_finished
    assert ledger.record(root.key)["result"] == {
        "epochs_evaluated": [5, 10],
        "curves": {"validation": {"accuracy": [0.25, 0.5]}},
    }
    assert ledger.record(leaf.key)["error"]["message"] == f"needs {root.title} ({root.key}), which was stopped early"
