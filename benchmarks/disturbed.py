"""Disturbs runs on Ray in many ways, repeats the same command, and checks that nothing is lost or done twice.

    python benchmarks/disturbed.py [--kills 20] [--only NAME]... [--faketime LIBRARY] [--seed 0]

Workers are killed with SIGKILL while jobs run, the driver gets the signals of terminals and schedulers, and runs start
under a low limit of open files, in the locale C, with a wrong clock (LIBRARY is the path of libfaketime) and in folders
with awkward names. `benchmarks/killed.py` kills the driver and Ray's own processes. The program prints a row for each
disturbance. The exit status is 0 only if, after the command was repeated without disturbance,

- every job is done, and its record equals that of an undisturbed run in one process, apart from times and hosts;
- no job ran again that was done before: its record is unchanged, byte for byte;
- no half-written file is left, and no command ended with a traceback or hung.

It runs on Linux only, since it finds processes in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from killed import Runs, children, essence

from harness.keys import rng_of
from harness.ledger import WRITING

STUDY = """\
study: disturbed
datasets: [fantasy-device]
methods: [deepsense, cmc]
seeds: 2
stage1: {epochs: 1}
stage2: {epochs: 4, evaluate_every: 2}
options:
  fantasy-device: {series: 6, seconds: 12}
"""
KILLS_PER_START = 4
STOPPED_SECONDS = 5.0  # between SIGSTOP and SIGCONT
HANGS_AFTER_SECONDS = 1200.0
MOST_REPEATS = 3  # of the command, until it ends with status 0
OPEN_FILES = 256
NAMES = {
    "spaces and quotes": "a b 'c' \"d\" $HOME `e` \\f;g&h",
    "a line feed": "first\nsecond",
    "other letters": "Läufe 試験 🏃",
    "markup and a leading dash": "x/-n [red]{0}%s",
    "200 characters": "n" * 200,
}

Find = Callable[[int], Sequence[int]]
"""From the driver to the processes of which one is disturbed."""


@dataclass
class Outcome:
    """How a disturbed command ended. times: how often it was disturbed."""

    times: int
    statuses: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Bench(Runs):
    """Disturbed runs of one study, each in a folder of its own."""

    def __init__(self, folder: Path, rng: np.random.Generator):
        super().__init__(folder, seeds=1)
        (folder / "killed.yaml").write_text(STUDY, encoding="utf-8")
        self.rng = rng
        self._environment["HARNESS_CACHE"] = str(folder / "cache")

    def begin(
        self,
        out: str,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
        log: str = "last.log",
        inline: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start the command. before: called in the new process. log: the file that it prints to."""
        command = [sys.executable, "-m", "harness", "run", "killed.yaml", "--out", out]
        command += ["--inline"] if inline else []
        with (self.folder / log).open("wb") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env={**self._environment, **(environment or {})}, stdout=file,
                stderr=subprocess.STDOUT, preexec_fn=before,
            )  # fmt: skip

    def printed(self) -> str:
        return (self.folder / "last.log").read_text(errors="replace")

    def wait_for_jobs(self, process: subprocess.Popen[bytes], more: int) -> bool:
        """Wait until so many more jobs have started and up to a second more. Returns whether the command still runs."""
        wanted = self.printed().count("started  ") + more
        begun = time.monotonic()
        while process.poll() is None and self.printed().count("started  ") < wanted:
            if time.monotonic() - begun > HANGS_AFTER_SECONDS:
                break
            time.sleep(0.05)
        time.sleep(self.rng.random())
        return process.poll() is None

    def end(self, process: subprocess.Popen[bytes], outcome: Outcome) -> None:
        """Wait for the end of a command and note what is wrong with it."""
        try:
            outcome.statuses.append(process.wait(HANGS_AFTER_SECONDS))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            outcome.wrong.append(f"hung: {self.printed()[-500:]}")
        if "Traceback" in self.printed():
            outcome.wrong.append(f"a traceback: {self.printed()[-1500:]}")
        outcome.wrong += [f"left behind: {command[:100]}" for command in self._wait_for_leftovers()[2]]

    def contents(self, out: str) -> dict[str, bytes]:
        """Key → record of each finished job, as bytes."""
        found = {path.stem: path.read_bytes() for path in self.records(out)}
        return {key: data for key, data in found.items() if json.loads(data)["status"] == "done"}


def driver(pid: int) -> Sequence[int]:
    return [pid]


def raylet(pid: int) -> Sequence[int]:
    return [child for child, name, _ in children(pid) if name == "raylet"]


def workers(pid: int) -> Sequence[int]:
    """The processes that run jobs or carry their results."""
    return [child for one in raylet(pid) for child, _, command in children(one) if command.startswith("ray::")]


def kill(bench: Bench, out: str, most: int, find: Find) -> Outcome:
    """Kill processes while jobs run, up to ``most`` of them."""
    outcome, process = Outcome(0), bench.begin(out)
    while outcome.times < most and bench.wait_for_jobs(process, 1):
        if found := find(process.pid):
            os.kill(int(bench.rng.choice(found)), signal.SIGKILL)
            outcome.times += 1
    bench.end(process, outcome)
    return outcome


def send(bench: Bench, out: str, signals: Sequence[int], pause: float = 0.3, find: Find = driver) -> Outcome:
    """Send signals to one process while jobs run, with pauses between them."""
    outcome, process = Outcome(0), bench.begin(out)
    if bench.wait_for_jobs(process, 2) and (found := find(process.pid)):
        outcome.times = 1
        for number in signals:
            os.kill(found[0], number)
            time.sleep(pause)
    bench.end(process, outcome)
    return outcome


def under(bench: Bench, out: str, **conditions: Any) -> Outcome:
    """Run under other conditions, as `Bench.begin` takes them."""
    outcome = Outcome(1)
    bench.end(bench.begin(out, **conditions), outcome)
    return outcome


def together(bench: Bench, out: str) -> Outcome:
    """Two runs start at once with one empty cache."""
    outcome, shared = Outcome(1), {"HARNESS_CACHE": str(bench.folder / f"cache of {out}")}
    first, second = bench.begin(f"{out}, the other", shared, log="other.log"), bench.begin(out, shared)
    outcome.statuses.append(first.wait(HANGS_AFTER_SECONDS))
    bench.end(second, outcome)
    outcome.wrong += check(bench, f"{out}, the other", {}, 0)
    return outcome


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def disturbances(faketime: str | None) -> dict[str, tuple[str, Callable[[Bench, str, int], Outcome], bool]]:
    """Name → the folder of its run, what disturbs it, given how often at most, and whether that is repeated."""
    plain: dict[str, Callable[[Bench, str], Outcome]] = {
        "SIGINT once": lambda bench, out: send(bench, out, [signal.SIGINT]),
        "SIGINT twice": lambda bench, out: send(bench, out, [signal.SIGINT] * 2),
        "SIGTERM": lambda bench, out: send(bench, out, [signal.SIGTERM]),
        "SIGHUP": lambda bench, out: send(bench, out, [signal.SIGHUP]),
        **{
            f"SIGSTOP, then SIGCONT: {name}": lambda bench, out, find=find: send(
                bench, out, [signal.SIGSTOP, signal.SIGCONT], STOPPED_SECONDS, find
            )
            for name, find in {"driver": driver, "worker": workers, "raylet": raylet}.items()
        },
        "two runs, one cache": together,
        f"{OPEN_FILES} open files": partial(under, before=few_files),
        "LANG=C": partial(under, environment={"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}),
    }
    if faketime:
        for clock in ("-400d", "+20y", "+0 x20"):
            clocked = {"LD_PRELOAD": faketime, "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            plain[f"clock {clock}, in one process"] = partial(under, environment=clocked, inline=True)
    found = {name: (name.replace("/", " "), _once(act), False) for name, act in plain.items()}
    inline = _once(partial(under, inline=True))
    found |= {f"folder with {name}, in one process": (folder, inline, False) for name, folder in NAMES.items()}
    return found | {"SIGKILL: worker": ("killed worker", partial(kill, find=workers), True)}


def _once(act: Callable[[Bench, str], Outcome]) -> Callable[[Bench, str, int], Outcome]:
    return lambda bench, out, most: act(bench, out)


def check(bench: Bench, out: str, before: Mapping[str, bytes], repeats: int) -> list[str]:
    """Repeat the command until it ends with status 0, and compare. Returns what is wrong. before: records so far."""
    outcome = Outcome(0)
    for _ in range(repeats):
        before = {**before, **bench.contents(out)}
        bench.end(bench.begin(out), outcome)
        if outcome.statuses[-1:] == [0]:
            break
    wrong, final = outcome.wrong, bench.contents(out)
    if outcome.statuses and outcome.statuses[-1]:
        wrong.append(f"the repeated command ends with status {outcome.statuses[-1]}: {bench.printed()[-500:]}")
    wrong += [f"{key} ran again or is lost" for key, data in before.items() if final.get(key) != data]
    expected = bench.contents("undisturbed")
    for key in expected.keys() | final.keys():
        one, other = (essence(json.loads(some[key])) if key in some else None for some in (expected, final))
        if one != other:
            wrong.append(f"{key} differs from the undisturbed run, or is missing in one of them")
    return wrong + [f"half-written: {path}" for path in (bench.folder / out).rglob(f"{WRITING}*")]


def disturb(bench: Bench, name: str, times: int, faketime: str | None) -> bool:
    """Disturb runs as named, until it was done ``times`` times, and print a row. Returns whether all is well."""
    folder, act, repeated = disturbances(faketime)[name]
    done, runs, statuses, wrong, begun = 0, 0, list[int](), list[str](), time.monotonic()
    while done < (times if repeated else 1) and runs < times:
        runs += 1
        out, most = f"{folder}{runs}", min(KILLS_PER_START, times - done)
        outcome = act(bench, out, most)
        done, statuses, wrong = done + outcome.times, statuses + outcome.statuses, wrong + outcome.wrong
        wrong += check(bench, out, bench.contents(out), MOST_REPEATS)
        if not repeated and not done:
            break
    ended = ", ".join(map(str, dict.fromkeys(statuses)))
    row = f"{name:36} {done:3} times in {runs:2} runs, ended with status {ended:12} {time.monotonic() - begun:5.0f} s"
    print(f"{row}  {'WRONG' if wrong else 'nothing lost'}", flush=True)
    for text in wrong:
        print(f"      {text}", flush=True)
    return not wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills of workers")
    parser.add_argument("--only", action="append", help="only the disturbances whose names begin so")
    parser.add_argument("--faketime", metavar="LIBRARY", help="the path of libfaketime.so.1")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="disturbed-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), rng_of("disturbed", arguments.seed))
        command = [sys.executable, "-m", "harness", "run", "killed.yaml", "--inline", "--out", "undisturbed"]
        subprocess.run(command, cwd=bench.folder, env=bench._environment, check=True, stdout=subprocess.DEVNULL)
        print(f"undisturbed, in one process: {len(bench.contents('undisturbed'))} jobs", flush=True)
        names = [
            name
            for name in disturbances(arguments.faketime)
            if not arguments.only or name.startswith(tuple(arguments.only))
        ]
        well = [disturb(bench, name, arguments.kills, arguments.faketime) for name in names]
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
