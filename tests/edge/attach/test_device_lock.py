"""The lock of a device, held by this process and asked for by another."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from harness.edge.attach import device_lock as locks
from harness.edge.attach import measure as measuring
from harness.errors import InputError

PROGRAM = """\
import sys
from harness.edge.attach.device_lock import _file_lock, _socket_lock
with globals()[sys.argv[1]](sys.argv[2], lambda text: print("waiting:", text, flush=True)):
    print("has it", flush=True)
"""
AGENT = """\
import sys
from harness.edge.power import rails_agent
rails_agent.LOCK_NAME = sys.argv[1]
lock = rails_agent._lock(rails_agent._Reader([], 1.0))
sys.stderr.write("has it\\n")
"""


@pytest.mark.parametrize("kind", ["_socket_lock", "_file_lock"])
def test_of_two_measurements_on_a_device_one_waits(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    name = uuid.uuid4().hex  # a lock of its own: this machine may be measured
    with getattr(locks, kind)(name, lambda text: None):
        command = [sys.executable, "-c", PROGRAM, kind, name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        who = f" (process {os.getpid()} of user {os.getuid()})" if kind == "_socket_lock" else ""
        assert process.stdout.readline() == f"waiting: another measurement{who} is running on this device\n"
        if kind == "_file_lock":
            (file,) = tmp_path.rglob("*.lock")
            assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert process.communicate(timeout=60)[0] == "has it\n"


def test_the_agent_of_edge_meter_waits_too() -> None:
    name = uuid.uuid4().hex
    with locks._socket_lock(name, lambda text: None):
        process = subprocess.Popen([sys.executable, "-c", AGENT, name], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert process.stderr.readline() == "another measurement is running on this device: waiting for its end\n"
    assert process.communicate(timeout=60)[1] == "has it\n"


def test_a_measurement_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []

    def locked(on_wait: object) -> object:
        on_wait("another one")  # type: ignore[operator]
        raise InputError("stopped here")

    monkeypatch.setattr(measuring, "device_lock", locked)
    monkeypatch.setattr(measuring, "read_bundle", lambda path: None)
    with pytest.raises(InputError, match="stopped here"):
        measuring.measure(tmp_path / "bundle.zip", tmp_path / "result.zip", said.append)
    assert said == [{"waiting": "another one"}]


def test_the_runtime_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = locks.runtime_folder()
    assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is not a folder of this user"):
        locks.runtime_folder()
