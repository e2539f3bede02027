"""What the dispatcher says of nodes that come and go, and of workers that do not take their job."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import Mock

import pytest
from stubs import make_job

from harness.execute import ray_dispatcher
from harness.execute.preflight import Node
from harness.execute.ray_dispatcher import Dispatcher, Stop


@pytest.fixture
def notes_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Lets the dispatcher see nodes, name → their faults or None if unknown, and returns what it says of them."""
    for name in ("ArtefactRelay", "NodeAffinitySchedulingStrategy"):
        monkeypatch.setattr(ray_dispatcher, name, Mock())
    monkeypatch.setattr(ray_dispatcher.ray, "get_runtime_context", Mock())
    monkeypatch.setattr(ray_dispatcher, "POLL_NODES_SECONDS", 0)
    probes, observer = Mock(), Mock()
    dispatcher = Dispatcher(Mock(open=[]), {}, Mock(), observer, Stop(), 1, None, probes)

    def notes(**faults: tuple[str, ...] | None) -> list[str]:
        observer.reset_mock()
        probes.nodes = {name: Node(name, {"CPU": 1}, found) for name, found in faults.items()}
        probes.fit = {name: node for name, node in probes.nodes.items() if node.fit}
        dispatcher.poll_nodes()
        return [call.args[0] for call in observer.note.call_args_list]

    return notes


def test_each_node_is_said_to_join_and_to_leave_once(notes_of: Callable[..., list[str]]) -> None:
    gone = "node b is gone; its jobs will be retried on the other nodes"
    assert notes_of(a=()) == []
    assert notes_of(a=(), b=None) == []
    assert notes_of(a=(), b=()) == ["node b has joined"]
    assert notes_of(a=None, b=None) == []  # probed again
    assert notes_of(a=(), b=()) == []
    assert notes_of(a=None, b=None) == []
    assert notes_of(a=()) == [gone]
    assert notes_of(a=()) == []
    assert notes_of(c=()) == [gone.replace("node b", "node a"), "node c has joined"]


@pytest.mark.parametrize("began", [False, True])
def test_a_worker_that_could_not_take_its_job_is_no_death_of_the_job(
    began: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ArtefactRelay", "NodeAffinitySchedulingStrategy"):
        monkeypatch.setattr(ray_dispatcher, name, Mock())
    monkeypatch.setattr(ray_dispatcher, "ray", Mock(get=Mock(return_value=None)))  # the worker has left nothing
    queue, observer, probes = Mock(), Mock(), Mock()
    dispatcher = Dispatcher(queue, {}, Mock(), observer, Stop(), 1, None, probes)
    job, died = make_job("good"), "Traceback\nModuleNotFoundError: No module named 'harness'\n"
    ends = 0
    while not queue.failed.called:
        dispatcher.jobs[job.key] = job
        if began:
            dispatcher.started(job, "a")
        dispatcher.ended(job, died)
        ends += 1
    failure = queue.failed.call_args.args[1]
    note = observer.note.call_args.args[0]
    if began:
        assert (ends, failure.type) == (2, "WorkerDied")
        assert "a worker died in" in note
        probes.repeat.assert_not_called()
    else:
        assert (ends, failure.type) == (ray_dispatcher.FAILED_STARTS + 1, "WorkerNotStarted")
        assert "could not take" in note
        assert "ModuleNotFoundError: No module named 'harness'" in note
        assert probes.repeat.call_count == ray_dispatcher.FAILED_STARTS
