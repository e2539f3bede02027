"""Nodes of a cluster that answer, answer late, or are unfit, with stand-ins for Ray and for the answers."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

pytest.importorskip("ray")

from harness.execute import node_probe
from harness.execute.cluster import LivingNode
from harness.execute.node_probe import NodeProbes, preflight
from harness.execute.preflight import Need

FIT: list[str] = []
UNFIT = ["the harness cannot be imported there (ModuleNotFoundError: no module)"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str] | None]:
    """Node → the faults that its probe finds, None as long as it does not answer. Each node has two CPUs."""
    answers: dict[str, list[str] | None] = {}

    def nodes() -> dict[str, LivingNode]:
        return {name: LivingNode(name, {"CPU": 2}, "/") for name in answers}

    def answered(waiting: list[str], **_: object) -> tuple[list[str], list[str]]:
        return [name for name in waiting if answers[name] is not None], []

    monkeypatch.setattr(node_probe, "living_nodes", nodes)
    monkeypatch.setattr(node_probe.ray, "wait", answered)
    monkeypatch.setattr(NodeProbes, "_ask", lambda self, node_id, node: node_id)
    monkeypatch.setattr(NodeProbes, "_faults_of", lambda self, answer, node: answers[answer])
    return answers


def probes(answer_seconds: float = 0.1) -> NodeProbes:
    return NodeProbes(["a_module"], 0, [], answer_seconds)


def test_one_unfit_node_does_not_refuse_the_run(cluster: dict[str, list[str] | None]) -> None:
    cluster |= {"good": FIT, "bad": UNFIT}
    observer, asked = Mock(), probes()
    assert preflight([Need("a job", {"CPU": 2.0})], asked, 0, observer) == []
    assert list(asked.fit) == ["good"]
    assert asked.others == ["bad"]
    observer.note.assert_called_once_with(f"node bad is left out: {UNFIT[0]}")


def test_a_run_whose_fit_nodes_do_not_suffice_is_refused_with_all_reasons(
    cluster: dict[str, list[str] | None],
) -> None:
    cluster |= {"bad": UNFIT, "late": None}
    assert preflight([Need("a job", {"CPU": 2.0})], probes(), 0, Mock()) == [
        "no node of the cluster can run the jobs",
        f"node bad is left out: {UNFIT[0]}",
        "node late is left out until it answers: it has not started a Python process within 0.1 s (--start-timeout)",
        "the nodes are bad: 2 CPUs; late: 2 CPUs",
    ]


def test_a_node_that_answers_late_is_used_from_then_on(cluster: dict[str, list[str] | None]) -> None:
    cluster |= {"good": FIT, "late": None}
    asked = probes()
    asked.wait()
    assert list(asked.fit) == ["good"]
    cluster["late"] = FIT
    asked.update()
    assert list(asked.fit) == ["good", "late"]
    assert asked.unfit() == {}


def test_nodes_that_have_joined_or_changed_are_probed(cluster: dict[str, list[str] | None]) -> None:
    cluster |= {"good": FIT}
    asked = probes()
    asked.update()
    cluster |= {"bad": UNFIT}
    asked.update()
    assert list(asked.fit) == ["good"]
    cluster["good"] = UNFIT  # its package was removed, which nobody notices before a worker fails to start
    asked.update()
    assert list(asked.fit) == ["good"]
    asked.repeat()
    asked.update()
    assert list(asked.fit) == []
