"""The state of a run, read from its folder alone: from any terminal, while it runs and afterwards."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from harness.jobs import Progress
from harness.results.health import TrialsWarning, warnings_of
from harness.results.plan_records import labelled_counts
from harness.results.run import RunResults
from harness.show.estimate import TimeLeft, span
from harness.show.heartbeat import silence, stopped
from harness.show.progress import running_text
from harness.show.tables import labelled_text, show_choices, show_failures, show_warnings

STATES = ("done", "failed", "running", "waiting")
STOPPED = "stopped"  # by a search
MOST_READ = 1000  # trials whose records are read for warnings; the report reads them all


def show_status(results: RunResults, console: Console) -> None:
    """Jobs and trials by state, what runs where, rate and time left; the failed jobs with their errors."""
    warnings = _warnings(results)  # before all else, since it reads most: what it has read is not read again
    console.print(_view(results), soft_wrap=not console.is_terminal)
    _show_findings(results, warnings, console)


def _warnings(results: RunResults) -> list[TrialsWarning]:
    return warnings_of(results) if len(results.plan.trials) <= MOST_READ else []


def _show_findings(results: RunResults, warnings: Sequence[TrialsWarning], console: Console) -> None:
    """What a search chose, the warnings and the failed jobs."""
    show_choices(results, console)
    show_warnings(warnings, console)
    show_failures(results, console)


def watch_status(run_folder: Path, console: Console, seconds: float) -> None:
    """Show the jobs again every so many seconds until the run is over or Ctrl-C is pressed, and then the findings."""
    results = RunResults.open(run_folder)
    with Screen(console=console, auto_refresh=False) as screen:
        screen.update(_view(results), refresh=True)
        while results.live is not None and stopped(results.live) is None:
            time.sleep(seconds)
            results = results.newer()
            screen.update(_view(results), refresh=True)
    _show_findings(results, _warnings(results), console)


def _view(results: RunResults) -> RenderableType:
    live = results.live
    why = "not begun" if live is None else stopped(live)
    running = live["running"] if live is not None and why is None else []
    parts: list[RenderableType] = [
        Text(f"{results.plan.study} in {results.folder}: {why or 'running'}"),
        _jobs(results, {one["key"] for one in running}),
        Text(labelled_text(labelled_counts(results.plan.trials))),
    ]
    if live is not None and why is None:
        parts += [Text(_pace(live)), _nodes(live, running)]
    elif live is not None and any(results.status(key) is None for key in results.plan.jobs):
        parts.append(Text(f"go on with: {results.study.command or 'harness run'}"))
    return Group(*parts)


def _jobs(results: RunResults, running: set[str]) -> Table:
    """Counts by kind and state. A job that runs again counts as running, not as failed."""
    jobs = results.plan.jobs
    states = {key: "running" if key in running else results.status(key) or "waiting" for key in jobs}
    shown = [*STATES, STOPPED] if STOPPED in states.values() else STATES
    table = Table("jobs", *shown, box=None, pad_edge=False, header_style="bold")
    for kind in dict.fromkeys(job.kind for job in jobs.values()):
        counts = Counter(states[key] for key, job in jobs.items() if job.kind == kind)
        table.add_row(f"{kind} ({counts.total()})", *(str(counts[state]) for state in shown))
    trials = Counter(map(results.trial_status, results.plan.trials))
    table.add_row(
        f"trials ({trials.total()})", *(str(trials[name]) for name in ("done", "failed")), "", str(trials["pending"])
    )
    return table


def _pace(live: Mapping[str, Any]) -> str:
    """``process 12 on head for 3 min 05 s · 12.3 jobs a minute · about 2 min left``."""
    ended, elapsed = live["done"] + live["failed"], live["elapsed_seconds"]
    parts = [f"process {live['pid']} on {live['host']} for {span(elapsed + silence(live))}"]
    parts += [f"{60 * ended / elapsed:.1f} jobs a minute"] if ended else []
    parts += [str(TimeLeft(live["seconds_left"], tuple(live.get("untimed", ()))).after(silence(live)))]
    return " · ".join(parts)


def _nodes(live: Mapping[str, Any], running: list[dict[str, Any]]) -> Table:
    """The nodes, and what runs on each; without Ray there is one, this process."""
    nodes = {node["name"]: (f"{node['cpus']:g}", f"{node['gpus']:g}") for node in live["nodes"]}
    nodes |= {one["where"]: ("", "") for one in running if one["where"] not in nodes}
    table = Table("node", "CPUs", "GPUs", "running", box=None, pad_edge=False, header_style="bold")
    for name, amounts in nodes.items():
        here = [_doing(one, silence(live)) for one in running if one["where"] == name] or ["nothing"]
        table.add_row(name, *amounts, here[0])
        for line in here[1:]:
            table.add_row("", "", "", line)
    return table


def _doing(one: Mapping[str, Any], silence: float) -> str:
    """A running job and how far it is. silence: seconds since that was written."""
    progress, left = one.get("progress"), one.get("seconds_left")
    if progress is not None:
        progress = Progress(**{**progress, "loss": math.nan if progress["loss"] is None else progress["loss"]})
    left = None if left is None else max(0.0, left - silence)
    return f"{one['title']}: {running_text(progress, one['seconds'] + silence, left)}"
