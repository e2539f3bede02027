"""Over SSH: a real sshd on loopback, with a port and keys of its own, runs the measuring process."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import planned, profiles, run, without_times

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen")), reason="there is no OpenSSH server here")

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The YAML of a device that is reached over a real sshd's loopback."""
    folder = tmp_path_factory.mktemp("ssh")
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root insists on it
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    (folder / "harness").write_text(
        f'#!/bin/sh\nexport PYTHONPATH={shlex.quote(os.pathsep.join(sys.path))}\nexec {sys.executable} -m harness.cli "$@"\n'
    )
    (folder / "harness").chmod(0o755)
    options = ["-p", str(port), "-i", f"{folder}/user_key", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
    yield f"{{name: orin, ssh: {getpass.getuser()}@127.0.0.1, command: {folder}/harness, ssh_options: {options}}}"
    server.terminate()
    server.wait()


@pytest.mark.slow
def test_the_record_over_ssh_is_the_one_from_here(device: str, tmp_path: Path) -> None:
    plan, ledger = planned(tmp_path, f"[cpu, {device}]")
    run(plan, ledger, "anywhere", "here", "ssh")
    here, there = (ledger.record(job.key) for job in profiles(plan))
    assert here is not None
    assert there is not None
    assert there["status"] == "done", there
    assert without_times(here["result"]) == without_times(there["result"])
    assert there["environment"]["attached_by"] == "ssh"
    assert ledger.artefact(there["key"], "latencies.npz")


def test_a_device_that_does_not_answer_is_a_failed_record_and_the_run_goes_on(device: str, tmp_path: Path) -> None:
    broken = device.replace("'-p', '", "'-p', '1")[:4000].replace("StrictHostKeyChecking=no", "StrictHostKeyChecking=yes")
    plan, ledger = planned(tmp_path, f"[{broken}]")
    run(plan, ledger, "anywhere", "ssh")
    (job,) = profiles(plan)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "failed"
    assert record["error"]["type"] == "DeviceLost"
    assert "the connection was lost" in record["error"]["message"]
    assert all(ledger.is_done(other.key) for other in plan.jobs.values() if other.kind != "profile")
