"""What the dispatcher says of nodes that come and go."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import Mock

import pytest

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
