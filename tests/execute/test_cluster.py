"""Runs on a real cluster: nodes that join late, die, share no disk or lack memory, and a driver with the wrong token."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_cluster import REPOSITORY, START_SECONDS, OwnCluster

from harness.ledger import Ledger, Record

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
STORE_BYTES = 80 * 2**20  # Ray takes no less than 75 MiB
SAMPLES = 250_000  # of 480 bytes: 114 MiB


@pytest.fixture(scope="module")
def cluster() -> Iterator[OwnCluster]:
    """A cluster whose head has one core and a small object store. Tests leave it as they found it."""
    pytest.importorskip("ray")
    if sys.platform != "linux":
        pytest.skip("processes are found in /proc")
    cluster = OwnCluster()
    try:
        cluster.head(1, f"--object-store-memory={STORE_BYTES}", "--node-name=head")
        yield cluster
    finally:
        cluster.close()


def ended(driver: subprocess.Popen[str], status: int = 0) -> tuple[list[str], str]:
    """The lines that a driver printed, and its stderr."""
    try:
        printed, errors = driver.communicate(timeout=600)
    finally:
        driver.kill()
    assert driver.returncode == status, errors
    return printed.splitlines(), errors


def records(folder: Path) -> dict[str, Record]:
    """Name of a job → its record."""
    return {f"{r['content']['name']}{r['content'].get('i', '')}": r for r in Ledger(folder).records()}


@pytest.mark.parametrize(
    ("token", "problem"), [("another" * 4, "the token here is a different one"), ("", "there is none here")]
)
def test_another_token_is_one_message(token: str, problem: str, cluster: OwnCluster, tmp_path: Path):
    _, errors = ended(cluster.driver(tmp_path, [("good", {})], RAY_AUTH_TOKEN=token), status=1)
    message = errors.strip().splitlines()[-1]
    assert f"the Ray cluster at {cluster.address} requires its token, but {problem}: copy ~/.ray/auth_token" in message
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_a_node_that_joins_late_is_waited_for_and_one_that_dies_is_done_without(cluster: OwnCluster, tmp_path: Path):
    go_on = tmp_path / "go on"
    needs = [("wide", {"threads": 2}), *(("until", {"file": str(go_on), "i": i}) for i in range(3))]
    _, errors = ended(cluster.driver(tmp_path / "run", needs), status=1)
    assert "the run cannot start:\n    pretrain wide · made · seed 0 needs 2 CPUs: no node has that much" in errors
    assert "the nodes are head: 1 CPUs" in errors
    assert not (tmp_path / "run").exists()

    driver = cluster.driver(tmp_path / "run", needs, "300")
    assert driver.stdout is not None
    lines = iter(driver.stdout.readline, "")
    waiting = next(line for line in lines if "waiting up to 300 s for nodes to join" in line)
    assert "needs 2 CPUs" in waiting
    cluster.node("late", 2)
    heard: list[str] = []
    while "started until late" not in heard:
        heard.append(next(lines).rstrip())
    assert {"nodes head late", "started wide late", "done wide"} <= set(heard)
    cluster.kill("late")
    while not any("node late is gone" in line for line in heard):
        heard.append(next(lines).rstrip())
    go_on.touch()
    rest, _ = ended(driver)
    assert any("a worker died in pretrain until" in line for line in heard + rest)
    found = records(tmp_path / "run")
    assert {name: record["status"] for name, record in found.items()} == {
        "wide": "done",
        **{f"until{i}": "done" for i in range(3)},
    }


@pytest.mark.nightly
def test_a_node_without_the_package_that_joins_is_left_out(cluster: OwnCluster, tmp_path: Path):
    (bare := tmp_path / "bare").mkdir()
    (bare / "sitecustomize.py").write_text(
        "import sys\nfor name in ('harness', 'stubs'):\n    sys.modules[name] = None  # import says: not found\n"
    )
    go_on = tmp_path / "go on"
    jobs = [("until", {"file": str(go_on)}), *(("good", {"i": i}) for i in range(4))]
    driver = cluster.driver(tmp_path / "run", jobs)
    assert driver.stdout is not None
    lines = iter(driver.stdout.readline, "")
    heard = [next(lines).rstrip()]
    while "started until head" not in heard:
        heard.append(next(lines).rstrip())
    cluster.node("bare", 4, PYTHONPATH=str(bare))
    try:
        while not heard[-1].startswith("note node bare"):
            heard.append(next(lines).rstrip())
        go_on.touch()
        rest, _ = ended(driver)
    finally:
        cluster.kill("bare")
    assert heard[-1].startswith(
        "note node bare is left out: the harness cannot be imported there (ModuleNotFoundError: "
    )
    assert "send the code along with --ship-code" in heard[-1]
    assert {record["status"] for record in records(tmp_path / "run").values()} == {"done"}
    assert {line.split()[-1] for line in heard + rest if line.startswith("started ")} == {"head"}
    assert not any("died" in line or "could not take" in line for line in heard + rest)


def test_memory_that_is_not_there(cluster: OwnCluster, tmp_path: Path):
    """Data larger than the object store, a job that asks for too much memory, and one that is killed for it."""
    jobs = [("peek", {}), ("greedy", {}), ("die", {}), ("good", {})]
    lines, _ = ended(cluster.driver(tmp_path, jobs, "0", str(SAMPLES)))
    found = records(tmp_path)
    assert {name: record["status"] for name, record in found.items()} == {
        "peek": "done",
        "greedy": "failed",
        "die": "failed",
        "good": "done",
    }
    assert "MemoryError" in found["greedy"]["error"]["type"]
    assert found["die"]["error"]["message"].startswith("its worker process died 2 times")
    assert sum("a worker died" in line for line in lines) == 1


def test_two_nodes_without_a_disk_in_common(cluster: OwnCluster, tmp_path: Path):
    """The second node has a mount namespace of its own, in which ledger, repository and Ray's folder are empty.

    It finds the package elsewhere, as if installed, and has another name and working directory. Its processes share only
    the network and the kernel with those of the head.
    """
    ledger, site = tmp_path / "ledger", cluster.folder / "site"
    hidden = [tmp_path, REPOSITORY, cluster.folder / "ray"]
    hide = 'hostname far; for d in $HIDDEN; do mount -t tmpfs none $d || exit 1; done; exec "$@"'
    before = [
        "unshare",
        "--mount",
        "--uts",
        *([] if os.geteuid() == 0 else ["--map-root-user"]),
        "sh",
        "-c",
        hide,
        "sh",
    ]
    if subprocess.run([*before, "true"], env={**os.environ, "HIDDEN": str(tmp_path)}, check=False).returncode:
        pytest.skip("no mount namespaces here")
    for package in ("harness", "baselines", "reports"):
        shutil.copytree(REPOSITORY / package, site / package)
    shutil.copy(REPOSITORY / "tests/execute/stubs.py", site)
    cluster.node("far", 2, before=before, HIDDEN=" ".join(map(str, hidden)), PYTHONPATH=str(site))
    try:
        paths = [str(ledger), str(REPOSITORY / "harness")]
        jobs = [
            ("inspect", {"i": i, "paths": paths, "threads": 2}) for i in range(2)
        ]  # the head has one core: they run far
        end = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in cluster.log("far"):
            assert time.monotonic() < end, cluster.log("far")
            time.sleep(0.2)
        lines, _ = ended(cluster.driver(ledger, jobs, "60"))
    finally:
        cluster.kill("far")
    inspections = list(records(ledger).values())
    assert [record["status"] for record in inspections] == ["done", "done"]
    assert lines.count("started inspect far") == 2
    for record in inspections:
        result = record["result"]
        assert (result["host"], result["there"]) == ("far", [False, False])
        assert Path(result["cwd"]) == cluster.folder / "cwd-far"
        assert result["code"].startswith(str(site))
        assert Ledger(ledger).artefacts(record["key"]) == {"artefact.bin": b"x"}  # made far, whole in the ledger here
