"""A study on two nodes, one of which is killed in the middle, against the same study in one process.

    python benchmarks/node_killed.py STUDY.yaml [--data DIR] [--after 0.3] [--set key=value]...

Both nodes are real `ray start` processes of this machine, with token authentication; the far one is ended by SIGKILL once the
given share of the jobs is done. Exit status 0 only if the run ends with status 0 and all records equal those of the run in
one process but for times and places. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "execute"))
from own_cluster import OwnCluster

PLACE_OR_TIME = {"written_at", "started_at", "environment", "seconds", "attempts"}
MEASURED = {"train_seconds", "evaluation_seconds", "findings_seconds"}


def contents(run: Path) -> dict[str, dict[str, Any]]:
    """Key → record without times and places."""
    found = {}
    for path in sorted((run / "records").glob("*.json")):
        record = json.loads(path.read_bytes())
        record = {name: value for name, value in record.items() if name not in PLACE_OR_TIME}
        record["result"] = {name: value for name, value in record.get("result", {}).items() if name not in MEASURED}
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
    """Run both, print what happened; the exit status."""
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
            print(f"two nodes: the far one was killed after {killed:.0f} s, {done} jobs done", flush=True)
        time.sleep(0.2)
    said = run.communicate()[0]
    two, seconds = contents(out), time.monotonic() - begun
    places: dict[str, int] = {}
    for path in (out / "records").glob("*.json"):
        host = json.loads(path.read_bytes()).get("environment", {}).get("host", "?")
        places[host] = places.get(host, 0) + 1
    for line in said.splitlines():
        if " is gone" in line or "retried" in line or line.startswith("failed"):
            print("    " + line)
    same = sum(one.get(key) == record for key, record in two.items())
    print(
        f"two nodes: status {run.returncode}, {seconds:.0f} s, {len(two)} records, {same} of them equal; by host {places}"
    )
    return 0 if run.returncode == 0 and killed and same == len(one) == len(two) else 1


if __name__ == "__main__":
    main()
