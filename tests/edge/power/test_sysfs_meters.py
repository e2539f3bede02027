"""The meters that read sysfs, on trees of real files whose values change while the sampler's process reads them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from trees import HWMON, IIO, TOTALS, Changing, jetson, rapl, replace

from harness.edge.power.energy import EnergyWindow, energy_window
from harness.edge.power.meter import MeterError
from harness.edge.power.meters.ina3221 import Ina3221
from harness.edge.power.meters.rapl import Rapl
from harness.edge.power.recorder import Recorder, choose, probe


def measured(meter: str, seconds: float, hertz: float = 100.0) -> EnergyWindow:
    with Recorder(meter, hertz) as recorder:
        start = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        return energy_window(recorder.trace(end), start, end)


@pytest.mark.parametrize("board", [*HWMON, *IIO])
def test_every_board_has_its_rails_and_its_total(board: str, tmp_path: Path) -> None:
    setters = jetson(tmp_path, board)
    for number, rail in enumerate(sorted(setters)):
        setters[rail](number + 0.5)
    meter = Ina3221(str(tmp_path))
    channels = {channel.name: channel for channel in meter.open()}
    assert set(channels) == set(setters)
    assert {name for name, channel in channels.items() if channel.in_total} == TOTALS[board]
    assert list(meter.read()) == pytest.approx([number + 0.5 for number in range(len(setters))])


def test_power_that_changes_is_integrated(tmp_path: Path) -> None:
    setters = jetson(tmp_path, "TX2")
    with Changing(lambda seconds: setters["VDD_IN"](10 if seconds % 1 < 0.5 else 2)):
        window = measured(f"ina3221:{tmp_path}", 3.0)
    assert window.total.energy_joules == pytest.approx(18, rel=0.05)
    assert window.total.peak_watts == pytest.approx(10)
    assert window.covers == "the whole module"


def test_cpu_and_gpu_on_one_rail_are_booked_as_neither(tmp_path: Path) -> None:
    """Zeus books VDD_CPU_GPU_CV as the processor's, and jtop adds overlapping rails where VDD_IN is missing."""
    jetson(tmp_path, "unknown carrier")
    window = measured(f"ina3221:{tmp_path}", 1.5)
    assert window.total.energy_joules is None
    assert "no total rail" in str(window.total.reason)
    assert window.channels["VDD_CPU_GPU"].energy_joules == pytest.approx(1.5, rel=0.05)
    assert window.channels["VDD_CPU_GPU"].reason is None


def test_permission_lost_on_the_way_keeps_what_was_measured(tmp_path: Path) -> None:
    root = os.geteuid() == 0  # who may read anything: a loop of links stands for the refusal
    refusal = "readings in a row failed" if root else "permission lost"
    setters = jetson(tmp_path, "Nano")
    setters["POM_5V_IN"](4.0)
    (path,) = tmp_path.glob("bus/i2c/devices/*/iio:device0/in_power0_input")
    with Recorder(f"ina3221:{tmp_path}", 100.0) as recorder:
        start = time.monotonic()
        time.sleep(1.5)
        if root:
            path.unlink()
            path.symlink_to(path.name)
        else:
            path.chmod(0)
        time.sleep(0.5)
        end = time.monotonic()
        window = energy_window(recorder.trace(end), start, end)
    assert window.total.energy_joules is None
    assert refusal in window.errors[0]
    assert window.partial is not None
    assert window.partial.energy_joules == pytest.approx(4 * 1.5, rel=0.1)


def test_a_killed_sampler_keeps_what_was_measured(tmp_path: Path) -> None:
    jetson(tmp_path, "TX2")
    with Recorder(f"ina3221:{tmp_path}", 100.0) as recorder:
        start = time.monotonic()
        time.sleep(2.5)
        os.kill(recorder.pid, signal.SIGKILL)
        end = time.monotonic() + 5
        window = energy_window(recorder.trace(end), start, end)
    assert "died" in window.errors[0]
    assert window.total.energy_joules is None
    assert window.partial is not None
    assert 1.0 <= (window.partial.energy_joules or 0) <= 2.6  # it tells once a second: at most the last is lost


def test_rapl_adds_packages_and_memory_only(tmp_path: Path) -> None:
    rapl(tmp_path, 1_000_000, 2**32)
    meter = Rapl(str(tmp_path))
    channels = meter.open()
    assert [channel.name for channel in channels if channel.in_total] == [
        "package-0",
        "package-0/dram",
        "package-1",
        "package-1/dram",
    ]
    assert "psys" in [channel.name for channel in channels]
    assert list(meter.read()) == pytest.approx([1.0] * 6)


def test_rapl_wraps_while_it_is_read(tmp_path: Path) -> None:
    wraps_at = 12_000_000
    files = rapl(tmp_path, 0, wraps_at)
    watts = {"intel-rapl:0": 10, "intel-rapl:0:1": 2, "intel-rapl:1": 4, "intel-rapl:1:0": 1}

    def step(seconds: float) -> None:
        for zone, power in watts.items():
            replace(files[zone], f"{int(9_000_000 + seconds * power * 1e6) % wraps_at}\n")

    with Changing(step):
        window = measured(f"rapl:{tmp_path}", 2.0)
    assert window.total.energy_joules == pytest.approx(2 * 17, rel=0.03)
    assert window.channels["package-0/core"].energy_joules is None
    assert "stood still" in str(window.channels["package-0/core"].reason)


def test_rapl_that_stands_still_is_no_figure(tmp_path: Path) -> None:
    rapl(tmp_path, 0, 2**32)
    window = measured(f"rapl:{tmp_path}", 1.5)
    assert window.total.energy_joules is None
    assert "stood still" in str(window.total.reason)


def test_rapl_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CodeCarbon books a constant power in its place."""
    files = rapl(tmp_path, 0, 2**32)
    read_text = Path.read_text

    def refuse(path: Path, *args: object, **kwargs: object) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, encoding="utf-8")

    if os.geteuid() == 0:
        monkeypatch.setattr(Path, "read_text", refuse)  # root may read anything
    else:
        for path in files.values():
            path.chmod(0)
    with pytest.raises(MeterError, match=r"permission: .*energy_uj cannot be read; as root, run: chmod"):
        Rapl(str(tmp_path)).open()


def test_a_machine_without_them_says_what_was_looked_for(tmp_path: Path) -> None:
    assert "no INA3221 power monitor" in str(probe(f"ina3221:{tmp_path}"))
    assert "no intel-rapl zones" in str(probe(f"rapl:{tmp_path}"))


def test_the_samplers_cost_is_measured(tmp_path: Path) -> None:
    jetson(tmp_path, "AGX Orin")
    share = measured(f"ina3221:{tmp_path}", 2.5, hertz=20.0).sampler_core_share
    assert share is not None
    assert 0 < share < 0.2


def test_no_meter_is_chosen_against_the_studys_word() -> None:
    assert choose("none", "cpu") == (None, {"none": "the study asks for no meter"})
