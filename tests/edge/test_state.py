"""The state of a device, read from a synthetic tree."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.edge.state import device_state, power_mode, sampled_state, throttling
from harness.edge.state_recorder import StateRecorder, summary


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
    assert throttling([before, before]) == []  # a fan that turns is no throttling
    write(tmp_path / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "9\n")
    write(tmp_path / "class/thermal/cooling_device0/cur_state", "4\n")
    assert throttling([before, device_state(tmp_path)]) == [
        "cpu0 core_throttle_count rose by 6",
        "cpufreq-cpu0 at level 4",
    ]


def test_a_machine_that_says_nothing_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device_state(tmp_path) == {}
    assert power_mode() is None


def state(**values: object) -> dict[str, object]:
    return {"at": 0.0, "cooling_states": {"cpufreq-cpu0": 0}, **values}


def test_throttling_that_is_over_before_the_end_is_seen() -> None:
    states = [state(), state(cooling_states={"cpufreq-cpu0": 3}), state(throttled_by=["gpu-0: power limit"]), state()]
    assert throttling([states[0], states[-1]]) == []  # which is all that two snapshots show
    assert throttling(states) == ["cpufreq-cpu0 at level 3", "gpu-0: power limit"]


def test_clocks_temperatures_and_pinning_are_summarised() -> None:
    found = summary(
        [
            state(clocks_hertz={"cpu0": 1e9}, temperatures_celsius={"tj": 50.0}, clocks_pinned=True),
            state(clocks_hertz={"cpu0": 2e9}, temperatures_celsius={"tj": 60.0}, clocks_pinned=False),
        ]
    )
    assert found is not None
    assert found["clocks_hertz"] == {"cpu0": {"min": 1e9, "mean": 1.5e9, "max": 2e9}}
    assert found["temperatures_celsius"]["tj"]["max"] == 60
    assert found["clocks_pinned"] == "partly"
    assert summary([]) is None


def test_clocks_are_pinned_when_no_processor_may_change_its_own(tmp_path: Path) -> None:
    cpu, gpu = tmp_path / "devices/system/cpu/cpu0/cpufreq", tmp_path / "class/devfreq/17000000.gpu"
    for folder, prefix in ((cpu, "scaling_"), (gpu, "")):
        write(folder / f"{prefix}min_freq", "918000000\n")
        write(folder / f"{prefix}max_freq", "918000000\n")
    assert sampled_state(tmp_path)["clocks_pinned"] is True
    write(gpu / "min_freq", "306000000\n")
    assert sampled_state(tmp_path)["clocks_pinned"] is False


def test_the_state_is_sampled_beside_the_work() -> None:
    with StateRecorder() as recorder:
        end = time.monotonic() + 20
        while len(recorder.states()) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        states = recorder.states()
        assert 0.8 < states[1]["at"] - states[0]["at"] < 5
        assert recorder.states(start=states[1]["at"])[0] == states[1]
        assert recorder.summary(0, states[0]["at"] - 1) is None
