"""Nothing is lost: a run's driver is killed by SIGKILL at random moments and started again each time.

    python benchmarks/killed.py [--kills 20] [--seed 0]

One kill in four comes some seconds after the start, while Ray starts; the others after a drawn number of jobs has begun and
a drawn part of a second more, so that they fall among the jobs on a slow machine too. Prints a row a kill, then compares
with an undisturbed run of the same study. Exit status 0 only if no finished job ran again (every record there at a kill is
the same bytes at the end), all records equal the undisturbed run's but for times and places, and no half-written file is
left. Linux only: leftovers are found in /proc, by a mark in their environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness.keys import rng_of
from harness.ledger import WRITING

STUDY = """\
study: killed
datasets: [fantasy-device]
methods: [deepsense, cosmo]
sweep: {{label_rate: [0.1, 0.15, 0.2, 0.25, 0.3]}}
seeds: {seeds}
stage1: {{epochs: 2}}
stage2: {{epochs: 10, evaluate_every: 5}}
options:
  fantasy-device: {{series: 6, seconds: 24}}
"""
MARK = "HARNESS_BENCHMARK_MARK"
AT_WORK = 0.75  # the share of kills while jobs run
MOST_JOBS = 5  # that a driver begins before it is killed
START_SECONDS = 10.0  # Ray takes about so long to start on a busy machine
LEFTOVER_SECONDS = 20.0  # Ray's processes notice within this time that their driver is gone
ADDRESS_OR_TIME = {"written_at", "started_at", "environment", "seconds", "attempts"}


@dataclass(frozen=True)
class Kill:
    """What was there when a driver was killed. begun: titles of the jobs that this driver had begun; done: key → record's bytes."""

    seconds: float
    begun: list[str]
    done: dict[str, bytes]
    half_written: int
    leftovers: int  # processes alive just after
    leftover_seconds: float  # until they were gone
    remained: list[str]  # those that had to be killed


class Runs:
    """Runs of one study in a folder of their own, with a home of their own for Ray's token."""

    def __init__(self, folder: Path, seeds: int):
        self.folder, self._mark = folder, uuid4().hex
        (folder / "killed.yaml").write_text(STUDY.format(seeds=seeds), encoding="utf-8")
        self._environment = {**os.environ, MARK: self._mark, "HOME": str(folder), "RAY_TMPDIR": str(folder)}
        for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
            self._environment.pop(name, None)

    def start(self, out: str, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "harness", "run", "killed.yaml", "--out", out]
        with log.open("wb") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=file, stderr=subprocess.STDOUT
            )

    def finish(self, out: str) -> tuple[int, float]:
        """Run to the end; exit status and seconds."""
        log, begun = self.folder / f"{out}.log", time.monotonic()
        status = self.start(out, log).wait()
        if status:
            print(log.read_text(errors="replace"))
        return status, time.monotonic() - begun

    def kill_at(self, jobs: int, moment: float) -> Kill | None:
        """Start, wait until so many jobs have begun, wait so many seconds more, kill; None if the run ended before."""
        log, begun = self.folder / "kill.log", time.monotonic()
        process = self.start("disturbed", log)
        while process.poll() is None and log.read_bytes().count(b"started  ") < jobs:
            time.sleep(0.02)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        else:
            return None
        seconds = time.monotonic() - begun
        leftovers = self._wait_for_leftovers()
        started = re.findall(r"^started  (.*?)(?: on \S+)?$", log.read_text(errors="replace"), re.MULTILINE)
        records = {path.stem: path.read_bytes() for path in self.records("disturbed")}
        half_written = len(list((self.folder / "disturbed").rglob(f"{WRITING}*")))
        return Kill(seconds, started, records, half_written, *leftovers)

    def records(self, out: str) -> list[Path]:
        return sorted((self.folder / out / "records").glob("[!.]*.json"))

    def _wait_for_leftovers(self) -> tuple[int, float, list[str]]:
        """Ray's processes end with their driver: how many did not at once, how long the last one took, and which never did.

        Those still there after LEFTOVER_SECONDS are killed, by pid.
        """
        begun = time.monotonic()
        first = left = self._marked()
        while left and time.monotonic() - begun < LEFTOVER_SECONDS:
            time.sleep(0.1)
            left = self._marked()
        waited, remained = time.monotonic() - begun, []
        for pid in left:
            try:
                remained.append((Path("/proc") / str(pid) / "cmdline").read_text().replace("\0", " ").strip())
                os.kill(pid, signal.SIGKILL)
            except OSError:  # gone meanwhile
                continue
        return len(first), waited, remained

    def _marked(self) -> list[int]:
        """The living processes that these runs have started."""
        wanted, found = f"{MARK}={self._mark}".encode(), []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # ended meanwhile, or a zombie
                continue
        return found


def essence(content: Any) -> Any:
    """A record without what differs from run to run: times, places, attempts."""
    if isinstance(content, dict):
        kept = {
            name: value
            for name, value in content.items()
            if name not in ADDRESS_OR_TIME and not name.endswith("_seconds")
        }
        return {name: essence(value) for name, value in kept.items()}
    return [essence(value) for value in content] if isinstance(content, list) else content


def faults(runs: Runs, kills: list[Kill]) -> list[str]:
    """What was lost or done twice; empty if nothing was."""
    final = {path.stem: path.read_bytes() for path in runs.records("disturbed")}
    titles = {
        key: job["title"] for key, job in json.loads((runs.folder / "disturbed/plan.json").read_bytes())["jobs"].items()
    }
    found = []
    for number, kill in enumerate(kills, 1):
        changed = [key for key, data in kill.done.items() if final.get(key) != data]
        found += [f"kill {number}: the record of {titles[key]} was written again or lost" for key in changed]
        before = {titles[key] for earlier in kills[: number - 1] for key in earlier.done}
        found += [f"start {number}: {title} began again, though it was done" for title in kill.begun if title in before]
    whole = {path.stem: essence(json.loads(path.read_bytes())) for path in runs.records("undisturbed")}
    found += [
        f"{titles[key]}: another record than the undisturbed run's"
        for key in whole
        if essence(json.loads(final[key])) != whole[key]
    ]
    found += [f"{key}: a record that the undisturbed run does not have" for key in final if key not in whole]
    found += [
        f"{titles[key]}: {json.loads(data)['status']}"
        for key, data in final.items()
        if json.loads(data)["status"] != "done"
    ]
    return found + [f"half-written: {path}" for path in (runs.folder / "disturbed").rglob(f"{WRITING}*")]


def disturb(runs: Runs, n_kills: int, seed: int, tell: Callable[[str], None]) -> list[Kill]:
    """Kill a run ``n_kills`` times, each at a moment of its own."""
    rng, kills = rng_of("killed", seed), []
    tell("kill  seconds in  begun  done  new  half-written  left alive  gone after")
    for number in range(1, n_kills + 1):
        at_work = rng.random() < AT_WORK
        jobs, seconds = (
            (int(rng.integers(1, MOST_JOBS + 1)), rng.random()) if at_work else (0, START_SECONDS * rng.random())
        )
        kill = runs.kill_at(jobs, float(seconds))
        if kill is None:
            raise SystemExit(f"the run had ended before kill {number}; give --seeds more")
        new = len(kill.done) - (len(kills[-1].done) if kills else 0)
        row = f"{number:4}  {kill.seconds:8.2f} s  {len(kill.begun):5}  {len(kill.done):4}  {new:3}  {kill.half_written:12}"
        tell(f"{row}  {kill.leftovers:10}  {kill.leftover_seconds:8.1f} s")
        for command in kill.remained:
            tell(f"      still there after {LEFTOVER_SECONDS:g} s, killed: {command[:150]}")
        kills.append(kill)
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--seeds", type=int, help="of the study, 11 jobs each [default: enough for the kills]")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="killed-", ignore_cleanup_errors=True) as folder:
        runs = Runs(Path(folder), asked.seeds or 1 + asked.kills // 3)
        kills = disturb(runs, asked.kills, asked.seed, lambda line: print(line, flush=True))
        status, seconds = runs.finish("disturbed")
        print(
            f"last start: exit status {status} after {seconds:.0f} s, {len(runs.records('disturbed'))} jobs have records"
        )
        status, seconds = runs.finish("undisturbed")
        print(
            f"undisturbed: exit status {status} after {seconds:.0f} s, {len(runs.records('undisturbed'))} jobs have records"
        )
        wrong = faults(runs, kills)
    print("\n".join(wrong) or "no finished job ran again, all records are equal, no half-written file is left")
    sys.exit(1 if wrong or status else 0)


if __name__ == "__main__":
    main()
