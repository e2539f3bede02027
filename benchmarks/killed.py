"""Kills a process of a run with SIGKILL at random moments, restarts the run, and checks that nothing is lost.

    python benchmarks/killed.py [--kills 20] [--seed 0] [--victim driver|raylet|gcs_server]

One kill in four of the driver comes a few seconds after the start, while Ray starts. All others come up to a second
after a random number of jobs has started, so that they hit running jobs on slow machines too. If the raylet or the
control server of Ray (gcs_server) is killed, the run has to end by itself, without a traceback. The program prints a
row for each kill, and then compares the run with an undisturbed run of the same study in one process. The exit status
is 0 only if

- no finished job ran again: every record that existed at a kill is unchanged, byte for byte, at the end;
- all records equal those of the undisturbed run, apart from times and hosts;
- no half-written file is left, and no command printed a traceback or had to be ended.

It runs on Linux only: leftover processes are found in /proc by a mark in their environment or by their open files.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness.execute.session import works_for_ray
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
  cosmo: {{quality: {{restarts: 1, subsets: 0}}}}
"""
MARK = "HARNESS_BENCHMARK_MARK"
SHARE_WHILE_RUNNING = 0.75  # the share of kills that come while jobs are running
MAX_JOBS = 5  # the most jobs that a driver starts before it is killed
START_SECONDS = 10.0  # about the time that Ray takes to start on a busy machine
LEFTOVER_SECONDS = 60.0  # all processes of the run are gone within this time, also on a busy machine
HANGS_AFTER_SECONDS = 600.0
DRIVER = "driver"
VICTIMS = (DRIVER, "raylet", "gcs_server")
HOST_OR_TIME = {"written_at", "started_at", "environment", "seconds", "attempts"}


@dataclass(frozen=True)
class Kill:
    """The state of a run when its driver was killed.

    begun: titles of the jobs that this driver had started. done: key → record, as bytes.
    """

    seconds: float
    status: int  # of the command
    hung: bool  # whether the command had to be ended
    traceback: str  # the end of what was printed, if there was a traceback
    begun: list[str]
    done: dict[str, bytes]
    half_written: int
    leftovers: int  # processes alive just after the kill
    leftover_seconds: float  # until they were gone
    remained: list[str]  # command lines of those that had to be killed


class Runs:
    """Runs of one study in a temporary folder, with a home directory of their own for Ray's token."""

    def __init__(self, folder: Path, seeds: int):
        self.folder, self._mark = folder, uuid4().hex
        (folder / "killed.yaml").write_text(STUDY.format(seeds=seeds), encoding="utf-8")
        self._environment = {**os.environ, MARK: self._mark, "HOME": str(folder), "RAY_TMPDIR": str(folder)}
        self._environment["RAY_worker_niceness"] = "0"  # on a busy machine, workers at Ray's own 15 hardly run
        for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
            self._environment.pop(name, None)

    def start(self, out: str, log: Path, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "harness", "run", "killed.yaml", "--out", out, *options]
        with log.open("wb") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=file, stderr=subprocess.STDOUT
            )

    def finish(self, out: str, *options: str) -> tuple[int, float]:
        """Run to the end. Returns exit status and seconds."""
        log, begun = self.folder / f"{out}.log", time.monotonic()
        status = self.start(out, log, *options).wait()
        if status:
            print(log.read_text(errors="replace"))
        return status, time.monotonic() - begun

    def kill_at(self, jobs: int, moment: float, victim: str) -> Kill | None:
        """Start a run, wait until ``jobs`` jobs have started, wait ``moment`` seconds more, and kill the victim.

        Returns None if the run ended before that.
        """
        log, begun = self.folder / "kill.log", time.monotonic()
        process = self.start("disturbed", log)
        while process.poll() is None and log.read_bytes().count(b"started  ") < jobs:
            time.sleep(0.02)
        try:
            process.wait(moment)
            return None
        except subprocess.TimeoutExpired:
            os.kill(process.pid if victim == DRIVER else child(process.pid, victim), signal.SIGKILL)
        seconds = time.monotonic() - begun
        hung = False
        try:
            process.wait(HANGS_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            hung = True
            process.kill()
        status, printed = process.wait(), log.read_text(errors="replace")
        leftovers = self._wait_for_leftovers()
        started = re.findall(r"^started  (.*?)(?: on \S+)?$", printed, re.MULTILINE)
        records = {path.stem: path.read_bytes() for path in self.records("disturbed")}
        half_written = len(list((self.folder / "disturbed").rglob(f"{WRITING}*")))
        traceback = printed[-1000:] if "Traceback" in printed else ""
        return Kill(seconds, status, hung, traceback, started, records, half_written, *leftovers)

    def records(self, out: str) -> list[Path]:
        return sorted((self.folder / out / "records").glob("[!.]*.json"))

    def _wait_for_leftovers(self) -> tuple[int, float, list[str]]:
        """Wait until Ray's processes have ended, and kill those that still exist after LEFTOVER_SECONDS.

        Returns the number of processes at first, the seconds until all were gone, and the command lines of those
        killed.
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
            except OSError:  # it has ended
                continue
        return len(first), waited, remained

    def _marked(self) -> list[int]:
        """The ids of the living processes that these runs have started."""
        wanted, found = f"{MARK}={self._mark}".encode(), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                marked = wanted in Path("/proc", pid, "environ").read_bytes().split(b"\0")
                if marked or works_for_ray(pid, str(self.folder)):
                    found.append(int(pid))
            except OSError:  # it has ended, or is a zombie
                continue
        return found


def child(pid: int, name: str) -> int:
    """The child of a process with a name."""
    return next(found for found, its_name, _ in children(pid) if its_name == name)


def children(pid: int) -> Iterator[tuple[int, str, str]]:
    """The id, the name and the command line of each child of a process."""
    for folder in Path("/proc").iterdir():
        try:
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[1]) == pid:
                yield int(folder.name), name, (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError, IndexError):  # it is no process, or has ended
            continue


def essence(content: Any) -> Any:
    """A record without what differs from run to run: times, hosts and attempts."""
    if isinstance(content, dict):
        kept = {
            name: value for name, value in content.items() if name not in HOST_OR_TIME and not name.endswith("_seconds")
        }
        return {name: essence(value) for name, value in kept.items()}
    return [essence(value) for value in content] if isinstance(content, list) else content


def faults(runs: Runs, kills: list[Kill]) -> list[str]:
    """What was lost or done twice; empty if all is well."""
    final = {path.stem: path.read_bytes() for path in runs.records("disturbed")}
    titles = {
        key: job["title"] for key, job in json.loads((runs.folder / "disturbed/plan.json").read_bytes())["jobs"].items()
    }
    found = []
    for number, kill in enumerate(kills, 1):
        changed = [key for key, data in kill.done.items() if final.get(key) != data]
        found += [f"kill {number}: the record of {titles[key]} was written again or lost" for key in changed]
        before = {titles[key] for earlier in kills[: number - 1] for key in earlier.done}
        found += [f"kill {number}: {kill.traceback}"] if kill.traceback else []
        found += [f"kill {number}: the command did not end within {HANGS_AFTER_SECONDS:g} s"] if kill.hung else []
        found += [f"kill {number}: {command} was left behind" for command in kill.remained]
        found += [f"start {number}: {title} started again after it was done" for title in kill.begun if title in before]
    found += differences(final, runs, titles)
    return found + [f"half-written: {path}" for path in (runs.folder / "disturbed").rglob(f"{WRITING}*")]


def differences(final: dict[str, bytes], runs: Runs, titles: dict[str, str]) -> Iterator[str]:
    """Where the final records differ from those of the undisturbed run, or are not done."""
    expected = {path.stem: essence(json.loads(path.read_bytes())) for path in runs.records("undisturbed")}
    records = {key: json.loads(data) for key, data in final.items()}
    for key in expected.keys() - records.keys():
        yield f"{titles[key]}: no record, although the undisturbed run has one"
    for key, record in records.items():
        if key not in expected:
            yield f"{key}: a record that the undisturbed run does not have"
        elif essence(record) != expected[key]:
            yield f"{titles[key]}: the record differs from that of the undisturbed run"
        if record["status"] != "done":
            yield f"{titles[key]}: {record['status']}"


def disturb(runs: Runs, victim: str, n_kills: int, seed: int, report: Callable[[str], None]) -> list[Kill]:
    """Kill a process of a run ``n_kills`` times, each time at a random moment."""
    rng, kills = rng_of("killed", seed), []
    report("kill  seconds in  status  begun  done  new  half-written  left alive  gone after")
    for number in range(1, n_kills + 1):
        if victim != DRIVER or rng.random() < SHARE_WHILE_RUNNING:
            jobs, seconds = int(rng.integers(1, MAX_JOBS + 1)), rng.random()
        else:
            jobs, seconds = 0, START_SECONDS * rng.random()
        kill = runs.kill_at(jobs, float(seconds), victim)
        if kill is None:
            log = (runs.folder / "kill.log").read_text(errors="replace")
            raise SystemExit(f"the run ended before kill {number}: {log[-500:]}\nset --seeds higher if it was done")
        new = len(kill.done) - (len(kills[-1].done) if kills else 0)
        row = f"{number:4}  {kill.seconds:8.2f} s  {kill.status:6}  {len(kill.begun):5}  {len(kill.done):4}  {new:3}"
        report(f"{row}  {kill.half_written:12}  {kill.leftovers:10}  {kill.leftover_seconds:8.1f} s")
        for command in kill.remained:
            report(f"      still there after {LEFTOVER_SECONDS:g} s, killed: {command[:150]}")
        kills.append(kill)
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--victim", choices=VICTIMS, default=DRIVER, help="the process that is killed")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--seeds", type=int, help="seeds of the study, 11 jobs each [default: enough for the kills]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="killed-", ignore_cleanup_errors=True) as folder:
        runs = Runs(Path(folder), arguments.seeds or 1 + arguments.kills // 3)
        kills = disturb(runs, arguments.victim, arguments.kills, arguments.seed, lambda line: print(line, flush=True))
        status, seconds = runs.finish("disturbed")
        n_records = len(runs.records("disturbed"))
        print(f"last start: exit status {status} after {seconds:.0f} s, {n_records} jobs have records")
        status, seconds = runs.finish("undisturbed", "--inline")
        n_records = len(runs.records("undisturbed"))
        print(f"undisturbed: exit status {status} after {seconds:.0f} s, {n_records} jobs have records")
        wrong = faults(runs, kills)
    print("\n".join(wrong) or "no finished job ran again, all records are equal, no half-written file is left")
    sys.exit(1 if wrong or status else 0)


if __name__ == "__main__":
    main()
