"""A device as a node: a real head of the test's own, `harness edge join`, a study on both, and a clean leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import STUDY

from harness.edge.join import ASK_HEAD, look_here, look_there
from harness.errors import InputError


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_nothing_at_the_address_is_said_at_once() -> None:
    (finding,) = look_there(f"127.0.0.1:{free_port()}", "orin")
    assert finding.ok is False
    assert "nothing answers" in finding.found


@pytest.mark.parametrize("address", ["auto", "host", "ray://host:1", ":6379"])
def test_what_is_no_address_is_bad_input(address: str) -> None:
    with pytest.raises(InputError, match=r"is no address|nothing answers"):
        raise InputError(look_there(address, "orin")[0].found)


def test_what_is_found_here_names_versions_meters_and_power_mode() -> None:
    found = {finding.what: finding for finding in look_here()}
    assert set(found) == {"Python", "Ray", "token", "meters", "power mode"}
    assert found["meters"].found


@pytest.fixture
def head() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a head with a home and temporary folder of its own, and the environment that knows its token."""
    pytest.importorskip("ray", reason="Ray is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    (folder / ".ray").mkdir()
    (folder / ".ray/auth_token").write_text("0123456789abcdef" * 2)
    environment = {**os.environ, "HOME": str(folder), "RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    port = free_port()
    options = ["--head", f"--port={port}", "--num-cpus=1", "--num-gpus=0", "--include-dashboard=false", "--block"]
    process = subprocess.Popen([sys.executable, "-m", "ray.scripts.scripts", "start", *options], env=environment, stdout=subprocess.DEVNULL)
    address = f"127.0.0.1:{port}"
    wait_for(lambda: resources(address, environment) is not None, 120)
    yield address, environment
    process.terminate()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def resources(address: str, environment: dict[str, str]) -> list[str] | None:
    done = subprocess.run([sys.executable, "-c", ASK_HEAD, address], env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return list(json.loads(lines[-1])["resources"]) if lines else None


def wait_for(what: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.5)


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_joins_is_measured_on_and_leaves(head: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, environment = head
    command = [sys.executable, "-m", "harness.cli", "edge", "join", "--address", address, "--name", "orin"]
    joined = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: "edge:orin" in (resources(address, environment) or []), 120)
    taken = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert taken.returncode == 2
    assert "orin is taken by another node" in taken.stderr
    (tmp_path / "s.yaml").write_text(STUDY.format(methods="deepsense", devices="[cpu, {name: orin}]", meter="none", idle=0, seconds=0.05))
    run = [sys.executable, "-m", "harness.cli", "run", "s.yaml", "--address", address]
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs/small/records").iterdir()]
    ways = {record["content"]["on"]: record["environment"]["attached_by"] for record in found if record["kind"] == "profile"}
    assert ways == {"cpu": "here", "orin": "ray"}
    losses = [record["result"]["training"]["repeats"][0]["loss"] for record in found if record["kind"] == "profile"]
    assert losses[0] == losses[1]
    joined.send_signal(signal.SIGINT)
    said = joined.communicate(timeout=60)[0]
    assert joined.returncode == 0, said
    assert said.rstrip().endswith("left")
    wait_for(lambda: "edge:orin" not in (resources(address, environment) or ["edge:orin"]), 60)
