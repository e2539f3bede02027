"""The meters that read sysfs, on trees of real files whose values change while the sampler's process reads them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import HWMON, IIO, TOTALS, Changing, ina238, jetson, rapl, replace

from harness import registry
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


def rail_file(root: Path, label: str, kind: str = "curr") -> Path:
    """The file of the current of a rail."""
    (path,) = (path for path in root.glob("bus/i2c/devices/*/hwmon/*/in*_label") if path.read_text().strip() == label)
    return path.with_name(f"{kind}{path.name.removeprefix('in').removesuffix('_label')}_input")


def make_unreadable(path: Path, how: str) -> None:
    path.unlink()
    if how == "empty":
        path.write_text("")
    elif how == "not a number":
        path.write_text("off\n")
    elif how == "pipe":
        os.mkfifo(path)
    else:  # as a disabled channel, which answers ENODATA: an OSError
        path.mkdir()


@pytest.mark.parametrize("how", ["empty", "not a number", "disabled", "pipe"])
def test_a_rail_outside_the_total_that_cannot_be_read_is_left_out(how: str, tmp_path: Path) -> None:
    jetson(tmp_path, "Orin Nano")["VDD_IN"](7.0)
    make_unreadable(rail_file(tmp_path, "VDD_SOC"), how)
    meter = Ina3221(str(tmp_path))
    channels = meter.open()
    assert [(channel.name, channel.in_total) for channel in channels] == [("VDD_CPU_GPU_CV", False), ("VDD_IN", True)]
    assert list(meter.read()) == pytest.approx([1, 7])
    assert meter.notes[0].startswith("left out: rail VDD_SOC cannot be read")


@pytest.mark.parametrize("how", ["empty", "disabled"])
def test_the_total_that_cannot_be_read_is_the_reason(how: str, tmp_path: Path) -> None:
    jetson(tmp_path, "Orin Nano")
    make_unreadable(rail_file(tmp_path, "VDD_IN"), how)
    assert str(probe(f"ina3221:{tmp_path}")).startswith("rail VDD_IN cannot be read")


def test_a_rail_that_fails_later_loses_itself_alone(tmp_path: Path) -> None:
    jetson(tmp_path, "Orin Nano")["VDD_IN"](7.0)
    with Recorder(f"ina3221:{tmp_path}", 100.0) as recorder:
        start = time.monotonic()
        time.sleep(1.0)
        make_unreadable(rail_file(tmp_path, "VDD_SOC"), "empty")
        time.sleep(1.0)
        end = time.monotonic()
        window = energy_window(recorder.trace(end), start, end)
    assert not window.errors
    assert window.total.mean_watts == pytest.approx(7)
    assert "readings failed" in str(window.channels["VDD_SOC"].reason)
    assert window.channels["VDD_CPU_GPU_CV"].reason is None


def test_two_rails_of_one_label_are_no_total(tmp_path: Path) -> None:
    for board in ("Orin Nano", "Xavier NX (JetPack 5)"):  # chips 1-0040 and 7-0040
        jetson(tmp_path, board)
    window = measured(f"ina3221:{tmp_path}", 2.0)
    assert "no total rail" in str(window.total.reason)
    assert {"VDD_IN (1-0040)", "VDD_IN (7-0040)"} <= set(window.channels)
    assert window.channels["VDD_IN (1-0040)"].energy_joules == pytest.approx(2, rel=0.1)
    assert any("2 rails are called VDD_IN" in flag for flag in window.flags)


@pytest.mark.parametrize("has_power", [True, False])
def test_the_input_of_thor_is_its_power_or_voltage_times_current(has_power: bool, tmp_path: Path) -> None:
    jetson(tmp_path, "AGX Thor")
    ina238(tmp_path, has_power)
    meter = Ina3221(str(tmp_path))
    channels = meter.open()
    assert [channel.name for channel in channels if channel.in_total] == ["VIN"]
    assert dict(zip([channel.name for channel in channels], meter.read(), strict=True))["VIN"] == pytest.approx(30)
    assert any("voltage times current" in note for note in meter.notes) == (not has_power)


def test_thor_without_the_monitor_of_its_input_says_so(tmp_path: Path) -> None:
    jetson(tmp_path, "AGX Thor")
    meter = Ina3221(str(tmp_path))
    meter.open()
    assert "without the INA238" in meter.notes[0]


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
    window = measured(f"ina3221:{tmp_path}", 2.5)
    assert window.total.energy_joules is None
    assert "no total rail" in str(window.total.reason)
    assert window.channels["VDD_CPU_GPU"].energy_joules == pytest.approx(2.5, rel=0.05)
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


@pytest.mark.parametrize(("zone", "left"), [("intel-rapl:0:0", "package-0/core"), ("intel-rapl:1:0", "package-1/dram")])
def test_rapl_leaves_out_what_cannot_be_read(zone: str, left: str, tmp_path: Path) -> None:
    make_unreadable(rapl(tmp_path, 1_000_000, 2**32)[zone], "disabled")
    meter = Rapl(str(tmp_path))
    channels = meter.open()
    assert left not in [channel.name for channel in channels]
    assert {"package-0", "package-1", "psys"} <= {channel.name for channel in channels}
    assert meter.notes[0].startswith(f"left out: {left}")
    assert list(meter.read()) == pytest.approx([1.0] * 5)


@pytest.mark.parametrize("how", ["empty", "pipe"])
def test_rapl_without_a_package_is_not_read(how: str, tmp_path: Path) -> None:
    make_unreadable(rapl(tmp_path, 1_000_000, 2**32)["intel-rapl:1"], how)
    with pytest.raises(MeterError, match="intel-rapl:1/energy_uj cannot be read"):
        Rapl(str(tmp_path)).open()


def test_rapl_keeps_zones_of_the_same_name_apart(tmp_path: Path) -> None:
    files = rapl(tmp_path, 1_000_000, 2**32)
    (files["intel-rapl:0:0"].parent / "name").write_text("dram\n")
    channels = Rapl(str(tmp_path)).open()
    assert [c.name for c in channels if c.name.startswith("package-0/")] == ["package-0/dram", "package-0/dram (2)"]


def test_rapl_wraps_while_it_is_read(tmp_path: Path) -> None:
    wraps_at = 262_143_328_850  # of a real processor
    files = rapl(tmp_path, 0, wraps_at)
    watts = {"intel-rapl:0": 10, "intel-rapl:0:1": 2, "intel-rapl:1": 4, "intel-rapl:1:0": 1}

    def step(seconds: float) -> None:
        for zone, power in watts.items():
            replace(files[zone], f"{int(wraps_at - 1_500_000 + seconds * power * 1e6) % wraps_at}\n")

    with Changing(step):
        window = measured(f"rapl:{tmp_path}", 2.0)
    assert not window.total.reason
    assert window.total.energy_joules == pytest.approx(17 * window.seconds, rel=0.03)
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

    def refuse(path: str) -> str:
        if path.endswith("energy_uj"):
            raise PermissionError(13, "Permission denied", path)
        return Path(path).read_text(encoding="utf-8")

    if os.geteuid() == 0:
        monkeypatch.setattr("harness.edge.power.meters.rapl.read_file", refuse)  # root may read anything
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


FAULTY = """\
from harness.edge.power.meter import Channel, Meter

class Faulty(Meter):
    name, title = "faulty", "a meter with a fault"
    n_read = 0

    def open(self):
        if self.argument == "open":
            raise TypeError("no such thing")
        return (Channel("a", "power", "something", True),)

    def read(self):
        self.n_read += 1
        return [5.0] if self.n_read < 50 else [5.0][9:9] if self.argument == "short" else [[5.0][9]]
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plug-in meter with a fault in its code, as a package that is installed."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    about = tmp_path / "faulty-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[cosmo_harness.meters]\nfaulty = faulty:Faulty\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.paths.cache_clear()
    yield
    registry.paths.cache_clear()


@pytest.mark.parametrize(
    ("argument", "said"), [("index", "IndexError: list index out of range"), ("short", "0 values for 1 channels")]
)
def test_a_fault_of_a_meter_keeps_what_was_measured(faulty: None, argument: str, said: str) -> None:
    with Recorder(f"faulty:{argument}", 100.0) as recorder:
        start = time.monotonic()
        while not recorder.trace().error and time.monotonic() < start + 20:
            time.sleep(0.1)
        end = time.monotonic() + 1
        window = energy_window(recorder.trace(end), start, end)
    assert said in window.errors[0]
    assert window.partial is not None
    assert (window.partial.mean_watts or 0) == pytest.approx(5)
    assert "Traceback" in recorder.stderr


def test_a_fault_when_a_meter_is_opened_is_its_reason(faulty: None) -> None:
    assert probe("faulty:open") == "TypeError: no such thing"
