"""The state of a device during a measurement: power mode, clocks, temperatures and throttling.

What cannot be read is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

SYS = Path("/sys")


def device_state(sys: Path = SYS) -> dict[str, Any]:
    """`sampled_state`, and what takes longer to read: the power mode."""
    return {**({"power_mode": mode} if (mode := power_mode()) else {}), **sampled_state(sys)}


def sampled_state(sys: Path = SYS) -> dict[str, Any]:
    """Clocks (Hz), temperatures (°C) and counts of throttling, as far as the system provides them.

    clocks_pinned: whether the lowest and the highest clock of all processors are the same, as after `jetson_clocks`.
    """
    state: dict[str, Any] = {
        "governor": _text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocks_hertz": dict(_clocks(sys)),
        "temperatures_celsius": dict(_temperatures(sys)),
        "throttle_counts": dict(_throttle_counts(sys)),
        "cooling_states": _cooling(sys),
    }
    limits = list(_clock_limits(sys))
    pinned = {"clocks_pinned": all(lowest == highest for lowest, highest in limits)} if limits else {}
    return {name: value for name, value in state.items() if value} | pinned


def throttling(states: Sequence[Mapping[str, Any]]) -> list[str]:
    """Signs that the device was throttled between the first and the last of some states, in the order of time.

    Empty if there are none, or if none can be read.
    """
    signs = []
    counts = [state["throttle_counts"] for state in states if "throttle_counts" in state]
    for name, count in counts[-1].items() if counts else ():
        if (rise := count - counts[0].get(name, count)) > 0:
            signs.append(f"{name} rose by {rise}")
    levels: dict[str, int] = {}
    for state in states:
        for name, level in state.get("cooling_states", {}).items():
            levels[name] = max(level, levels.get(name, 0))
    signs += [f"{name} at level {level}" for name, level in levels.items() if level > 0]
    signs += sorted({sign for state in states for sign in state.get("throttled_by", ())})
    modes = list(dict.fromkeys(state["power_mode"] for state in states if "power_mode" in state))
    signs += [f"the power mode changed from {old} to {new}" for old, new in pairwise(modes)]
    return signs


def power_mode() -> str | None:
    """The power mode of a Jetson, as given by nvpmodel; None on other machines."""
    program = shutil.which("nvpmodel")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("NV Power Mode")),
        lines[0] if lines else None,
    )


def _clocks(sys: Path) -> Iterator[tuple[str, float]]:
    for folder in _cpus(sys):
        if (kilohertz := _number(folder / "scaling_cur_freq")) is not None:
            yield folder.parent.name, kilohertz * 1e3
    for folder in _gpus(sys):
        if (hertz := _number(folder / "cur_freq")) is not None:
            yield folder.name, hertz


def _clock_limits(sys: Path) -> Iterator[tuple[float, float]]:
    """The lowest and the highest clock that each processor may have."""
    folders = [
        *((folder, "scaling_min_freq", "scaling_max_freq") for folder in _cpus(sys)),
        *((folder, "min_freq", "max_freq") for folder in _gpus(sys)),
    ]
    for folder, lowest, highest in folders:
        low, high = _number(folder / lowest), _number(folder / highest)
        if low is not None and high is not None:
            yield low, high


def _cpus(sys: Path) -> list[Path]:
    return sorted((sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq"))


def _gpus(sys: Path) -> list[Path]:
    return sorted({*(sys / "class/devfreq").glob("*gpu*"), *(sys / "class/devfreq").glob("*.g*b")})


def _temperatures(sys: Path) -> Iterator[tuple[str, float]]:
    for folder in sorted((sys / "class/thermal").glob("thermal_zone*")):
        if (millidegrees := _number(folder / "temp")) is not None:
            yield _text(folder / "type") or folder.name, millidegrees / 1e3


def _throttle_counts(sys: Path) -> Iterator[tuple[str, int]]:
    for path in sorted((sys / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")):
        if (count := _number(path)) is not None:
            yield f"{path.parts[-3]} {path.name}", int(count)
    for path in sorted((sys / "class/hwmon").glob("hwmon*/oc*_event_cnt")):  # over-current events of a Jetson
        if (count := _number(path)) is not None:
            yield path.name, int(count)


def _cooling(sys: Path) -> dict[str, int]:
    """The level of each kind of cooling device that slows a processor down: 0 if it does not."""
    levels: dict[str, int] = {}
    for folder in sorted((sys / "class/thermal").glob("cooling_device*")):
        kind, level = _text(folder / "type") or folder.name, _number(folder / "cur_state")
        if level is not None and "fan" not in kind.lower() and "idle" not in kind.lower():
            levels[kind] = max(int(level), levels.get(kind, 0))
    return levels


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
