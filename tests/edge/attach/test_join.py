"""A device as a node: a real head of the test's own, `harness edge join`, a study on both, and a clean leave."""

from __future__ import annotations

import json
import platform
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from attached import free_port, join, resources, wait_for
from small import STUDY

from harness.edge.attach import join as joining
from harness.edge.attach.join import check_head, check_ray
from harness.edge.attach.probe import probe_device
from harness.errors import InputError


def test_nothing_at_the_address_is_said_at_once() -> None:
    (check,) = check_head(f"127.0.0.1:{free_port()}", "orin")
    assert check.ok is False
    assert "nothing answers" in check.found


@pytest.mark.parametrize("address", ["auto", "host", "ray://host:1", ":6379"])
def test_what_is_no_address_is_bad_input(address: str) -> None:
    with pytest.raises(InputError, match=r"is not the address|nothing answers"):
        raise InputError(check_head(address, "orin")[0].found)


@pytest.mark.parametrize(
    ("python", "level", "ok", "said"),
    [
        ("3.11.7", None, True, ""),
        ("3.11.2", None, False, "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL=minor"),
        ("3.11.2", "patch", False, "or attach this device by ssh"),
        ("3.11.2", "minor", True, ""),
        ("3.10.7", None, False, "install Python 3.10.7"),
        ("3.10.7", "minor", False, "install Python 3.10.7"),
    ],
)
def test_versions_are_compared_as_ray_does(
    python: str, level: str | None, ok: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    utils = pytest.importorskip("ray._private.utils", reason="Ray is not installed")
    cluster = {"ray": version("ray"), "python": python, "resources": []}
    monkeypatch.setattr(joining, "_ask", lambda *_: (cluster, ""))
    monkeypatch.setattr(platform, "python_version", lambda: "3.11.7")
    monkeypatch.setattr(utils, "compute_version_info", lambda: (version("ray"), "3.11.7"))
    monkeypatch.delenv("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", raising=False)
    if level:
        monkeypatch.setenv("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", level)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        check = check_head(f"127.0.0.1:{listening.getsockname()[1]}", "orin")[0]
    assert (check.ok, said in check.found) == (ok, True)
    try:  # what Ray itself says of these versions
        utils.check_version_info({"ray_version": version("ray"), "python_version": python}, "here")
        accepted = True
    except RuntimeError:
        accepted = False
    assert accepted == ok


def test_another_version_of_ray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    cluster = {"ray": "1.0.0", "python": platform.python_version(), "resources": []}
    monkeypatch.setattr(joining, "_ask", lambda *_: (cluster, ""))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        check = check_head(f"127.0.0.1:{listening.getsockname()[1]}", "orin")[0]
    assert check.ok is False
    assert "install ray==1.0.0" in check.found


def test_what_is_found_here_names_versions_meters_and_power_mode() -> None:
    found = {check.what: check for check in [*check_ray(), *probe_device()]}
    assert list(found) == ["Ray", "token", "Python", "harness", "GPU", "meters", "power mode"]
    assert found["meters"].found


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_joins_is_measured_on_and_leaves(
    head: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, environment = head
    joined = join(address, "orin", environment)
    for name in ("HOME", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, environment[name])
    with pytest.raises(InputError, match="orin is taken by another node"):
        joining.join(address, "orin", print)
    (tmp_path / "s.yaml").write_text(
        STUDY.format(methods="deepsense", devices="[cpu, {name: orin}]", meter="none", idle=0, seconds=0.05)
    )
    run = [sys.executable, "-m", "harness", "run", "s.yaml", "--address", address]
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs/small/records").iterdir()]
    ways = {
        record["content"]["on"]: record["environment"]["attached_by"] for record in found if record["kind"] == "profile"
    }
    assert ways == {"cpu": "here", "orin": "ray"}
    losses = [record["result"]["training"]["repeats"][0]["loss"] for record in found if record["kind"] == "profile"]
    assert losses[0] == losses[1]
    joined.send_signal(signal.SIGINT)
    said = joined.communicate(timeout=60)[0]
    assert joined.returncode == 0, said
    assert said.rstrip().endswith("left")
    wait_for(lambda: "edge:orin" not in (resources(address, environment) or ["edge:orin"]), 60)
