"""The state of a device, read from a synthetic tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.edge.state import device_state, power_mode, throttling


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_clocks_temperatures_and_throttling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "bin/nvpmodel", "#!/bin/sh\necho 'NV Power Mode: MAXN'\necho 0\n")
    (tmp_path / "bin/nvpmodel").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    write(tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1420800\n")
    write(tmp_path / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n")
    write(tmp_path / "class/devfreq/17000000.ga10b/cur_freq", "918000000\n")
    write(tmp_path / "class/thermal/thermal_zone0/type", "tj-thermal\n")
    write(tmp_path / "class/thermal/thermal_zone0/temp", "51500\n")
    write(tmp_path / "class/thermal/cooling_device0/type", "cpufreq-cpu0\n")
    write(tmp_path / "class/thermal/cooling_device0/cur_state", "0\n")
    write(tmp_path / "class/thermal/cooling_device1/type", "pwm-fan\n")
    write(tmp_path / "class/thermal/cooling_device1/cur_state", "2\n")
    before = device_state(tmp_path)
    assert before["power_mode"] == "MAXN"
    assert before["clocks_hertz"] == {"cpu0": 1420800e3, "17000000.ga10b": 918e6}
    assert before["temperatures_celsius"] == {"tj-thermal": 51.5}
    assert throttling(before, before) == []  # a fan that turns is no throttling
    write(tmp_path / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "9\n")
    write(tmp_path / "class/thermal/cooling_device0/cur_state", "4\n")
    assert throttling(before, device_state(tmp_path)) == [
        "cpu0 core_throttle_count rose by 6",
        "cpufreq-cpu0 at level 4",
    ]


def test_a_machine_that_says_nothing_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device_state(tmp_path) == {}
    assert power_mode() is None
