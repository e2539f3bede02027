"""`harness edge meter`: the energy of a command on a device that cannot run the harness, such as a board with an old
Python.

The device needs Python 3.6 and its standard library: `harness.edge.power.rails_agent` is sent to it over SSH and runs
there, so nothing is installed. Power is read and the command is timed by the device's own monotonic clock.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.edge.attach.ssh import SSH, require_client
from harness.edge.power import rails_agent
from harness.edge.power.energy import EnergyWindow, Trace, energy_window
from harness.edge.power.meter import MeterError
from harness.edge.power.rails import FoundRail, rail_channels
from harness.errors import InputError


@dataclass(frozen=True)
class Metered:
    """What was measured.

    board: model of the device; "" if unknown. idle: at rest before the command; None if that was not asked for.
    work: while the command ran. status: its exit status.
    """

    board: str
    trace: Trace
    idle: EnergyWindow | None
    work: EnergyWindow
    status: int


@dataclass
class _Messages:
    """What the agent has written."""

    rails: list[FoundRail] | None = None
    board: str = ""
    samples: list[list[float]] = field(default_factory=list)
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: str | None = None
    has_ended: bool = False

    def take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # a line cut off when the connection was lost, or a banner
        if not isinstance(message, dict):
            return
        if "rails" in message:
            self.rails, self.board = [FoundRail(**rail) for rail in message["rails"]], message["board"]
        elif "samples" in message:
            self.samples += [[np.nan if value is None else value for value in row] for row in message["samples"]]
        elif "mark" in message:
            self.marks[message["mark"]] = message
        elif "failed" in message:
            self.failed = message["failed"]
        self.has_ended = self.has_ended or "ended" in message


def meter_command(
    command: Sequence[str],
    seconds: float = 0.0,
    ssh: str | None = None,
    python: str = "python3",
    hertz: float = 20.0,
    idle_seconds: float = 0.0,
    root: str = "/sys",
) -> Metered:
    """Run a command on a device and measure the energy meanwhile, or measure for some seconds without a command.

    ssh: USER@HOST of the device, by default this machine. python: the command of Python on the device. root: path of
    sysfs. Raises `InputError` if the device cannot be reached, if it has no rails or if the command cannot be run, and
    `MeterError` if no rail of a total can be read.
    """
    options = [f"--root={root}", f"--hertz={hertz:g}", f"--idle={idle_seconds:g}", f"--seconds={seconds:g}"]
    agent = ["-c", Path(rails_agent.__file__).read_text(encoding="utf-8"), *options, *command]
    if ssh is None:
        arguments = [sys.executable, *agent]
    else:
        require_client()
        arguments = [*SSH, "--", ssh, f"{python} {' '.join(map(shlex.quote, agent))}"]
    messages = _Messages()
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            messages.take(line)
    where = ssh or "this machine"
    if messages.rails is None:
        raise InputError(f"{where}: {python} gave no answer (status {process.returncode}): see the errors above")
    if not messages.rails:
        raise InputError(f"{where} has no INA3221 power monitor under {root}/bus/i2c: it is not a Jetson")
    if messages.failed:
        raise InputError(f"{where}: {messages.failed}")
    return _metered(messages, hertz, where)


def _metered(messages: _Messages, hertz: float, where: str) -> Metered:
    assert messages.rails is not None
    channels, notes = rail_channels(messages.rails)
    if "work" not in messages.marks:
        raise MeterError(f"the connection to {where} was lost before the end")
    rows = np.array(messages.samples, dtype=np.float64).reshape(-1, 1 + len(channels))
    needed = [index for index, channel in enumerate(channels, start=1) if channel.in_total]
    rows = rows[~np.isnan(rows[:, needed]).any(axis=1)]  # a reading that failed is a gap, as with a meter
    error = None if messages.has_ended else f"the connection to {where} was lost"
    trace = Trace("rails agent", channels, hertz, rows[:, 0], rows[:, 1:], np.zeros((0, 3)), error, notes)
    idle = None
    if mark := messages.marks.get("idle"):
        idle = energy_window(trace, mark["start"], mark["end"])
    mark = messages.marks["work"]
    work = energy_window(trace, mark["start"], mark["end"], idle.total.mean_watts if idle else None)
    return Metered(messages.board, trace, idle, work, mark["status"])


def lines(metered: Metered) -> list[str]:
    """The figures as lines of text."""
    work, total = metered.work, metered.work.total
    found = [f"board: {metered.board or 'unknown'}", f"covers: {work.covers}", f"time: {work.seconds:.2f} s"]
    if total.energy_joules is None:
        found.append(f"energy: not measured: {total.reason}")
        found += [
            f"  {name}: {figures.energy_joules:.2f} J, mean {figures.mean_watts:.2f} W"
            for name, figures in work.channels.items()
            if figures.energy_joules is not None
        ]
    else:
        found.append(
            f"energy: {total.energy_joules:.2f} J, mean {total.mean_watts:.2f} W, peak {total.peak_watts:.2f} W"
        )
    if work.above_idle_joules is not None:
        found.append(f"above idle: {work.above_idle_joules:.2f} J; at rest {work.idle_watts:.2f} W")
    elif metered.idle and metered.idle.total.reason:
        found.append(f"above idle: not measured: at rest, {metered.idle.total.reason}")
    found.append(f"samples: {work.n_samples}, {work.hertz:.1f} a second of {work.asked_hertz:g}")
    return [*found, *(f"note: {text}" for text in (*work.flags, *work.errors))]
