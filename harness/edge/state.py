"""The state of a device during a measurement: power mode, clocks, temperatures and throttling.

What cannot be read is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SYS = Path("/sys")


def device_state(sys: Path = SYS) -> dict[str, Any]:
    """Power mode, clocks (Hz), temperatures (°C) and counts of throttling, as far as the system provides them."""
    state: dict[str, Any] = {
        "power_mode": power_mode(),
        "governor": _text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocks_hertz": dict(_clocks(sys)),
        "temperatures_celsius": dict(_temperatures(sys)),
        "throttle_counts": dict(_throttle_counts(sys)),
        "cooling_states": dict(_cooling(sys)),
    }
    return {name: value for name, value in state.items() if value}


def throttling(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Signs that the device was throttled between two states; empty if there are none, or if none can be read."""
    signs = []
    for name, count in after.get("throttle_counts", {}).items():
        if (rise := count - before.get("throttle_counts", {}).get(name, count)) > 0:
            signs.append(f"{name} rose by {rise}")
    signs += [f"{name} at level {level}" for name, level in after.get("cooling_states", {}).items() if level > 0]
    if before.get("power_mode") != after.get("power_mode"):
        signs.append(f"the power mode changed from {before.get('power_mode')} to {after.get('power_mode')}")
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
    for folder in sorted((sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq")):
        if (kilohertz := _number(folder / "scaling_cur_freq")) is not None:
            yield folder.parent.name, kilohertz * 1e3
    for folder in sorted((sys / "class/devfreq").glob("*gpu*")) + sorted((sys / "class/devfreq").glob("*.g*b")):
        if (hertz := _number(folder / "cur_freq")) is not None:
            yield folder.name, hertz


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


def _cooling(sys: Path) -> Iterator[tuple[str, int]]:
    for folder in sorted((sys / "class/thermal").glob("cooling_device*")):
        kind, level = _text(folder / "type") or folder.name, _number(folder / "cur_state")
        if level is not None and "fan" not in kind.lower() and "idle" not in kind.lower():
            yield kind, int(level)


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
