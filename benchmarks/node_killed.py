"""Runs a study on two nodes, kills one of them on the way, and compares with the same study in one process.

    python benchmarks/node_killed.py STUDY.yaml [--data DIR] [--after 0.3] [--set key=value]...

Both nodes are real `ray start` processes on this machine, with token authentication. The second one is killed with
SIGKILL once the given share of the jobs is done. The exit status is 0 only if the run ends with status 0 and all
records equal those of the run in one process, apart from times and hosts. It runs on Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "execute"))
from own_cluster import OwnCluster

HOST_OR_TIME = {"written_at", "started_at", "environment", "seconds", "attempts"}
TIMES = {"train_seconds", "evaluation_seconds", "findings_seconds"}  # of a result


def contents(run: Path) -> dict[str, dict[str, Any]]:
    """Key → record, without times and hosts."""
    found = {}
    for path in sorted((run / "records").glob("*.json")):
        record = json.loads(path.read_bytes())
        record = {name: value for name, value in record.items() if name not in HOST_OR_TIME}
        record["result"] = {name: value for name, value in record.get("result", {}).items() if name not in TIMES}
        found[path.stem] = record
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--data")
    parser.add_argument("--after", type=float, default=0.3)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    command = [sys.executable, "-m", "harness", "run", given.study, *(["--data", given.data] if given.data else [])]
    command += [part for value in given.set for part in ("--set", value)]
    cluster = OwnCluster()
    try:
        with tempfile.TemporaryDirectory(prefix="node-killed-") as folder:
            sys.exit(compare(cluster, command, Path(folder), given.after))
    finally:
        cluster.close()


def compare(cluster: OwnCluster, command: list[str], folder: Path, share: float) -> int:
    """Run the study both ways and print what happened. Returns the exit status."""
    begun = time.monotonic()
    alone = subprocess.run(
        [*command, "--inline", "--out", str(folder / "alone")], capture_output=True, text=True, check=False
    )
    one, seconds = contents(folder / "alone"), time.monotonic() - begun
    print(f"one process: status {alone.returncode}, {seconds:.0f} s, {len(one)} records", flush=True)
    cluster.head(1)
    cluster.node("far", 1)
    begun, out = time.monotonic(), folder / "two"
    run = subprocess.Popen(
        [*command, "--address", cluster.address, "--wait-for-nodes", "120", "--out", str(out)],
        env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wanted, killed = share * len(one), 0.0
    while run.poll() is None and not killed:
        done = len(list((out / "records").glob("*.json")))
        if done >= wanted:
            cluster.kill("far")
            killed = time.monotonic() - begun
            print(f"two nodes: the second one was killed after {killed:.0f} s, with {done} jobs done", flush=True)
        time.sleep(0.2)
    output = run.communicate()[0]
    two, seconds = contents(out), time.monotonic() - begun
    hosts = Counter(
        json.loads(path.read_bytes()).get("environment", {}).get("host", "?")
        for path in (out / "records").glob("*.json")
    )
    for line in output.splitlines():
        if " is gone" in line or "retried" in line or line.startswith("failed"):
            print("    " + line)
    same = sum(one.get(key) == record for key, record in two.items())
    equal = f"{len(two)} records, {same} of them equal"
    print(f"two nodes: status {run.returncode}, {seconds:.0f} s, {equal}; by host {dict(hosts)}")
    return 0 if run.returncode == 0 and killed and same == len(one) == len(two) else 1


if __name__ == "__main__":
    main()
