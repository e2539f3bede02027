from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import make_job

from harness.execute import preflight
from harness.execute.preflight import Need, Node, cpu_precisions, emulated, ledger_room, missing, needs_of, spill_room
from harness.jobs import Job

NAMES = ("CPU", "GPU", "edge")
amounts = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 8).map(float), min_size=1)
needs = st.builds(Need, title=st.just("a job"), resources=amounts, bundles=st.integers(1, 6))
nodes = st.lists(st.builds(Node, name=st.just("n"), resources=amounts), max_size=4)


@given(needs, nodes)
def test_what_is_not_missing_can_be_laid_out(need: Need, there: list[Node]):
    """Compare with a layout made here: each bundle goes to the first node that has room."""
    free = [dict(node.resources) for node in there]
    placed = 0
    for _ in range(need.bundles):
        for room in free:
            if all(room.get(name, 0) >= amount for name, amount in need.resources.items()):
                for name, amount in need.resources.items():
                    room[name] -= amount
                placed += 1
                break
    assert (missing([need], there) == []) == (placed == need.bundles)


@given(st.lists(needs), nodes, st.builds(Node, name=st.just("new"), resources=amounts))
def test_a_node_more_is_never_worse(wanted: list[Need], there: list[Node], new: Node):
    before, after = missing(wanted, there), missing(wanted, [*there, new])
    assert len(after) <= len(before)
    assert len(before) == sum(len(missing([need], there)) for need in wanted)


@given(needs)
def test_an_empty_cluster_has_nothing(need: Need):
    assert len(missing([need], [])) == 1


@pytest.mark.parametrize(
    ("need", "line"),
    [
        (Need("j", {"CPU": 4}), "j needs 4 CPUs: no node has that much"),
        (Need("j", {"CPU": 1, "GPU": 1, "edge": 1}), "j needs 1 CPUs, 1 GPUs, 1 edge: no node has any GPUs or edge"),
        (Need("j", {"CPU": 2}, bundles=3), "j needs 3 × (2 CPUs): there is room for 2 of the 3"),
    ],
)
def test_the_line_says_what_and_why(need: Need, line: str):
    assert missing([need], [Node("a", {"CPU": 2}), Node("b", {"CPU": 3})]) == [line]


def test_fractions_of_a_gpu_share_it():
    need = Need("j", {"GPU": 0.1}, bundles=10)
    assert missing([need], [Node("a", {"GPU": 1})]) == []
    assert missing([Need("j", {"GPU": 0.1}, bundles=11)], [Node("a", {"GPU": 1})])


def test_a_plan_needs_each_thing_once():
    jobs = [make_job("a"), make_job("b"), make_job("c", threads=3)]
    assert [(need.resources, need.bundles) for need in needs_of(jobs)] == [({"CPU": 1.0}, 1), ({"CPU": 3.0}, 1)]


def test_only_jobs_on_a_cpu_of_the_executors_choice_need_its_precision():
    def job(kind: str, device: str, precision: str) -> Job:
        made = make_job("a", device=device, settings={"epochs": 1, "precision": precision})
        return replace(made, kind=kind)

    assert (
        cpu_precisions([job("train", "cpu", "fp32"), job("train", "cuda", "bf16"), job("profile", "cpu", "bf16")]) == []
    )
    assert cpu_precisions([job("train", "cpu", "fp32"), job("pretrain", "cpu", "bf16")]) == ["bf16"]
    assert emulated(["bf16"], ["bf16"], "new") == []
    (line,) = emulated(["bf16"], [], "an i386")
    assert "an i386" in line
    assert "leave precision at fp32" in line


def test_a_disk_with_too_little_room_for_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "not" / "there" / "yet"
    job = Job("0" * 20, "train", {}, {}, "")
    assert ledger_room(folder, [job]) == []
    monkeypatch.setattr(preflight, "MODEL_BYTES", 2**80)
    assert ledger_room(folder, [job]) == []
    (line,) = ledger_room(folder, [job, replace(job, keep_model=True)])
    assert f"the disk of {folder} has " in line
    assert not folder.exists()


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**40), st.integers(0, 2**40))
def test_data_fit_into_the_store_or_onto_the_disk(store: int, data: int, disk: int, free: int):
    line = spill_room(store, data, disk, free)
    if data <= store:
        assert line is None
    elif data > store + free:
        assert line is not None
        assert f"{data / 2**20:.0f} MiB" in line


def test_a_node_with_other_versions_or_without_the_package(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray")
    from harness.execute import node_probe

    probe = node_probe._probe()
    here = probe(["harness.execute.perform_job"], "/")
    assert node_probe.faults(here, store_bytes=2**30, data_bytes=2**20) == []
    older = {**here, "versions": {**here["versions"], "Ray": "2.1.0", "Python": "3.9.1"}}
    faults = node_probe.faults(older, 2**30, 2**20)
    assert [fault.split(" but ")[0] for fault in faults] == ["Ray is 2.1.0 there", "Python is 3.9.1 there"]
    monkeypatch.setenv("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", "minor")
    ours = here["versions"]["Python"]
    near = {**here, "versions": {"Python": ".".join([*ours.split(".")[:2], "99"])}}
    assert node_probe.faults(near, 2**30, 2**20) == []
    (fault,) = node_probe.faults(probe(["no_such_plugin"], "/"), 2**30, 2**20)
    assert fault.startswith("no_such_plugin cannot be imported there (ModuleNotFoundError")
    (fault,) = node_probe.faults(
        {"versions": {}, "lacking": {"harness": "x", "harness.execute.perform_job": "x"}, "disk": 1, "free": 1}, 9, 9
    )
    assert fault.startswith("the harness cannot be imported there (x): install cosmo-harness")
    (fault,) = node_probe.faults({**here, "native": [], "processor": "an i386"}, 2**30, 2**20, ["bf16"])
    assert fault.startswith("precision bf16 is not native to its processor (an i386)")
    (fault,) = node_probe.faults({**here, "disk": 2**30, "free": 2**25}, 2**30, 2**31)
    assert fault.startswith("the data take 2048 MiB")


@pytest.mark.parametrize("init", ["pass", "raise RuntimeError('the NVIDIA driver is too old')"])
def test_a_node_whose_torch_does_not_find_its_gpus(init: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray")
    from harness.execute import node_probe

    (tmp_path / "torch.py").write_text(
        f"import os\nclass cuda:\n    def init():\n        assert 'CUDA_VISIBLE_DEVICES' not in os.environ\n        {init}"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = node_probe.faults(node_probe._probe()([], "/", True), 2**30, 2**20)
    why = "PyTorch cannot use its GPUs (RuntimeError: the NVIDIA driver is too old): install a build"
    assert [fault.startswith(why) for fault in found] == ([] if init == "pass" else [True])
