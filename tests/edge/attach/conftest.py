"""A real sshd on the loopback interface and the real head of a Ray cluster, each with a home of its own."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `attached`
from attached import free_port, wait_for

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
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
    if not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("there is no OpenSSH server here")
    folder = tmp_path_factory.mktemp("ssh")
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    port = free_port()
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
        f'#!/bin/sh\nexport PYTHONPATH={shlex.quote(os.pathsep.join(sys.path))}\nexec {sys.executable} -m harness "$@"\n'
    )
    (folder / "harness").chmod(0o755)
    options = [
        "-p",
        str(port),
        "-i",
        f"{folder}/user_key",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        f"UserKnownHostsFile={folder}/known",
    ]
    yield f"{{name: orin, ssh: {getpass.getuser()}@127.0.0.1, command: {folder}/harness, ssh_options: {options}}}"
    server.terminate()
    server.wait()


@pytest.fixture
def head() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a head with a home and temporary folder of its own, and the environment that knows its token."""
    pytest.importorskip("ray", reason="Ray is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    (folder / ".ray").mkdir()
    (folder / ".ray/auth_token").write_text("0123456789abcdef" * 2)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    port = free_port()
    options = ["--head", f"--port={port}", "--num-cpus=1", "--num-gpus=0", "--include-dashboard=false", "--block"]
    log = folder / "head.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options], env=environment, stdout=file, stderr=file
        )
    wait_for(lambda: "Ray runtime started" in log.read_text(errors="replace"), 120)
    yield f"127.0.0.1:{port}", environment
    process.terminate()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)
