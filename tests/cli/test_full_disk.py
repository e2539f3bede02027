"""A disk that is full in the middle of a run: one message, nothing lost, and it goes on once there is room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense]
seeds: 4
stage2: {epochs: 2, evaluate_every: 1}
options:
  fantasy-device: {series: 6, seconds: 12}
"""
PROGRAM = """
import subprocess, sys, time
from pathlib import Path
disk = Path(sys.argv[1])
run = [sys.executable, "-m", "harness", "run", "small.yaml", "--inline", "--out", str(disk / "run")]
first = subprocess.Popen(run)
while first.poll() is None and not list((disk / "run/records").glob("[!.]*.json")):
    time.sleep(0.01)
filler = disk / "filler"
with filler.open("wb", buffering=0) as file:
    for size in 2**20, 2**12:  # fast, or the run ends before the disk is full
        try:
            while first.poll() is None:
                file.write(bytes(size))
        except OSError:
            pass
    try:  # what the run frees by giving up
        while first.poll() is None:
            file.write(b"0")
            time.sleep(0.001)
    except OSError:
        pass
status = first.wait()
kept = {path.name: path.read_bytes() for path in (disk / "run/records").glob("[!.]*.json")}
filler.unlink()
again = subprocess.run(run).returncode
same = all((disk / "run/records" / name).read_bytes() == data for name, data in kept.items())
print("result", [status, len(kept), again, same, len(list((disk / "run/records").glob("*.json"))), len(list(disk.rglob(".writing-*")))])
"""


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(STUDY)
    disk = tmp_path / "disk"
    disk.mkdir()
    roots = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = ["unshare", "--mount", *roots, "sh", "-c", f'mount -t tmpfs -o size=80m none {disk} && exec "$@"', "sh"]
    if sys.platform != "linux" or subprocess.run([*mount, "true"], check=False).returncode:
        pytest.skip("no disk of its own can be mounted here")
    command = [*mount, sys.executable, "-c", PROGRAM, str(disk)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    status, kept, again, same, n_records, half_written = json.loads(done.stdout.split("result ")[1].lower())
    assert status == 2
    assert 1 <= kept < 4
    (message,) = done.stderr.strip().splitlines()
    assert "can't be written: No space left on device. What is finished is kept" in message
    assert (again, same, n_records, half_written) == (0, True, 4, 0)
